"""`calibrate loop`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from calibrate.calibration.trials.summary import finite, target_results
from calibrate.cli import tables
from calibrate.cli.arguments import read, with_simulator
from calibrate.cli.arguments import settings as given_settings
from calibrate.cli.options import (
    Backend,
    Debug,
    Json,
    Quiet,
    Seed,
    Settings,
    Storage,
    StudyPath,
)
from calibrate.cli.output import FailedError, errors, output
from calibrate.errors import CalibrateError, SimulatorError
from calibrate.results.results import read_results
from calibrate.simulators.closed_loop import LoopProgress
from calibrate.study import Study
from calibrate.tasks.loop import Looped, run_loop


def loop(
    study: StudyPath,
    settings: Settings = None,
    trial: Annotated[
        int | None, typer.Option(min=0, help="The network of this trial of the study.", metavar="N")
    ] = None,
    graph: Annotated[
        int, typer.Option(min=0, help="Number of the graph (realisation of the connectivity).", metavar="N")
    ] = 0,
    duration_ms: Annotated[
        float | None, typer.Option(help="Length of the measurement, instead of the study's.", metavar="MS")
    ] = None,
    deadline: Annotated[
        str | None,
        typer.Option(
            help="What to do if the network misses a deadline: wait, hold or skip (overrides the study)."
        ),
    ] = None,
    backend: Backend = None,
    storage: Storage = None,
    seed: Seed = None,
    quiet: Quiet = False,
    json_: Json = False,
    debug: Debug = False,  # noqa: ARG001
) -> None:
    """Run one network in the closed loop of its study, and show how long every interval takes."""
    with output(json_) as (emit, console):
        given: dict[str, Any] = {}
        index = 0
        if trial is not None:
            if seed is not None:
                raise CalibrateError("--seed cannot be combined with --trial, which has its own seed")
            results = read_results(read(study, {}, searched=False), storage=storage)
            given, index = results.candidate(trial)
            backend = backend or results.study.simulation.backend
        changes = {
            "simulation.backend": backend,
            "study.seed": seed,
            "simulation.duration_ms": duration_ms,
            "loop.deadline": deadline,
        }
        found = read(study, changes, searched=False)
        given |= given_settings(found, settings or [])
        messages = errors()
        ready = with_simulator(found, messages, quiet=quiet)
        try:
            with _shown(messages, ready.name, quiet=quiet) as progress:
                looped = run_loop(ready, given, graph=graph, index=index, progress=progress)
        except SimulatorError as error:
            raise FailedError(str(error)) from error
        if json_:
            emit(_as_json(looped))
            return
        units = {statistic.name: statistic.unit for statistic in ready.statistics}
        _print(console, ready, looped, units)


@contextmanager
def _shown(console: Console, name: str, *, quiet: bool) -> Iterator[Callable[[LoopProgress], None]]:
    if quiet:
        yield lambda _: None
        return
    tables.print_line(console, f"{name}: building the network")
    if not console.is_terminal:
        yield lambda _: None
        return
    with Live(console=console, auto_refresh=False, transient=True) as live:
        yield lambda progress: live.update(_drawn(name, progress), refresh=True)


def _drawn(name: str, progress: LoopProgress) -> Group:
    line = Table.grid(padding=(0, 1))
    line.add_row(
        name,
        ProgressBar(total=progress.total, completed=progress.done, width=30),
        f"{progress.done}/{progress.total} intervals",
    )
    of = progress.latencies
    share = f"{100 * of['realtime_share']:.0f} % in real time"
    took = f"median {of['median_ms']:.1f} ms, 95 % {of['p95_ms']:.1f} ms, worst {of['max_ms']:.1f} ms"
    done = f"{progress.episodes} episodes, mean reward {progress.reward:.2f}" if progress.episodes else ""
    return Group(line, Text(f"{took}; {share}"), Text(done, style="dim"))


def _as_json(looped: Looped) -> dict[str, Any]:
    return {
        **looped.run.latencies.summary(),
        "interval_ms": looped.run.latencies.interval_ms,
        "intervals": int(looped.run.latencies.total.size),
        "missed": looped.run.missed,
        "build_s": looped.build_s,
        "episodes": [
            {"start_ms": one.start_ms, "stop_ms": one.stop_ms, "reward": one.reward, **_finite(one.measures)}
            for one in looped.run.episodes
        ],
        "statistics": {
            name: found.value if found.defined else None for name, found in looped.estimates.items()
        },
        "simulator": dict(looped.simulator),
        "parameters": dict(looped.parameters),
    }


def _finite(measures: Mapping[str, float]) -> dict[str, float | None]:
    return {name: finite(value) for name, value in measures.items()}


def _print(console: Console, study: Study, looped: Looped, units: dict[str, str]) -> None:
    latencies, run = looped.run.latencies, looped.run
    of = latencies.summary()
    title = f"{latencies.total.size} intervals of {latencies.interval_ms:g} ms"
    table = Table(title=title, title_justify="left")
    for column in ("", "median", "95 %", "worst"):
        table.add_column(column, justify="left" if not column else "right")
    for label, array in (
        ("latency (ms)", latencies.total),
        ("simulation (ms)", latencies.simulation),
        ("environment (ms)", latencies.environment),
        ("the loop itself (ms)", latencies.overhead),
    ):
        taken = (float(np.median(array)), float(np.percentile(array, 95)), float(array.max()))
        table.add_row(label, *(f"{value:.2f}" for value in taken))
    console.print(table)
    tables.print_line(console, f"In real time: {100 * of['realtime_share']:.1f} % of the intervals")
    if run.missed:
        tables.print_line(console, f"Ticks of the clock at which the network was late: {run.missed}")
    if run.episodes:
        mean = sum(one.reward for one in run.episodes) / len(run.episodes)
        tables.print_line(console, f"Episodes: {len(run.episodes)}, mean reward {mean:.3g}")
    tables.print_statistics(console, looped.estimates, target_results(study, looped.estimates), units)
