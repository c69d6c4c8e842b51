"""Verdicts, as the command line prints them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from calibrate.calibration.validation.agreement import Agreement, Side
from calibrate.calibration.validation.verdict import Verdict
from calibrate.cli.tables import print_line

_STYLES = {
    "confirmed": "green",
    "targets_met": "green",
    "undecided": "yellow",
    "not_confirmed": "red",
    "targets_not_met": "red",
    "equivalent": "green",
    "different": "red",
}


def print_verdict(console: Console, verdict: Verdict, *, whole: bool = True) -> None:
    """A verdict and what it rests on; the objectives only, unless `whole`."""
    on = f"{verdict.replicates} fresh graphs" if verdict.replicates > 1 else "one fresh graph"
    length = f"{verdict.duration_ms / 1000:g} s"
    console.print(
        Text.assemble(
            (f"Trial {verdict.trial}: ", "bold"),
            (verdict.words, f"bold {_STYLES[verdict.verdict]}"),
            f", on {on} of {length}",
        ),
        soft_wrap=True,
    )
    for reason in verdict.reasons:
        print_line(console, f"  {reason}")
    if verdict.differing:
        print_line(console, f"  by more than chance, however little, differ: {', '.join(verdict.differing)}")
    for reason, times in verdict.failures.items():
        print_line(console, f"  failed {times} times: {reason}")
    for side, simulator in zip(("reference", "second"), verdict.simulators, strict=False):
        print_line(console, f"  {side}: {simulator}")
    if verdict.exact:
        _print_spikes(console, verdict)
        return
    judged = [row for row in verdict.statistics if row.aim is not None]
    others = [row for row in verdict.statistics if row.aim is None]
    console.print(_of_objectives(verdict, judged))
    _print_notes(console, judged)
    if verdict.power is not None:
        share = "over 99 %" if verdict.power > 0.99 else f"at least {100 * verdict.power:.0f} %"
        at = f"With this spread and {verdict.replicates} replicates"
        what = "identical simulators are found to agree in all of these with a probability of"
        print_line(console, f"  {at}, {what} {share}.")
    if not whole:
        return
    if others:
        console.print(_of_others(verdict, others))
    if verdict.distributions:
        console.print(_of_distributions(verdict))
    if len(verdict.simulators) > 1:
        print_line(console, "  * differs by more than chance (5 %, Holm-adjusted)")


def _print_spikes(console: Console, verdict: Verdict) -> None:
    for one in verdict.spikes:
        same = "identical to the end" if one.first is None else f"identical for {one.identical_ms:g} ms"
        length = f"{one.spikes} spikes in {one.duration_ms:g} ms"
        print_line(console, f"  graph {one.graph}: {length}, {same}")


def _print_notes(console: Console, rows: Sequence[Agreement]) -> None:
    for row in rows:
        if row.note:
            print_line(console, f"  {row.name}: {row.note}")


def _short(simulator: str) -> str:
    return simulator.partition(" ")[0]


def _named(row: Agreement) -> str:
    return f"{row.name} ({row.unit})" if row.unit else row.name


def _side(side: Side | None) -> str:
    if side is None or side.mean is None:
        return "undefined"
    return f"{side.mean:.4g}" if side.sd is None else _with_error(side.mean, side.sd)


def _difference(row: Agreement) -> str:
    if row.difference is None:
        return ""
    known = row.low is not None and row.high is not None
    if row.scale == "log":
        text = f"× {row.difference:.3f}" + (f" ({row.low:.3f} to {row.high:.3f})" if known else "")
    else:
        half = (row.high or 0.0) - row.difference
        text = _with_error(row.difference, half, sign="+") if known else f"{row.difference:+.2g}"
    return text + (" *" if row.differs else "")


def _with_error(value: float, error: float, *, sign: str = "") -> str:
    """Both to the second digit of the error: 6.21 ± 0.12."""
    if error <= 0 or not math.isfinite(error):
        return f"{value:{sign}.4g} ± {error:.2g}"
    decimals = max(1 - math.floor(math.log10(error)), 0)
    return f"{value:{sign}.{decimals}f} ± {error:.{decimals}f}"


def _of_objectives(verdict: Verdict, rows: Sequence[Agreement]) -> Table:
    both = len(verdict.simulators) > 1
    table = Table()
    table.add_column("statistic")
    for simulator in verdict.simulators:
        table.add_column(_short(simulator), justify="right")
    if both:
        table.add_column("difference (90 % CI)", justify="right")
        table.add_column("tolerance", justify="right")
        table.add_column("agree")
    table.add_column("target", justify="right")
    table.add_column("met")
    for row in rows:
        cells: list[str | Text] = [_named(row), _side(row.reference)]
        if both:
            margin = "" if row.margin is None else f"{'× ' if row.scale == 'log' else ''}{row.margin:.3g}"
            decision = row.decision or ""
            cells += [_side(row.other), _difference(row), margin, Text(decision, _STYLES.get(decision, ""))]
        table.add_row(*cells, row.aim or "", Text("yes", "green") if row.met else Text("no", "red"))
    return table


def _of_others(verdict: Verdict, rows: Sequence[Agreement]) -> Table:
    both = len(verdict.simulators) > 1
    table = Table(title="Statistics without a target", title_justify="left", title_style="bold")
    table.add_column("statistic")
    for simulator in verdict.simulators:
        table.add_column(_short(simulator), justify="right")
    if both:
        table.add_column("difference (90 % CI)", justify="right")
    for row in rows:
        more = [_side(row.other), _difference(row)] if both else []
        table.add_row(_named(row), _side(row.reference), *more)
    return table


def _of_distributions(verdict: Verdict) -> Table:
    table = Table(title="Distributions, pooled over graphs", title_justify="left", title_style="bold")
    table.add_column("of every value")
    for name in ("Wasserstein distance", "Kolmogorov-Smirnov", "p"):
        table.add_column(name, justify="right")
    for shift in verdict.distributions:
        table.add_row(
            f"{shift.name}: {shift.of}",
            f"{shift.wasserstein:.3g} {shift.unit}".rstrip() + (" *" if shift.differs else ""),
            f"{shift.ks:.3g}",
            "" if shift.p is None else f"{shift.p:.3g}",
        )
    return table
