"""The back end that calls a function of the user for every simulation."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from calibrate.errors import SimulatorError, one_line
from calibrate.network import Network
from calibrate.network.own_simulation import OwnNetwork, OwnSimulation, OwnValues
from calibrate.network.wiring import key
from calibrate.observation import FloatArray, IntArray, Layout, Observation, SimulationFailure
from calibrate.simulators.base import Member, RecordingPlan
from calibrate.simulators.own.returned_spikes import observe

# What NEST, Brian2 and numpy all take: from 1 to 2^31 - 1.
_SEEDS = 2**31 - 1


class Own:
    """Calls the function of an `OwnNetwork` for every simulation."""

    def __init__(self, *, dt_ms: float) -> None:
        self._dt_ms = dt_ms
        self._name = "own simulation"

    def prepare(
        self, network: Network, *, batch_size: int, recording: RecordingPlan, wiring_seed: int
    ) -> PreparedOwn:
        if not isinstance(network, OwnNetwork):
            raise SimulatorError('"own" simulates only simulations of your own, not described networks')
        if batch_size != 1:
            raise SimulatorError(f"{network.simulation.name} simulates one network at a time")
        self._name = network.simulation.name
        return PreparedOwn(network, recording, wiring_seed, self._dt_ms)

    def describe(self) -> dict[str, str]:
        return {"name": self._name, "version": "", "device": "", "precision": ""}


class PreparedOwn:
    """One simulation of one's own. The function is called in the end, when all times are known."""

    def __init__(self, network: OwnNetwork, recording: RecordingPlan, wiring_seed: int, dt_ms: float) -> None:
        self._network, self._recording = network, recording
        self._wiring_seed, self._dt_ms = wiring_seed, dt_ms
        self._members: Sequence[Member] = ()
        self._realisation = 0
        self._now_ms = self._warmup_ms = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._members = ()

    @property
    def layout(self) -> Layout:
        return self._network.layout

    def load(self, members: Sequence[Member], realisation: int) -> None:
        self._members, self._realisation = members, realisation
        self._now_ms = self._warmup_ms = 0.0

    def advance(self, duration_ms: float) -> None:
        # Sums of pieces between stimuli must be whole steps of the user's simulator again.
        self._now_ms = round(self._now_ms + duration_ms, 6)

    def measure(self) -> None:
        self._warmup_ms = self._now_ms

    def drive(self, member: int, currents_pA: FloatArray) -> None:
        """Do nothing: the function gets all stimuli at once."""

    def drive_rates(self, member: int, rates_hz: FloatArray) -> None:
        """Do nothing: the function gets all stimuli at once."""

    def counted(self) -> IntArray:
        return np.zeros((len(self._members), len(self.layout.groups)), dtype=np.int64)

    def observe(self) -> list[Observation | SimulationFailure]:
        return [self._observe(member) for member in self._members]

    def _observe(self, member: Member) -> Observation:
        simulation, values = self._network.simulation, member.values
        assert isinstance(values, OwnValues)  # they come from the model of this network
        duration_ms = round(self._now_ms - self._warmup_ms, 6)
        available = {
            "seed": _seed("own", member.seed, self._realisation),
            "graph_seed": _seed("own graph", self._wiring_seed, self._realisation),
            "duration_ms": duration_ms,
            "warmup_ms": self._warmup_ms,
            "stop_ms": self._now_ms,
            "dt_ms": self._dt_ms,
            "stimuli": values.stimuli,
        }
        returned = _call(simulation, values, available)
        return observe(
            returned,
            self._network.layout,
            name=simulation.name,
            warmup_ms=self._warmup_ms,
            duration_ms=duration_ms,
            recording=self._recording,
        )


def _seed(*entropy: int | str) -> int:
    return 1 + key(*entropy)[0] % _SEEDS


def _call(simulation: OwnSimulation, values: OwnValues, available: dict[str, Any]) -> Any:
    try:
        return simulation(values.parameters, available)
    except SystemExit as error:
        raise SimulatorError(f"{simulation.name} called sys.exit({error.code!r})") from error
    except Exception as error:
        raise SimulatorError(f"{simulation.name} raised {one_line(error)}{_place(error)}") from error
    finally:
        sys.stdout.flush()  # what it printed is in the log even if the process is killed later


def _place(error: Exception) -> str:
    """Where in the user's own files an error was raised; empty if that is unknown."""
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [frame for frame in frames if not frame.filename.startswith(str(Path(__file__).parents[2]))]
    installed = [frame for frame in theirs if "site-packages" not in frame.filename]
    if not installed:
        return ""
    return f" ({Path(installed[-1].filename).name}, line {installed[-1].lineno})"
