"""The rules of a study file that go across its tables, or that only the model and the statistics know."""

from __future__ import annotations

import importlib.util
import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from calibrate.errors import CalibrateError, ModelError, StudyError, did_you_mean
from calibrate.network import Model, Network, Parameter
from calibrate.objective import Interval, Needs, Objective, Statistic, Value, find_statistic
from calibrate.observation import steps
from calibrate.study.file import FreeParameter, ObjectiveSection, SimulationSection, StudyFile
from calibrate.study.problems import Place, Problems, listed, name_in
from calibrate.study.space import Choice, Domain, Range, Space, grid_size

Result = TypeVar("Result")

# All corners of up to 8 ranges; of more, those where one parameter leaves the middle and some at random.
MOST_CORNERS = 256
RANDOM_CORNERS = 64


def attempt(
    problems: Problems, place: Place, call: Callable[..., Result], *args: Any, remedy: str = ""
) -> Result | None:
    """What `call(*args)` returns; None, and a problem at `place`, where it raises."""
    try:
        return call(*args)
    except CalibrateError as error:
        problems.add_error(place, error, remedy)
    except Exception as error:
        problems.add(place, f"raised {type(error).__name__}: {error}", None, remedy)
    return None


def check_fixed(problems: Problems, model: Model, fixed: Mapping[str, Any]) -> dict[str, Any]:
    """The fixed parameters as the model takes them."""
    checked = {}
    for name, value in fixed.items():
        parameter = _known(problems, model, name)
        if parameter is None:
            continue
        try:
            checked[name] = parameter.checked(value)
        except ModelError as error:
            problems.add_error(("parameters", name), error, f"it is: {parameter.doc}")
    return checked


def _known(problems: Problems, model: Model, name: str) -> Parameter | None:
    names = [parameter.name for parameter in model.parameters]
    if name in names:
        return model.parameter(name)
    rule = f"is not a parameter of {model.name}{did_you_mean(name, names)}"
    problems.add(("parameters", name), rule, None, f"it has {listed(names)}")
    return None


def domains(
    problems: Problems, model: Model, free: Mapping[str, FreeParameter], *, grid: bool
) -> dict[str, Domain]:
    """The values that each free parameter may take; `grid` where the study's sampler is the grid."""
    space: dict[str, Domain] = {}
    for name, wanted in free.items():
        parameter = _known(problems, model, name)
        if parameter is None:
            continue
        before = len(problems.found)
        found = _choice if wanted.choices is not None else _range
        domain = found(problems, parameter, wanted)
        if isinstance(domain, Range):
            _check_for_grid(problems, name, domain, grid=grid)
        if domain is not None and len(problems.found) == before:
            space[name] = domain
    if grid and len(space) == len(free) and space:
        attempt(problems, ("sampler",), _check_grid_size, space)
    return space


def _check_for_grid(problems: Problems, name: str, domain: Range, *, grid: bool) -> None:
    place = ("parameters", name)
    if domain.points is not None and not grid:
        problems.add(place, "points belong to the grid sampler", None, "leave them out, or use step")
    elif domain.points is not None and domain.step is not None:
        problems.add(place, "has step and points", None, "keep one of them")
    elif grid:
        attempt(problems, place, getattr, domain, "grid", remedy="add step = ... or points = ...")


def _check_grid_size(space: Space) -> None:
    if (size := grid_size(space)) > 10_000_000:
        raise StudyError(f"a grid of {size} points is never finished; take fewer parameters or larger steps")


def _choice(problems: Problems, parameter: Parameter, wanted: FreeParameter) -> Choice | None:
    place = ("parameters", parameter.name)
    others = wanted.model_fields_set - {"choices"}
    if others:
        problems.add(place, f"has choices and {listed(sorted(others))}", None, "keep choices, or the range")
    values = []
    for value in wanted.choices or ():
        if isinstance(value, list | dict):
            problems.add(place, "choices must be numbers, texts or true and false", value)
            return None
        checked = attempt(problems, place, parameter.checked, value)
        values.append(checked)
    if len(set(values)) < len(values) and None not in values:
        problems.add(place, "names a choice twice", wanted.choices, "leave one out")
    return Choice(values=tuple(value for value in values if value is not None))


