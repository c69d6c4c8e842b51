"""The values tier of a network, and the rules that it must follow."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from calibrate.errors import ModelError
from calibrate.network.levels import Levels, Mismatch


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


def typical(
    defaults: Mapping[str, Any], given: Mapping[str, float | Distributed | Uniform]
) -> dict[str, float]:
    """Return neuron parameters with the means of those that are distributed."""
    return {
        name: value.mean if isinstance(value, Distributed | Uniform) else float(value)
        for name, value in {**defaults, **given}.items()
    }


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
    levels : dict of str to Levels
        What the synapses have of their weight, by projection with `levels`.
    mismatch : dict of str to dict of str to Mismatch
        Differences between neurons, by population and parameter, which must be distributed.

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
    levels: Mapping[str, Levels] = field(default_factory=dict)
    mismatch: Mapping[str, Mapping[str, Mismatch]] = field(default_factory=dict)
