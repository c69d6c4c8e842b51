"""The values tier of a network, and the rules that it must follow."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from numbers import Integral, Real

from calibrate.errors import ModelError, ObservationError, did_you_mean
from calibrate.network.structure import Network, Population, Projection
from calibrate.neurons import neuron_model
from calibrate.neurons.plasticity import plasticity_rule
from calibrate.observation import steps


@dataclass(frozen=True)
class Distributed:
    """A neuron parameter that is normally distributed over neurons: `mean` + `sd` z, with z standard normal.

    Attributes
    ----------
    mean : float
        Mean, in the unit of the parameter.
    sd : float
        Standard deviation.

    Notes
    -----
    z belongs to the realisation, not to the parameters: networks on one graph share it.
    """

    mean: float
    sd: float


@dataclass(frozen=True)
class Uniform:
    """A neuron parameter that is uniformly distributed over neurons.

    Attributes
    ----------
    low : float
        Lower limit, in the unit of the parameter.
    high : float
        Upper limit.

    Notes
    -----
    As with `Distributed`, which neuron has which value belongs to the realisation.
    """

    low: float
    high: float

    @property
    def mean(self) -> float:
        """Mean over neurons: the middle of the limits."""
        return (self.low + self.high) / 2


@dataclass(frozen=True)
class PoissonInput:
    """Independent random input to every neuron.

    It is Poisson, or a gamma process if `Population.noise_shape` is above 1.

    Attributes
    ----------
    rate_hz : float, Hz
        Rate of the input of each neuron.
    weight : float, pA or nS
        Weight in the unit of the neuron model; its sign chooses the receptor.

    Raises
    ------
    ModelError
        If the rate is not finite and at least 0, or the weight is not finite.
    """

    rate_hz: float
    weight: float

    def __post_init__(self) -> None:
        if not (self.rate_hz >= 0 and math.isfinite(self.rate_hz) and math.isfinite(self.weight)):
            raise ModelError("Poisson input needs a finite rate of at least 0 Hz and a finite weight")


@dataclass(frozen=True)
class Stimulus:
    """A constant current into the neurons of some clusters for some time.

    Attributes
    ----------
    population : str
        Name of the population.
    clusters : tuple of int
        The clusters, from 0.
    current_pA : float, pA
        Current that is added.
    start_ms : float, ms
        Beginning, from the start of the simulation, warm-up included.
    stop_ms : float, ms
        End, from the start of the simulation.
    """

    population: str
    clusters: tuple[int, ...]
    current_pA: float
    start_ms: float
    stop_ms: float


@dataclass(frozen=True)
class RateStimulus:
    """Additional random input (see `PoissonInput`) to the neurons of some clusters for some time.

    Attributes
    ----------
    population : str
        Name of the population.
    clusters : tuple of int
        The clusters, from 0.
    rates_hz : tuple of float, Hz
        Rate that is added, for each cluster.
    start_ms : float, ms
        Beginning, from the start of the simulation, warm-up included.
    stop_ms : float, ms
        End, from the start of the simulation.
    """

    population: str
    clusters: tuple[int, ...]
    rates_hz: tuple[float, ...]
    start_ms: float
    stop_ms: float


@dataclass(frozen=True)
class UniformPotential:
    """Membrane potentials start uniformly distributed.

    Attributes
    ----------
    low : float, mV
        Lower limit.
    high : float, mV
        Upper limit.
    """

    low: float
    high: float


@dataclass(frozen=True)
class UniformPhase:
    """Membrane potentials start at a uniform phase of the free-running neuron (its first-passage times).

    If the constant input alone does not make the neuron fire, they start uniformly between reset and
    threshold.
    """


Initial = UniformPotential | UniformPhase


@dataclass(frozen=True, kw_only=True)
class Values:
    """The values of one network of a batch.

    Attributes
    ----------
    neurons : dict of str to dict of str to float, Distributed or Uniform
        Parameters of the neuron model, by population and name.
    weights : dict of str to float
        Weight by projection (its mean, if distributed), in the unit of the neuron model: pA or nS; negative
        on inhibitory receptors.
    initial : dict of str to UniformPotential or UniformPhase
        Distribution of the initial membrane potential, by population.
    noise : dict of str to PoissonInput
        Random input, by population that has noise.
    plasticity : dict of str to dict of str to float
        Parameters of the plasticity rule, by plastic projection and name.
    stimuli : tuple of Stimulus or RateStimulus
        Currents and input rates that are switched on and off.

    Examples
    --------
    >>> from calibrate import UniformPotential, Values
    >>> values = Values(
    ...     neurons={"cells": {"C_m": 200.0, "tau_m": 20.0, "I_e": 250.0}},
    ...     weights={"cells_to_cells_all": -20.0},
    ...     initial={"cells": UniformPotential(-70.0, -55.0)},
    ... )
    >>> values.noise
    {}
    """

    neurons: Mapping[str, Mapping[str, float | Distributed | Uniform]]
    weights: Mapping[str, float]
    initial: Mapping[str, Initial]
    noise: Mapping[str, PoissonInput] = field(default_factory=dict)
    plasticity: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    stimuli: tuple[Stimulus | RateStimulus, ...] = ()


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
