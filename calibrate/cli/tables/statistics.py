"""The statistics of one simulation."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console
from rich.table import Table

from calibrate.calibration.single_simulation import Simulated
from calibrate.calibration.trials.averages import format_statistic
from calibrate.calibration.trials.summary import finite, target_results
from calibrate.cli.tables.listing import print_table
from calibrate.cli.tables.study import print_limits
from calibrate.cli.tables.trials import format_yes_or_no, print_notes
from calibrate.objective import Estimate
from calibrate.simulators.backends import described
from calibrate.study import Study
from calibrate.tasks.lines import print_line


def print_simulated(console: Console, study: Study, simulated: Simulated) -> None:
    """Print the statistics of a simulation, the study's targets beside them, and the simulator."""
    print_statistics(console, study, simulated.estimates)
    print_limits(console, study)
    times = f"simulated in {simulated.wall_s:.2f} s, built in {simulated.build_s:.2f} s"
    print_line(console, f"{described(simulated.simulator)}: {times}")


def print_statistics(console: Console, study: Study, estimates: Mapping[str, Estimate]) -> None:
    """Print the statistics of a simulation, the study's targets beside them."""
    targets = {target.name: target for target in target_results(study.targeted, estimates)}
    units = {statistic.name: statistic.unit for statistic in study.statistics}
    table = Table()
    for column in ("statistic", "value", "unit", "target", "met"):
        table.add_column(column, justify="right" if column in ("value", "target") else "left")
    for name, estimate in estimates.items():
        row = [
            name,
            format_statistic(finite(estimate.value), lower_bound=estimate.lower_bound),
            units.get(name, ""),
        ]
        if name in targets:
            table.add_row(*row, targets[name].aim, format_yes_or_no(targets[name].met))
        else:
            table.add_row(*row, "", "")
    print_table(console, table)
    print_notes(
        console,
        {name: targets[name].note if name in targets else one.note for name, one in estimates.items()},
    )
