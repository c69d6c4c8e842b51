"""What an export cannot carry, one line each."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator

from calibrate.errors import StudyError
from calibrate.network_export.target import Order, Target
from calibrate.study import Study
from calibrate.study.conditions import Condition


def check_study(study: Study, condition: Condition) -> None:
    """Raise StudyError, with a line for each reason, if a study has no network that a folder can hold."""
    _refuse(_of_study(study, condition))


def check_network(order: Order, target: Target, *, lossy: bool) -> None:
    """Raise StudyError, with a line for each reason, if a target cannot carry a network."""
    _refuse([*_of_target(target, order, lossy=lossy), *_of_network(order, target), *target.refusals(order)])


def _refuse(reasons: Iterator[str] | list[str]) -> None:
    lines = list(reasons)
    if lines:
        raise StudyError("\n".join(lines))


def _of_study(study: Study, condition: Condition) -> Iterator[str]:
    own = study.model.simulation
    if own is not None:
        yield f"study '{study.name}' is simulated by its own function {own.name}: it has no network to export"
        return
    if study.simulation.backend == "poisson":
        yield (
            f"study '{study.name}' simulates Poisson neurons (backend = \"poisson\") and no network to export"
        )
    if study.loop is not None:
        yield f"the networks of study '{study.name}' are in a closed loop ([loop]), which no export carries"
    if condition.stimuli:
        name = f"condition {condition.name}" if condition.name else f"study '{study.name}'"
        yield f"{name} has stimuli, which no export carries"


def _of_target(target: Target, order: Order, *, lossy: bool) -> Iterator[str]:
    if order.connectivity not in target.connectivities:
        yield (
            f"{target.title} holds every synapse and no rules: leave out --connectivity {order.connectivity}"
        )
    if target.reduced is not None and not lossy:
        yield (
            f"{target.title} cannot carry all of such a network: with --lossy it is exported without what it "
            "cannot carry, which is listed"
        )
    if target.reduced is None and lossy:
        yield f"an export to {target.title} loses nothing: leave out --lossy"
    missing = [module for module in target.modules if importlib.util.find_spec(module) is None]
    if missing:
        yield (
            f"an export to {target.title} needs {' and '.join(missing)}: pip install 'calibrate-snn[export]'"
        )


def _of_network(order: Order, target: Target) -> Iterator[str]:
    network, values = order.realisation.network, order.realisation.values
    for population in network.populations:
        if population.neuron not in target.neurons:
            yield (
                f"population {population.name} has neurons {population.neuron}; an export to {target.title} "
                f"carries only {', '.join(target.neurons)}"
            )
        if population.noise:
            yield f"population {population.name} receives random input, which no export carries"
    for projection in network.projections:
        if projection.plasticity is not None:
            yield f"{projection.name} is plastic, which no export carries"
    if values.stimuli:
        yield "the model has stimuli, which no export carries"
