"""What the command line prints: tables and closing lines."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from calibrate.calibration.resources.estimate import Cost
from calibrate.calibration.result import Reason, Result
from calibrate.calibration.single_simulation import Simulated
from calibrate.calibration.trials.averages import Summary
from calibrate.calibration.trials.summary import TargetResult, TrialSummary, finite
from calibrate.masking import printable
from calibrate.objective import Estimate
from calibrate.results.looseness import Looseness
from calibrate.results.results import Results
from calibrate.study import Study
from calibrate.tasks.display import duration

_REASONS: Mapping[Reason, str] = {
    "trials": "all trials of its budget are done",
    "loss": "the loss of its budget is reached",
    "plateau": "none of the latest trials was the best so far",
    "wall_s": "the time of its budget is used",
    "grid": "the grid is complete",
    "interrupted": "you interrupted it",
}


def print_line(console: Console, text: str) -> None:
    """A line as it is, however long."""
    console.print(printable(text), soft_wrap=True, markup=False, highlight=False)


def print_result(console: Console, study: Study, result: Result) -> None:
    """The targets against the values reached, the best parameters, and how the time went."""
    done = result.complete + result.failed
    failed = f", {result.failed} of them failed" if result.failed else ""
    failed += f", {result.infeasible} broke a constraint" if result.infeasible else ""
    print_line(console, f"{study.name}: {done} trials{failed}; stopped because {_REASONS[result.stopped]}")
    if result.last_failure is not None:
        print_line(console, f"The last failure: {result.last_failure}")
    if result.best is not None:
        print_best(console, result.best)
    if result.front:
        print_front(console, study, result.front)
    times = result.times
    shares = {
        "starting": times.starting_s,
        "simulating": times.simulating_s,
        "asking": times.asking_s,
        "scoring": times.scoring_s,
        "storing": times.storing_s,
    }
    parts = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in shares.items())
    print_line(console, f"Time: {duration(times.wall_s)} ({parts})")


def print_results(console: Console, results: Results, chosen: TrialSummary | None) -> None:
    """What a study has found: trials by state, one of them against the targets, when and how long it ran."""
    counts, spent = results.counts, results.spent
    details = [
        f"{counts[state]} {words}"
        for state, words in (
            ("failed", "failed"),
            ("infeasible", "broke a constraint"),
            ("taken_over", "taken over from another study"),
        )
        if counts[state]
    ]
    of_them = f" ({', '.join(details)})" if details else ""
    print_line(console, f"{results.study.name}: {counts['complete'] + counts['failed']} trials{of_them}")
    for reason, times in results.failures.items():
        print_line(console, f"  failed {times} times: {reason}")
    if chosen is None:
        print_line(console, "No trial is complete that keeps all constraints.")
    else:
        print_best(console, chosen)
    if results.looseness is not None and chosen is not None and chosen is results.best:
        print_looseness(console, chosen, results.looseness)
    if results.front:
        print_front(console, results.study, results.front)
    if spent.begun and spent.last:
        days = [moment.astimezone().strftime("%Y-%m-%d %H:%M") for moment in (spent.begun, spent.last)]
        when = days[0] if days[0] == days[1] else f"{days[0]} to {days[1]}"
        print_line(
            console, f"Time: {when}; {spent.simulations} simulations took {duration(spent.simulated_s)}"
        )
    print_line(console, f"Results: {results.storage}")


def print_looseness(console: Console, best: TrialSummary, found: Looseness) -> None:
    """How far the parameters can move from the best ones."""
    table = Table()
    table.add_column("parameter")
    for name in ("best", "loss grows by 1 within", "least fixed along"):
        table.add_column(name, justify="right")
    for name, (low, high) in found.parameters.items():
        one, other = found.loosest[name]
        table.add_row(
            name, f"{best.params[name]:.4g}", f"{low:.4g} to {high:.4g}", f"{one:.4g} to {other:.4g}"
        )
    console.print(table)
    explained = f"explains {found.explained:.0%} of their variance"
    print_line(console, f"  from a linear fit to {found.trials} trials, which {explained}")


def print_best(console: Console, best: TrialSummary) -> None:
    """The best trial: targets and parameters."""
    total, met = len(best.targets), sum(target.met for target in best.targets)
    over = f" over {best.graphs} graphs" if best.graphs > 1 else ""
    title = f"Trial {best.number}, loss {best.loss:.4g}{over}, meets {met} of {total} targets"
    graphs = next((target.fresh.graphs for target in best.targets if target.fresh), 0)
    if graphs:
        met = sum(bool(target.fresh_met) for target in best.targets)
        title += f"; on {graphs} fresh graphs {met} of {total}"
    console.print(title, style="bold", soft_wrap=True, markup=False, highlight=False)
    table = Table()
    table.add_column("statistic")
    for name in ("target", "reached", *(["fresh graphs"] if graphs else [])):
        table.add_column(name, justify="right")
    table.add_column("unit")
    table.add_column("met")
    for target in best.targets:
        cells = [target.name, target.aim, number(target.reached)]
        if target.fresh is not None:
            cells.append(_spread(target.fresh))
        table.add_row(*cells, target.unit, _met(target))
    console.print(table)
    _print_notes(console, {target.name: target.note for target in best.targets})
    print_line(console, f"Best parameters: {assignments(best.params)}")


def _met(target: TargetResult) -> Text:
    text = _yes(target.met)
    if target.fresh_met is not None and target.fresh_met != target.met:
        text = Text.assemble(text, ", fresh graphs: ", _yes(target.fresh_met))
    return text


def _yes(met: bool) -> Text:
    return Text("yes", "green") if met else Text("no", "red")


def _spread(found: Summary) -> str:
    if math.isnan(found.mean):
        return "undefined"
    return f"{found.mean:.4g}" if math.isnan(found.sd) else f"{found.mean:.4g} ± {found.sd:.2g}"


def print_front(console: Console, study: Study, front: Sequence[TrialSummary]) -> None:
    """The Pareto front: a row per trial, its targets' values, and its parameters."""
    table = Table(title=f"Pareto front: {len(front)} trials", title_justify="left", title_style="bold")
    table.add_column("trial", justify="right")
    for objective in study.objectives:
        table.add_column(objective.name, justify="right")
    table.add_column("parameters")
    for best in front:
        cells = [Text(number(target.reached), "green" if target.met else "") for target in best.targets]
        table.add_row(str(best.number), *cells, assignments(best.params))
    console.print(table)


