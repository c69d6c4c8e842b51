"""What every simulator does, and what is asked of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, Self

from calibrate.network import Network, Values
from calibrate.observation import Observation, SimulationFailure

Backend = Literal["auto", "genn", "nest", "poisson"]
Precision = Literal["single", "double"]


@dataclass(frozen=True, kw_only=True)
class Recording:
    """What a simulator keeps: counts of groups in bins, of neurons in windows; every spike if asked."""

    bin_ms: float = 1.0
    window_ms: float = 50.0
    spikes: bool = False


@dataclass(frozen=True, kw_only=True)
class Member:
    """One network of a batch: its values, and the seed of its initial state and random input."""

    values: Values
    seed: int


class Prepared(Protocol):
    """A network that is built and can run one batch after another.

    A member's result does not depend on its neighbours, its place, or on what ran before.
    """

    def load(self, members: Sequence[Member], realisation: int) -> None:
        """Start over at t = 0 with these members (at most the batch size) on graph number `realisation`."""

    def advance(self, duration_ms: float) -> None:
        """Simulate all members for `duration_ms`."""

    def measure(self) -> None:
        """Begin the measurement here: forget all counts so far (the end of the warm-up)."""

    def stimulate(self, member: int, population: str, cluster: int, current_pA: float) -> None:
        """Add `current_pA` to the constant input of a cluster of one member, until changed."""

    def observe(self) -> list[Observation | SimulationFailure]:
        """What each member showed since `measure`, in the order of `load`."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


class Simulator(Protocol):
    """A way to simulate networks; one object per process."""

    def prepare(
        self, network: Network, *, batch_size: int, recording: Recording, wiring_seed: int
    ) -> Prepared:
        """Build `network` for batches of up to `batch_size`, or take it from a cache."""

    def describe(self) -> dict[str, str]:
        """Name, version, device and precision, for the record."""


def simulate(
    prepared: Prepared, members: Sequence[Member], *, realisation: int, warmup_ms: float, duration_ms: float
) -> list[Observation | SimulationFailure]:
    """Run a batch from t = 0 through warm-up and measurement, switching its stimuli on and off."""
    prepared.load(members, realisation)
    end_ms = warmup_ms + duration_ms
    switches: dict[float, list[tuple[int, str, int]]] = {}
    for number, member in enumerate(members):
        for stimulus in member.values.stimuli:
            for time in (stimulus.start_ms, stimulus.stop_ms):
                for cluster in stimulus.clusters:
                    switches.setdefault(time, []).append((number, stimulus.population, cluster))
    now = 0.0
    for time in sorted({0.0, warmup_ms, end_ms, *(t for t in switches if 0 <= t < end_ms)}):
        if time > now:
            prepared.advance(time - now)
            now = time
        for number, population, cluster in dict.fromkeys(switches.get(time, [])):
            current = sum(
                stimulus.current_pA
                for stimulus in members[number].values.stimuli
                if stimulus.population == population
                and cluster in stimulus.clusters
                and stimulus.start_ms <= time < stimulus.stop_ms
            )
            prepared.stimulate(number, population, cluster, current)
        if time == warmup_ms:
            prepared.measure()
    return prepared.observe()
