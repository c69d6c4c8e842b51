"""Exact symmetries: directions in the search space along which no spike changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibrate.errors import ModelError
from calibrate.network import Model
from calibrate.network.dimensionless import make_dimensionless
from calibrate.study.space import Range, Space

# Central differences over this share of a range have an error of the order of its square: far below the
# effect of a parameter that matters, and far above rounding errors.
_SHARE = 1e-4
_NOTHING = 1e-6
_LOOKS = 9


def warnings(
    model: Model, complete: Callable[[Mapping[str, Any]], Mapping[str, Any]], space: Space
) -> Iterator[str]:
    """Yield one line for every set of free parameters that can be moved together without changing a spike.

    complete   maps free parameters to all parameters

    Continuous parameters only. Everything that the spikes depend on is expressed in units that eliminate C,
    the voltage scale and a common shift (see `make_dimensionless`). The symmetries are the null space of the
    matrix of its derivatives with respect to the free parameters.
    """
    ranges = {n: d for n, d in space.items() if isinstance(d, Range) and not d.integer and d.step is None}
    if not ranges or model.simulation is not None:
        return
    random = np.random.default_rng(0)
    # Not in the middle, where a range can be symmetric by accident.
    at = {name: 0.3 + 0.4 * random.random() for name in ranges}
    others = {name: domain.midpoint for name, domain in space.items()}
    try:
        columns = [_derivative(model, complete, ranges, others, at, name) for name in ranges]
    except Exception:
        # The model rejects a point between the ends, or its code fails there: reported when it is simulated.
        return
    names = np.array(list(ranges))
    slopes = np.stack(columns, axis=1)
    still = np.abs(slopes).max(axis=0) <= _NOTHING
    for name in names[still]:
        if _jumps(model, complete, ranges, others, at, name):
            continue
        yield f"{name} is free, but no spike depends on it: an exact symmetry of the model; fix it"
    names, slopes = names[~still], slopes[:, ~still]
    if not names.size:
        return
    _, sizes, directions = np.linalg.svd(slopes / np.abs(slopes).max(axis=0), full_matrices=True)
    null = directions[np.sum(sizes > _NOTHING * sizes[0]) :]
    involved = names[(np.abs(null) > 1e-3).any(axis=0)] if null.size else names[:0]
    if involved.size:
        yield (
            f"{', '.join(involved)} can be moved together without changing any spike (an exact symmetry of "
            f"the model): fix {'one' if len(null) == 1 else len(null)} of them, or give weights in pA"
        )


def _derivative(
    model: Model,
    complete: Callable[[Mapping[str, Any]], Mapping[str, Any]],
    ranges: Mapping[str, Range],
    others: Mapping[str, Any],
    at: Mapping[str, float],
    name: str,
) -> NDArray[np.float64]:
    ends = []
    for side in (1, -1):
        moved = {other: ranges[other].at(u + side * _SHARE * (other == name)) for other, u in at.items()}
        parameters = complete({**others, **moved})
        network = model.network(parameters)
        ends.append(make_dimensionless(network, model.values(network, parameters)))
    if ends[0].shape != ends[1].shape:
        raise ModelError(f"{name} changes the structure of the network, not only its values")
    if not np.isfinite(ends).all():
        raise ModelError(f"{name} has an effect that is not finite")
    return (ends[0] - ends[1]) / (2 * _SHARE)


def _jumps(
    model: Model,
    complete: Callable[[Mapping[str, Any]], Mapping[str, Any]],
    ranges: Mapping[str, Range],
    others: Mapping[str, Any],
    at: Mapping[str, float],
    name: str,
) -> bool:
    """Return whether a parameter without a slope changes the network in steps, as one that is rounded."""
    seen = []
    for u in (*np.linspace(0.0, 1.0, _LOOKS), at[name]):
        moved = {other: ranges[other].at(float(u) if other == name else v) for other, v in at.items()}
        try:
            parameters = complete({**others, **moved})
            network = model.network(parameters)
            numbers = make_dimensionless(network, model.values(network, parameters))
        except Exception:
            return True  # it cannot be ruled out
        seen.append(
            (network.populations, [type(projection.rule) for projection in network.projections], numbers)
        )
    *first, numbers = seen[0]
    return any(
        other[:2] != tuple(first)
        or other[2].shape != numbers.shape
        or not np.allclose(other[2], numbers, rtol=1e-9, atol=1e-12)
        for other in seen[1:]
    )
