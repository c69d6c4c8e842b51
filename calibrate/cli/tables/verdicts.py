"""The verdicts of a validation."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from calibrate.calibration.trials.averages import format_statistic
from calibrate.calibration.validation.agreement import Agreement, Side
from calibrate.calibration.validation.verdict import Verdict
from calibrate.cli.tables.listing import print_table
from calibrate.cli.tables.trials import format_yes_or_no, print_notes
from calibrate.tasks.lines import print_line

# Relative error of a sum of floating-point numbers, which is no spread.
ROUNDING = 1e-12

STYLES = {
    "confirmed": "green",
    "targets_met": "green",
    "undecided": "yellow",
    "not_confirmed": "red",
    "targets_not_met": "red",
    "equivalent": "green",
    "different": "red",
}


def print_verdict(console: Console, verdict: Verdict, *, whole: bool = True) -> None:
    """Print a verdict and its grounds; unless `whole`, only those on the objectives."""
    _print_head(console, verdict)
    if verdict.exact:
        _print_spikes(console, verdict)
        return
    judged = [row for row in verdict.statistics if row.aim is not None and not row.predicted]
    predicted = [row for row in verdict.statistics if row.predicted]
    others = [row for row in verdict.statistics if row.aim is None]
    print_table(console, tabulate_objectives(verdict, judged))
    if predicted:
        print_table(console, tabulate_objectives(verdict, predicted, title="Predicted, not fitted"))
    print_notes(console, {row.name: row.note for row in (*judged, *predicted)})
    if verdict.power is not None:
        share = "over 99 %" if verdict.power > 0.99 else f"at least {100 * verdict.power:.0f} %"
        condition = f"With this spread and {verdict.replicates} replicates"
        agree = "identical simulators are found equivalent in all of these with a probability of"
        print_line(console, f"  {condition}, {agree} {share}.")
        looks = f"Look {verdict.look} at this trial: tests at {100 * verdict.alpha:.2g} %"
        print_line(console, f"  {looks}, so that all looks together err in at most 5 % of cases.")
    if not whole:
        return
    if others:
        print_table(console, _tabulate_others(verdict, others))
    if verdict.distributions:
        print_table(console, _tabulate_distributions(verdict))
    if len(verdict.simulators) > 1:
        print_line(console, f"  * significant difference ({100 * verdict.alpha:.2g} %, Holm-adjusted)")


def print_conclusion(console: Console, verdict: Verdict) -> None:
    """Print a verdict in one line."""
    style = "yellow" if verdict.good and verdict.missed else STYLES[verdict.verdict]
    console.print(
        Text.assemble(
            (f"Trial {verdict.trial}: ", "bold"),
            (verdict.words, f"bold {style}"),
            f" on {verdict.graphs} of {verdict.duration_ms / 1000:g} s",
            f"; {verdict.predicted}" if verdict.predicted else "",
        ),
        soft_wrap=not console.is_terminal,
    )


def _print_head(console: Console, verdict: Verdict) -> None:
    print_conclusion(console, verdict)
    for reason in verdict.reasons:
        print_line(console, f"  {reason}")
    if verdict.differing:
        names = ", ".join(verdict.differing)
        print_line(console, f"  significantly different, however slightly: {names}")
    for reason, count in verdict.failures.items():
        print_line(console, f"  {count} failed: {reason}")
    for side, simulator in zip(("reference", "second"), verdict.simulators, strict=False):
        print_line(console, f"  {side}: {simulator}")


def _print_spikes(console: Console, verdict: Verdict) -> None:
    for graph in verdict.spikes:
        same = "identical to the end" if graph.first is None else f"identical for {graph.identical_ms:g} ms"
        spikes = f"{graph.spikes} spikes in {graph.duration_ms:g} ms"
        print_line(console, f"  {graph.where}: {spikes}, {same}")


def tabulate_objectives(verdict: Verdict, rows: Sequence[Agreement], *, title: str | None = None) -> Table:
    """Make a table of statistics with targets."""
    both = len(verdict.simulators) > 1
    table = _make_table(verdict, title=title)
    if both:
        table.add_column("tolerance", justify="right")
        table.add_column("agree")
    table.add_column("target", justify="right")
    table.add_column("met")
    for row in rows:
        cells: list[str | Text] = [_label(row), _format_side(row.reference)]
        if both:
            margin = "" if row.margin is None else f"{'× ' if row.scale == 'log' else ''}{row.margin:.3g}"
            decision = Text(row.decision or "", STYLES.get(row.decision or "", ""))
            cells += [_format_side(row.other), _format_difference(row), margin, decision]
        table.add_row(*cells, row.aim or "", format_yes_or_no(bool(row.met)))
    return table


def _tabulate_others(verdict: Verdict, rows: Sequence[Agreement]) -> Table:
    both = len(verdict.simulators) > 1
    table = _make_table(verdict, title="Statistics without a target")
    for row in rows:
        more = [_format_side(row.other), _format_difference(row)] if both else []
        table.add_row(_label(row), _format_side(row.reference), *more)
    return table


def _make_table(verdict: Verdict, title: str | None = None) -> Table:
    """Make a table of statistics in one simulator, or in both with their difference."""
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("statistic")
    for name in verdict.names:
        table.add_column(name, justify="right")
    if len(verdict.simulators) > 1:
        table.add_column(f"difference ({verdict.interval})", justify="right")
    return table


def _tabulate_distributions(verdict: Verdict) -> Table:
    table = Table(title="Distributions, pooled over graphs", title_justify="left", title_style="bold")
    table.add_column("distribution")
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


def _label(row: Agreement) -> str:
    return f"{row.name} ({row.unit})" if row.unit else row.name


def _format_side(side: Side | None) -> str:
    if side is None or side.mean is None:
        return "undefined"
    if side.sd is None:
        return format_statistic(side.mean, lower_bound=side.lower_bound)
    return ("≥ " if side.lower_bound else "") + _format_with_error(side.mean, side.sd)


def _format_difference(row: Agreement) -> str:
    if row.difference is None:
        return ""
    star = " *" if row.differs else ""
    if row.scale == "log":
        interval = "" if row.low is None or row.high is None else f" ({row.low:.3f} to {row.high:.3f})"
        return f"× {row.difference:.3f}{interval}{star}"
    if row.low is None or row.high is None:
        return f"{row.difference:+.2g}{star}"
    return _format_with_error(row.difference, row.high - row.difference, sign="+") + star


def _format_with_error(value: float, error: float, *, sign: str = "") -> str:
    """Round both to the second digit of the error: 6.21 ± 0.12."""
    if error <= ROUNDING * abs(value):
        return f"{value:{sign}.4g} ± 0"
    if not math.isfinite(error):
        return f"{value:{sign}.4g} ± {error:g}"
    decimals = max(1 - math.floor(math.log10(error)), 0)
    return f"{value:{sign}.{decimals}f} ± {error:.{decimals}f}"
