"""The limits of a platform, each with a name of its own."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

from calibrate.errors import ModelError

PA_PER_NA = 1000.0
"""Units of the platforms are nA and nF; those of neuron models are pA and pF."""

Scale = Literal["network", "receptor", "projection"]
Scaling = Literal["full_range", "power_of_two", "ring_buffer"]
Rounding = Literal["nearest", "random", "optimal"]


@dataclass(frozen=True, kw_only=True)
class Hardware:
    """The limits of a platform. What is None is not limited.

    Attributes
    ----------
    target : str
        Name of the platform.
    weight_bits : int or None
        Bits of a weight, from 2 to 32.
    signed : bool
        Whether one of these bits is the sign. If not, the receptor says the sign.
    scale : {"network", "receptor", "projection"}
        Which weights share one step: all, those onto one receptor of one population, or those of one
        projection.
    scaling : {"full_range", "power_of_two", "ring_buffer"}
        How the step follows from the weights that share it. "full_range": the largest one has the highest
        level. "power_of_two": a power of two times the unit of the population, the finest with which the
        largest one has a level. "ring_buffer": the rule of sPyNNaker; the input that is expected in a time
        step must fit.
    weight_exponents : int
        Number of powers of two that a step can be, for scaling "power_of_two".
    spikes_per_second : float, Hz
        Rate of every source, for scaling "ring_buffer".
    ring_buffer_sigma : float
        Standard deviations of the input above its mean, for scaling "ring_buffer".
    rounding : {"nearest", "random", "optimal"}
        "nearest": every weight to its nearest level. "random": every synapse to one of the two neighbouring
        levels, such that their mean is the weight. "optimal": to the nearest level, with the step that makes
        the largest relative error of the weights that share it smallest.
    fan_in : int or None
        Largest number of synapses onto a neuron.
    fan_out : int or None
        Largest number of synapses from a neuron.
    neurons_per_core : int or None
        Largest number of neurons on a core.
    dt_ms : float or None, ms
        Time step.
    delay_step_ms : float or None, ms
        Step of delays, if it is not the time step.
    min_delay_steps : int or None
        Shortest delay, in these steps.
    max_delay_steps : int or None
        Longest delay, in these steps.
    max_refractory_steps : int or None
        Longest refractory time, in time steps.
    state_fraction_bits : int or None
        Binary places of potentials (mV), constant inputs (nA) and capacitances (nF), in fixed point.
    decay_bits : int or None
        Binary places of the share of the membrane potential that is left after a time step.
    synapse_decay_bits : int or None
        Binary places of the share of a synaptic current that is left after a time step.
    threshold_bits : int or None
        Bits of the distance from rest to threshold, in the unit of scaling "power_of_two".
    bias_bits : int or None
        Bits of the mantissa of the constant input, beside its sign.
    weight_cv : float
        Mismatch: coefficient of variation, over synapses, of the effect of a level; log-normal with mean 1.
    time_constant_cv : float
        Mismatch: coefficient of variation of every time constant over neurons; log-normal.
    threshold_cv : float
        Mismatch: SD of the threshold over neurons, as a share of V_th - E_L; normal.
    max_rate_hz : float or None, Hz
        Highest rate of a neuron.
    max_events_per_s : float or None
        Highest number of spikes in a second, of all neurons of a core.
    stimuli : bool
        Whether currents into neurons can be switched on and off.

    Raises
    ------
    ModelError
        If a limit is out of its range, or two contradict each other.

    Examples
    --------
    >>> from calibrate.hardware import Hardware
    >>> Hardware(weight_bits=6).highest_level, Hardware(weight_bits=6, signed=False).highest_level
    (31, 63)
    """

    target: str = "custom"
    weight_bits: int | None = None
    signed: bool = True
    scale: Scale = "network"
    scaling: Scaling = "full_range"
    weight_exponents: int = 8
    spikes_per_second: float = 30.0
    ring_buffer_sigma: float = 5.0
    rounding: Rounding = "nearest"
    fan_in: int | None = None
    fan_out: int | None = None
    neurons_per_core: int | None = None
    dt_ms: float | None = None
    delay_step_ms: float | None = None
    min_delay_steps: int | None = None
    max_delay_steps: int | None = None
    max_refractory_steps: int | None = None
    state_fraction_bits: int | None = None
    decay_bits: int | None = None
    synapse_decay_bits: int | None = None
    threshold_bits: int | None = None
    bias_bits: int | None = None
    weight_cv: float = 0.0
    time_constant_cv: float = 0.0
    threshold_cv: float = 0.0
    max_rate_hz: float | None = None
    max_events_per_s: float | None = None
    stimuli: bool = True

    def __post_init__(self) -> None:
        for name, choices in (("scale", Scale), ("scaling", Scaling), ("rounding", Rounding)):
            if (given := getattr(self, name)) not in get_args(choices):
                raise ModelError(f"{name} must be one of {', '.join(get_args(choices))}, not '{given}'")
        for name, (low, high) in _RANGES.items():
            given = getattr(self, name)
            if given is not None and not low <= given <= high:
                raise ModelError(f"{name} must be from {low:g} to {high:g}, not {given:g}")
        shortest, longest = self.min_delay_steps, self.max_delay_steps
        if shortest is not None and longest is not None and shortest > longest:
            raise ModelError(f"min_delay_steps = {shortest} is above max_delay_steps = {longest}")
        if self.scaling == "ring_buffer" and self.rounding == "optimal":
            raise ModelError(
                'rounding = "optimal" needs a choice of steps, which scaling = "ring_buffer" does not leave'
            )
        if self.scaling == "ring_buffer" and self.scale != "receptor":
            raise ModelError('scaling = "ring_buffer" has a step for each receptor: scale must be "receptor"')
        if self.threshold_bits is not None and self.scaling != "power_of_two":
            raise ModelError('threshold_bits counts in the unit of scaling = "power_of_two"')

    @property
    def highest_level(self) -> int | None:
        """The highest level of a weight; the lowest one is 0. None if weights are not rounded."""
        return None if self.weight_bits is None else int(2 ** (self.weight_bits - self.signed)) - 1

    @property
    def individual(self) -> bool:
        """Whether the synapses of a projection differ: by random rounding, or by mismatch."""
        return self.weight_cv > 0 or (self.weight_bits is not None and self.rounding == "random")

    @property
    def differs_between_chips(self) -> bool:
        """Whether two chips differ by mismatch."""
        return max(self.weight_cv, self.time_constant_cv, self.threshold_cv) > 0

    def delay_ms(self, delay_ms: float, dt_ms: float) -> float:
        """Return a delay within the range, and in the steps, that the platform has (ms).

        Parameters
        ----------
        delay_ms : float, ms
            The delay that a synapse should have.
        dt_ms : float, ms
            Time step.

        Returns
        -------
        float, ms
            The delay that it has; a simulator rounds it to whole time steps.
        """
        step_ms = self.delay_step_ms or dt_ms
        if self.delay_step_ms is not None:
            delay_ms = max(1, math.floor(delay_ms / step_ms + 0.5 + 1e-9)) * step_ms
        if self.min_delay_steps is not None:
            delay_ms = max(delay_ms, self.min_delay_steps * step_ms)
        return delay_ms if self.max_delay_steps is None else min(delay_ms, self.max_delay_steps * step_ms)

    def __str__(self) -> str:
        """What changes a simulation, in words: `loihi (weights of 8 bits, to the nearest level; ...)`."""
        parts = []
        if self.weight_bits is not None:
            how = {"random": "at random without bias", "optimal": "with optimal steps"}
            rounded = how.get(self.rounding, "to the nearest level")
            parts.append(f"weights of {self.weight_bits} bits, scaled per {self.scale}, rounded {rounded}")
        spreads = {
            "weights": self.weight_cv,
            "time constants": self.time_constant_cv,
            "thresholds": self.threshold_cv,
        }
        mismatch = [f"{100 * spread:g} % of {what}" for what, spread in spreads.items() if spread]
        if mismatch:
            parts.append(f"mismatch of {', '.join(mismatch)}")
        if self.dt_ms is not None:
            parts.append(f"time step {self.dt_ms:g} ms")
        return f"{self.target} ({'; '.join(parts)})" if parts else self.target

    def as_dict(self) -> dict[str, Any]:
        """Return the limits that there are, by name, as JSON has them."""
        every = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in every.items() if value is not None}


_RANGES: dict[str, tuple[float, float]] = {
    "weight_bits": (2, 32),
    "weight_exponents": (1, 64),
    "spikes_per_second": (1e-3, 1e6),
    "ring_buffer_sigma": (0, 1e3),
    "fan_in": (1, math.inf),
    "fan_out": (1, math.inf),
    "neurons_per_core": (1, math.inf),
    "dt_ms": (1e-3, 1e3),
    "delay_step_ms": (1e-3, 1e3),
    "min_delay_steps": (1, math.inf),
    "max_delay_steps": (1, math.inf),
    "max_refractory_steps": (1, math.inf),
    "state_fraction_bits": (0, 52),
    "decay_bits": (1, 52),
    "synapse_decay_bits": (1, 52),
    "threshold_bits": (1, 52),
    "bias_bits": (1, 52),
    "weight_cv": (0, 10),
    "time_constant_cv": (0, 10),
    "threshold_cv": (0, 10),
    "max_rate_hz": (1e-9, math.inf),
    "max_events_per_s": (1e-9, math.inf),
}
