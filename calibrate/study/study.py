"""Study: what is calibrated and how, read from a TOML file and checked before anything starts."""

from __future__ import annotations

import ast
import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from calibrate.errors import StudyError
from calibrate.network import Model, Network, find_model
from calibrate.objective import Constraint, Objective, Statistic
from calibrate.observation import Needs
from calibrate.panel import panel
from calibrate.study import checks, noise, parameters, symmetry, targets
from calibrate.study.expressions import Expression
from calibrate.study.file import AnySampler as AnySampler
from calibrate.study.file import (
    BudgetSection,
    DerivedParameter,
    FreeParameter,
    PriorSection,
    ReplicatesSection,
    SimulationSection,
    StorageSection,
    StudyFile,
)
from calibrate.study.file import Cmaes as Cmaes
from calibrate.study.file import Gp as Gp
from calibrate.study.file import Grid as Grid
from calibrate.study.file import Nsga2 as Nsga2
from calibrate.study.file import Qmc as Qmc
from calibrate.study.file import Random as Random
from calibrate.study.file import Tpe as Tpe
from calibrate.study.problems import Place, Problem, Problems, key_lines, syntax_problem
from calibrate.study.space import Range, Space, grid_size
from calibrate.study.tables import read_tables
from calibrate.worker import Timing


@dataclass(frozen=True, kw_only=True)
class Study:
    """A study that has passed all checks.

    path        the study file
    text        what it says
    name        of the study in the database
    file        its tables (`calibrate.study.file`)
    model       the network model
    fixed       fixed parameters, as the model takes them
    derived     parameters that follow from others, each after those it depends on
    space       the values that each free parameter may take, in the order of the file
    network     the network in the middle of the ranges
    objectives  statistics with targets
    constraints bounds on statistics
    statistics  what is computed for every simulation: those of objectives and constraints, then the panel
    warnings    what is allowed but hardly meant, one line each
    """

    path: Path
    text: str
    name: str
    file: StudyFile
    model: Model
    fixed: Mapping[str, Any]
    derived: Mapping[str, Expression]
    space: Space
    network: Network
    objectives: tuple[Objective, ...]
    constraints: tuple[Constraint, ...]
    statistics: tuple[Statistic, ...]
    warnings: tuple[str, ...] = ()

    @property
    def folder(self) -> Path:
        """Where the study file lies."""
        return self.path.parent

    @property
    def seed(self) -> int:
        return self.file.study.seed

    @property
    def simulation(self) -> SimulationSection:
        return self.file.simulation

    @property
    def simulation_seed(self) -> int:
        """Seed of wiring, initial states and random input."""
        return self.seed if self.simulation.seed is None else self.simulation.seed

    @property
    def pareto(self) -> bool:
        return self.file.study.pareto

    @property
    def replicates(self) -> ReplicatesSection:
        return self.file.replicates

    @property
    def fresh_graphs(self) -> range:
        """Numbers of the graphs that the search never sees, on which the best is shown."""
        first = self.replicates.graphs + self.replicates.confirm
        return range(first, first + self.replicates.fresh)

    @property
    def prior(self) -> PriorSection:
        return self.file.prior

    @property
    def stages(self) -> tuple[Timing, ...]:
        """The simulations that a candidate passes one after another; the last is the one that is scored."""
        full = Timing(warmup_ms=self.simulation.warmup_ms, duration_ms=self.simulation.duration_ms)
        short = (
            Timing(
                warmup_ms=full.warmup_ms if stage.warmup_ms is None else stage.warmup_ms,
                duration_ms=stage.duration_ms,
            )
            for stage in self.file.stages
        )
        return (*short, full)

    @property
    def judged(self) -> tuple[Objective | Constraint, ...]:
        """All that a candidate is judged by."""
        return (*self.objectives, *self.constraints)

    @property
    def sampler(self) -> AnySampler:
        return self.file.sampler

    @property
    def budget(self) -> BudgetSection:
        return self.file.budget

    @property
    def storage(self) -> StorageSection:
        return self.file.storage

    @property
    def needs(self) -> Needs:
        """What an observation must hold for all statistics."""
        return Needs.merge(statistic.needs for statistic in self.statistics)

    @property
    def trials(self) -> int | None:
        """Number of trials after which the study ends; None where something else ends it."""
        if isinstance(self.sampler, Grid):
            return min(self.budget.trials or grid_size(self.space), grid_size(self.space))
        return self.budget.trials

    def parameters(self, free: Mapping[str, Any]) -> dict[str, Any]:
        """The parameters of the network: fixed ones, `free` over the middle of the ranges, and derived ones.

        A derived parameter that `free` names is taken as it is. Raises StudyError or ModelError.
        """
        given = {**self.fixed, **parameters.middle(self.space), **free}
        return parameters.with_derived(self.model, given, self.derived)

    def on(self, backend: str) -> Study:
        """The same study with `backend` instead of the one it names ("auto" become a simulator)."""
        simulation = self.simulation.model_copy(update={"backend": backend})
        return replace(self, file=self.file.model_copy(update={"simulation": simulation}))

    @property
    def content(self) -> dict[str, Any]:
        """All that its results depend on, as JSON has it: not budget, storage, batch size or sources."""
        file = self.file
        of_simulation = {"backend", "dt_ms", "warmup_ms", "duration_ms", "precision"}
        if file.simulation.seed is not None:
            of_simulation.add("seed")
        not_of_results = {"source", "name", "standard_error"}
        objectives = {
            objective.name: section.model_dump(mode="json", exclude=not_of_results, exclude_none=True)
            for objective, section in zip(self.objectives, file.objectives, strict=True)
        }
        constraints = {
            constraint.name: section.model_dump(mode="json", exclude={"name"}, exclude_none=True)
            for constraint, section in zip(self.constraints, file.constraints, strict=True)
        }
        references = [file.model.name, *(section.statistic for section in file.objectives)]
        references += [section.statistic for section in file.constraints]
        derived = {name: {"expression": expression.text} for name, expression in self.derived.items()}
        ranges = {name: asdict(domain) for name, domain in self.space.items()}
        # Studies of older versions do not have these: they are there only where they say something.
        if_any = {
            "constraints": constraints,
            "stages": {str(k): asdict(timing) for k, timing in enumerate(self.stages[:-1], start=1)},
            "replicates": file.replicates.model_dump(mode="json", exclude={"fresh"}, exclude_defaults=True),
            "study": {"pareto": True} if self.pareto else {},
        }
        content = {
            **{table: keys for table, keys in if_any.items() if keys},
            "study": {"seed": self.seed, **if_any["study"]},
            "model": {"name": file.model.name},
            "parameters": {**self.fixed, **derived, **ranges},
            "simulation": file.simulation.model_dump(mode="json", include=of_simulation),
            "objectives": objectives,
            "sampler": file.sampler.model_dump(mode="json"),
            "files": {name: _code_digest(self.folder / name) for name in _files(references)},
        }
        normal: dict[str, Any] = json.loads(json.dumps(content))
        return normal

    @property
    def digest(self) -> str:
        """SHA-256 of the content."""
        return hashlib.sha256(json.dumps(self.content, sort_keys=True).encode()).hexdigest()


