"""Jobs: what a process is asked to simulate, how, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from calibrate.errors import SimulatorError
from calibrate.network import Model, Stimulus
from calibrate.neurons import NeuronModel
from calibrate.objective import Statistic
from calibrate.objective.panel import Evaluation
from calibrate.observation import Observation, SimulationFailure
from calibrate.observation.packing import Packed
from calibrate.simulators.base import Precision, RecordingPlan
from calibrate.simulators.closed_loop import Loop


@dataclass(frozen=True, kw_only=True)
class Setup:
    """How every job of a study is simulated.

    model       a model, or its name: installed, "package.module:Name" or "file.py:Name"
    folder      where such a file is looked up
    neurons     neuron models to register, of a model that is given itself
    backend     "genn", "nest" or "poisson"
    batch_size  jobs that one slot simulates at once
    stimuli     currents beside those of the model, their times from the start of the measurement
    loop        the closed loop that every network is in; None: none
    statistics  computed where a network was simulated, whose observation then comes back packed; None:
                observations come back as they are
    evaluators     processes beside a slot that share the statistics of a batch
    """

    model: str | Model
    folder: Path | None = None
    neurons: Sequence[NeuronModel] = ()
    backend: str
    precision: Precision = "single"
    dt_ms: float = 0.1
    recording: RecordingPlan = field(default_factory=RecordingPlan)
    wiring_seed: int = 0
    batch_size: int = 1
    stimuli: tuple[Stimulus, ...] = ()
    loop: Loop | None = None
    statistics: tuple[Statistic, ...] | None = None
    evaluators: int = 0


@dataclass(frozen=True, kw_only=True)
class Timing:
    """How long a simulation runs before its measurement, and how long the measurement is."""

    warmup_ms: float
    duration_ms: float


@dataclass(frozen=True, kw_only=True)
class Job:
    """A parameter set to simulate on graph number `realisation`: all its results carry its `uuid`."""

    uuid: str
    parameters: Mapping[str, Any]
    seed: int
    realisation: int = 0

    @property
    def key(self) -> tuple[str, int]:
        return self.uuid, self.realisation


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a job.

    evaluation its statistics, if the setup asks for them
    build_s    time spent building the network (0 where it was there already)
    wall_s     time of the simulation; members of one batch share it
    scoring_s  time of the statistics and of packing; members of one batch share it
    backend    the simulator's own description: name, version, device, precision
    """

    uuid: str
    realisation: int = 0
    result: Observation | Packed | SimulationFailure
    evaluation: Evaluation | None = None
    wall_s: float = 0.0
    build_s: float = 0.0
    scoring_s: float = 0.0
    backend: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, int]:
        return self.uuid, self.realisation

    @property
    def observation(self) -> Observation:
        """What the network showed. Raises SimulatorError with the reason where its simulation failed."""
        if isinstance(self.result, SimulationFailure):
            raise SimulatorError(self.result.reason)
        return self.result.unpack() if isinstance(self.result, Packed) else self.result


def failures(batch: Sequence[Job], reason: str, *, wall_s: float = 0.0) -> list[Outcome]:
    """The outcomes of jobs that all failed for one reason."""
    failure = SimulationFailure(reason)
    return [Outcome(uuid=c.uuid, realisation=c.realisation, result=failure, wall_s=wall_s) for c in batch]
