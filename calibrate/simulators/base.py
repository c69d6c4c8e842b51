"""The protocol of every simulator, and the simulation of a batch through warm-up and measurement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, Self

import numpy as np

from calibrate.network import Network, RateStimulus, Stimulus, Values
from calibrate.observation import FloatArray, IntArray, Layout, Observation, SimulationFailure
from calibrate.observation.layout import BIN_MS, WINDOW_MS
from calibrate.simulators.device_turn import Turn

RATE_DELAY_STEPS = 2
"""Steps after which a new rate of random input takes effect: NEST has sent what arrives earlier."""

Precision = Literal["single", "double"]


@dataclass(frozen=True, kw_only=True)
class RecordingPlan:
    """What a simulator records: counts of groups in bins, of neurons in windows; all spikes if `spikes`."""

    bin_ms: float = BIN_MS
    window_ms: float = WINDOW_MS
    spikes: bool = False


@dataclass(frozen=True, kw_only=True)
class Member:
    """One network of a batch: its values, and the seed of its initial state and random input."""

    values: Values
    seed: int


class Prepared(Protocol):
    """A network that is built and can simulate one batch after another.

    A member's result does not depend on the other members, its place in the batch, or earlier batches.
    """

    @property
    def layout(self) -> Layout:
        """The order of the network's neurons."""

    def load(self, members: Sequence[Member], realisation: int) -> None:
        """Restart at t = 0 with these members (at most the batch size) on graph number `realisation`."""

    def advance(self, duration_ms: float) -> None:
        """Simulate all members for `duration_ms`."""

    def measure(self) -> None:
        """Begin the measurement, at the end of the warm-up: discard all counts so far."""

    def drive(self, member: int, currents_pA: FloatArray) -> None:
        """Add currents (pA) to one member's constant input until the next call; one per group, in order."""

    def drive_rates(self, member: int, rates_hz: FloatArray) -> None:
        """Set the rates (Hz) of one member's random input; one per group, in order.

        They take effect `RATE_DELAY_STEPS` later. A population whose rates are all nan keeps its present
        ones. Populations without random input are ignored.
        """

    def counted(self) -> IntArray:
        """Spikes of every group since `measure`, shape (members, n_groups)."""

    def observe(self) -> list[Observation | SimulationFailure]:
        """Each member's observation since `measure`, or its failure, in the order of `load`."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


class Simulator(Protocol):
    """A simulator; one object per process."""

    def prepare(
        self, network: Network, *, batch_size: int, recording: RecordingPlan, wiring_seed: int
    ) -> Prepared:
        """Build `network` for batches of up to `batch_size`, or load it from a cache."""

    def describe(self) -> dict[str, str]:
        """Name, version, device and precision, which are stored with results."""


def simulate(
    prepared: Prepared,
    members: Sequence[Member],
    *,
    realisation: int,
    warmup_ms: float,
    duration_ms: float,
    turn: Turn | None = None,
) -> list[Observation | SimulationFailure]:
    """Simulate a batch from t = 0 through warm-up and measurement, during its turn on the device."""
    with turn or Turn() as device:
        prepared.load(members, realisation)
        device.loaded()
        _run(prepared, members, warmup_ms=warmup_ms, duration_ms=duration_ms)
    return prepared.observe()


def _run(prepared: Prepared, members: Sequence[Member], *, warmup_ms: float, duration_ms: float) -> None:
    """Run the warm-up and the measurement of a loaded batch, switching its stimuli on and off."""
    end_ms = warmup_ms + duration_ms
    switches: dict[float, set[int]] = {}
    for number, member in enumerate(members):
        for stimulus in member.values.stimuli:
            for time in (stimulus.start_ms, stimulus.stop_ms):
                switches.setdefault(time, set()).add(number)
    now = 0.0
    for time in sorted({0.0, warmup_ms, end_ms, *(t for t in switches if 0 <= t < end_ms)}):
        if time > now:
            prepared.advance(time - now)
            now = time
        for number in sorted(switches.get(time, ())):
            _stimulate(prepared, number, members[number].values, time)
        if time == warmup_ms:
            prepared.measure()


def _stimulate(prepared: Prepared, number: int, values: Values, time_ms: float) -> None:
    """Apply the currents and rates that a network's stimuli have at `time_ms`."""
    layout = prepared.layout
    currents = np.zeros(len(layout.groups))
    rates = np.full(len(layout.groups), np.nan)
    for population, noise in values.noise.items():
        rates[layout.groups_of(population)] = noise.rate_hz
    for stimulus in values.stimuli:
        if stimulus.start_ms <= time_ms < stimulus.stop_ms:
            first = layout.groups_of(stimulus.population).start
            rows = [first + cluster for cluster in stimulus.clusters]
            if isinstance(stimulus, RateStimulus):
                rates[rows] += stimulus.rates_hz
            else:
                currents[rows] += stimulus.current_pA
    if any(isinstance(stimulus, Stimulus) for stimulus in values.stimuli):
        prepared.drive(number, currents)
    if any(isinstance(stimulus, RateStimulus) for stimulus in values.stimuli):
        prepared.drive_rates(number, rates)
