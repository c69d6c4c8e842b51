"""`calibrate loop`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from calibrate.calibration.trials.summary import finite
from calibrate.cli.arguments import with_simulator
from calibrate.cli.exits import simulating
from calibrate.cli.options import OneNetwork, StudyFile
from calibrate.cli.output import QuietOutput
from calibrate.cli.tables.statistics import print_statistics
from calibrate.objective.rounding import counted
from calibrate.simulators.closed_loop import LoopProgress
from calibrate.study import Study
from calibrate.tasks.lines import print_line
from calibrate.tasks.loop import Looped, run_loop


def loop(
    *,
    network: OneNetwork,
    deadline: Annotated[
        str | None,
        typer.Option(
            help="What to do if the network misses a deadline: wait, hold or skip (overrides the study)."
        ),
    ] = None,
    file: StudyFile,
    output: QuietOutput,
) -> None:
    """Run one network in the closed loop of its study and measure the latency of every interval."""
    study, parameters, index = network.read(file, {"loop.deadline": deadline})
    study = with_simulator(study, output.say)
    with simulating(), _show_progress(output, study.name) as progress:
        looped = run_loop(study, parameters, graph=network.graph, index=index, progress=progress)
    if output.as_json:
        output.emit(_as_json(looped))
    else:
        _print(output.console, study, looped)


@contextmanager
def _show_progress(output: QuietOutput, name: str) -> Iterator[Callable[[LoopProgress], None]]:
    output.say(f"{name}: building the network")
    if output.quiet or not output.messages.is_terminal:
        yield lambda _: None
        return
    with Live(console=output.messages, auto_refresh=False, transient=True) as live:
        yield lambda progress: live.update(_draw(name, progress), refresh=True)


def _draw(name: str, progress: LoopProgress) -> Group:
    line = Table.grid(padding=(0, 1))
    line.add_row(
        name,
        ProgressBar(total=progress.total, completed=progress.done, width=30),
        f"{progress.done}/{progress.total} intervals",
    )
    of = progress.latencies
    latency = f"median {of['median_ms']:.1f} ms, 95 % {of['p95_ms']:.1f} ms, worst {of['max_ms']:.1f} ms"
    share = f"{100 * of['realtime_share']:.0f} % in real time"
    done = (
        f"{counted(progress.episodes, 'episode')}, mean reward {progress.reward:.2f}"
        if progress.episodes
        else ""
    )
    return Group(line, Text(f"{latency}; {share}"), Text(done, style="dim"))


def _as_json(looped: Looped) -> dict[str, Any]:
    return {
        **looped.run.latencies.summary(),
        "interval_ms": looped.run.latencies.interval_ms,
        "intervals": int(looped.run.latencies.total.size),
        "missed": looped.run.missed,
        "build_s": looped.build_s,
        "episodes": [
            {
                "start_ms": episode.start_ms,
                "stop_ms": episode.stop_ms,
                "reward": episode.reward,
                **{name: finite(value) for name, value in episode.measures.items()},
            }
            for episode in looped.run.episodes
        ],
        "statistics": {
            name: estimate.value if estimate.defined else None for name, estimate in looped.estimates.items()
        },
        "simulator": dict(looped.simulator),
        "parameters": dict(looped.parameters),
    }


def _print(console: Console, study: Study, looped: Looped) -> None:
    latencies, run = looped.run.latencies, looped.run
    title = f"{counted(latencies.total.size, 'interval')} of {latencies.interval_ms:g} ms"
    table = Table(title=title, title_justify="left")
    for column in ("", "median", "95 %", "worst"):
        table.add_column(column, justify="left" if not column else "right")
    for label, array in (
        ("latency (ms)", latencies.total),
        ("simulation (ms)", latencies.simulation),
        ("environment (ms)", latencies.environment),
        ("overhead of the loop (ms)", latencies.overhead),
    ):
        values = (float(np.median(array)), float(np.percentile(array, 95)), float(array.max()))
        table.add_row(label, *(f"{value:.2f}" for value in values))
    console.print(table)
    share = latencies.summary()["realtime_share"]
    print_line(console, f"Intervals in real time: {100 * share:.1f} %")
    if run.missed:
        print_line(console, f"Missed clock ticks: {run.missed}")
    if run.episodes:
        mean = sum(episode.reward for episode in run.episodes) / len(run.episodes)
        print_line(console, f"Episodes: {len(run.episodes)}, mean reward {mean:.3g}")
    print_statistics(console, study, looped.estimates)
