"""Environments for closed loops, and networks and studies in them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from calibrate import testing
from calibrate.models.ei_clustered import ei_clustered
from calibrate.observation import Episode, Observation
from calibrate.simulators import create
from calibrate.simulators.base import Member, RecordingPlan
from calibrate.simulators.closed_loop import Loop, simulate_in_loop
from tests.helpers.networks import SMALL
from tests.helpers.studies import Tables, write_study

ENVIRONMENT = """
import numpy as np

class Recorder:
    "Stimulates the clusters in turn, and ends an episode after four steps."
    made = []

    def __init__(self, current=1.0, fail_at=None, shape=None):
        self.current, self.fail_at, self.shape = current, fail_at, shape
        self.actions, self.seeds, self.options = [], [], None
        Recorder.made.append(self)

    def reset(self, *, seed=None, options=None):
        self.seeds.append(seed)
        self.options, self.steps = options, 0
        return self._next(), {}

    def step(self, action):
        self.actions.append(np.array(action))
        self.steps += 1
        if self.fail_at is not None and len(self.actions) >= self.fail_at:
            raise RuntimeError("the robot fell over")
        info = {"steps": self.steps, "text": "no number"} if self.steps == 4 else {}
        return self._next(), 0.5, self.steps == 4, False, info

    def _next(self):
        if self.shape is not None:
            return np.zeros(self.shape)
        currents = np.zeros(self.options["n_inputs"])
        currents[self.steps % self.options["n_inputs"]] = self.current
        return currents

def broken(**options):
    raise ValueError("no such robot")

something = 3
"""

GYMNASIUM = """
import gymnasium as gym
import numpy as np

class Keep(gym.Env):
    "The rate of two clusters is to be kept: the current into them rises while it is too low."
    observation_space = gym.spaces.Box(0.0, 100.0, (2,))
    action_space = gym.spaces.Box(0.0, 1000.0, (2,))

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self._current, self._steps = np.full(2, self.np_random.uniform(0.0, 1.0)), 0
        return self._current, {}

    def step(self, action):
        self._current = np.clip(self._current + 0.1 * np.sign(20.0 - np.asarray(action)), 0.0, 100.0)
        self._steps += 1
        error = float(np.abs(np.asarray(action) - 20.0).mean())
        return self._current, -error, False, self._steps == 20, {"error": error}
"""

LOOP = {"environment": "world.py:Recorder"}


def looped_study(tmp_path: Path, *changes: Tables) -> Path:
    return write_study(tmp_path, {"loop": LOOP}, *changes)


def member(seed: int = 1, **parameters: Any) -> tuple[Any, Member]:
    given = {**SMALL, **parameters}
    network = ei_clustered.network(given)
    return network, Member(values=ei_clustered.values(network, given), seed=seed)


def simulated(backend: str, loop: Loop, *, duration_ms: float = 1000.0, **parameters: Any) -> Observation:
    network, one = member(**parameters)
    simulator = create(backend, dt_ms=0.1, precision="double")
    recording = RecordingPlan(spikes=True)
    with simulator.prepare(network, batch_size=1, recording=recording, wiring_seed=3) as prepared:
        (found,) = simulate_in_loop(
            prepared, [one], loop=loop, realisation=0, warmup_ms=100.0, duration_ms=duration_ms
        )
    assert isinstance(found, Observation), found
    return found


def behaved(*episodes: Episode) -> Observation:
    return replace(testing.observed(testing.REGIMES["irregular"]), episodes=episodes)
