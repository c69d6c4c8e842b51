"""The section of a platform of neuromorphic hardware, and of its limits."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from calibrate.hardware import Hardware, hardware
from calibrate.study.file.base import MANY, Count, Section

Bits = Annotated[int, Field(ge=1, le=52)]
Spread = Annotated[float, Field(ge=0, le=10)]
Milliseconds = Annotated[float, Field(ge=1e-3, le=1e3)]


class HardwareSection(Section):
    """[hardware]: limits of a chip, for `calibrate harden`; with search = true, for all simulations."""

    target: Literal["spinnaker", "loihi", "brainscales2", "dynapse", "custom"] = Field(
        description="the platform, whose limits are the defaults of the other keys; custom has none"
    )
    search: bool = Field(
        default=False,
        description="true: every network of the study is simulated under the limits, so that the search "
        "finds networks that survive them",
    )
    weight_bits: Annotated[int, Field(ge=2, le=32)] | None = Field(
        default=None, description="bits of a weight"
    )
    signed: bool | None = Field(
        default=None, description="whether one of these bits is the sign; false: the receptor says it"
    )
    scale: Literal["network", "receptor", "projection"] | None = Field(
        default=None,
        description="which weights share one step: all (network), those onto one receptor of a "
        "population, or those of a projection",
    )
    scaling: Literal["full_range", "power_of_two", "ring_buffer"] | None = Field(
        default=None,
        description="how the step follows from them: the largest has the highest level (full_range); a "
        "power of two times one unit per population; or the rule of sPyNNaker's ring buffers",
    )
    weight_exponents: Count | None = Field(
        default=None, description="number of powers of two for power_of_two"
    )
    spikes_per_second: Annotated[float, Field(gt=0, le=1e6)] | None = Field(
        default=None, description="rate of every source for ring_buffer (Hz)"
    )
    ring_buffer_sigma: Annotated[float, Field(ge=0, le=1e3)] | None = Field(
        default=None, description="standard deviations of the input above its mean for ring_buffer"
    )
    rounding: Literal["nearest", "random", "optimal"] | None = Field(
        default=None,
        description="of weights: to the nearest level; each synapse at random to one of the two levels "
        "beside its weight, without bias; or, as optimal, to the nearest level with the best step of all",
    )
    fan_in: Count | None = Field(default=None, description="largest number of synapses onto a neuron")
    fan_out: Count | None = Field(default=None, description="largest number of synapses from a neuron")
    neurons_per_core: Count | None = Field(default=None, description="largest number of neurons on a core")
    dt_ms: Milliseconds | None = Field(default=None, description="time step (ms)")
    delay_step_ms: Milliseconds | None = Field(
        default=None, description="step of delays, if it is not the time step (ms)"
    )
    min_delay_steps: Count | None = Field(default=None, description="shortest delay, in its steps")
    max_delay_steps: Count | None = Field(default=None, description="longest delay, in its steps")
    max_refractory_steps: Count | None = Field(
        default=None, description="longest refractory time, in time steps"
    )
    state_fraction_bits: Annotated[int, Field(ge=0, le=52)] | None = Field(
        default=None,
        description="binary places of potentials (mV), constant inputs (nA) and capacitances (nF)",
    )
    decay_bits: Bits | None = Field(
        default=None, description="binary places of what is left of a membrane potential after a time step"
    )
    synapse_decay_bits: Bits | None = Field(
        default=None, description="binary places of what is left of a synaptic current after a time step"
    )
    threshold_bits: Bits | None = Field(
        default=None, description="bits of the distance from rest to threshold, for power_of_two"
    )
    bias_bits: Bits | None = Field(default=None, description="bits of the mantissa of the constant input")
    weight_cv: Spread | None = Field(
        default=None, description="mismatch: coefficient of variation of weights over synapses"
    )
    time_constant_cv: Spread | None = Field(
        default=None, description="mismatch: coefficient of variation of time constants over neurons"
    )
    threshold_cv: Spread | None = Field(
        default=None, description="mismatch: SD of thresholds over neurons, as a share of V_th - E_L"
    )
    max_rate_hz: Annotated[float, Field(gt=0, le=MANY)] | None = Field(
        default=None, description="highest rate of a neuron (Hz)"
    )
    max_events_per_s: Annotated[float, Field(gt=0, le=1e12)] | None = Field(
        default=None, description="highest number of spikes per second of a core"
    )
    stimuli: bool | None = Field(
        default=None, description="whether currents into neurons can be switched on and off"
    )

    @property
    def hardware(self) -> Hardware:
        """The limits: those of the platform, and those that the table has in place of them.

        Raises ModelError if two of them contradict each other.
        """
        return hardware(self.target, **self.model_dump(exclude={"target", "search"}, exclude_none=True))
