"""Exact symmetries: directions in the search space along which no spike changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibrate.errors import ModelError
from calibrate.network import (
    Distributed,
    Model,
    Network,
    Projection,
    RateStimulus,
    Stimulus,
    Uniform,
    UniformDelay,
    UniformIndegree,
    UniformPotential,
    Values,
)
from calibrate.neurons import IAF_PSC_EXP, neuron_model
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
    the voltage scale and a common shift (see `_make_dimensionless`). The symmetries are the null space of the
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
        ends.append(_make_dimensionless(network, model.values(network, parameters)))
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
            numbers = _make_dimensionless(network, model.values(network, parameters))
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


def _make_dimensionless(network: Network, values: Values) -> NDArray[np.float64]:
    """Return all that spikes depend on: voltages from E_L in units of V_th - E_L, charges in C times that.

    For neuron models other than iaf_psc_exp, the values are unchanged.
    """
    numbers = [number for projection in network.projections for number in _wiring(projection)]
    charge: dict[str, float] = {}
    for population in network.populations:
        defaults = {p.name: p.default for p in neuron_model(population.neuron).parameters}
        own = {**defaults, **values.neurons[population.name]}
        spread = (Distributed, Uniform)
        mean = {name: value.mean if isinstance(value, spread) else value for name, value in own.items()}
        sd = {name: value.sd for name, value in own.items() if isinstance(value, Distributed)}
        sd |= {name: value.high - value.low for name, value in own.items() if isinstance(value, Uniform)}
        low, gap, capacity = 0.0, 1.0, 1.0
        if population.neuron == IAF_PSC_EXP.name:
            low, gap, capacity = mean["E_L"], mean["V_th"] - mean["E_L"], mean["C_m"]
        charge[population.name] = gap * capacity
        unit = {"V_th": gap, "V_reset": gap, "E_L": gap, "C_m": capacity, "I_e": gap * capacity}
        origin = {"V_th": low, "V_reset": low, "E_L": low}
        for name, value in mean.items():
            numbers.append((value - origin.get(name, 0.0)) / unit.get(name, 1.0))
        numbers += [value / unit.get(name, 1.0) for name, value in sd.items()]
        initial = values.initial[population.name]
        if isinstance(initial, UniformPotential):
            numbers += [(initial.low - low) / gap, (initial.high - low) / gap]
        if population.name in values.noise:
            noise = values.noise[population.name]
            numbers += [noise.rate_hz, noise.weight / charge[population.name]]
    for projection in network.projections:
        numbers.append(values.weights[projection.name] / charge[projection.target])
    for given in values.plasticity.values():
        numbers += given.values()
    for stimulus in values.stimuli:
        numbers += [stimulus.start_ms, stimulus.stop_ms, *_strength(stimulus, charge)]
    return np.array(numbers)


def _wiring(projection: Projection) -> list[float]:
    """Return the numbers in a projection's rule, delay and weights."""
    rule, delay_ms = projection.rule, projection.delay_ms
    drawn = [rule.low, rule.high] if isinstance(rule, UniformIndegree) else [rule.probability]
    delays = [delay_ms.low_ms, delay_ms.high_ms] if isinstance(delay_ms, UniformDelay) else [delay_ms]
    return [*drawn, *delays, projection.weight_cv]


def _strength(stimulus: Stimulus | RateStimulus, charge: Mapping[str, float]) -> Iterator[float]:
    if isinstance(stimulus, RateStimulus):
        yield from stimulus.rates_hz
    else:
        yield stimulus.current_pA / charge[stimulus.population]
