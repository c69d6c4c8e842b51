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
    """Estimate of the standard error of the objective's statistic at its target; None where nothing is known.

    From the statistic's declared `spread` on the kind of graph that the network has.
    """
    fixed = any(isinstance(projection.rule, FixedIndegree) for projection in network.projections)
    spread = objective.statistic.spread.get("fixed_indegree" if fixed else "bernoulli")
    if spread is None:
        return None
    return spread.standard_error(objective.target.centre, duration_ms=duration_ms, graphs=graphs)


def check(problems: Problems, file: StudyFile, objectives: Sequence[Objective], network: Network) -> None:
    """Refuse tolerances below the standard error that a trial's statistic has."""
    duration_ms, graphs = file.simulation.duration_ms, file.replicates.graphs
    sections = {
        section.name or section.statistic.rpartition(":")[2]: k for k, section in enumerate(file.objectives)
    }
    for objective in objectives:
        number = sections[objective.name]
        given = file.objectives[number].standard_error
        estimate = standard_error(objective, network, duration_ms=duration_ms, graphs=graphs)
        error = estimate if given is None else given
        if error is None or objective.target.reach >= error:
            continue
        on = "1 graph" if graphs == 1 else f"{graphs} graphs"
        whose = "is estimated at" if given is None else "is given as"
        rule = (
            f"is below the standard error of {objective.name}, which {whose} {error:.2g} "
            f"for {duration_ms:g} ms on {on}"
        )
        remedy = (
            "raise it, or duration_ms, or [replicates] graphs; where you know the standard error better, "
            "give it: standard_error = ..."
        )
        problems.add(("objectives", number, "tolerance"), rule, objective.target.tolerance, remedy)