def _range(problems: Problems, parameter: Parameter, wanted: FreeParameter) -> Range | None:
    name = parameter.name
    place = ("parameters", name)
    if parameter.kind not in (int, float):
        example = ", ".join(f'"{choice}"' for choice in parameter.choices) or "..., ..."
        problems.add(place, "has no range, only choices", None, f"write {name} = {{choices = [{example}]}}")
        return None
    if wanted.low is None or wanted.high is None:
        missing = "low" if wanted.low is None else "high"
        problems.add(place, f"needs {missing}", None, f"write {name} = {{low = ..., high = ...}}")
        return None
    low, high, step = wanted.low, wanted.high, wanted.step
    if not low < high:
        remedy = "low must be below high; to fix the parameter, give it one value"
        problems.add(place, f"has an empty range, low = {low:g}, high = {high:g}", None, remedy)
        return None
    if wanted.log and low <= 0:
        problems.add(place, "on a log scale needs low above 0", low, "raise low, or leave log out")
    if wanted.log and step is not None:
        problems.add(place, "has log and step", None, "keep one of them")
    integer = parameter.kind is int or wanted.type == "int"
    if parameter.kind is int and wanted.type == "float":
        problems.add(place, "is a whole number", 'type = "float"', "leave type out")
    if integer and not all(value is None or float(value).is_integer() for value in (low, high, step)):
        problems.add(place, "takes whole numbers: low, high and step must be so", None, "round them")
        return None
    if step is not None and step > high - low:
        problems.add(place, "has a step longer than its range", step, "take a smaller step")
    for end in (low, high):
        value = int(end) if integer else end
        attempt(problems, place, parameter.checked, value)
    return Range(
        low=int(low) if integer else float(low),
        high=int(high) if integer else float(high),
        step=step if step is None or not integer else int(step),
        log=wanted.log,
        integer=integer,
        points=wanted.points,
    )


def middle(space: Space) -> dict[str, Any]:
    """The free parameters in the middle of their ranges."""
    return {name: domain.midpoint for name, domain in space.items()}


def corners(space: Space) -> Iterator[dict[str, Any]]:
    """Points at the ends of the ranges: all of them, or a sample where they are many."""
    ends = {name: domain.ends for name, domain in space.items()}
    if math.prod(len(values) for values in ends.values()) <= MOST_CORNERS:
        for values in itertools.product(*ends.values()):
            yield dict(zip(ends, values, strict=True))
        return
    for side in (0, -1):
        yield {name: values[side] for name, values in ends.items()}
    for name, values in ends.items():
        for value in values:
            yield {**middle(space), name: value}
    random = np.random.default_rng(0)
    for _ in range(RANDOM_CORNERS):
        yield {name: values[random.integers(len(values))] for name, values in ends.items()}


def check_model_rules(
    problems: Problems, model: Model, fixed: Mapping[str, Any], space: Space
) -> Network | None:
    """The network in the middle of the ranges; a problem where the model refuses it, or one at their ends."""
    network = None
    for point in itertools.chain([middle(space)], corners(space)):
        try:
            made = model.network({**fixed, **point})
            model.values(made, {**fixed, **point})
        except Exception as error:
            own = isinstance(error, CalibrateError)
            rule = str(error) if own else f"it raised {type(error).__name__}: {error}"
            name = name_in(rule, [*space, *fixed])
            place = ("parameters", name) if name else ("parameters",)
            remedy = "change the values"
            if point:
                remedy = f"so at {_at(point)}; {'narrow the ranges' if network else remedy}"
            problems.add(place, f"breaks a rule of {model.name}: {rule}", None, remedy)
            break
        network = network or made
    return network


def _at(point: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} = {round(v, 6) if isinstance(v, float) else v}" for name, v in point.items())


