"""Networks of one study in other sizes: all populations scaled together."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from calibrate.errors import ModelError, StudyError
from calibrate.network import Model, Network

# A population is no farther than this from its share of the neurons, so that proportions stay.
TOLERANCE = 0.05


def size_steps(model: Model, parameters: Mapping[str, Any]) -> dict[str, int]:
    """The parameters that set the sizes of all populations, and the steps in which each may change.

    Such a parameter is a whole number that, doubled, doubles populations and leaves the sizes of the others
    and all numbers of clusters. Its step keeps all clusters whole.

    Raises StudyError where a population's size follows from no such parameter, or from several.
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
        except Exception:  # whatever the model's code says of it: it is no size
            continue
        doubled = _doubled(before, after)
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


def _doubled(before: Network, after: Network) -> list[str]:
    """Populations twice as large in `after`; none where anything but sizes is different."""
    pairs = list(zip(before.populations, after.populations, strict=False))
    same = len(before.populations) == len(after.populations) and all(
        (one.name, one.clusters) == (other.name, other.clusters) and other.size in (one.size, 2 * one.size)
        for one, other in pairs
    )
    return [one.name for one, other in pairs if other.size == 2 * one.size] if same else []


def sizes_for(model: Model, parameters: Mapping[str, Any], neurons: int) -> dict[str, int]:
    """The size parameters of a network of about `neurons` neurons, in proportion to those in `parameters`.

    Each is rounded to the nearest size that divides into the clusters. Raises StudyError where a
    population is then more than 5 % off its share.
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
        share, found = population.size * ratio, after.population(population.name).size
        if abs(found - share) > TOLERANCE * share:
            raise StudyError(
                f"a network of {neurons:,} neurons is not possible: population {population.name} would have "
                f"{found:,} neurons in {population.clusters} clusters, not {share:g}"
            )
    return sizes
