"""The section of a report on neuromorphic hardware."""

from __future__ import annotations

from collections.abc import Iterator

from calibrate.calibration.hardening.findings import LEGEND, findings, percent, rung_in_short
from calibrate.calibration.hardening.hardening import Hardening, Units
from calibrate.figures import ladder_figure, verdict_figure
from calibrate.objective.rounding import counted, rounded
from calibrate.report.picture import Picture
from calibrate.report.sections import Section, Table, format_side
from calibrate.results.results import Results


def hardening(results: Results) -> Section:
    """What became of the best network on each platform that it was hardened for."""
    best = results.best
    found = [one for one in results.hardenings if best is not None and one.trial == best.number]
    return Section(
        name="hardware",
        title="Neuromorphic hardware",
        text=[*map(_in_words, found), *([f"Tables of single projections: {LEGEND}"] if found else [])],
        tables=[table for one in found for table in _tables(one)],
        pictures=[picture for one in found for picture in _pictures(one)],
    )


def _in_words(one: Hardening) -> str:
    """The verdict, what follows from units and ladder, and what the platform changes."""
    chips, verdict = one.chips, one.chips.verdict
    lines = [
        f"{one.target}: trial {one.trial} {chips.words} ({chips.exact} of the same graphs without limits)",
        *verdict.reasons,
        *findings(one),
        *one.notes,
        f"{counted(verdict.replicates, 'graph')} of {one.duration_ms / 1000:g} s in {one.simulator}",
    ]
    # Names of platforms are as one writes them with --target.
    starts = (line if line.startswith(one.target) else f"{line[0].upper()}{line[1:]}" for line in lines)
    return " ".join(f"{line}." for line in starts)


def _pictures(one: Hardening) -> Iterator[Picture]:
    ladder = one.ladder
    caption = (
        f"{one.target}: the network with fewer and fewer bits for the weights, otherwise unchanged, over "
        f"{counted(ladder.graphs, 'graph')}. Filled: every target is kept; dotted: the original network."
    )
    least = one.least_bits
    kept = f"{least} bits keep every target." if least else f"{ladder.bits[0]} bits do not keep every target."
    yield Picture(
        name=f"ladder-{one.target}",
        figure=ladder_figure(one),
        caption=caption,
        alt=f"Loss and targets met against the bits of the weights on {one.target}; see the table. {kept}",
    )
    if any(row.margin is not None for row in one.chips.verdict.statistics):
        caption = (
            f"{one.target}: differences between {one.chips.of} chips and the exact network on the same "
            "graphs, with their confidence intervals; band: the tolerance."
        )
        figure = verdict_figure(one.chips.verdict)
        yield Picture(name=f"chips-{one.target}", figure=figure, caption=caption, alt=caption)


def _tables(one: Hardening) -> Iterator[Table]:
    rows = [
        [
            demand.name,
            demand.amount,
            "" if demand.limit is None else f"{demand.limit:,.6g}",
            demand.unit,
            "yes" if demand.fits else "no",
            demand.note,
        ]
        for demand in one.fit
    ]
    heads = ["what", "needed", "limit", "unit", "fits", "note"]
    yield Table(caption=f"Fit onto {one.target}", heads=heads, rows=rows)
    if any(one.given.errors.values()):
        heads = ["units", "C_m (pF)", "voltages", "largest rounding error", "of", "loss", "targets met"]
        rows = [[name, *_units(units, one.ladder.targets)] for name, units in one.compared.items()]
        yield Table(caption=f"Units on {one.target}", heads=heads, rows=rows)
    yield from _ladder(one)
    heads = ["statistic", "unit", "target", "chips", "exact", "difference", "from", "to", "agree", "met"]
    rows = []
    for row in one.chips.verdict.statistics:
        if row.aim is None:
            continue
        sign = "× " if row.scale == "log" else ""
        ends = [
            "" if value is None else f"{sign}{value:.3g}" for value in (row.difference, row.low, row.high)
        ]
        sides = [format_side(row.reference), format_side(row.other)]
        met = "yes" if row.met else "no"
        rows.append([row.name, row.unit, row.aim, *sides, *ends, row.decision or "", met])
    yield Table(caption=f"{one.chips.of} chips of {one.target}, mean ± SD", heads=heads, rows=rows)


def _units(units: Units, targets: int) -> list[str]:
    return [
        units.capacitances,
        f"× {units.voltage:g}",
        percent(units.error),
        units.worst,
        "" if units.loss is None else rounded(units.loss, 3),
        "" if units.met is None else f"{units.met} of {targets}",
    ]


def _ladder(one: Hardening) -> Iterator[Table]:
    ladder = one.ladder
    rows = [
        [
            "as it is" if rung.bits is None else str(rung.bits),
            "" if rung.bits is None else percent(rung.error),
            rounded(rung.loss, 3),
            f"{rung.met} of {ladder.targets}",
            "yes" if ladder.keeps(rung) else "no",
            rung.regime or "",
            "all" if len(rung.missed) == ladder.targets else ", ".join(rung.missed),
        ]
        for rung in (ladder.exact, *ladder.of(None))
    ]
    heads = ["bits", "largest error", "loss", "targets met", "keeps all", "regime", "missed"]
    caption = f"Ladder of bits on {one.target}, {counted(ladder.graphs, 'graph')}"
    yield Table(caption=caption, heads=heads, rows=rows)
    rows = []
    for name in ladder.projections:
        if name is not None:
            least = ladder.least_bits(name)
            least_bits = f"> {ladder.bits[0]}" if least is None else str(least)
            rows.append([name, least_bits, *(rung_in_short(ladder, rung) for rung in ladder.of(name))])
    heads = ["projection", "least bits", *(f"{bits} bits" for bits in ladder.bits)]
    yield Table(
        caption=f"Each projection alone on {one.target}: loss (targets met). {LEGEND}", heads=heads, rows=rows
    )