def print_warnings(console: Console, warnings: Iterable[str]) -> None:
    """What is allowed but hardly meant."""
    for warning in warnings:
        print_line(console, f"warning: {warning}")


def check_json(study: Study, cost: Cost | None) -> dict[str, Any]:
    """A checked study and its cost as `calibrate check --json` prints them; None for what is not known."""
    return {
        "study": study.name,
        "model": study.file.model.name,
        "neurons": cost and cost.neurons,
        "synapses": cost and cost.synapses,
        "free": list(study.space),
        "objectives": [objective.name for objective in study.objectives],
        "constraints": [constraint.name for constraint in study.constraints],
        "sampler": study.sampler.name,
        "trials": study.trials,
        "backend": study.simulation.backend,
        "memory_bytes": cost and cost.memory_bytes,
        "slots": cost and cost.slots,
        "batch_size": cost and cost.batch_size,
        "trial_s": cost and cost.trial_s,
        "total_s": cost and cost.total_s,
        "warnings": list(study.warnings),
    }


def print_check(console: Console, study: Study, cost: Cost | None, *, database: str) -> None:
    """A checked study and its cost."""
    lines = {
        "study": study.name,
        "model": study.file.model.name,
        "free": ", ".join(study.space) or "nothing",
        "objectives": ", ".join(objective.name for objective in study.objectives),
        "constraints": ", ".join(constraint.name for constraint in study.constraints),
        "stages": ", then ".join(f"{stage.warmup_ms + stage.duration_ms:g} ms" for stage in study.stages),
        "sampler": study.sampler.name,
        "trials": "no limit" if study.trials is None else str(study.trials),
        "backend": study.simulation.backend,
        "database": database,
    }
    if cost is not None:
        lines["network"] = f"{cost.neurons:,} neurons, {cost.synapses:,} synapses"
        lines["memory"] = f"{cost.memory_bytes / 2**30:.2g} GiB for each of {cost.slots} processes"
        lines["batch"] = f"{cost.slots * cost.batch_size} networks at once"
        if cost.trial_s is not None:
            lines["time"] = f"about {cost.trial_s:.2g} s a trial"
        if cost.total_s is not None:
            lines["time"] += f", {duration(cost.total_s)} in all"
        if cost.note:
            lines["time"] = cost.note
    for name, value in lines.items():
        if value:
            print_line(console, f"  {name:<12}{value}")


def print_simulated(
    console: Console, simulated: Simulated, targets: Sequence[TargetResult], units: Mapping[str, str]
) -> None:
    """The panel of one simulation, with the study's targets beside it, and where it was simulated."""
    print_statistics(console, simulated.estimates, targets, units)
    simulator = " ".join(
        simulated.simulator.get(key, "") for key in ("name", "version", "device", "precision")
    )
    print_line(
        console, f"{simulator}: simulated in {simulated.wall_s:.2f} s, built in {simulated.build_s:.2f} s"
    )


def print_statistics(
    console: Console,
    estimates: Mapping[str, Estimate],
    targets: Sequence[TargetResult],
    units: Mapping[str, str],
) -> None:
    """The panel of one simulation, with the study's targets beside it."""
    aims = {target.name: target for target in targets}
    table = Table()
    for name, right in (
        ("statistic", False),
        ("value", True),
        ("unit", False),
        ("target", True),
        ("met", False),
    ):
        table.add_column(name, justify="right" if right else "left")
    for name, found in estimates.items():
        row = [name, number(finite(found.value)), units.get(name, "")]
        if name in aims:
            met = aims[name].met
            table.add_row(*row, aims[name].aim, Text("yes" if met else "no", "green" if met else "red"))
        else:
            table.add_row(*row, "", "")
    console.print(table)
    _print_notes(console, {name: found.note for name, found in estimates.items()})


def _print_notes(console: Console, notes: Mapping[str, str]) -> None:
    for name, note in notes.items():
        if note:
            print_line(console, f"  {name}: {note}")


def number(value: float | None) -> str:
    """A value for a reader."""
    return "undefined" if value is None else f"{value:.4g}"


def assignments(parameters: Mapping[str, Any]) -> str:
    """NAME = VALUE of each parameter."""
    return ", ".join(
        f"{name} = {value:.6g}" if isinstance(value, float) else f"{name} = {value}"
        for name, value in parameters.items()
    )