def _files(references: list[str]) -> list[str]:
    found = (reference.rpartition(":")[0] for reference in references)
    return sorted({name for name in found if name.endswith(".py")})


def _code_digest(path: Path) -> str:
    # Of the syntax tree, so that comments and layout may change.
    return hashlib.sha256(ast.dump(ast.parse(path.read_bytes())).encode()).hexdigest()


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """What changed from one study's content to another's: `[table] key was A, is B`."""
    before, after = _flat(old), _flat(new)
    changes = []
    for place in dict.fromkeys([*before, *after]):
        if before.get(place) == after.get(place):
            continue
        table, *keys = place
        where = f"[{table}] {'.'.join(keys)}"
        if table == "files":
            changes.append(f"the code of {keys[0]} was changed")
        elif place not in before:
            changes.append(f"{where} = {json.dumps(after[place])} was added")
        elif place not in after:
            changes.append(f"{where} = {json.dumps(before[place])} was removed")
        else:
            changes.append(f"{where} was {json.dumps(before[place])}, is {json.dumps(after[place])}")
    return changes


def _flat(content: Mapping[str, Any], place: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    flat: dict[tuple[str, ...], Any] = {}
    for key, value in content.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, (*place, key))
        else:
            flat[*place, key] = value
    return flat


def read_study(
    path: Path | str, *, changes: Mapping[str, object] | None = None, searched: bool = True
) -> Study:
    """The study in the file at `path`, `changes` such as {"simulation.dt_ms": 0.05} made to its keys.

    searched  whether tolerances must be above the noise of a trial, as a search needs

    Raises StudyError with one line for every rule that is broken; nothing is written.
    """
    path = Path(path)
    text = _text(path)
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise StudyError(syntax_problem(error, text, str(path))) from None
    except (ValueError, RecursionError):  # what Python's parser does not take, without the line
        rule = "[TOML] not valid: a number of thousands of digits, or lists nested as deeply"
        raise StudyError(f"{path}: {rule}; write it shorter") from None
    lines = key_lines(text)
    for key, value in (changes or {}).items():
        table, _, name = key.partition(".")
        if isinstance(tables.setdefault(table, {}), dict):
            tables[table][name] = value
            lines.pop((table, name), None)
    problems = Problems()
    study = _checked(problems, path, text, tables)
    if study is not None and searched and not problems.found:
        noise.check(problems, study.file, study.objectives, study.network)
    if study is None or problems.found:
        raise StudyError("\n".join(_rendered(problems.found, str(path), lines)))
    return study


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    except FileNotFoundError:
        raise StudyError(f"{path}: there is no such study file") from None
    except IsADirectoryError:
        raise StudyError(f"{path}: a study is a TOML file, and this is a folder") from None
    except UnicodeDecodeError as error:
        raise StudyError(f"{path}: is not a text in UTF-8 (byte {error.start}); save it as such") from None
    except OSError as error:
        raise StudyError(f"{path}: cannot be read: {error.strerror}") from None


