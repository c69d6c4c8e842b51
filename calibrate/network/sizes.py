"""The network of a study in other sizes, with all populations scaled together."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from calibrate.errors import ModelError, StudyError
from calibrate.network import Model, Network

# Largest relative deviation of a population from its share of the neurons, which preserves proportions.
TOLERANCE = 0.05


def size_steps(model: Model, parameters: Mapping[str, Any]) -> dict[str, int]:
    """Return the parameters that set the sizes of all populations, and the step in which each can change.

    Such a parameter is a whole number. Doubling it doubles some populations, and changes neither the sizes of
    the others nor the numbers of clusters. Its step keeps all clusters whole.

    Raises StudyError if no such parameter, or more than one, sets the size of a population.
    """
    complete = model.complete(parameters)
    before = model.make_network(complete)
    steps: dict[str, int] = {}
    set_by: dict[str, list[str]] = {population.name: [] for population in before.populations}
    for parameter in model.parameters:
        value = complete[parameter.name]
        if parameter.kind is not int or not value:
            continue
        try:
            after = model.make_network({**complete, parameter.name: 2 * value})
        except Exception:  # of any kind, from the model's code: not a size
            continue
        doubled = _find_doubled(before, after)
        for name in doubled:
            set_by[name].append(parameter.name)
        if doubled:
            of_cluster = math.gcd(*(before.population(name).cluster_size for name in doubled))
            steps[parameter.name] = value // math.gcd(value, of_cluster)
    for name, setting in set_by.items():
        if len(setting) != 1:
            what = f"several parameters: {', '.join(setting)}" if setting else "no whole-number parameter"
            raise StudyError(f"{model.name} cannot be scaled: the size of population {name} is set by {what}")
    return steps


def _find_doubled(before: Network, after: Network) -> list[str]:
    """Return the populations that are twice as large in `after`; none if anything but sizes differs."""
    pairs = list(zip(before.populations, after.populations, strict=False))
    same = len(before.populations) == len(after.populations) and all(
        (one.name, one.clusters) == (other.name, other.clusters) and other.size in (one.size, 2 * one.size)
        for one, other in pairs
    )
    return [one.name for one, other in pairs if other.size == 2 * one.size] if same else []


def sizes_for(model: Model, parameters: Mapping[str, Any], neurons: int) -> dict[str, int]:
    """Return the size parameters of a network of about `neurons` neurons, in the proportions of `parameters`.

    Each is rounded to the nearest size that divides evenly into the clusters. Raises StudyError if this makes
    a population deviate by more than 5 % from its share.
    """
    complete = model.complete(parameters)
    before = model.network(parameters)
    ratio = neurons / before.n_neurons
    sizes = {
        name: max(round(complete[name] * ratio / step), 1) * step
        for name, step in size_steps(model, parameters).items()
    }
    try:
        after = model.network({**complete, **sizes})
    except ModelError as error:
        raise StudyError(f"a network of {neurons:,} neurons is not possible: {error}") from None
    for population in before.populations:
        share, size = population.size * ratio, after.population(population.name).size
        if abs(size - share) > TOLERANCE * share:
            raise StudyError(
                f"a network of {neurons:,} neurons is not possible: population {population.name} would have "
                f"{size:,} neurons in {population.clusters} clusters, not {share:g}"
            )
    return sizes