def objectives(
    problems: Problems, sections: Sequence[ObjectiveSection], network: Network, folder: Path
) -> tuple[Objective, ...]:
    """The objectives, their statistics found and their populations there."""
    made: list[Objective] = []
    for number, section in enumerate(sections):
        objective = _objective(problems, section, network, folder, ("objectives", number))
        if objective is None:
            continue
        if objective.name in [other.name for other in made]:
            remedy = 'give one of them its own: name = "..."'
            problems.add(("objectives", number), "has the name of an earlier one", objective.name, remedy)
        made.append(objective)
    return tuple(made)


def _objective(
    problems: Problems, section: ObjectiveSection, network: Network, folder: Path, place: Place
) -> Objective | None:
    statistic = attempt(
        problems,
        (*place, "statistic"),
        lambda: find_statistic(section.statistic, section.options, folder=folder),
    )
    if statistic is None:
        return None
    population, there = statistic.options.get("population"), network.layout.populations
    if population is not None and population not in there:
        rule = f"looks at a population that is not there{did_you_mean(str(population), there)}"
        problems.add((*place, "statistic"), rule, population, f"there are {listed(there)}")
    if (section.target is None) == (section.interval is None):
        rule = "needs a target" if section.target is None else "has a target and an interval"
        problems.add(place, rule, None, "write target = VALUE or interval = [LOW, HIGH]")
        return None
    return attempt(problems, place, _made, section, statistic)


def _made(section: ObjectiveSection, statistic: Statistic) -> Objective:
    target: Value | Interval
    if section.interval is not None:
        target = Interval(section.interval[0], section.interval[1], section.tolerance, section.source)
    else:
        assert section.target is not None  # one of the two is given
        target = Value(section.target, section.tolerance, section.source)
    named = replace(statistic, name=section.name or statistic.name)
    return Objective(statistic=named, target=target, weight=section.weight)


def check_times(problems: Problems, simulation: SimulationSection, needs: Needs) -> None:
    """Durations and the statistics' bins must be whole numbers of time steps, and fit one another."""
    dt = simulation.dt_ms
    attempt(problems, ("simulation", "warmup_ms"), steps, simulation.warmup_ms, dt, "a time")
    whole = attempt(problems, ("simulation", "duration_ms"), steps, simulation.duration_ms, dt, "a time")
    for width in (needs.bin_ms, needs.window_ms):
        if width is not None:
            remedy = "choose a dt_ms that divides 1 ms, or other widths"
            attempt(problems, ("simulation", "dt_ms"), steps, width, dt, "a bin", remedy=remedy)
    if needs.bin_ms is not None and whole is not None:
        bins = simulation.duration_ms / needs.bin_ms
        if not math.isclose(bins, round(bins), rel_tol=1e-9, abs_tol=1e-9) or round(bins) < 1:
            rule = f"must be a multiple of the {needs.bin_ms:g} ms bins that the statistics need"
            problems.add(("simulation", "duration_ms"), rule, simulation.duration_ms, "round it")


def check_sampler(problems: Problems, file: StudyFile, space: Space) -> None:
    """The sampler must be installed, and able to search `space`."""
    place = ("sampler", "name")
    if file.sampler.name == "gp" and importlib.util.find_spec("torch") is None:
        problems.add(place, "needs PyTorch", "gp", 'run pip install "calibrate-snn[gp]"')
    if file.sampler.name == "cmaes":
        for name, domain in space.items():
            if isinstance(domain, Choice):
                rule, remedy = "has choices, which cmaes cannot search", "fix it, or use tpe or nsga2"
                problems.add(("parameters", name), rule, None, remedy)


def check_budget(problems: Problems, file: StudyFile) -> None:
    """A study must be able to end; the grid ends by itself."""
    budget = file.budget
    if file.sampler.name != "grid" and budget.trials is None and budget.wall_s is None:
        problems.add(("budget",), "has no end", None, "add trials = ... (or wall_s = ..., in seconds)")
