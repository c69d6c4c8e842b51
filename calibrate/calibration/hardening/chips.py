"""The chips of a hardening: the network under all limits, paired with the exact one graph by graph."""

from __future__ import annotations

from collections.abc import Sequence

from calibrate.calibration.hardening.hardening import Chips
from calibrate.calibration.trials.simulation import Simulation
from calibrate.calibration.trials.summary import TrialSummary
from calibrate.calibration.validation.verdict import judge
from calibrate.study import Study


def chips_of(
    study: Study,
    trial: TrialSummary,
    chips: Sequence[Simulation],
    exact: Sequence[Simulation],
    *,
    target: str,
    finished: str,
    look: int,
) -> Chips:
    """Return how a network does on chips, from its simulations there and on the same graphs without limits.

    A chip survives if every target that the trial met is met there. Constraints count as targets.
    """
    sides = (target, "exact")
    verdict = judge(study, trial, chips, exact, simulators=sides, finished=finished, look=look, pairs="chips")
    claimed = {target.name for target in trial.targets if target.met}
    return Chips(
        survived=sum(_survives(study, one, claimed) for one in chips),
        exact=sum(_survives(study, one, claimed) for one in exact),
        of=len(chips),
        verdict=verdict,
    )


def _survives(study: Study, simulation: Simulation, claimed: set[str]) -> bool:
    if simulation.failed:
        return False
    estimates = simulation.estimates
    return all(
        objective.met(estimates[objective.name])
        for objective in study.objectives
        if objective.name in claimed
    ) and not any(constraint.violation(estimates[constraint.name]) for constraint in study.constraints)
