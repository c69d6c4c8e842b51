"""Jobs: what to simulate, how, and with what outcome."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from calibrate.errors import SimulatorError
from calibrate.hardware import Hardware
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

    model        a model, or its name: installed, "package.module:Name" or "file.py:Name"
    folder       where such a file is looked up
    neurons      neuron models to register, if `model` is not a name
    backend      "genn", "nest", "poisson" or "own"
    precision    of GeNN's floating-point numbers
    dt_ms        time step
    recording    what is recorded
    wiring_seed  seed of the graphs
    batch_size   jobs that one slot simulates at once
    stimuli      currents in addition to the model's, timed from the start of the measurement, by condition
    loop         the closed loop that every network is in; None: no loop
    limits       of the hardware that every network is on; None: no limits
    statistics   computed next to the simulation, by condition, with the observation then returned packed;
                 None: observations are returned as they are
    evaluators   additional processes of a slot that share the statistics of a batch
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
    stimuli: Mapping[str, tuple[Stimulus, ...]] = field(default_factory=dict)
    loop: Loop | None = None
    limits: Hardware | None = None
    statistics: Mapping[str, tuple[Statistic, ...]] | None = None
    evaluators: int = 0


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Durations of a simulation's warm-up and of its measurement."""

    warmup_ms: float
    duration_ms: float

    @property
    def whole_ms(self) -> float:
        """Duration of the whole simulation."""
        return self.warmup_ms + self.duration_ms


Key = tuple[str, int, str]
"""What tells the jobs of one run of a pool apart: UUID, graph and condition."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """A parameter set to simulate on graph number `realisation`; all its results carry its `uuid`.

    condition  of the study, which says the stimuli and the statistics; "" if it has none
    timing     None: that of the pool
    """

    uuid: str
    parameters: Mapping[str, Any]
    seed: int
    realisation: int = 0
    condition: str = ""
    timing: Timing | None = None

    @property
    def key(self) -> Key:
        return self.uuid, self.realisation, self.condition


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The result of a job.

    uuid         of the job
    realisation  of the job
    condition    of the job
    result       the observation, or why there is none
    evaluation   its statistics, if the setup asks for them
    wall_s       time of the simulation, the same for all members of a batch
    build_s      time to build the network; 0 if it was already built
    scoring_s    time of statistics and packing, the same for all members of a batch
    backend      the simulator's own description: name, version, device, precision
    """

    uuid: str
    realisation: int = 0
    condition: str = ""
    result: Observation | Packed | SimulationFailure
    evaluation: Evaluation | None = None
    wall_s: float = 0.0
    build_s: float = 0.0
    scoring_s: float = 0.0
    backend: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> Key:
        return self.uuid, self.realisation, self.condition

    @property
    def observation(self) -> Observation:
        """The observation. Raises SimulatorError with the reason if the simulation failed."""
        if isinstance(self.result, SimulationFailure):
            raise SimulatorError(self.result.reason)
        return self.result.unpack() if isinstance(self.result, Packed) else self.result


def failures(batch: Sequence[Job], reason: str, *, wall_s: float = 0.0) -> list[Outcome]:
    """The outcomes of jobs that all failed for the same reason."""
    failure = SimulationFailure(reason)
    return [outcome_of(job, result=failure, wall_s=wall_s) for job in batch]


def outcome_of(job: Job, **known: Any) -> Outcome:
    """The outcome of a job."""
    return Outcome(uuid=job.uuid, realisation=job.realisation, condition=job.condition, **known)


def own_name(setup: Setup) -> str:
    """The name of the function if a simulation of one's own is set up; empty if it is a network."""
    model = setup.model
    return model.simulation.name if isinstance(model, Model) and model.simulation is not None else ""
