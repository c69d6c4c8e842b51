"""The sections of a study file, as pydantic models.

    [study]          name = "quickstart"
    [model]          name = "ei_clustered"
    [parameters]     N_Q = 6                                  # fixed
                     I_th_E = {low = 1.5, high = 3.0}         # free
                     N_I = {expression = "N_E / 4"}           # derived
    [simulation]     backend = "auto"
    [[objectives]]   statistic = "rate_E", target = 5.0, tolerance = 0.5
    [recording]      file = "units.csv"                       # what objectives may compare with
    [[constraints]]  statistic = "rate_E", min = 0.1, max = 60.0
    [[stages]]       duration_ms = 1000.0                     # a short simulation that constraints must pass
    [[stimuli]]      clusters = "each", current_pA = 0.5, duration_ms = 200.0, first_ms = 500.0, ...
    [loop]           environment = "delayed_response"         # instead: what the network acts on
    [replicates]     graphs = 1
    [sampler]        name = "tpe"
    [prior]          study = "an earlier one"
    [budget]         trials = 60
    [validation]     at_end = true
    [pool]           engine = "dask", address = "tcp://node1:8786"
    [storage]        url = "sqlite:///results.db"

(One key a line in the file.) What a section cannot know by itself is checked in `calibrate.study`.
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
    Positive,
    Seconds,
    Section,
    Time,
)
from calibrate.study.file.samplers import (
    Sampler,
    Tpe,
)
from calibrate.study.file.targets import ConstraintSection, ObjectiveSection, RecordingSection


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
        description="true: every objective counts by itself, and the study seeks the Pareto front",
    )


class ModelSection(Section):
    """[model]: the network."""

    name: str = Field(
        min_length=1, description='an installed model, or your own as "file.py:Name" or "package.module:Name"'
    )


class FreeParameter(Section):
    """A free parameter in [parameters]: {low, high, ...} or {choices = [...]}."""

    low: float | None = Field(default=None, description="lowest value")
    high: float | None = Field(default=None, description="highest value, included")
    step: float | None = Field(default=None, gt=0, description="distance of the values (default: continuous)")
    log: bool = Field(default=False, description="true where equal ratios should be equally likely")
    type: Literal["float", "int"] | None = Field(default=None, description='"int" for whole numbers only')
    points: int | None = Field(
        default=None, ge=1, le=MANY, description="grid points of a range without steps"
    )
    choices: list[Any] | None = Field(default=None, min_length=2, description="the values to choose from")


class DerivedParameter(Section):
    """A parameter in [parameters] that follows from others: {expression = "N_E / 4"}."""

    expression: str = Field(min_length=1, description='arithmetic on other parameters, such as "N_E / 4"')


class SimulationSection(Section):
    """[simulation]: how every network is simulated."""

    backend: Literal["auto", "genn", "nest", "poisson"] = Field(
        default="auto", description="simulator; auto is GeNN where it is installed, else NEST"
    )
    dt_ms: float = Field(default=0.1, gt=0, le=1000, description="time step (ms)")
    warmup_ms: float = Field(
        default=1000.0, ge=0, le=LONGEST_MS, description="time before the measurement (ms)"
    )
    duration_ms: Duration = Field(default=10_000.0, description="length of the measurement (ms)")
    batch_size: Count | None = Field(
        default=None,
        description="networks that one process simulates at once, on a GPU up to 1023 (default: there, what "
        "its cache and memory hold, or what is fastest; else 1)",
    )
    precision: Literal["single", "double"] = Field(
        default="single", description="of the numbers in the simulator, where it has a choice"
    )
    timeout_s: Seconds | None = Field(
        default=None,
        description="a batch that takes longer is stopped and reported failed (s; default: 20 times the "
        "slowest so far, at least 600 s)",
    )
    panel: bool = Field(
        default=True,
        description="whether the cheap statistics are computed for every simulation, whatever the targets "
        "are; without them, counts are kept only as finely as the targets need, as long simulations want it",
    )
    seed: int | None = Field(
        default=None,
        ge=0,
        lt=2**32,
        description="seed of wiring, initial states and random input (default: the study's seed)",
    )


class StageSection(Section):
    """[[stages]]: a short simulation before the full one, for candidates that break a constraint at once."""

    duration_ms: float = Field(gt=0, le=LONGEST_MS, description="length of its measurement (ms)")
    warmup_ms: float | None = Field(
        default=None,
        ge=0,
        le=LONGEST_MS,
        description="time before its measurement (ms; default: that of [simulation])",
    )


class StimulusSection(Section):
    """[[stimuli]]: a current into clusters, presented once or again and again during the measurement."""

    population: str = Field(default="E", min_length=1, description="which neurons receive it")
    clusters: list[int] | Literal["each"] = Field(
        description='numbers of the clusters that receive it, from 0; or "each": one after another, in turn'
    )
    current_pA: float = Field(description="the current (pA), beside the constant input")
    duration_ms: Duration = Field(description="length of a presentation (ms)")
    onsets_ms: list[float] | None = Field(
        default=None,
        min_length=1,
        description="when presentations begin (ms from the start of the measurement)",
    )
    first_ms: Time | None = Field(default=None, description="instead: its first onset (ms),")
    every_ms: Duration | None = Field(default=None, description="the time between onsets (ms),")
    repetitions: Count | None = Field(default=None, description="and the number of onsets")


class LoopSection(Section):
    """[loop]: the environment that the network acts on and is stimulated by, in a closed loop."""

    environment: str = Field(
        min_length=1,
        description='an installed environment, or your own as "file.py:Name": a class with the methods reset '
        "and step of a Gymnasium environment",
    )
    options: dict[str, Any] = Field(default_factory=dict, description="what the environment is made with")
    interval_ms: Positive = Field(
        default=10.0, description="biological time from one exchange to the next (ms)"
    )
    output: Literal["rates", "counts"] = Field(
        default="rates",
        description="what the environment receives of every cluster: its mean rate in the interval (Hz), or "
        "the number of its spikes",
    )
    output_population: str = Field(
        default="E", min_length=1, description="the population whose clusters it receives"
    )
    input: Literal["current", "rate"] = Field(
        default="current",
        description="what it returns for every cluster: a current beside the constant input (pA), or the "
        "rate of the Poisson input (Hz), which the population must have",
    )
    input_population: str = Field(
        default="E", min_length=1, description="the population whose clusters it stimulates"
    )
    deadline: Literal["wait", "hold", "skip"] = Field(
        default="wait",
        description="of `calibrate loop`, where the network is late: the environment waits for it, or goes "
        "by the clock, with the network's last activity or with none",
    )


class ReplicatesSection(Section):
    """[replicates]: on how many graphs (realisations of the connectivity) a candidate is simulated."""

    graphs: Count = Field(
        default=1,
        description="fixed graphs on which every candidate is simulated; its loss is their mean",
    )
    confirm: int = Field(
        default=4,
        ge=0,
        le=MANY,
        description="further graphs for a candidate that would be the best, before it counts",
    )
    fresh: int = Field(
        default=5,
        ge=0,
        le=MANY,
        description="graphs that the search never saw, on which the best is shown at the end",
    )


class PriorSection(Section):
    """[prior]: what is known before the search. It may change while a study goes on."""

    points: list[dict[str, Any]] = Field(
        default_factory=list, description="parameter sets to try first, each {name = value, ...}"
    )
    study: Name | None = Field(
        default=None, description="a study in the same database whose trials inside the ranges count here too"
    )


class BudgetSection(Section):
    """[budget]: when to stop, whatever comes first. It may change while a study goes on."""

    trials: int | None = Field(
        default=None,
        ge=1,
        le=MOST_TRIALS,
        description="number of trials in all, those of earlier runs included",
    )
    plateau: Count | None = Field(
        default=None,
        description="stop after so many trials in a row none of which was the best so far",
    )
    wall_s: Seconds | None = Field(default=None, description="time that one run may take (s)")
    loss: float | None = Field(
        default=None, ge=0, description="stop when a trial has this loss or less; 1: a tolerance away"
    )


class ValidationSection(Section):
    """[validation]: how the best are simulated again, in NEST too. It may change while a study goes on."""

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
        description="graphs, each with its own seeds, on which both simulators simulate a trial; 24 show "
        "equivalence within one standard deviation with a power of 90 %",
    )
    duration_ms: Duration | None = Field(
        default=None,
        description="length of the measurement (ms; default: that of [simulation])",
    )


class PoolSection(Section):
    """[pool]: what simulates. It may change while a study goes on."""

    engine: Literal["local", "dask"] | None = Field(
        default=None,
        description="processes of this computer, or the workers of a Dask cluster (default: dask where there "
        "is an address)",
    )
    address: str | None = Field(
        default=None,
        min_length=1,
        description='of the Dask scheduler, such as "tcp://node1:8786"; or its scheduler file (.json)',
    )
    resources: dict[str, float] = Field(
        default_factory=dict,
        description="what a worker must declare, and a batch takes of it, such as {GPU = 1}",
    )
    wait_s: float = Field(default=600.0, ge=0, description="how long to wait for the first worker (s)")
    ask_ahead: bool = Field(
        default=False,
        description="true: the sampler proposes the next batch while this one is simulated, whose results it "
        "then does not know; for samplers that take long beside short simulations",
    )

    @property
    def on_cluster(self) -> bool:
        """Whether a Dask cluster simulates."""
        return self.engine == "dask" or (self.engine is None and self.address is not None)


class StorageSection(Section):
    """[storage]: where the results go. It may change while a study goes on."""

    url: str | None = Field(
        default=None,
        min_length=1,
        description="database; sqlite:/// paths count from the study file's folder (default: NAME.db there)",
    )
    observations: bool = Field(
        default=True, description="whether to keep what each network showed, for new statistics"
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
    stimuli: list[StimulusSection] = Field(default_factory=list)
    loop: LoopSection | None = None
    recording: RecordingSection | None = None
    replicates: ReplicatesSection = ReplicatesSection()
    sampler: Sampler = Tpe()
    prior: PriorSection = PriorSection()
    budget: BudgetSection = BudgetSection()
    validation: ValidationSection = ValidationSection()
    pool: PoolSection = PoolSection()
    storage: StorageSection = StorageSection()


TABLES: Mapping[str, type[Section]] = {
    "study": StudySection,
    "model": ModelSection,
    "simulation": SimulationSection,
    "recording": RecordingSection,
    "loop": LoopSection,
    "replicates": ReplicatesSection,
    "prior": PriorSection,
    "budget": BudgetSection,
    "validation": ValidationSection,
    "pool": PoolSection,
    "storage": StorageSection,
}

# Those that may be repeated: [[name]].
LISTS: Mapping[str, type[Section]] = {
    "objectives": ObjectiveSection,
    "constraints": ConstraintSection,
    "stages": StageSection,
    "stimuli": StimulusSection,
}
