"""A posterior in words, for terminal and report."""

from __future__ import annotations

from calibrate.objective.rounding import rounded
from calibrate.results.posterior.posterior import Posterior

# Correlations that are named, and the weakest of them.
_NAMED, _WEAKEST = 3, 0.2


def correlations(found: Posterior) -> str:
    """The strongest correlations; "" with one parameter."""
    if not found.correlations:
        return ""
    strong = [
        f"{a} and {b} {value:+.2f}"
        for (a, b), value in list(found.correlations.items())[:_NAMED]
        if abs(value) >= _WEAKEST
    ]
    if not strong:
        return f"Correlations: none of {_WEAKEST:g} or more"
    return f"Strongest correlations: {', '.join(strong)}"


def loosest(found: Posterior) -> str:
    """The direction that the targets determine least; "" without numbers."""
    moves = [
        f"{name} from {rounded(start, 3)} to {rounded(end, 3)}"
        for name, (start, end) in found.loosest.items()
    ]
    if not moves:
        return ""
    return f"Loosest direction: {', '.join(moves)}" + (" (together)" if len(moves) > 1 else "")


def foundation(found: Posterior) -> list[str]:
    """What the numbers rest on, a line for each thing."""
    lines = [f"Rests on {found.trials} trials, engine {found.engine}"]
    if found.coverage.trials:
        lines.append(
            f"Coverage: how often intervals of 90 % contain the parameters of {found.coverage.trials:.0f} "
            f"trials that were left out (± {100 * found.coverage.error:.0f} %)"
        )
    if found.coverage.temperature != 1.0:
        how = (
            "chosen so that these intervals are wide enough; that of each trial was chosen from the others"
            if found.coverage.trials
            else "the default, since too few trials can be left out"
        )
        lines.append(f"Temperature {found.coverage.temperature:g} (likelihood^(1/temperature)): {how}")
    uneven = [f"{name} (p {p:.2g})" for name, p in found.coverage.ranks.items() if p < 0.01]
    if uneven:
        lines.append(f"note: the ranks of true values among samples are uneven: {', '.join(uneven)}")
    if found.basis:
        lines.append(f"Standard errors of targets: {found.basis}")
    return [*lines, *(f"note: {line}" for line in found.notes)]
