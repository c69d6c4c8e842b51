"""The section of a report on the posterior: which parameters are compatible with the targets."""

from __future__ import annotations

from calibrate.calibration.trials.averages import format_statistic
from calibrate.errors import StudyError
from calibrate.figures import posterior_figure, predictive_figure
from calibrate.report.picture import Picture
from calibrate.report.sections import Section, Table
from calibrate.results.posterior.in_words import correlations, foundation, loosest
from calibrate.results.posterior.posterior import Posterior, posterior
from calibrate.results.results import Results

# Samples of a report: its intervals need no more.
_SAMPLES = 1000


def posterior_section(results: Results) -> Section:
    """The posterior with its diagnostics; why there is none, if there are too few trials."""
    title = "Compatible parameters"
    if not results.counts["complete"]:
        return Section(name="posterior", title=title)
    try:
        found = posterior(results, samples=_SAMPLES)
    except StudyError as error:
        return Section(name="posterior", title=title, text=[f"There is no posterior: {error}."])
    lines = [*foundation(found), *(f"warning: {line}" for line in found.warnings)]
    relations = [line for line in (correlations(found), loosest(found)) if line]
    return Section(
        name="posterior",
        title=title,
        text=[
            "The posterior shows which parameters are compatible with the targets, as far as the trials can "
            "tell. Each statistic has a model; the likelihood includes the errors of the models and targets, "
            "and the variability of trials and graphs.",
            *([f"{'. '.join(relations)}."] if relations else []),
            f"{'. '.join(line[0].upper() + line[1:] for line in lines)}.",
        ],
        tables=[_table(found)],
        pictures=_pictures(found),
    )


def _table(found: Posterior) -> Table:
    rows = []
    for name in found.study.space:
        unit = found.study.model.parameter(name).unit
        if name in found.choices:
            shares = ", ".join(f"{value} {share:.0%}" for value, share in found.choices[name].items())
            rows.append([name, shares, "", "", unit, ""])
            continue
        one, share = found.marginals[name], found.coverage.parameters.get(name)
        values = [format_statistic(value) for value in (one.median, one.low, one.high)]
        rows.append([name, *values, unit, "" if share is None else f"{share:.0%}"])
    heads = ["parameter", "median", "90 % from", "to", "unit", "coverage"]
    return Table(caption="Posterior of the parameters", heads=heads, rows=rows)


def _pictures(found: Posterior) -> list[Picture]:
    return [
        Picture(
            name="posterior",
            figure=posterior_figure(found),
            caption="Samples of the posterior over the ranges; shaded: intervals of 90 %; line: median.",
            alt="Histograms of parameters and scatter plots of pairs of them; intervals are in the table.",
        ),
        Picture(
            name="predictive",
            figure=predictive_figure(found),
            caption="Statistics predicted for one simulation of each posterior network; bands: targets.",
            alt="Histograms of the predicted statistics.",
        ),
    ]