def _rendered(problems: list[Problem], file: str, lines: Mapping[Place, int]) -> list[str]:
    return list(dict.fromkeys(problem.render(file, lines) for problem in problems))


def default_sampler(space: Space, *, pareto: bool) -> AnySampler:
    """The sampler of a study that names none: cmaes where it can search, else tpe.

    Measured on networks of 1500 and 5000 neurons: benchmarks/RESULTS.md.
    """
    numbers = all(isinstance(domain, Range) for domain in space.values())
    return Cmaes() if numbers and len(space) > 1 and not pareto else Tpe()


def _checked(problems: Problems, path: Path, text: str, tables: Mapping[str, Any]) -> Study | None:
    file = read_tables(problems, tables)
    if file is None:
        return None
    folder = path.parent
    named = ("model", "name")
    model = checks.attempt(problems, named, partial(find_model, file.model.name, folder=folder))
    if model is None:
        return None
    given = file.parameters
    free = {name: value for name, value in given.items() if isinstance(value, FreeParameter)}
    formulas = {name: value for name, value in given.items() if isinstance(value, DerivedParameter)}
    fixed = parameters.check_fixed(
        problems, model, {name: value for name, value in given.items() if name not in {**free, **formulas}}
    )
    space = parameters.domains(problems, model, free, grid=file.sampler.name == "grid")
    derived = parameters.derived(problems, model, formulas)
    if "sampler" not in tables:
        file = file.model_copy(update={"sampler": default_sampler(space, pareto=file.study.pareto)})
    checks.check_sampler(problems, file, space)
    checks.check_budget(problems, file)
    checks.check_prior(problems, file, space)
    if len(fixed) + len(space) + len(derived) < len(given):
        return None
    network = parameters.check_model_rules(problems, model, fixed, space, derived, file.simulation.dt_ms)
    if network is None:
        return None
    objectives = targets.objectives(problems, file.objectives, network, folder)
    constraints = targets.constraints(problems, file.constraints, network, folder)
    own = {objective.name: objective.statistic for objective in objectives}
    own |= {constraint.name: constraint.statistic for constraint in constraints}
    targets.check_names(problems, objectives, constraints)
    common = checks.attempt(problems, (), lambda: panel(network))
    statistics = [*own.values(), *(found for found in common or () if found.name not in own)]
    needs = Needs.merge(statistic.needs for statistic in statistics)
    targets.check_times(problems, file, needs)
    targets.check_stages(problems, file, constraints)
    study = Study(
        path=path,
        text=text,
        name=file.study.name or path.stem,
        file=file,
        model=model,
        fixed=fixed,
        derived=derived,
        space=space,
        network=network,
        objectives=objectives,
        constraints=constraints,
        statistics=tuple(statistics),
    )
    if problems.found:
        return study
    return replace(study, warnings=tuple(symmetry.warnings(model, study.parameters, space)))
