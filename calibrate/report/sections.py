"""The sections of a report, each made from the results of a study."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from calibrate.calibration.trials.averages import format_statistic
from calibrate.calibration.trials.summary import TrialSummary
from calibrate.calibration.validation.verdict import Verdict
from calibrate.figures import (
    front_figure,
    history_figure,
    looseness_figure,
    map_figure,
    slices_figure,
    verdict_figure,
)
from calibrate.objective.rounding import rounded
from calibrate.plugins import version_of
from calibrate.report.importance import importance_picture, robustness
from calibrate.report.picture import Picture
from calibrate.report.prose import enumerated
from calibrate.results.maps import main_axes
from calibrate.results.results import Results

PACKAGES = ("calibrate-snn", "optuna", "numpy", "scipy", "nest-simulator", "pygenn")


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows of strings under column heads; numbers are sorted by value."""

    caption: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, kw_only=True)
class Section:
    """A part of the page, left out if it is empty."""

    name: str
    title: str
    text: Sequence[str] = ()
    tables: Sequence[Table] = ()
    pictures: Sequence[Picture] = ()
    code: str = ""


def targets(results: Results) -> Section:
    best = results.best
    if best is None:
        return Section(name="targets", title="Targets", text=["No complete trial satisfies all constraints."])
    met = sum(target.met for target in best.targets)
    graphs = next((target.fresh.graphs for target in best.targets if target.fresh), 0)
    total = len(best.targets)
    text = f"Trial {best.number} has the lowest loss, {best.loss:.4g}, and meets {met} of {total} targets"
    if graphs:
        fresh = sum(bool(target.fresh_met) for target in best.targets)
        text += f"; on {graphs} graph{'s' * (graphs != 1)} not used by the search, it meets {fresh}"
    heads = ["statistic", "unit", "target", "reached", *(["fresh graphs"] if graphs else []), "met", "source"]
    sources = {objective.name: objective.target.source for objective in results.study.objectives}
    rows = []
    for target in best.targets:
        row = [
            target.name,
            target.unit,
            target.aim,
            format_statistic(target.reached, lower_bound=target.lower_bound),
        ]
        if graphs:
            row.append(str(target.fresh) if target.fresh else "")
        met_there = target.met if target.fresh_met is None else target.fresh_met
        rows.append([*row, "yes" if met_there else "no", sources[target.name]])
    distances = [target.name for target in best.targets if target.distance]
    if distances:
        text += f". Of {enumerated(distances)}, the value is a distance of distributions, 0 if they are equal"
    tables = [Table(caption="Targets", heads=heads, rows=rows)]
    paragraphs = [text + "."]
    if best.predictions:
        paragraphs.append(f"{best.predicted[0].upper()}{best.predicted[1:]}. No target of these was fitted.")
        tables.append(_predictions(results, best))
    return Section(
        name="targets",
        title="Targets and reached values",
        text=paragraphs,
        tables=[*tables, _values(results, best)],
    )


def _predictions(results: Results, best: TrialSummary) -> Table:
    sources = {objective.name: objective.target.source for objective in results.study.predicted}
    rows = [
        [one.name, one.unit, one.aim, str(one.fresh), "yes" if one.met else "no", sources[one.name]]
        for one in best.predictions
    ]
    heads = ["statistic", "unit", "target", "predicted", "met", "source"]
    return Table(caption="Predictions of conditions that were held out", heads=heads, rows=rows)


def _values(results: Results, best: TrialSummary) -> Table:
    units = {name: results.study.model.parameter(name).unit for name in best.parameters}
    rows = [
        [name, _format(value), units[name], "searched" if name in best.params else "fixed or derived"]
        for name, value in best.parameters.items()
    ]
    return Table(
        caption="Parameters of the best network", heads=["parameter", "value", "unit", "kind"], rows=rows
    )


