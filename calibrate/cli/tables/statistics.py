"""The statistics of one simulation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table

from calibrate.calibration.single_simulation import Simulated
from calibrate.calibration.trials.summary import TargetResult, finite
from calibrate.cli.output import print_line
from calibrate.cli.tables.trials import format_number, format_yes_or_no, print_notes
from calibrate.objective import Estimate


def print_simulated(
    console: Console, simulated: Simulated, targets: Sequence[TargetResult], units: Mapping[str, str]
) -> None:
    """Print the statistics of a simulation, the study's targets beside them, and the simulator."""
    print_statistics(console, simulated.estimates, targets, units)
    simulator = " ".join(
        simulated.simulator.get(key, "") for key in ("name", "version", "device", "precision")
    )
    times = f"simulated in {simulated.wall_s:.2f} s, built in {simulated.build_s:.2f} s"
    print_line(console, f"{simulator}: {times}")


def print_statistics(
    console: Console,
    estimates: Mapping[str, Estimate],
    targets: Sequence[TargetResult],
    units: Mapping[str, str],
) -> None:
    """Print the statistics of a simulation, the study's targets beside them."""
    by_name = {target.name: target for target in targets}
    table = Table()
    for column in ("statistic", "value", "unit", "target", "met"):
        table.add_column(column, justify="right" if column in ("value", "target") else "left")
    for name, estimate in estimates.items():
        row = [name, format_number(finite(estimate.value)), units.get(name, "")]
        if name in by_name:
            table.add_row(*row, by_name[name].aim, format_yes_or_no(by_name[name].met))
        else:
            table.add_row(*row, "", "")
    console.print(table)
    print_notes(console, {name: estimate.note for name, estimate in estimates.items()})
