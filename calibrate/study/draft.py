"""A first study file for a model: every table and key of study files, with what it means."""

from __future__ import annotations

import math
import os
import shlex
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from calibrate.errors import StudyError
from calibrate.network import Model, Network, Parameter
from calibrate.objective import find_statistic
from calibrate.study import Study, make_study
from calibrate.study.commented_toml import line, table, toml
from calibrate.study.file.samplers import SAMPLERS
from calibrate.study.file.sections import LISTS, TABLES, SimulationSection
from calibrate.study.file.targets import ObjectiveSection
from calibrate.study.reading import default_sampler
from calibrate.study.search_ranges import SearchRange
from calibrate.study.space import Choice, Range

WARMUP_MS, DURATION_MS = 500.0, 4000.0


@dataclass(frozen=True, kw_only=True)
class Draft:
    """The content of a new study file. What is not given here is that of the model's first study.

    reference   the model, as the file names it
    free        the free parameters, as in the file
    objectives  the targets, as in the file, with or without tolerances
    name        name of the study, if it is not that of the file
    populations of a simulation of one's own that does not declare them, to be replaced
    """

    path: Path
    reference: str
    model: Model
    free: Mapping[str, SearchRange]
    objectives: Sequence[Mapping[str, Any]] = ()
    name: str | None = None
    populations: Mapping[str, int] = field(default_factory=dict)

    def write(self) -> Study:
        """Write the file and return its study; raise StudyError if it breaks a rule or the file exists."""
        text = self.text
        tables = tomllib.loads(text)
        study = make_study(
            tables.pop("study").get("name", "study"),
            model=tables.pop("model"),
            folder=self.path.parent,
            **tables,
        )
        try:
            with self.path.open("x", encoding="utf-8") as file:
                file.write(text)
        except FileExistsError:
            raise StudyError(already_there(self.path)) from None
        except OSError as error:
            raise StudyError(f"{self.path}: cannot be written: {error.strerror}") from None
        return study

    @property
    def placeholders(self) -> bool:
        """Whether the targets must be replaced before the study says anything."""
        return not (self.objectives or self.model.first_study.objectives)

    @property
    def text(self) -> str:
        """The study file."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield from self._introduction()
        yield from self._parameters()
        yield "# A trial has a warm-up and then a measurement. Longer measurements are less noisy."
        yield from table("[simulation]", SimulationSection, self._simulation)
        yield from self._targets()
        yield from self._protocols()
        yield from self._search()

    def _introduction(self) -> Iterator[str]:
        file = shlex.quote(str(self.path))
        doc = " ".join(self.model.doc.split())
        yield f"# A study of {self.model.name}{f': {doc}' if doc else ''}."
        yield "#"
        yield f"#     calibrate check {file}    checks this file, and estimates the cost of the study"
        yield f"#     calibrate run {file}      runs the study, or resumes it"
        yield "#"
        yield "# Lines that begin with # have no effect. Most show a setting with its default value, or ..."
        yield "# if it has none: remove the # to change it, also before the [name] of its table."
        yield ""
        yield from table("[study]", TABLES["study"], {"name": self.name} if self.name else {})
        meaning = {"name": "an installed model, or your own: FILE.py:NAME"}
        model: dict[str, Any] = {"name": self.reference}
        if self.populations:
            model["populations"] = self.populations
            meaning["populations"] = "REPLACE this by what the function returns, with numbers of neurons"
        yield from table("[model]", TABLES["model"], model, meanings=meaning)

    def _parameters(self) -> Iterator[str]:
        yield "[parameters]"
        yield "# Free: the study searches these between low and high, or among choices = [...]. A range can"
        yield "# also have log = true, if equal ratios should be equally likely; step = ..., the distance"
        yield '# between values; type = "int", for whole numbers; or points = ..., for the sampler "grid".'
        for name, search in self.free.items():
            yield line(name, search, _about(self.model.parameter(name), default=True))
        yield "#"
        yield '# Fixed: all others. To derive one from others, write { expression = "N_E / 4" }.'
        for parameter in self.model.parameters:
            if parameter.name not in self.free:
                fixed = parameter.name in self._fixed
                value = self._fixed.get(parameter.name, parameter.default)
                yield line(parameter.name, value, _about(parameter, default=fixed), shown_only=not fixed)
        yield ""

    def _targets(self) -> Iterator[str]:
        yield "# The targets; `calibrate objectives` lists the statistics. The loss of an objective is its"
        yield "# squared deviation from the target, in tolerances; that of a trial is their weighted mean."
        if not self.objectives and not self.placeholders:
            yield "# These were measured in a network with known parameters. Run the study as it is to see a"
            yield "# calibration, and then replace them with your own."
        for number, objective in enumerate(self._complete_objectives):
            lines = table("[[objectives]]", ObjectiveSection, objective, meanings=self._meanings(objective))
            # Settings that are not used are explained once.
            yield from (text for text in lines if number == 0 or not text.startswith("#"))
        yield "# Bounds that a network must satisfy, whatever its loss:"
        bounds = {"statistic": f"rate_{self._populations[0]}", "max": 60.0}
        yield from table("[[constraints]]", LISTS["constraints"], bounds, off=True)
        yield '# Recorded spikes, for objectives with target = "recording":'
        recording = {"file": "recording.csv", "population": self._populations[0]}
        yield from table("[recording]", TABLES["recording"], recording, off=True)
        yield "# Or several recordings, such as sessions or animals, whose values are pooled:"
        several = {"name": "mouse1", "file": "mouse1.csv", "population": self._populations[0]}
        yield from table("[[recordings]]", LISTS["recordings"], several, off=True)

    def _meanings(self, objective: Mapping[str, Any]) -> dict[str, str]:
        statistic = find_statistic(
            objective["statistic"], objective.get("options", {}), folder=self.path.parent
        )
        request = "REPLACE this by the value that you want; " * self.placeholders
        return {
            "statistic": statistic.summary.rstrip("."),
            "target": f"{request}{statistic.unit or 'no unit'}",
            "tolerance": "largest deviation that still meets the target",
        }

    def _protocols(self) -> Iterator[str]:
        yield "# A short simulation first; only candidates that satisfy the constraints get the full one:"
        short = {"duration_ms": 600.0, "warmup_ms": 200.0}
        yield from table("[[stages]]", LISTS["stages"], short, off=True)
        yield "# Several experiments with every candidate; objectives name theirs, or a difference of two:"
        name = next(iter(self.free), None) or self.model.parameters[0].name
        evoked = {"name": "evoked", "parameters": {name: {"scale": 1.2}}}
        yield from table("[[conditions]]", LISTS["conditions"], evoked, off=True)
        yield "# Currents into clusters, during the measurement:"
        current = {"population": self._populations[0], "clusters": "each"}
        yield from table("[[stimuli]]", LISTS["stimuli"], current, off=True)
        yield "# Instead of stimuli, a closed loop with an environment:"
        first = self._populations[0]
        task = {"environment": "delayed_response", "output_population": first, "input_population": first}
        yield from table("[loop]", TABLES["loop"], task, off=True)
        yield "# A chip that the network is to run on: keys override what is known of the platform."
        yield from table("[hardware]", TABLES["hardware"], {"target": "spinnaker"}, off=True)

    def _search(self) -> Iterator[str]:
        yield "# All trials use the same random graph. One that would be the best is first tried on others."
        yield "# `calibrate check` measures how much the statistics differ between graphs, and warns of"
        yield "# tolerances that need a mean over more of them."
        yield from table("[replicates]", TABLES["replicates"], {})
        yield "# How parameter sets are proposed. Every sampler has its own options."
        meaning = {"name": f"one of {', '.join(SAMPLERS)}"}
        yield from table("[sampler]", SAMPLERS[self._sampler], {"name": self._sampler}, meanings=meaning)
        yield "# When to stop: the first limit reached counts. Can be changed in an existing study."
        budget = {"trials": max(100, 40 * len(self.free)), "loss": 0.25}
        yield from table("[budget]", TABLES["budget"], budget)
        yield "# What is known before the search."
        yield from table("[prior]", TABLES["prior"], {})
        yield "# How the best trials are simulated again, in a second simulator too."
        yield from table("[validation]", TABLES["validation"], {})
        yield "# Where simulations run."
        yield from table("[pool]", TABLES["pool"], {})
        yield "# Where results are stored."
        yield from table("[storage]", TABLES["storage"], {})

    @cached_property
    def _fixed(self) -> dict[str, Any]:
        """Fixed parameters that differ from the defaults."""
        usual = self.model.first_study.parameters
        return {name: value for name, value in usual.items() if name not in self.free}

    @cached_property
    def _start(self) -> dict[str, Any]:
        """A point in the search space."""
        ends = {
            name: search["choices"][0] if "choices" in search else search["low"]
            for name, search in self.free.items()
        }
        return {**self._fixed, **ends}

    @cached_property
    def _network(self) -> Network:
        return self.model.network(self._start)

    @property
    def _populations(self) -> list[str]:
        return [population.name for population in self._network.populations]

    @property
    def _simulation(self) -> dict[str, Any]:
        """[simulation]: long enough for the protocol of the model, if it has one."""
        stimuli = self.model.values(self._network, self._start).stimuli
        end_ms = max((stimulus.stop_ms for stimulus in stimuli), default=0.0)
        own = self.model.simulation
        warmup_ms = WARMUP_MS if own is None or own.arguments.has_warmup else 0.0
        derived = {
            "backend": "auto",
            "warmup_ms": warmup_ms,
            "duration_ms": float(max(DURATION_MS, math.ceil(end_ms - warmup_ms))),
        }
        return {**derived, **self.model.first_study.simulation}

    @cached_property
    def _complete_objectives(self) -> list[dict[str, Any]]:
        given = self.objectives or self.model.first_study.objectives
        if given:
            return [_with_tolerance(objective) for objective in given]
        aims = {name: (8.0, 1.5) if name == "I" else (5.0, 1.0) for name in self._populations}
        return [
            {"statistic": f"rate_{name}", "target": target, "tolerance": tolerance}
            for name, (target, tolerance) in aims.items()
        ]

    @property
    def _sampler(self) -> str:
        space = {
            name: Choice(values=tuple(search["choices"]))
            if "choices" in search
            else Range(low=search["low"], high=search["high"])
            for name, search in self.free.items()
        }
        return default_sampler(space, pareto=False).name


def already_there(path: Path) -> str:
    """Say why a study file is not written."""
    return f"{path} already exists and is not overwritten; name another file with -o"


def beside(reference: str, folder: Path) -> str:
    """Return `FILE.py:NAME` of the current folder as seen from `folder`; return other names unchanged."""
    file, colon, name = reference.rpartition(":")
    return f"{os.path.relpath(file, folder)}{colon}{name}" if file.endswith(".py") else reference


def _with_tolerance(objective: Mapping[str, Any]) -> dict[str, Any]:
    """Add a tolerance, if there is none: a fifth of the target."""
    if "tolerance" in objective or "target" not in objective:
        return dict(objective)
    size = abs(objective["target"])
    if not size:
        name = objective["statistic"]
        raise StudyError(f"{name}: a target of 0 needs a tolerance: {name}=0+-TOLERANCE")
    return {**objective, "tolerance": float(f"{size / 5:.2g}")}


def _about(parameter: Parameter, *, default: bool) -> str:
    """Say what a parameter is, and its default where another value stands."""
    unit = f"{parameter.unit}: " * bool(parameter.unit)
    usual = default and parameter.default is not None
    return f"{unit}{parameter.doc}{f'; default {toml(parameter.default)}' if usual else ''}"