def validation(results: Results, verdict: Verdict | None) -> Section:
    exact = next(
        (v for v in results.verdicts if v.exact and results.best and v.trial == results.best.number), None
    )
    text = []
    if verdict is not None:
        text.append(
            f"{str(verdict)[0].upper()}{str(verdict)[1:]}. "
            f"{verdict.replicates} fresh graph{'s' * (verdict.replicates != 1)} of "
            f"{verdict.duration_ms / 1000:g} s, in {' and '.join(verdict.simulators)}."
        )
        if verdict.predicted:
            text.append(f"{verdict.predicted[0].upper()}{verdict.predicted[1:]}.")
    if exact is not None:
        text.append(_of_spikes(exact))
    if verdict is None:
        return Section(name="validation", title="Validation", text=text)
    pictures = []
    if any(row.margin is not None for row in verdict.statistics):
        caption = "Differences between the simulators and their confidence intervals; band: the tolerance."
        pictures = [Picture(name="validation", figure=verdict_figure(verdict), caption=caption, alt=caption)]
    distances = {one.name for one in results.study.statistics if one.compares is not None}
    heads = ["statistic", "unit", *verdict.names]
    both = len(verdict.simulators) > 1
    heads += ["difference", "from", "to", "agree"] if both else []
    rows = []
    for row in verdict.statistics:
        cells = [
            f"distance of {row.name}" if row.name in distances else row.name,
            row.unit,
            format_side(row.reference),
        ]
        if both:
            sign = "× " if row.scale == "log" else ""
            values = [
                f"{sign}{value:.3g}" if value is not None else ""
                for value in (row.difference, row.low, row.high)
            ]
            cells += [format_side(row.other), *values, row.decision or ""]
        rows.append(cells)
    table = Table(caption="Statistics on fresh graphs, mean ± SD", heads=heads, rows=rows)
    return Section(name="validation", title="Validation", text=text, tables=[table], pictures=pictures)


def _of_spikes(exact: Verdict) -> str:
    comparisons = "; ".join(
        f"{f'{trains.condition}, ' if trains.condition else ''}"
        f"{trains.spikes:,} spikes in {trains.duration_ms:g} ms, "
        + ("identical to the end" if trains.first is None else f"identical for {trains.identical_ms:g} ms")
        for trains in exact.spikes
    )
    return f"Spike trains in double precision: {comparisons}."


def search(results: Results) -> Section:
    if not results.counts["complete"]:
        return Section(name="search", title="Search")
    pictures = [
        Picture(
            name="history",
            figure=history_figure(results),
            caption="The loss of every trial, and the lowest so far.",
            alt=f"Losses of {results.counts['complete']} trials over time.",
        ),
        Picture(
            name="slices",
            figure=slices_figure(results),
            caption="Statistics against parameters, one point per trial; bands: targets; star: best trial.",
            alt="Scatter plots of statistics against parameters.",
        ),
    ]
    pair = main_axes(results)
    if pair is not None:
        names = ["loss", *(objective.name for objective in results.study.objectives)][:6]
        grid = results.study.sampler.name == "grid"
        how = "as simulated" if grid else "averaged over nearby trials (points), blank where there are none"
        hidden = [name for name in results.study.space if name not in pair]
        if hidden:
            how += f"; {enumerated(hidden)} {'differ' if hidden[1:] else 'differs'} between these trials"
        pictures.append(
            Picture(
                name="map",
                figure=map_figure(results, *pair, names),
                caption=f"Maps over {pair[0]} and {pair[1]}, {how}. Lines are boundaries of regimes.",
                alt=f"Loss and statistics over {pair[0]} and {pair[1]}.",
            )
        )
    return Section(name="search", title="Search", pictures=pictures)


