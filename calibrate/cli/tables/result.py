"""The result of a run, and all that a database holds of a study."""

from __future__ import annotations

from rich.console import Console

from calibrate.calibration.result import REASONS, Result
from calibrate.calibration.trials.summary import TrialSummary
from calibrate.cli.tables.study import print_limits
from calibrate.cli.tables.trials import print_constraints, print_front, print_looseness, print_trial
from calibrate.objective.rounding import counted
from calibrate.results.results import Results
from calibrate.study import Study
from calibrate.tasks.display import duration
from calibrate.tasks.lines import print_line


def print_result(console: Console, study: Study, result: Result) -> None:
    """Print the targets and the values reached, the best parameters, and the time spent."""
    trials = counted(result.complete + result.failed, "trial")
    trials += f", {result.failed} of them failed" if result.failed else ""
    trials += f", {result.infeasible} violate a constraint" if result.infeasible else ""
    print_line(console, f"{study.name}: {trials}; stopped because {REASONS[result.stopped]}")
    print_limits(console, study)
    if result.last_failure is not None:
        print_line(console, f"Last failure: {result.last_failure}")
    if result.best is not None:
        print_trial(console, result.best)
    if result.front:
        print_front(console, study, result.front)
    times = result.times
    parts = {
        "starting": times.starting_s,
        "simulating": times.simulating_s,
        "asking": times.asking_s,
        "scoring": times.scoring_s,
        "storing": times.storing_s,
    }
    shares = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in parts.items())
    print_line(console, f"Time: {duration(times.wall_s)} ({shares})")


def print_results(console: Console, results: Results, chosen: TrialSummary | None) -> None:
    """Print the trials by state, the `chosen` one against the targets, and when and how long it all ran."""
    counts = results.counts
    states = {
        "failed": "failed",
        "infeasible": "violate a constraint",
        "taken_over": "imported from another study",
    }
    details = ", ".join(f"{counts[state]} {words}" for state, words in states.items() if counts[state])
    trials = counted(counts["complete"] + counts["failed"], "trial") + (f" ({details})" if details else "")
    print_line(console, f"{results.study.name}: {trials}")
    print_limits(console, results.study)
    for reason, count in results.failures.items():
        print_line(console, f"  {count} failed: {reason}")
    if chosen is None:
        print_line(console, "No completed trial satisfies all constraints:")
        print_constraints(console, results.study)
    else:
        best = results.best is not None and chosen.number == results.best.number
        print_trial(console, chosen, heading="Best parameters" if best else "Parameters")
        print_constraints(console, results.study, chosen)
    if results.looseness is not None and chosen is not None and chosen is results.best:
        print_looseness(console, chosen, results.looseness)
    if results.front:
        print_front(console, results.study, results.front)
    _print_spent(console, results)
    print_line(console, f"Results: {results.storage}")


def _print_spent(console: Console, results: Results) -> None:
    spent = results.spent
    if spent.begun and spent.last:
        first, last = (moment.astimezone().strftime("%Y-%m-%d %H:%M") for moment in (spent.begun, spent.last))
        when = first if first == last else f"{first} to {last}"
        took = f"{counted(spent.simulations, 'simulation')} took {duration(spent.simulated_s)}"
        print_line(console, f"Time: {when}; {took}")
