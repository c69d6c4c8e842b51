"""Merging: what a candidate shows on one graph in all conditions of a study, as one record."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from calibrate.calibration.trials.simulation import Simulation
from calibrate.objective import Estimate
from calibrate.objective.losses import shortfall_of
from calibrate.study import Study
from calibrate.study.conditions import Condition, differences_of


def merged(
    study: Study, simulations: Sequence[Simulation], conditions: Sequence[Condition] | None = None
) -> list[Simulation]:
    """One record for every stage and graph of a candidate on which all `conditions` were simulated.

    It has the estimates of all of them, under names such as "evoked.rate_E", and the differences between
    them. It has failed if one of them did. `conditions` are those of the search by default. Simulations of
    no condition, as in a study that names none, stay as they are.
    """
    records = [simulation for simulation in simulations if not simulation.condition]
    wanted = study.searched if conditions is None else conditions
    by_graph: dict[tuple[str, int, int], dict[str, Simulation]] = {}
    for simulation in simulations:
        if simulation.condition:
            key = (simulation.uuid, simulation.stage, simulation.realisation)
            by_graph.setdefault(key, {})[simulation.condition] = simulation
    whole = (found for found in by_graph.values() if all(one.name in found for one in wanted))
    return [*records, *(_merge(study, wanted, found) for found in whole)]


def _merge(study: Study, wanted: Sequence[Condition], found: Mapping[str, Simulation]) -> Simulation:
    parts = [found[condition.name] for condition in wanted]
    reason = next((part.reason for part in parts if part.failed), None)
    estimates: dict[str, Estimate] = {}
    if reason is None:
        for condition, part in zip(wanted, parts, strict=True):
            estimates |= {condition.named(name): one for name, one in part.estimates.items()}
        for one in differences_of(study):
            if {one.first, one.second} <= {condition.name for condition in wanted}:
                first, second = (found[name].estimates.get(one.statistic) for name in (one.first, one.second))
                if first is not None and second is not None:
                    estimates[one.name] = difference(first, second, (one.first, one.second))
    return replace(
        parts[0],
        condition="",
        duration_ms=max(part.duration_ms for part in parts),
        reason=reason,
        estimates=estimates,
    )


def difference(first: Estimate, second: Estimate, conditions: tuple[str, str]) -> Estimate:
    """The value in the first of two `conditions` minus that in the second, on one graph.

    The standard error takes both for independent: that they share graph and seed is not in the errors of
    either. It is undefined if one of them is, with half the shortfall of each; and if the second one is a
    lower bound, since nothing is then known of the difference but that it is not larger.
    """
    if not (first.defined and second.defined) or second.lower_bound:
        sides = zip(conditions, (first, second), strict=True)
        undefined = [(name, side) for name, side in sides if not side.defined]
        notes = [
            f"undefined in {name}" + (f" ({side.note})" if side.note else "") for name, side in undefined
        ]
        return Estimate(
            math.nan,
            shortfall=sum(shortfall_of(side) for _, side in undefined) / 2,
            note="; ".join(notes) or f"only a lower bound in {conditions[1]}",
        )
    return Estimate(
        float(first.value) - float(second.value),
        support=min(first.support, second.support),
        error=math.hypot(first.error, second.error),
        lower_bound=first.lower_bound,
        note=f"lower bound in {conditions[0]}" if first.lower_bound else "",
    )
