"""The values tier of a network, and the rules that it must keep."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from numbers import Integral, Real

from calibrate.errors import ModelError, ObservationError, did_you_mean
from calibrate.network.structure import Network, Population, Projection
from calibrate.neurons import neuron_model
from calibrate.observation import steps


@dataclass(frozen=True)
class Distributed:
    """A neuron parameter that differs between neurons: `mean` + `sd` z, z standard normal.

    z belongs to the realisation, not to the candidate: candidates on one graph share it.
    """

    mean: float
    sd: float


@dataclass(frozen=True)
class PoissonInput:
    """Independent Poisson input to every neuron; the sign of the weight chooses the receptor."""

    rate_hz: float
    weight: float

    def __post_init__(self) -> None:
        if not (self.rate_hz >= 0 and math.isfinite(self.rate_hz) and math.isfinite(self.weight)):
            raise ModelError("Poisson input needs a finite rate of at least 0 Hz and a finite weight")


@dataclass(frozen=True)
class Stimulus:
    """A constant current (pA) added to the neurons of `clusters` from `start_ms` to `stop_ms`.

    Times count from the start of the simulation, warm-up included.
    """

    population: str
    clusters: tuple[int, ...]
    current_pA: float
    start_ms: float
    stop_ms: float


@dataclass(frozen=True)
class UniformPotential:
    """Membrane potentials start uniformly distributed between `low` and `high` (mV)."""

    low: float
    high: float


@dataclass(frozen=True)
class UniformPhase:
    """Membrane potentials start at a uniform phase of the free-running neuron (its first-passage times).

    Where the constant input alone does not make the neuron fire, uniformly between reset and threshold.
    """


Initial = UniformPotential | UniformPhase


@dataclass(frozen=True, kw_only=True)
class Values:
    """What one network of a batch has of its own.

    neurons   population -> parameter of its neuron model -> number or Distributed
    weights   projection -> weight in the unit of its receptor (pA; negative on inhibitory receptors)
    noise     population -> Poisson input, for populations that have noise
    initial   population -> distribution of the initial membrane potential
    stimuli   currents that are switched on and off
    """

    neurons: Mapping[str, Mapping[str, float | Distributed]]
    weights: Mapping[str, float]
    initial: Mapping[str, Initial]
    noise: Mapping[str, PoissonInput] = field(default_factory=dict)
    stimuli: tuple[Stimulus, ...] = ()


def checked(network: Network, values: Values) -> Values:
    """`values` as they are; ModelError, naming the population or projection, if they do not fit `network`."""
    if not isinstance(values, Values):
        raise ModelError(f"make_values must return Values, not {type(values).__name__}")
    populations = [population.name for population in network.populations]
    noisy = [population.name for population in network.populations if population.noise]
    _check_names("neurons", values.neurons, "population", populations)
    _check_names("initial", values.initial, "population", populations)
    _check_names("noise", values.noise, "population with noise", noisy)
    _check_names("weights", values.weights, "projection", [p.name for p in network.projections])
    for population in network.populations:
        _check_neurons(population, values.neurons[population.name])
        _check_initial(population, values.initial[population.name])
    for name, noise in values.noise.items():
        if not isinstance(noise, PoissonInput):
            raise ModelError(f"population {name}: its noise must be a PoissonInput, not {noise!r}")
    for projection in network.projections:
        _check_weight(projection, values.weights[projection.name])
    for stimulus in values.stimuli:
        _check_stimulus(network, stimulus)
    return values


def check_stimuli(values: Values, dt_ms: float) -> None:
    """ModelError for a stimulus that does not start and stop at whole steps of `dt_ms`."""
    for stimulus in values.stimuli:
        for what, time_ms in (("start", stimulus.start_ms), ("stop", stimulus.stop_ms)):
            try:
                steps(time_ms, dt_ms, f"the {what} of a stimulus onto {stimulus.population}")
            except ObservationError as error:
                raise ModelError(str(error)) from None


def _check_names(values: str, given: Collection[str], kind: str, expected: Collection[str]) -> None:
    for name in expected:
        if name not in given:
            raise ModelError(f"Values.{values} has nothing for the {kind} '{name}'")
    for name in given:
        if name not in expected:
            hint = did_you_mean(name, expected)
            raise ModelError(f"Values.{values} names '{name}', which is no {kind} of the network{hint}")


def _check_number(value: object, what: str) -> None:
    if not isinstance(value, Real) or not math.isfinite(value):
        # An array would be many lines.
        shown = repr(value) if isinstance(value, Real | str) else f"of type {type(value).__name__}"
        raise ModelError(f"{what} must be a finite number, not {shown}")


def _check_neurons(population: Population, given: Mapping[str, float | Distributed]) -> None:
    where = f"population {population.name}"
    typical = {}
    for name, value in given.items():
        if isinstance(value, Distributed):
            if name not in population.distributed:
                raise ModelError(f"{where}: {name} is not among the parameters declared as distributed")
            _check_number(value.mean, f"{where}: the mean of {name}")
            _check_number(value.sd, f"{where}: the SD of {name}")
            if value.sd < 0:
                raise ModelError(f"{where}: the SD of {name} must be at least 0, not {value.sd:g}")
            typical[name] = value.mean
        else:
            _check_number(value, f"{where}: {name}")
            typical[name] = value
    model = neuron_model(population.neuron)
    try:
        model.check(model.complete(typical))
    except ModelError as error:
        raise ModelError(f"{where}: {error}") from None


def _check_initial(population: Population, initial: Initial) -> None:
    where = f"population {population.name}: the initial potential"
    if isinstance(initial, UniformPotential):
        _check_number(initial.low, f"{where}, low,")
        _check_number(initial.high, f"{where}, high,")
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


def _check_stimulus(network: Network, stimulus: Stimulus) -> None:
    names = [population.name for population in network.populations]
    if stimulus.population not in names:
        hint = did_you_mean(stimulus.population, names)
        raise ModelError(f"a stimulus names '{stimulus.population}', which is no population{hint}")
    where = f"a stimulus onto {stimulus.population}"
    clusters = network.population(stimulus.population).clusters
    for cluster in stimulus.clusters:
        if not isinstance(cluster, Integral) or cluster not in range(clusters):
            raise ModelError(f"{where}: {cluster!r} is none of its clusters 0 to {clusters - 1}")
    for name in ("current_pA", "start_ms", "stop_ms"):
        _check_number(getattr(stimulus, name), f"{where}: {name}")
    if not 0 <= stimulus.start_ms < stimulus.stop_ms:
        raise ModelError(
            f"{where} needs 0 <= start < stop, not {stimulus.start_ms:g} and {stimulus.stop_ms:g} ms"
        )
