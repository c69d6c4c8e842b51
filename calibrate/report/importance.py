"""What the report says of parameters: which of them matter, and how far they may move from the best trial."""

from __future__ import annotations

from calibrate.figures import importance_figure
from calibrate.report.picture import Picture
from calibrate.results.results import Results
from calibrate.results.sensitivity import robust


def importance_picture(results: Results) -> Picture | None:
    """The figure of importance, with a caption that says what it is; None if nothing tells."""
    found = results.importance
    if found is None:
        return None
    shares = ", ".join(f"{name} {share:.0%}" for name, share in found.loss.items())
    above = [name for name, share in found.loss.items() if share > found.chance]
    verdict = f"Chance reaches {found.chance:.0%} once in 20 times; " + (
        f"above it: {', '.join(above)}." if above else "no parameter exceeds it."
    )
    by_statistic = "; ".join(
        f"{statistic}: {', '.join(name for name in found.loss if name in found.clear[statistic]) or 'none'}"
        for statistic in found.total
    )
    error = max((index.error for by_name in found.total.values() for index in by_name.values()), default=0.0)
    return Picture(
        name="importance",
        figure=importance_figure(results),
        caption="Left: share of the variance of ln(loss) over the ranges that each parameter explains, by "
        f"itself (dark) or with others (light), according to models of the statistics. {verdict} Right: "
        "total Sobol' indices, that is, the part of the variance of a statistic that would remain if all "
        f"other parameters were known, with standard errors of {error:.2g} or less; blank: not above chance. "
        "Optuna's dashboard shows other numbers, because it has another measure (PED-ANOVA): how much a "
        "parameter decides whether a trial is among the best.",
        alt=f"Importance for the loss: {shares}. {verdict} Parameters that matter for the statistics: "
        f"{by_statistic}.",
    )


def robustness(results: Results) -> str:
    """How robust the best trial is, in one sentence; empty if nothing tells."""
    best = results.best
    if best is None or results.importance is None:
        return ""
    shares = robust(results.emulation, best.params)
    listed = ", ".join(f"{share:.0%} within {within:.0%}" for within, share in shares.items())
    return (
        f"Robustness: if every parameter is drawn within a part of its value in trial {best.number}, this "
        f"share of networks keeps all targets, according to models of the statistics: {listed}."
    )
