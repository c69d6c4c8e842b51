"""A first study file for a model, with comments that explain every table."""

from __future__ import annotations

import json
import os
import shlex
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from calibrate.errors import StudyError
from calibrate.network import Model, Parameter
from calibrate.objective import Statistic, find_statistic
from calibrate.study import Study, make_study
from calibrate.study.file.base import Section
from calibrate.study.file.samplers import SAMPLERS
from calibrate.study.file.sections import (
    BudgetSection,
    ReplicatesSection,
    SimulationSection,
    StorageSection,
    StudySection,
)
from calibrate.study.reading import default_sampler
from calibrate.study.search_ranges import SearchRange
from calibrate.study.space import Choice, Range

WARMUP_MS, DURATION_MS = 500.0, 4000.0
# Column in which comments begin.
COLUMN = 44


@dataclass(frozen=True, kw_only=True)
class Aim:
    """A target of the study; `replace` marks a placeholder for a target of the user."""

    statistic: str
    target: float
    tolerance: float | None = None
    replace: bool = False


@dataclass(frozen=True, kw_only=True)
class Draft:
    """The content of a new study file.

    reference  the model, as the file names it
    free       the free parameters, as in the file
    aims       the targets; if empty, a rate of every population for the user to replace
    name       name of the study, if it is not that of the file
    """

    path: Path
    reference: str
    model: Model
    free: Mapping[str, SearchRange]
    aims: Sequence[Aim] = ()
    name: str | None = None

    def write(self) -> Study:
        """Write the file and return its study; raise StudyError if it breaks a rule or the file exists."""
        text = self.text
        tables = tomllib.loads(text)
        study = make_study(
            tables.pop("study").get("name", "study"),
            model=tables.pop("model")["name"],
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
    def text(self) -> str:
        """The study file."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield from self._introduction()
        yield from self._parameters()
        times = {"backend": "auto", "warmup_ms": WARMUP_MS, "duration_ms": DURATION_MS}
        yield "# A trial has a warm-up and then a measurement. Longer measurements are less noisy."
        yield from _table("simulation", SimulationSection, times)
        aims = self._complete_aims()
        yield from self._aims(aims)
        yield "# All trials use the same random graph. One that would be the best is first tried on others."
        yield "# `calibrate check` measures how much the statistics differ between graphs, and warns of"
        yield "# tolerances that need a mean over more of them."
        yield from _table("replicates", ReplicatesSection, {})
        yield "[sampler]"
        yield _line("name", self._sampler, f"how parameter sets are proposed: {', '.join(SAMPLERS)}")
        yield ""
        yield "# When to stop: the first limit reached counts. Can be changed in an existing study."
        yield from _table("budget", BudgetSection, {"trials": max(100, 40 * len(self.free))})
        yield "# Where results are stored."
        yield from _table("storage", StorageSection, {})

    def _introduction(self) -> Iterator[str]:
        file = shlex.quote(str(self.path))
        doc = " ".join(self.model.doc.split())
        yield f"# A study of {self.model.name}{f': {doc}' if doc else ''}."
        yield "#"
        yield f"#     calibrate check {file}    checks this file, and estimates the cost of the study"
        yield f"#     calibrate run {file}      runs the study, or resumes it"
        yield "#"
        yield "# Lines that begin with # have no effect. Most show a setting with its default value, or ..."
        yield "# if it has none: remove the # to change it."
        yield ""
        yield from _table("study", StudySection, {"name": self.name} if self.name else {})
        yield "[model]"
        yield _line("name", self.reference, "an installed model, or your own: FILE.py:NAME")
        yield ""

    def _parameters(self) -> Iterator[str]:
        yield "[parameters]"
        yield "# Free: the study searches these between low and high, or among the choices. Add log = true if"
        yield "# equal ratios should be equally likely."
        for name, search in self.free.items():
            parameter = self.model.parameter(name)
            default = "" if parameter.default is None else f"; default {_toml(parameter.default)}"
            yield _line(name, search, f"{_about(parameter)}{default}")
        yield "#"
        yield '# Fixed: all others. To derive one from others, write { expression = "N_E / 4" }.'
        for parameter in self.model.parameters:
            if parameter.name not in self.free:
                yield _line(parameter.name, parameter.default, _about(parameter), shown_only=True)
        yield ""

    def _aims(self, aims: Sequence[Aim]) -> Iterator[str]:
        yield "# The targets; `calibrate objectives` lists the statistics. The loss of an objective is its"
        yield "# squared deviation from the target, in tolerances; that of a trial is their weighted mean."
        for aim in aims:
            yield from self._objective(aim)
        yield "# Bounds that a network must satisfy, whatever its loss:"
        yield "# [[constraints]]"
        yield _line("statistic", aims[0].statistic, "any statistic", shown_only=True)
        yield _line("max", 60.0, "in its unit; also: min", shown_only=True)
        yield ""

    def _objective(self, aim: Aim) -> Iterator[str]:
        unit = self._find_statistic(aim).unit
        yield "[[objectives]]"
        yield _line("statistic", aim.statistic, self._find_statistic(aim).summary.rstrip("."))
        request = "REPLACE this by the value that you want; " if aim.replace else ""
        yield _line("target", aim.target, f"{request}{unit or 'no unit'}")
        yield _line("tolerance", aim.tolerance, "largest deviation that still meets the target")
        yield _line("weight", 1.0, "weight of its loss in the mean", shown_only=True)
        yield _line("source", "", "where the target comes from", shown_only=True)
        yield ""

    def _find_statistic(self, aim: Aim) -> Statistic:
        return find_statistic(aim.statistic, folder=self.path.parent)

    @property
    def _start(self) -> dict[str, Any]:
        """A point in the search space."""
        return {
            name: search["choices"][0] if "choices" in search else search["low"]
            for name, search in self.free.items()
        }

    def _complete_aims(self) -> list[Aim]:
        if not self.aims:
            populations = self.model.network(self._start).populations
            rates = {
                population.name: (8.0, 1.5) if population.name == "I" else (5.0, 1.0)
                for population in populations
            }
            return [
                Aim(statistic=f"rate_{name}", target=target, tolerance=tolerance, replace=True)
                for name, (target, tolerance) in rates.items()
            ]
        return [aim if aim.tolerance is not None else self._with_tolerance(aim) for aim in self.aims]

    def _with_tolerance(self, aim: Aim) -> Aim:
        """Add a tolerance: a fifth of the target."""
        size = abs(aim.target)
        if not size:
            raise StudyError(
                f"{aim.statistic}: a target of 0 needs a tolerance: {aim.statistic}=0+-TOLERANCE"
            )
        return replace(aim, tolerance=float(f"{size / 5:.2g}"))

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


def _table(name: str, section: type[Section], written: Mapping[str, Any]) -> Iterator[str]:
    """Write a table with all its keys: those in `written`, and comments that show the other defaults."""
    yield f"[{name}]"
    for key, field in section.model_fields.items():
        value = written.get(key, field.default)
        yield _line(key, value, field.description or "", shown_only=key not in written)
    yield ""


def _line(key: str, value: object, comment: str, *, shown_only: bool = False) -> str:
    bare = key.replace("_", "").replace("-", "").isalnum() and key.isascii()
    setting = f"{key if bare else json.dumps(key)} = {'...' if value is None else _toml(value)}"
    return f"{'# ' * shown_only + setting:<{COLUMN - 2}}  # {' '.join(comment.split())}"


def _about(parameter: Parameter) -> str:
    return f"{parameter.unit}: {parameter.doc}" if parameter.unit else parameter.doc


def _toml(value: object) -> str:
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{key} = {_toml(item)}' for key, item in value.items())} }}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value, ensure_ascii=False)  # numbers, strings and booleans look as in JSON
