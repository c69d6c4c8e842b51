"""Coupling: networks of a batch, each in a loop with an environment of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from numbers import Real
from pathlib import Path
from typing import Any, Literal

import numpy as np

from calibrate.errors import ModelError, SimulatorError, reason_of
from calibrate.observation import Episode, FloatArray, IntArray, Layout, Observation, SimulationFailure, steps
from calibrate.simulators.base import Member, Prepared
from calibrate.simulators.closed_loop.environment import Environment, find_environment, make_environment
from calibrate.simulators.turn import Turn


@dataclass(frozen=True, kw_only=True)
class Loop:
    """How a network and its environment are coupled.

    environment  its name: installed, "file.py:Name" (in `folder`) or "package.module:Name"
    options      that it is made with
    interval_ms  biological time from one exchange to the next
    output       what the environment receives of every cluster of `output_population`: "rates" (mean over
                 its neurons in the interval, Hz) or "counts" (all its spikes in the interval)
    input        what it returns for every cluster of `input_population`: "current" (pA, beside the constant
                 input) or "rate" (of the Poisson input of each neuron, Hz)
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
        """A new environment. Raises PluginError."""
        maker = find_environment(self.environment, folder=self.folder)
        return make_environment(maker, self.environment, self.options)


class Coupling:
    """One network's end of a loop: gives its environment what was counted, and takes the stimulation."""

    def __init__(self, loop: Loop, layout: Layout, *, seed: int) -> None:
        self._loop, self._environment = loop, loop.made()
        # The environment has randomness of its own, keyed by its network's.
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
        """Reset the environment; returns the first stimulation, shape (n_groups,)."""
        seed, self._seed = self._seed, None
        options = {
            "interval_ms": self._loop.interval_ms,
            "n_outputs": self._outputs.stop - self._outputs.start,
            "n_inputs": self._inputs.stop - self._inputs.start,
        }
        self._began_ms, self._reward = self._now_ms, 0.0
        stimulation, _ = self._environment.reset(seed=seed, options=options)
        return self._of_groups(stimulation)

    def exchange(self, counts: IntArray) -> FloatArray:
        """Step the environment with the spikes of an interval, shape (n_groups,); returns as `begin`."""
        self._now_ms += self._loop.interval_ms
        action = counts[self._outputs] * self._scale
        stimulation, reward, terminated, truncated, info = self._environment.step(action)
        self._reward += float(reward)
        if not (terminated or truncated):
            return self._of_groups(stimulation)
        measures = {
            str(name): float(value) for name, value in info.items() if isinstance(value, Real | np.bool_)
        }
        self.episodes.append(Episode(self._began_ms, self._now_ms, self._reward, measures))
        return self.begin()

    def _of_groups(self, stimulation: Any) -> FloatArray:
        found = np.asarray(stimulation, dtype=float)
        n = self._inputs.stop - self._inputs.start
        if found.shape not in ((), (1,), (n,)):
            raise SimulatorError(
                f"the environment returned a stimulation of shape {found.shape}; "
                f"population {self._loop.input_population} has {n} clusters"
            )
        if not np.isfinite(found).all() or (self._loop.input == "rate" and (found < 0).any()):
            raise SimulatorError(
                "the environment returned a stimulation that is not finite, or a rate below 0"
            )
        currents = np.zeros(self._n_groups)
        currents[self._inputs] = found
        return currents


def stimulate(prepared: Prepared, loop: Loop, member: int, stimulation: FloatArray) -> None:
    """Give a network the stimulation of the next interval, shape (n_groups,)."""
    if loop.input == "rate":
        rates = np.full(stimulation.shape, np.nan)  # the input of other populations stays as it is
        rows = prepared.layout.groups_of(loop.input_population)
        rates[rows] = stimulation[rows]
        prepared.drive_rates(member, rates)
    else:
        prepared.drive(member, stimulation)


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
    """Run a batch through warm-up, without its environments, and measurement in the loop, in its turn.

    Every network waits for its environment, however long it thinks, so that nothing depends on the speed of
    the computer. One whose environment fails is a failure; the others go on. Episodes that the end cuts off
    do not count.
    """
    for member in members:
        if member.values.stimuli:
            raise ModelError("a network in a closed loop is stimulated by its environment: leave out stimuli")
    n = steps(duration_ms, loop.interval_ms, "the measurement")
    couplings = [Coupling(loop, prepared.layout, seed=member.seed) for member in members]
    failed: dict[int, str] = {}

    def exchanged(number: int, counts: IntArray | None) -> None:
        try:
            coupling = couplings[number]
            found = coupling.begin() if counts is None else coupling.exchange(counts)
        except Exception as error:
            what = reason_of(error)
            failed[number] = f"the environment failed: {what}"
            return
        stimulate(prepared, loop, number, found)

    with turn or Turn() as device:
        prepared.load(members, realisation)
        device.loaded()
        if warmup_ms:
            prepared.advance(warmup_ms)
        prepared.measure()
        before = prepared.counted()
        for number in range(len(members)):
            exchanged(number, None)
        for _ in range(n):
            prepared.advance(loop.interval_ms)
            now = prepared.counted()
            for number in range(len(members)):
                if number not in failed:
                    exchanged(number, now[number] - before[number])
            before = now
    return [
        SimulationFailure(failed[number])
        if number in failed
        else replace(found, episodes=tuple(coupling.episodes))
        if isinstance(found, Observation)
        else found
        for number, (found, coupling) in enumerate(zip(prepared.observe(), couplings, strict=True))
    ]
