"""Study: what is calibrated and how, read from a TOML file and checked before anything starts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from calibrate.hardware import Hardware
from calibrate.objective import Constraint, Objective, Statistic
from calibrate.observation import Needs
from calibrate.observation.recording import Recording
from calibrate.simulation.jobs import Timing
from calibrate.simulators.closed_loop import Loop
from calibrate.study.conditions import Condition
from calibrate.study.expressions import Expression
from calibrate.study.file.replicates import ReplicatesSection
from calibrate.study.file.samplers import AnySampler, Grid
from calibrate.study.file.sections import (
    BudgetSection,
    PriorSection,
    StorageSection,
    ValidationSection,
)
from calibrate.study.file.targets import ObjectiveSection
from calibrate.study.from_files import FromFiles, Stored
from calibrate.study.graph_numbers import Graphs, Purpose
from calibrate.study.identity import content_of
from calibrate.study.in_words import in_words
from calibrate.study.rules import parameters
from calibrate.study.space import Space, grid_size
from calibrate.study.variants import Variants


@dataclass(frozen=True, kw_only=True)
class Study(Variants):
    """A study that has passed all checks.

    Attributes
    ----------
    file : StudyFile
        Its tables; see `calibrate.study.file.sections`.
    model : Model
        The network model.
    network : Network
        The network in the middle of the ranges.
    limits : Hardware or None
        The limits that its networks are simulated under: those of [hardware] if its `search` is true, or
        those of `with_hardware`.
    path : Path
        The study file.
    text : str
        Its text, without the password of its database.
    name : str
        Name of the study in the database.
    fixed : dict of str to object
        Fixed parameters, as the model takes them.
    derived : dict of str to Expression
        Parameters that follow from others, each after those it depends on.
    space : dict of str to Range or Choice
        The values that each free parameter may take, by name; of a study that began with another order, in
        that order.
    objectives : tuple of Objective
        Statistics with targets that the search scores.
    constraints : tuple of Constraint
        Bounds on statistics.
    statistics : tuple of Statistic
        The statistics of a candidate under the names that they have in the study: those of objectives and
        constraints, then the panel, of all conditions.
    conditions : tuple of Condition
        The experiments that a candidate is simulated in, at least one.
    predicted : tuple of Objective
        Statistics with targets of conditions that are held out, which the best network predicts.
    warnings : tuple of str
        What is allowed but probably not intended, one line each.
    own : dict of str to object
        Models and statistics that were given as Python objects, by the names that the file has.
    recordings : dict of str to Recording
        The recordings that targets are taken from, by name; that of [recording] has the name "". Empty if one
        is missing.
    taken : FromFiles
        What was taken from data files.
    names_sampler : bool
        Whether its file names a sampler; the default differs between versions.
    digests : dict of str to str
        What its database knows of the SHA-256 of data files, which may then be missing.

    See Also
    --------
    read_study : Read one from a file.
    make_study : Make one in Python.

    Examples
    --------
    >>> from calibrate import read_study
    >>> study = read_study("study.toml")
    >>> study.trials, list(study.space)
    (40, ['I_th_E', 'I_th_I'])
    >>> study.parameters({"I_th_E": 1.0})["N_E"]
    80
    """

    path: Path
    text: str
    name: str
    fixed: Mapping[str, Any]
    derived: Mapping[str, Expression]
    space: Space
    objectives: tuple[Objective, ...]
    constraints: tuple[Constraint, ...]
    statistics: tuple[Statistic, ...]
    conditions: tuple[Condition, ...]
    predicted: tuple[Objective, ...] = ()
    warnings: tuple[str, ...] = ()
    own: Mapping[str, object] = field(default_factory=dict)
    recordings: Mapping[str, Recording] = field(default_factory=dict, repr=False)
    taken: FromFiles = field(default_factory=FromFiles, repr=False)
    names_sampler: bool = True
    digests: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __repr__(self) -> str:
        return in_words(self)

    @property
    def recording(self) -> Recording | None:
        """The only recording; None if there is none, or there are several."""
        return next(iter(self.recordings.values())) if len(self.recordings) == 1 else None

    @property
    def folder(self) -> Path:
        """Folder of the study file."""
        return self.path.parent

    @property
    def seed(self) -> int:
        """Seed of the search and, unless [simulation] has another, of the simulations."""
        return self.file.study.seed

    @property
    def hardware(self) -> Hardware | None:
        """The limits of [hardware], whether or not its networks are simulated under them."""
        return None if self.file.hardware is None else self.file.hardware.hardware

    @property
    def simulation_seed(self) -> int:
        """Seed of wiring, initial states and random input."""
        return self.seed if self.simulation.seed is None else self.simulation.seed

    @property
    def pareto(self) -> bool:
        """Whether it searches a Pareto front instead of the lowest weighted loss."""
        return self.file.study.pareto

    @property
    def replicates(self) -> ReplicatesSection:
        """The table [replicates]."""
        return self.file.replicates

    @cached_property
    def graphs(self) -> Graphs:
        """Numbers of the graphs that are simulated, by purpose."""
        return Graphs.of(self.replicates)

    @property
    def validation(self) -> ValidationSection:
        """The table [validation]."""
        return self.file.validation

    @property
    def prior(self) -> PriorSection:
        """The table [prior]."""
        return self.file.prior

    @cached_property
    def stages(self) -> tuple[Timing, ...]:
        """The simulations that a candidate passes one after another; the last one is scored."""
        full = Timing(warmup_ms=self.simulation.warmup_ms, duration_ms=self.simulation.duration_ms)
        short = (
            Timing(
                warmup_ms=full.warmup_ms if stage.warmup_ms is None else stage.warmup_ms,
                duration_ms=stage.duration_ms,
            )
            for stage in self.file.stages
        )
        return (*short, full)

    @cached_property
    def searched(self) -> tuple[Condition, ...]:
        """The conditions that every candidate is simulated in."""
        return tuple(condition for condition in self.conditions if not condition.held_out)

    @cached_property
    def held_out(self) -> tuple[Condition, ...]:
        """The conditions that only the best network is simulated in."""
        return tuple(condition for condition in self.conditions if condition.held_out)

    @property
    def sections(self) -> tuple[ObjectiveSection, ...]:
        """The tables of `objectives`, in their order."""
        return tuple(section for section in self.file.objectives if not self.file.holds_out(section))

    @property
    def targeted(self) -> tuple[Objective, ...]:
        """All objectives, also those that are predicted, in the order of the file."""
        searched, predicted = iter(self.objectives), iter(self.predicted)
        return tuple(
            next(predicted if self.file.holds_out(section) else searched) for section in self.file.objectives
        )

    def validation_stage(self, backend: str, *, exact: bool = False) -> int:
        """Return the stage of a validation's simulations, which is beyond those of the search.

        Parameters
        ----------
        backend : str
            The simulator: the one that found the trial has the first stage, the other one the second.
        exact : bool
            Whether spike trains are compared, in two more stages.

        Returns
        -------
        int
            The stage.
        """
        stage = len(self.stages) + (1 if backend == self.simulation.backend else 2)
        return stage + 2 if exact else stage

    def purpose(self, stage: int, graph: int) -> Purpose | None:
        """Return what a simulation is for.

        Parameters
        ----------
        stage : int
            Its stage, from 1.
        graph : int
            Its graph number.

        Returns
        -------
        Purpose or None
            Its purpose; None if the study no longer has this graph.
        """
        if stage > len(self.stages):
            return Purpose.VALIDATION
        if stage < len(self.stages):
            return Purpose.SCREENING
        of_last = (Purpose.SEARCH, Purpose.CONFIRMATION, Purpose.FRESH)
        return next((purpose for purpose in of_last if graph in self.graphs.of_purpose(purpose)), None)

    @property
    def judged(self) -> tuple[Objective | Constraint, ...]:
        """The objectives and constraints that a candidate is judged by."""
        return (*self.objectives, *self.constraints)

    @property
    def sampler(self) -> AnySampler:
        """The table [sampler]."""
        return self.file.sampler

    @property
    def budget(self) -> BudgetSection:
        """The table [budget]."""
        return self.file.budget

    @property
    def storage(self) -> StorageSection:
        """The table [storage]."""
        return self.file.storage

    @property
    def loop(self) -> Loop | None:
        """The closed loop of its networks; None if there is none."""
        section = self.file.loop
        if section is None:
            return None
        given = section.model_dump(exclude={"deadline"})
        return Loop(**given, folder=self.folder.resolve())

    @property
    def needs(self) -> Needs:
        """What an observation must hold for all statistics."""
        return Needs.merge(statistic.needs for statistic in self.statistics)

    @property
    def trials(self) -> int | None:
        """Number of trials after which the study ends; None if something else ends it."""
        if isinstance(self.sampler, Grid):
            return min(self.budget.trials or grid_size(self.space), grid_size(self.space))
        return self.budget.trials

    def parameters(self, free: Mapping[str, Any]) -> dict[str, Any]:
        """Return the parameters of a network of the study.

        Parameters
        ----------
        free : dict of str to object
            Values of parameters; other free ones are in the middle of their ranges. A derived parameter that
            is named here is taken as it is.

        Returns
        -------
        dict of str to object
            Fixed, free and derived parameters.

        Raises
        ------
        StudyError
            If a derived parameter cannot be evaluated.
        ModelError
            If the model refuses a parameter.
        """
        given = {**parameters.middle(self.space), **free}
        return parameters.completed(self.model, self.fixed, self.derived, given)

    def parameters_in(self, condition: Condition, free: Mapping[str, Any]) -> dict[str, Any]:
        """Return the parameters of a network of the study in one of its conditions.

        Parameters
        ----------
        condition : Condition
            The condition, whose changes are made last.
        free : dict of str to object
            Values of parameters, as in `parameters`.

        Returns
        -------
        dict of str to object
            Fixed, free and derived parameters, and those that the condition changes.

        Raises
        ------
        StudyError
            If a derived parameter cannot be evaluated.
        ModelError
            If the model refuses a parameter.
        """
        return condition.changed(self.model, self.parameters(free))

    @property
    def stored(self) -> Stored:
        """What its database knows of its data files."""
        return Stored(digests=self.digests, taken=self.taken)

    @property
    def content(self) -> dict[str, Any]:
        """All that its results depend on, as JSON has it: not budget, storage, batch size or sources."""
        return content_of(self)

    @property
    def digest(self) -> str:
        """SHA-256 of the content."""
        return hashlib.sha256(json.dumps(self.content, sort_keys=True).encode()).hexdigest()
