"""Coupling: each network of a batch in a closed loop with its own environment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from numbers import Real
from pathlib import Path
from typing import Any, Literal

import numpy as np

from calibrate.errors import ModelError, SimulatorError, reason_of
from calibrate.network import Values
from calibrate.observation import Episode, FloatArray, IntArray, Layout, Observation, SimulationFailure, steps
from calibrate.simulators.base import Member, Prepared
from calibrate.simulators.closed_loop.environment import Environment, find_environment, make_environment
from calibrate.simulators.device_turn import Turn


@dataclass(frozen=True, kw_only=True)
class Loop:
    """How a network and its environment are coupled.

    environment        its name: installed, "file.py:Name" or "package.module:Name"
    folder             where such a file is looked up
    options            keyword arguments that make it
    interval_ms        biological time between exchanges
    output             what it receives from every cluster of `output_population`: "rates" (mean over the
                       cluster's neurons in the interval, Hz) or "counts" (all their spikes in the interval)
    output_population  name of the population that it receives from
    input              what it returns to every cluster of `input_population`: "current" (pA, added to the
                       constant input) or "rate" (of the Poisson input of each neuron, Hz)
    input_population   name of the population that it stimulates
    """

    environment: str
    folder: Path | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    interval_ms: float = 10.0
    output: Literal["rates", "counts"] = "rates"
    output_population: str = "E"
    input: Literal["current", "rate"] = "current"
    input_population: str = "E"

    def made(self) -> Environment:
        """Make a new environment. Raises PluginError."""
        maker = find_environment(self.environment, folder=self.folder)
        return make_environment(maker, self.environment, self.options)


class Coupling:
    """One network's side of a loop: passes spike counts to its environment and returns the stimulation."""

    def __init__(self, loop: Loop, layout: Layout, *, seed: int) -> None:
        self._loop, self._environment = loop, loop.made()
        # The environment has its own random numbers, with a seed derived from its network's.
        self._seed: int | None = int(np.random.SeedSequence(seed, spawn_key=(1,)).generate_state(1)[0] >> 1)
        self._inputs = layout.groups_of(loop.input_population)
        self._outputs = layout.groups_of(loop.output_population)
        sizes = np.array([group.size for group in layout.groups[self._outputs]])
        per_second = 1000.0 / loop.interval_ms
        self._scale = per_second / sizes if loop.output == "rates" else np.ones(sizes.size)
        self._n_groups = len(layout.groups)
        self._now_ms = self._began_ms = 0.0
        self._reward = 0.0
        self.episodes: list[Episode] = []

    def begin(self) -> FloatArray:
        """Reset the environment and return the first stimulation, shape (n_groups,).

        Raises SimulatorError, which names the environment, whatever it raises.
        """
        with self._naming_environment():
            return self._begin()

    def _begin(self) -> FloatArray:
        seed, self._seed = self._seed, None
        options = {
            "interval_ms": self._loop.interval_ms,
            "n_outputs": self._outputs.stop - self._outputs.start,
            "n_inputs": self._inputs.stop - self._inputs.start,
        }
        self._began_ms, self._reward = self._now_ms, 0.0
        stimulation, _ = self._environment.reset(seed=seed, options=options)
        return self._spread(stimulation)

    def exchange(self, counts: IntArray) -> FloatArray:
        """Step the environment with the spike counts of an interval and return the next stimulation.

        Both have shape (n_groups,). Raises SimulatorError, which names the environment, whatever it raises.
        """
        with self._naming_environment():
            return self._exchange(counts)

    def _exchange(self, counts: IntArray) -> FloatArray:
        self._now_ms += self._loop.interval_ms
        action = counts[self._outputs] * self._scale
        stimulation, reward, terminated, truncated, info = self._environment.step(action)
        self._reward += float(reward)
        if not (terminated or truncated):
            return self._spread(stimulation)
        measures = {
            str(name): float(value) for name, value in info.items() if isinstance(value, Real | np.bool_)
        }
        self.episodes.append(Episode(self._began_ms, self._now_ms, self._reward, measures))
        return self._begin()

    @contextmanager
    def _naming_environment(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # a user's environment can raise anything
            raise SimulatorError(
                f"environment {self._loop.environment} failed: {reason_of(error)}"
            ) from error

    def _spread(self, stimulation: Any) -> FloatArray:
        """Check a stimulation and assign it to the groups of the input population, shape (n_groups,)."""
        values = np.asarray(stimulation, dtype=float)
        n = self._inputs.stop - self._inputs.start
        if values.shape not in ((), (1,), (n,)):
            raise SimulatorError(
                f"it returned a stimulation of shape {values.shape}; "
                f"population {self._loop.input_population} has {n} clusters"
            )
        if not np.isfinite(values).all() or (self._loop.input == "rate" and (values < 0).any()):
            raise SimulatorError("it returned a stimulation that is not finite, or a negative rate")
        of_groups = np.zeros(self._n_groups)
        of_groups[self._inputs] = values
        return of_groups


def stimulate(prepared: Prepared, loop: Loop, member: int, stimulation: FloatArray) -> None:
    """Apply the stimulation of the next interval, shape (n_groups,), to a member."""
    if loop.input == "rate":
        rates = np.full(stimulation.shape, np.nan)  # nan: the input of other populations does not change
        rows = prepared.layout.groups_of(loop.input_population)
        rates[rows] = stimulation[rows]
        prepared.drive_rates(member, rates)
    else:
        prepared.drive(member, stimulation)


def refuse_stimuli(values: Values) -> None:
    """Raise ModelError if a network that is to be in a closed loop has stimuli already."""
    if values.stimuli:
        raise ModelError("a network in a closed loop is stimulated by its environment: remove the stimuli")


def simulate_in_loop(
    prepared: Prepared,
    members: Sequence[Member],
    *,
    loop: Loop,
    realisation: int,
    warmup_ms: float,
    duration_ms: float,
    turn: Turn | None = None,
) -> list[Observation | SimulationFailure]:
    """Simulate a batch, during its turn: the warm-up without environments, the measurement in the loop.

    Every network waits for its environment, however long that takes, so that results do not depend on the
    speed of the computer. If an environment fails, its network's result is a failure; the others continue.
    Episodes that are still running at the end of the measurement do not count.
    """
    for member in members:
        refuse_stimuli(member.values)
    n = steps(duration_ms, loop.interval_ms, "the measurement")
    couplings = [Coupling(loop, prepared.layout, seed=member.seed) for member in members]
    failed: dict[int, str] = {}

    def exchange(number: int, counts: IntArray | None) -> None:
        try:
            coupling = couplings[number]
            stimulation = coupling.begin() if counts is None else coupling.exchange(counts)
        except SimulatorError as error:  # fails its own network only
            failed[number] = str(error)
            return
        stimulate(prepared, loop, number, stimulation)

    with turn or Turn() as device:
        prepared.load(members, realisation)
        device.loaded()
        if warmup_ms:
            prepared.advance(warmup_ms)
        prepared.measure()
        before = prepared.counted()
        for number in range(len(members)):
            exchange(number, None)
        for _ in range(n):
            prepared.advance(loop.interval_ms)
            now = prepared.counted()
            for number in range(len(members)):
                if number not in failed:
                    exchange(number, now[number] - before[number])
            before = now
    return [
        SimulationFailure(failed[number])
        if number in failed
        else replace(result, episodes=tuple(coupling.episodes))
        if isinstance(result, Observation)
        else result
        for number, (result, coupling) in enumerate(zip(prepared.observe(), couplings, strict=True))
    ]