def parameters(results: Results) -> Section:
    pictures, tables = [], []
    text = [robust] if (robust := robustness(results)) else []
    if (importance := importance_picture(results)) is not None:
        pictures.append(importance)
    loose, best = results.looseness, results.best
    if loose is not None and best is not None:
        pictures.append(
            Picture(
                name="looseness",
                figure=looseness_figure(results),
                caption="How far parameters can move, with others compensating, until the loss grows by 1.",
                alt="Ranges of the parameters within which the loss grows by less than 1; see the table.",
            )
        )
        rows = [
            [
                name,
                _number(best.params[name]),
                f"{low:.4g}",
                f"{high:.4g}",
                *(f"{v:.4g}" for v in loose.loosest[name]),
            ]
            for name, (low, high) in loose.parameters.items()
        ]
        heads = ["parameter", "best", "from", "to", "loosest: one end", "other end"]
        text.append(
            "The loosest direction is the one that the targets fix least: if all parameters move together, "
            "from one of its ends to the other, the loss hardly changes. The last two columns of the table "
            "below are these ends."
        )
        caption = f"Looseness, from {loose.trials} trials ({loose.explained:.0%} of their variance explained)"
        tables.append(Table(caption=caption, heads=heads, rows=rows))
    return Section(name="parameters", title="Parameters", text=text, pictures=pictures, tables=tables)


def front(results: Results) -> Section:
    if not results.front:
        return Section(name="front", title="Pareto front")
    names = [objective.name for objective in results.study.objectives]
    rows = [
        [
            str(best.number),
            *(format_statistic(t.reached, lower_bound=t.lower_bound) for t in best.targets),
            *map(_format, best.params.values()),
        ]
        for best in results.front
    ]
    pictures = []
    if len(names) > 1:
        caption = "Losses of all trials; those on the Pareto front, which no other dominates, are in colour."
        pictures.append(Picture(name="front", figure=front_figure(results), caption=caption, alt=caption))
    table = Table(caption="Pareto front", heads=["trial", *names, *results.study.space], rows=rows)
    return Section(name="front", title="Pareto front", tables=[table], pictures=pictures)


def cost(results: Results) -> Section:
    spent, frame = results.spent, results.simulations
    if not len(frame):
        return Section(name="cost", title="Time and device")
    hosts = ", ".join(dict.fromkeys(frame["host"]))
    when = (
        f"{spent.begun:%Y-%m-%d %H:%M} to {spent.last:%Y-%m-%d %H:%M %Z}"
        if spent.begun and spent.last
        else ""
    )
    rows = [
        ["simulator", "; ".join(results.simulators)],
        ["simulations", f"{spent.simulations:,}"],
        ["biological time", f"{frame['duration_ms'].sum() / 1000:,.0f} s measured"],
        ["simulation time", f"{spent.simulated_s:,.0f} s"],
        ["from, to", when],
        ["host", hosts],
        ["trials", ", ".join(f"{n} {state.replace('_', ' ')}" for state, n in results.counts.items())],
    ]
    return Section(
        name="cost",
        title="Time and device",
        tables=[Table(caption="Time and device", heads=["quantity", "value"], rows=rows)],
    )


def again(results: Results) -> Section:
    file = results.study.path.name
    commands = [f"calibrate run {file}", f"calibrate validate {file}", f"calibrate report {file}"]
    if results.best is not None:
        simulate = f"calibrate simulate {file} --trial {results.best.number}"
        ends = [f" --condition {one.name}" if one.name else "" for one in results.study.conditions]
        commands[1:1] = [f"{simulate}{end} --figure raster{k or ''}.png" for k, end in enumerate(ends)]
    packages = {package: version_of(package) for package in PACKAGES}
    rows = [
        ["Python", platform.python_version()],
        *([name, version] for name, version in packages.items() if version),
    ]
    return Section(
        name="again",
        title="Reproduce this study",
        text=["Use the study file below with the same seed, number of processes and simulator."],
        code="\n".join(commands),
        tables=[Table(caption="Versions used for this report", heads=["package", "version"], rows=rows)],
    )


def format_side(side: Any) -> str:
    if side is None or side.mean is None:
        return "undefined"
    return f"{side.mean:.4g}" if side.sd is None else f"{side.mean:.4g} ± {rounded(side.sd, 2)}"


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.4g}"


def _format(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
