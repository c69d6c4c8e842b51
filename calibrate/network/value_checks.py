"""Whether values fit their network."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from numbers import Integral, Real

from calibrate.errors import ModelError, ObservationError, did_you_mean
from calibrate.network.structure import Network, Population, Projection
from calibrate.network.values import (
    Distributed,
    Initial,
    PoissonInput,
    RateStimulus,
    Stimulus,
    Uniform,
    UniformPhase,
    UniformPotential,
    Values,
)
from calibrate.neurons import neuron_model
from calibrate.neurons.plasticity import plasticity_rule
from calibrate.observation import steps


def checked(network: Network, values: Values) -> Values:
    """Check values against their network.

    Parameters
    ----------
    network : Network
        The network.
    values : Values
        Its values.

    Returns
    -------
    Values
        The same values.

    Raises
    ------
    ModelError
        If they do not fit the network; the message names the population or projection.

    Examples
    --------
    >>> from calibrate import Network, Population, UniformPotential, Values
    >>> from calibrate.network import checked
    >>> network = Network(populations=(Population(name="cells", size=10),), projections=())
    >>> values = Values(neurons={"cells": {}}, weights={}, initial={"cells": UniformPotential(-70.0, -55.0)})
    >>> checked(network, values) is values
    True
    """
    if not isinstance(values, Values):
        raise ModelError(f"make_values must return Values, not {type(values).__name__}")
    populations = [population.name for population in network.populations]
    noisy = [population.name for population in network.populations if population.noise]
    _check_names("neurons", values.neurons, "population", populations)
    _check_names("initial", values.initial, "population", populations)
    _check_names("noise", values.noise, "population with noise", noisy)
    _check_names("weights", values.weights, "projection", [p.name for p in network.projections])
    _check_names(
        "levels", values.levels, "projection with levels", [p.name for p in network.projections if p.levels]
    )
    plastic = {p.name: p.plasticity for p in network.projections if p.plasticity is not None}
    _check_names("plasticity", values.plasticity, "plastic projection", list(plastic))
    for name, plasticity in plastic.items():
        try:
            plasticity_rule(plasticity.rule).complete(values.plasticity[name])
        except ModelError as error:
            raise ModelError(f"plasticity of {name}: {error}") from None
    for population in network.populations:
        _check_neurons(population, values.neurons[population.name])
        _check_initial(population, values.initial[population.name])
        for name in values.mismatch.get(population.name, {}):
            if name not in population.distributed:
                raise ModelError(
                    f"population {population.name}: {name} has a mismatch, but is not distributed"
                )
    for name, noise in values.noise.items():
        if not isinstance(noise, PoissonInput):
            raise ModelError(f"population {name}: its noise must be a PoissonInput, not {noise!r}")
    for projection in network.projections:
        _check_weight(projection, values.weights[projection.name])
    for stimulus in values.stimuli:
        _check_stimulus(network, stimulus)
    return values


def check_stimuli(values: Values, dt_ms: float) -> None:
    """Check that stimuli start and stop at whole steps.

    Parameters
    ----------
    values : Values
        Values with stimuli.
    dt_ms : float, ms
        Step of the simulation.

    Raises
    ------
    ModelError
        If one does not.

    Examples
    --------
    >>> from calibrate import Stimulus, UniformPotential, Values
    >>> from calibrate.network import check_stimuli
    >>> stimulus = Stimulus("E", (0,), current_pA=50.0, start_ms=100.0, stop_ms=200.05)
    >>> check_stimuli(Values(neurons={}, weights={}, initial={}, stimuli=(stimulus,)), dt_ms=0.1)
    Traceback (most recent call last):
        ...
    calibrate.errors.ModelError: the stop of a stimulus onto E of 200.05 ms is not a whole number of ...
    """
    for stimulus in values.stimuli:
        for what, time_ms in (("start", stimulus.start_ms), ("stop", stimulus.stop_ms)):
            try:
                steps(time_ms, dt_ms, f"the {what} of a stimulus onto {stimulus.population}")
            except ObservationError as error:
                raise ModelError(str(error)) from None


def _check_names(values: str, given: Collection[str], kind: str, expected: Collection[str]) -> None:
    for name in expected:
        if name not in given:
            raise ModelError(f"Values.{values} has no entry for the {kind} '{name}'")
    for name in given:
        if name not in expected:
            hint = did_you_mean(name, expected)
            raise ModelError(f"Values.{values} names '{name}', which is not a {kind} of the network{hint}")


def _check_number(value: object, what: str) -> None:
    if not isinstance(value, Real) or not math.isfinite(value):
        # The repr of an array can take many lines.
        shown = repr(value) if isinstance(value, Real | str) else f"of type {type(value).__name__}"
        raise ModelError(f"{what} must be a finite number, not {shown}")


def _check_neurons(population: Population, given: Mapping[str, float | Distributed | Uniform]) -> None:
    where = f"population {population.name}"
    typical = {}
    for name, value in given.items():
        if isinstance(value, Distributed | Uniform):
            if name not in population.distributed:
                raise ModelError(f"{where}: {name} is not among the parameters declared as distributed")
            _check_spread(value, name, where)
            typical[name] = value.mean
        else:
            _check_number(value, f"{where}: {name}")
            typical[name] = value
    model = neuron_model(population.neuron)
    try:
        model.check(model.complete(typical))
    except ModelError as error:
        raise ModelError(f"{where}: {error}") from None


def _check_spread(value: Distributed | Uniform, name: str, where: str) -> None:
    if isinstance(value, Distributed):
        _check_number(value.mean, f"{where}: the mean of {name}")
        _check_number(value.sd, f"{where}: the SD of {name}")
        if value.sd < 0:
            raise ModelError(f"{where}: the SD of {name} must be at least 0, not {value.sd:g}")
        return
    _check_number(value.low, f"{where}: the lowest {name}")
    _check_number(value.high, f"{where}: the highest {name}")
    if value.low > value.high:
        raise ModelError(f"{where}: {name} needs low <= high, not {value.low:g} > {value.high:g}")


def _check_initial(population: Population, initial: Initial) -> None:
    where = f"population {population.name}: the initial potential"
    if isinstance(initial, UniformPotential):
        _check_number(initial.low, f"{where}: low")
        _check_number(initial.high, f"{where}: high")
        if initial.low > initial.high:
            raise ModelError(f"{where} needs low <= high, not {initial.low:g} > {initial.high:g} mV")
    elif not isinstance(initial, UniformPhase):
        raise ModelError(f"{where} must be UniformPotential or UniformPhase, not {initial!r}")


def _check_weight(projection: Projection, weight: float) -> None:
    _check_number(weight, f"the weight of {projection.name}")
    # NEST takes the receptor from the sign of the weight, GeNN from the projection.
    wrong = {"ex": weight < 0, "in": weight > 0}
    if wrong.get(projection.receptor, False):
        sign = "at least 0" if projection.receptor == "ex" else "at most 0"
        raise ModelError(
            f"the weight of {projection.name} must be {sign} on receptor '{projection.receptor}', "
            f"not {weight:g}"
        )


def _check_stimulus(network: Network, stimulus: Stimulus | RateStimulus) -> None:
    names = [population.name for population in network.populations]
    if stimulus.population not in names:
        hint = did_you_mean(stimulus.population, names)
        raise ModelError(f"a stimulus names '{stimulus.population}', which is not a population{hint}")
    where = f"a stimulus onto {stimulus.population}"
    clusters = network.population(stimulus.population).clusters
    for cluster in stimulus.clusters:
        if not isinstance(cluster, Integral) or cluster not in range(clusters):
            raise ModelError(f"{where}: {cluster!r} is not one of its clusters 0 to {clusters - 1}")
    for name in ("start_ms", "stop_ms"):
        _check_number(getattr(stimulus, name), f"{where}: {name}")
    if isinstance(stimulus, RateStimulus):
        _check_rates(network.population(stimulus.population), stimulus, where)
    else:
        _check_number(stimulus.current_pA, f"{where}: current_pA")
    if not 0 <= stimulus.start_ms < stimulus.stop_ms:
        raise ModelError(
            f"{where} needs 0 <= start < stop, not {stimulus.start_ms:g} and {stimulus.stop_ms:g} ms"
        )


def _check_rates(population: Population, stimulus: RateStimulus, where: str) -> None:
    if not population.noise:
        raise ModelError(f"{where} changes the rate of its random input, but it has none")
    if len(stimulus.rates_hz) != len(stimulus.clusters):
        raise ModelError(
            f"{where} needs a rate for each of its {len(stimulus.clusters)} clusters, "
            f"not {len(stimulus.rates_hz)}"
        )
    for rate in stimulus.rates_hz:
        _check_number(rate, f"{where}: a rate")
        if rate < 0:
            raise ModelError(f"{where}: a rate must be at least 0 Hz, not {rate:g}")
