"""Tolerances against noise: a target cannot be met more closely than a trial can measure it."""

from __future__ import annotations

from collections.abc import Sequence

from calibrate.network import FixedIndegree, Network
from calibrate.objective import Objective
from calibrate.study.file.problems import Problems
from calibrate.study.file.sections import StudyFile


def standard_error(
    objective: Objective, network: Network, *, duration_ms: float, graphs: int
) -> float | None:
    """Estimate the standard error of the objective's statistic at its target; None if it is not known.

    Based on the statistic's declared `spread` for the kind of connectivity that the network has.
    """
    fixed = any(isinstance(projection.rule, FixedIndegree) for projection in network.projections)
    spread = objective.statistic.spread.get("fixed_indegree" if fixed else "bernoulli")
    if spread is None:
        return None
    return spread.standard_error(objective.target.centre, duration_ms=duration_ms, graphs=graphs)


def check(problems: Problems, file: StudyFile, objectives: Sequence[Objective], network: Network) -> None:
    """Reject tolerances below the standard error of the statistic in a trial."""
    duration_ms, graphs = file.simulation.duration_ms, file.replicates.graphs
    sections = {
        section.name or section.statistic.rpartition(":")[2]: k for k, section in enumerate(file.objectives)
    }
    for objective in objectives:
        number = sections[objective.name]
        declared = file.objectives[number].standard_error
        estimate = standard_error(objective, network, duration_ms=duration_ms, graphs=graphs)
        error = estimate if declared is None else declared
        if error is None or objective.target.reach >= error:
            continue
        on = "1 graph" if graphs == 1 else f"{graphs} graphs"
        origin = "is estimated at" if declared is None else "is given as"
        rule = (
            f"is below the standard error of {objective.name}, which {origin} {error:.2g} "
            f"for {duration_ms:g} ms on {on}"
        )
        remedy = (
            "raise it, or duration_ms, or [replicates] graphs; if you know the standard error better, "
            "set standard_error = ..."
        )
        problems.add(("objectives", number, "tolerance"), rule, objective.target.tolerance, remedy)
