"""Networks without units, and in others: all that spikes depend on, and what leaves it as it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from calibrate.network import (
    Distributed,
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

_Number = float | Distributed | Uniform


def make_dimensionless(network: Network, values: Values) -> NDArray[np.float64]:
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


def rescaled(network: Network, values: Values, *, capacitance: float = 1.0, voltage: float = 1.0) -> Values:
    """Return `values` with all capacitances and all voltages, from E_L, times these factors.

    Currents, weights among them, change with both. For iaf_psc_exp this changes no spike: the result has the
    same dimensionless numbers. For other neuron models it does change them; compare them if that matters.
    """
    if capacitance == voltage == 1.0:
        return values
    current = capacitance * voltage
    factors = {"V_th": voltage, "V_reset": voltage, "E_L": voltage, "C_m": capacitance, "I_e": current}
    neurons, initial = {}, dict(values.initial)
    for population in network.populations:
        defaults = {p.name: p.default for p in neuron_model(population.neuron).parameters}
        own = {**defaults, **values.neurons[population.name]}
        low = _mean(own["E_L"]) if "E_L" in own else 0.0
        origins = {"V_th": low, "V_reset": low, "E_L": low}
        neurons[population.name] = {
            name: _moved(value, factors[name], origins.get(name, 0.0)) if name in factors else value
            for name, value in own.items()
        }
        start = initial[population.name]
        if isinstance(start, UniformPotential):
            initial[population.name] = UniformPotential(
                low + voltage * (start.low - low), low + voltage * (start.high - low)
            )
    return replace(
        values,
        neurons=neurons,
        weights={name: weight * current for name, weight in values.weights.items()},
        initial=initial,
        noise={name: replace(noise, weight=noise.weight * current) for name, noise in values.noise.items()},
        stimuli=tuple(
            replace(one, current_pA=one.current_pA * current) if isinstance(one, Stimulus) else one
            for one in values.stimuli
        ),
        levels={
            name: one if one.step is None else replace(one, step=one.step * current)
            for name, one in values.levels.items()
        },
        mismatch={
            population: {
                name: one if one.factor else replace(one, sd=one.sd * factors.get(name, 1.0))
                for name, one in of_population.items()
            }
            for population, of_population in values.mismatch.items()
        },
    )


def _mean(value: _Number) -> float:
    return value if isinstance(value, int | float) else value.mean


def _moved(
    value: float | Distributed | Uniform, factor: float, origin: float
) -> float | Distributed | Uniform:
    """Return a value whose distance from the origin is multiplied by a factor."""
    if isinstance(value, Distributed):
        return Distributed(origin + factor * (value.mean - origin), factor * value.sd)
    if isinstance(value, Uniform):
        return Uniform(origin + factor * (value.low - origin), origin + factor * (value.high - origin))
    return origin + factor * (value - origin)
