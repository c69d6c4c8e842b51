"""The sections of a study file, as pydantic models.

    [study]          name = "quickstart"
    [model]          name = "ei_clustered"
    [parameters]     N_Q = 6                                  # fixed
                     I_th_E = {low = 1.5, high = 3.0}         # free
                     N_I = {expression = "N_E / 4"}           # derived
    [simulation]     backend = "auto"
    [[objectives]]   statistic = "rate_E", target = 5.0, tolerance = 0.5
    [recording]      file = "units.csv"                       # data for objectives to compare with
    [[recordings]]   name = "mouse1", file = "mouse1.nwb"     # or several
    [[constraints]]  statistic = "rate_E", min = 0.1, max = 60.0
    [[stages]]       duration_ms = 1000.0                     # a short simulation that constraints must pass
    [[conditions]]   name = "evoked", parameters = { I_th_E = { scale = 1.2 } }
    [[stimuli]]      clusters = "each", current_pA = 0.5, duration_ms = 200.0, first_ms = 500.0, ...
    [loop]           environment = "delayed_response"         # in place of stimuli: a closed loop
    [hardware]       target = "spinnaker"                     # limits of a chip
    [replicates]     graphs = 1
    [sampler]        name = "tpe"
    [prior]          study = "an earlier one"
    [budget]         trials = 60
    [validation]     at_end = true
    [pool]           engine = "dask", address = "tcp://node1:8786"
    [storage]        url = "sqlite:///results.db"

(In a file, every key is on its own line.) Rules across sections are checked in `calibrate.study.rules`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from calibrate.study.file.base import (
    LONGEST_MS,
    MANY,
    MOST_TRIALS,
    Count,
    Duration,
    Name,
    Seconds,
    Section,
    Time,
)
from calibrate.study.file.closed_loop import LoopSection
from calibrate.study.file.conditions import ConditionName, ConditionSection
from calibrate.study.file.hardware import HardwareSection
from calibrate.study.file.replicates import ReplicatesSection
from calibrate.study.file.samplers import (
    Sampler,
    Tpe,
)
from calibrate.study.file.targets import (
    ConstraintSection,
    ObjectiveSection,
    RecordingSection,
    RecordingsSection,
    StatisticSection,
)


class StudySection(Section):
    """[study]: its name and seed."""

    name: Name | None = Field(
        default=None, description="name of the study in the database (default: the file's name)"
    )
    seed: int = Field(
        default=0, ge=0, lt=2**32, description="seed of wiring, initial states, random input and sampler"
    )
    pareto: bool = Field(
        default=False,
        description="true: objectives are minimised separately, and the study searches for the Pareto front",
    )


class ModelSection(Section):
    """[model]: the network, or a simulation of your own."""

    name: str = Field(
        min_length=1,
        description='an installed model, or your own model or simulation as "file.py:Name" or '
        '"package.module:Name"',
    )
    populations: dict[str, Any] | None = Field(
        default=None,
        min_length=1,
        description="what a simulation of your own returns, if it does not declare that: the number of "
        "neurons of each population, as in { E = 400, I = { size = 100, clusters = 4 } }; the name of a "
        "parameter can take the place of a number",
    )


class FreeParameter(Section):
    """A free parameter in [parameters]: {low, high, ...} or {choices = [...]}."""

    low: float | None = Field(default=None, description="lowest value")
    high: float | None = Field(default=None, description="highest value, included if the steps reach it")
    step: float | None = Field(
        default=None, gt=0, description="distance between values (default: continuous)"
    )
    log: bool = Field(default=False, description="true: equal ratios are equally likely")
    type: Literal["float", "int"] | None = Field(default=None, description='"int" for whole numbers only')
    points: int | None = Field(
        default=None, ge=1, le=MANY, description="number of grid points of a range without steps"
    )
    choices: list[Any] | None = Field(default=None, min_length=2, description="the values to choose from")


class DerivedParameter(Section):
    """A parameter in [parameters] that is derived from others: {expression = "N_E / 4"}."""

    expression: str = Field(min_length=1, description='arithmetic on other parameters, such as "N_E / 4"')


class SimulationSection(Section):
    """[simulation]: how every network is simulated."""

    backend: Literal["auto", "genn", "nest", "poisson", "own"] = Field(
        default="auto",
        description="simulator; auto is GeNN if it is installed, else NEST; own for a simulation of your own",
    )
    dt_ms: float = Field(default=0.1, gt=0, le=1000, description="time step (ms)")
    warmup_ms: float = Field(
        default=1000.0, ge=0, le=LONGEST_MS, description="time before the measurement (ms)"
    )
    duration_ms: Duration = Field(default=10_000.0, description="length of the measurement (ms)")
    batch_size: Count | None = Field(
        default=None,
        description="number of networks that one process simulates at once, on a GPU up to 1023 (default: on "
        "a GPU as many as fit its cache and memory, or as are fastest; else 1)",
    )
    precision: Literal["single", "double"] = Field(
        default="single", description="floating-point precision of the simulator, if it has a choice"
    )
    timeout_s: Seconds | None = Field(
        default=None,
        description="a batch that takes longer is stopped and counts as failed (s; default: 20 times the "
        "slowest so far, at least 600 s)",
    )
    panel: bool = Field(
        default=True,
        description="whether the cheap statistics are computed for every simulation, whatever the targets "
        "are; false: counts are stored only as finely as the targets need, which suits long simulations",
    )
    seed: int | None = Field(
        default=None,
        ge=0,
        lt=2**32,
        description="seed of wiring, initial states and random input (default: the study's seed)",
    )


class StageSection(Section):
    """[[stages]]: a short simulation before the full one, to reject candidates that break a constraint."""

    duration_ms: float = Field(gt=0, le=LONGEST_MS, description="length of its measurement (ms)")
    warmup_ms: float | None = Field(
        default=None,
        ge=0,
        le=LONGEST_MS,
        description="time before its measurement (ms; default: that of [simulation])",
    )


class StimulusSection(Section):
    """[[stimuli]]: a current into clusters, presented once or repeatedly during the measurement."""

    population: str = Field(default="E", min_length=1, description="population that receives it")
    clusters: list[int] | Literal["each"] = Field(
        description='numbers of the clusters that receive it, from 0; or "each": all clusters in turn'
    )
    current_pA: float = Field(description="the current (pA), in addition to the constant input")
    duration_ms: Duration = Field(description="length of a presentation (ms)")
    onsets_ms: list[float] | None = Field(
        default=None,
        min_length=1,
        description="when presentations begin (ms from the start of the measurement)",
    )
    first_ms: Time | None = Field(default=None, description="instead of onsets_ms: the first onset (ms)")
    every_ms: Duration | None = Field(default=None, description="time between onsets (ms), with first_ms")
    repetitions: Count | None = Field(default=None, description="number of onsets, with first_ms")
    condition: ConditionName | None = Field(
        default=None, description="the only condition in which it is presented (default: all)"
    )


class PriorSection(Section):
    """[prior]: what is known before the search. Can be changed in an existing study."""

    points: list[dict[str, Any]] = Field(
        default_factory=list, description="parameter sets to try first, each {name = value, ...}"
    )
    study: Name | None = Field(
        default=None,
        description="a study in the same database whose trials inside the ranges also count here",
    )


class BudgetSection(Section):
    """[budget]: when to stop; the first limit reached counts. Can be changed in an existing study."""

    trials: int | None = Field(
        default=None,
        ge=1,
        le=MOST_TRIALS,
        description="total number of trials, including those of earlier runs",
    )
    plateau: Count | None = Field(
        default=None,
        description="stop after this many successive trials without a new best one",
    )
    wall_s: Seconds | None = Field(default=None, description="longest duration of one run (s)")
    loss: float | None = Field(
        default=None,
        ge=0,
        description="stop when a trial has this loss or less; 1 is a deviation of one tolerance",
    )


class ValidationSection(Section):
    """[validation]: how the best are simulated again, also in NEST. Can be changed in an existing study."""

    at_end: bool = Field(
        default=False, description="true: `calibrate run` ends by validating, as `calibrate validate` does"
    )
    top: Count | None = Field(
        default=None,
        description="number of best trials to validate (default: 1, or the whole Pareto front)",
    )
    replicates: int = Field(
        default=24,
        ge=3,
        le=MANY,
        description="number of graphs, each with its own seeds, on which both simulators simulate a trial; "
        "24 show equivalence within one standard deviation with a power of 89 %",
    )
    duration_ms: Duration | None = Field(
        default=None,
        description="length of the measurement (ms; default: that of [simulation])",
    )


class PoolSection(Section):
    """[pool]: where simulations run. Can be changed in an existing study."""

    engine: Literal["local", "dask"] | None = Field(
        default=None,
        description="processes of this computer, or the workers of a Dask cluster (default: dask if there is "
        "an address)",
    )
    address: str | None = Field(
        default=None,
        min_length=1,
        description='address of the Dask scheduler, such as "tcp://node1:8786"; or its file (.json)',
    )
    resources: dict[str, float] = Field(
        default_factory=dict,
        description="resources that a worker must declare and that a batch occupies, such as {GPU = 1}",
    )
    wait_s: float = Field(default=600.0, ge=0, description="how long to wait for the first worker (s)")
    ask_ahead: bool = Field(
        default=False,
        description="true: the sampler proposes the next batch while this one is simulated, without knowing "
        "its results; for samplers that are slow compared to the simulations",
    )

    @property
    def on_cluster(self) -> bool:
        """Whether a Dask cluster simulates."""
        return self.engine == "dask" or (self.engine is None and self.address is not None)


class StorageSection(Section):
    """[storage]: where results are stored. Can be changed in an existing study."""

    url: str | None = Field(
        default=None,
        min_length=1,
        description="database; sqlite:/// paths are relative to the study file's folder (default: NAME.db "
        "there)",
    )
    observations: bool = Field(
        default=True,
        description="whether to store the observation of each network, for computing new statistics",
    )


class StudyFile(Section):
    """A study file."""

    study: StudySection = StudySection()
    model: ModelSection
    parameters: dict[str, FreeParameter | DerivedParameter | Any] = Field(default_factory=dict)
    simulation: SimulationSection = SimulationSection()
    objectives: list[ObjectiveSection] = Field(min_length=1)
    constraints: list[ConstraintSection] = Field(default_factory=list)
    stages: list[StageSection] = Field(default_factory=list)
    conditions: list[ConditionSection] = Field(default_factory=list)
    stimuli: list[StimulusSection] = Field(default_factory=list)
    loop: LoopSection | None = None
    hardware: HardwareSection | None = None
    recording: RecordingSection | None = None
    recordings: list[RecordingsSection] = Field(default_factory=list)
    replicates: ReplicatesSection = ReplicatesSection()
    sampler: Sampler = Tpe()
    prior: PriorSection = PriorSection()
    budget: BudgetSection = BudgetSection()
    validation: ValidationSection = ValidationSection()
    pool: PoolSection = PoolSection()
    storage: StorageSection = StorageSection()

    def conditions_of(self, section: StatisticSection) -> tuple[str, ...]:
        """Names of the conditions that an objective or constraint is about; "" if the file has none."""
        if isinstance(section, ObjectiveSection) and section.difference is not None:
            return tuple(section.difference)
        if section.condition is not None or not self.conditions:
            return (section.condition or "",)
        return (self.conditions[0].name,)

    def holds_out(self, section: StatisticSection) -> bool:
        """Whether an objective is about a condition that is held out."""
        held_out = {condition.name for condition in self.conditions if condition.held_out}
        return not held_out.isdisjoint(self.conditions_of(section))


TABLES: Mapping[str, type[Section]] = {
    "study": StudySection,
    "model": ModelSection,
    "simulation": SimulationSection,
    "recording": RecordingSection,
    "loop": LoopSection,
    "hardware": HardwareSection,
    "replicates": ReplicatesSection,
    "prior": PriorSection,
    "budget": BudgetSection,
    "validation": ValidationSection,
    "pool": PoolSection,
    "storage": StorageSection,
}

# Tables that can be repeated: [[name]].
LISTS: Mapping[str, type[Section]] = {
    "objectives": ObjectiveSection,
    "constraints": ConstraintSection,
    "stages": StageSection,
    "conditions": ConditionSection,
    "stimuli": StimulusSection,
    "recordings": RecordingsSection,
}
