"""The hardening of a trial."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from calibrate.calibration.hardening.findings import LEGEND, findings, percent, rung_in_short
from calibrate.calibration.hardening.hardening import Hardening, Ladder, Rung, Units
from calibrate.cli.tables.listing import print_table
from calibrate.cli.tables.trials import print_notes
from calibrate.cli.tables.verdicts import STYLES, tabulate_objectives
from calibrate.objective.rounding import counted
from calibrate.tasks.lines import print_line


def print_hardening(console: Console, hardening: Hardening, *, whole: bool = True) -> None:
    """Print a hardening and its grounds; unless `whole`, only what follows."""
    if not whole:
        _print_findings(console, hardening)
        return
    print_line(console, f"Trial {hardening.trial} on {hardening.target}", style="bold")
    for demand in hardening.fit:
        style = "" if demand.fits else "red"
        print_line(console, f"  {demand}{'' if demand.fits else ': too many'}", style=style)
    for note in hardening.notes:
        print_line(console, f"  note: {note}")
    _print_units(console, hardening)
    print_table(console, _tabulate_ladder(hardening.ladder))
    print_table(console, _tabulate_projections(hardening.ladder))
    print_line(console, f"  {LEGEND[0].upper()}{LEGEND[1:]}")
    _print_chips(console, hardening)
    _print_findings(console, hardening)


def _print_units(console: Console, hardening: Hardening) -> None:
    if not any(hardening.given.errors.values()):
        print_line(console, f"  {hardening.target} rounds no weight, threshold or constant input")
        return
    table = Table(title="Units", title_justify="left", title_style="bold")
    table.add_column("units")
    for name in ("C_m (pF)", "voltages", "largest rounding error", "of", "loss", "targets met"):
        table.add_column(name, justify="left" if name == "of" else "right")
    for name, units in hardening.compared.items():
        table.add_row(name, *_describe_units(units, hardening.ladder.targets))
    print_table(console, table)


def _describe_units(units: Units, targets: int) -> list[str]:
    return [
        units.capacitances,
        f"× {units.voltage:g}",
        percent(units.error),
        units.worst,
        "" if units.loss is None else f"{units.loss:.3g}",
        "" if units.met is None else f"{units.met} of {targets}",
    ]


def _tabulate_ladder(ladder: Ladder) -> Table:
    graphs = counted(ladder.graphs, "graph")
    table = Table(title=f"Ladder of bits, {graphs}", title_justify="left", title_style="bold")
    for name in ("bits of all weights", "largest error", "loss", "targets met"):
        table.add_column(name, justify="right")
    table.add_column("regime")
    table.add_column("missed")
    for rung in (ladder.exact, *ladder.of(None)):
        table.add_row(
            "as it is" if rung.bits is None else str(rung.bits),
            "" if rung.bits is None else percent(rung.error),
            f"{rung.loss:.3g}",
            _met(ladder, rung, f"{rung.met} of {ladder.targets}"),
            rung.regime or "",
            "all" if len(rung.missed) == ladder.targets else ", ".join(rung.missed),
        )
    return table


def _tabulate_projections(ladder: Ladder) -> Table:
    table = Table(
        title="Each projection alone, against bits: loss (targets met)",
        title_justify="left",
        title_style="bold",
    )
    table.add_column("projection", no_wrap=True)
    table.add_column("least", justify="right")
    for bits in ladder.bits:
        table.add_column(str(bits), justify="right")
    for name in ladder.projections:
        if name is None:
            continue
        least = ladder.least_bits(name)
        cells = [
            Text(rung_in_short(ladder, rung), "green" if ladder.keeps(rung) else "red")
            for rung in ladder.of(name)
        ]
        table.add_row(name, f"> {ladder.bits[0]}" if least is None else str(least), *cells)
    return table


def _met(ladder: Ladder, rung: Rung, text: str) -> Text:
    """Colour a text by whether a rung keeps all targets; without colour, a star says that it does not."""
    kept = ladder.keeps(rung)
    return Text(text, "green") if kept else Text(f"{text} *", "red")


def _print_chips(console: Console, hardening: Hardening) -> None:
    verdict = hardening.chips.verdict
    rows = [row for row in verdict.statistics if row.aim is not None]
    judged = [row for row in rows if not row.predicted]
    title = f"{hardening.chips.of} chips and the exact network on the same graphs"
    print_table(console, tabulate_objectives(verdict, judged, title=title))
    if predicted := [row for row in rows if row.predicted]:
        print_table(console, tabulate_objectives(verdict, predicted, title="Predicted, not fitted"))
    print_notes(console, {row.name: row.note for row in rows})
    print_line(console, "  * misses a target, or differs significantly")


def _print_findings(console: Console, hardening: Hardening) -> None:
    for line in findings(hardening):
        named = line.startswith(hardening.target)
        print_line(console, line if named else f"{line[0].upper()}{line[1:]}")
    chips, verdict = hardening.chips, hardening.chips.verdict
    for reason in verdict.reasons:
        print_line(console, f"  {reason}")
    for reason, count in verdict.failures.items():
        print_line(console, f"  {count} failed: {reason}")
    console.print(
        Text.assemble(
            (f"Trial {hardening.trial}: ", "bold"),
            (f"{chips.words} of {hardening.target}", f"bold {STYLES[verdict.verdict]}"),
            f" (without limits on {chips.exact} of the same graphs)",
        ),
        soft_wrap=not console.is_terminal,
    )
