"""The rules of [parameters]: ranges, expressions, and the rules of the model across parameters."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from calibrate.errors import CalibrateError, ModelError, StudyError, did_you_mean, one_line
from calibrate.network import Model, Network, Parameter, check_stimuli
from calibrate.study.conditions import Condition
from calibrate.study.expressions import Expression, ordered
from calibrate.study.file.problems import Place, Problems, listed, name_in
from calibrate.study.file.sections import DerivedParameter, FreeParameter
from calibrate.study.rules.common import attempt
from calibrate.study.space import Choice, Domain, Range, Space, grid_size

# All corners of up to 8 ranges; of more, points where one parameter leaves the middle, and random corners.
MOST_CORNERS = 256
RANDOM_CORNERS = 64


def check_fixed(problems: Problems, model: Model, fixed: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fixed parameters in the types of the model."""
    checked = {}
    for name, value in fixed.items():
        parameter = _find_parameter(problems, model, name)
        if parameter is None:
            continue
        try:
            checked[name] = parameter.checked(value)
        except ModelError as error:
            problems.add_error(("parameters", name), error, f"it is: {parameter.doc}")
        except OverflowError:
            rule = "is too large for a number"
            problems.add(("parameters", name), rule, value, f"it is: {parameter.doc}")
    return checked


def _find_parameter(problems: Problems, model: Model, name: str) -> Parameter | None:
    names = [parameter.name for parameter in model.parameters]
    if name in names:
        return model.parameter(name)
    rule = f"is not a parameter of {model.name}{did_you_mean(name, names)}"
    problems.add(("parameters", name), rule, None, f"its parameters are {listed(names)}")
    return None


def domains(
    problems: Problems, model: Model, free: Mapping[str, FreeParameter], *, grid: bool
) -> dict[str, Domain]:
    """Return the values that each free parameter can take; `grid`: whether the sampler is the grid.

    In the order of the names: the points of a grid or of a Sobol sequence depend on the order of the
    parameters, but must not on the order of the lines in a file.
    """
    space: dict[str, Domain] = {}
    for name, wanted in sorted(free.items()):
        parameter = _find_parameter(problems, model, name)
        if parameter is None:
            continue
        before = len(problems.found)
        make_domain = _choice if wanted.choices is not None else _range
        domain = make_domain(problems, parameter, wanted)
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
        problems.add(place, "points are only for the grid sampler", None, "remove them, or use step")
    elif domain.points is not None and domain.step is not None:
        problems.add(place, "has both step and points", None, "keep one of them")
    elif grid:
        attempt(problems, place, getattr, domain, "grid", remedy="add step = ... or points = ...")


def _check_grid_size(space: Space) -> None:
    if (size := grid_size(space)) > 10_000_000:
        raise StudyError(f"a grid of {size} points cannot be completed; use fewer parameters or larger steps")


def _choice(problems: Problems, parameter: Parameter, wanted: FreeParameter) -> Choice | None:
    place = ("parameters", parameter.name)
    others = wanted.model_fields_set - {"choices"}
    if others:
        problems.add(place, f"has choices and {listed(sorted(others))}", None, "keep choices, or the range")
    values = []
    for value in wanted.choices or ():
        if isinstance(value, list | dict):
            problems.add(place, "choices must be numbers, strings, or true and false", value)
            return None
        checked = attempt(problems, place, parameter.checked, value)
        values.append(checked)
    if len(set(values)) < len(values) and None not in values:
        problems.add(place, "contains a choice twice", wanted.choices, "remove one of them")
    return Choice(values=tuple(value for value in values if value is not None))


def _range(problems: Problems, parameter: Parameter, wanted: FreeParameter) -> Range | None:
    name = parameter.name
    place = ("parameters", name)
    if parameter.kind not in (int, float):
        example = ", ".join(f'"{choice}"' for choice in parameter.choices) or "..., ..."
        problems.add(place, "takes choices, not a range", None, f"write {name} = {{choices = [{example}]}}")
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
        problems.add(place, "needs low above 0 on a log scale", low, "raise low, or remove log")
    if wanted.log and step is not None:
        problems.add(place, "has both log and step", None, "keep one of them")
    integer = parameter.kind is int or wanted.type == "int"
    if parameter.kind is int and wanted.type == "float":
        problems.add(place, "is a whole number", 'type = "float"', "remove type")
    if integer and not all(value is None or float(value).is_integer() for value in (low, high, step)):
        problems.add(place, "needs whole numbers for low, high and step", None, "round them")
        return None
    if step is not None and step > high - low:
        problems.add(place, "has a step larger than its range", step, "use a smaller step")
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
    """Return the free parameters in the middle of their ranges."""
    return {name: domain.midpoint for name, domain in space.items()}


def corners(space: Space) -> Iterator[dict[str, Any]]:
    """Yield points at the ends of the ranges: all of them, or a sample if there are many."""
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


def with_derived(model: Model, given: Mapping[str, Any], derived: Mapping[str, Expression]) -> dict[str, Any]:
    """Return the `given` parameters, with the derived ones that it does not name.

    Expressions can use any parameter of the model; those that are not given have their default. Raises
    StudyError if an expression cannot be evaluated, ModelError if the model rejects its value.
    """
    complete = dict(given)
    for name, expression in derived.items():
        if name in given:
            continue
        used = {}
        for other in expression.names:
            value = complete.get(other, model.parameter(other).default)
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise StudyError(f"{name} = {expression.text}: {other} is {value!r}, not a number")
            used[other] = value
        try:
            complete[name] = model.parameter(name).checked(expression(used))
        except (ModelError, StudyError) as error:
            raise type(error)(f"{name} = {expression.text}: {error}") from None
    return complete


def completed(
    model: Model, fixed: Mapping[str, Any], formulas: Mapping[str, Expression], free: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the parameters of a network whose free ones have these values; raises like `with_derived`."""
    return with_derived(model, {**fixed, **free}, formulas)


def derived(
    problems: Problems, model: Model, formulas: Mapping[str, DerivedParameter]
) -> dict[str, Expression]:
    """Return the expressions, each after those it depends on."""
    expressions: dict[str, Expression] = {}
    for name, formula in formulas.items():
        place = ("parameters", name)
        parameter = _find_parameter(problems, model, name)
        expression = attempt(problems, place, Expression, formula.expression)
        if parameter is None or expression is None:
            continue
        if parameter.kind not in (int, float):
            problems.add(
                place, "is not a number and cannot have an expression", None, "give it a value, or choices"
            )
            continue
        names = [other.name for other in model.parameters]
        unknown = sorted(expression.names - set(names))
        for other in unknown:
            rule = f"expression uses {other}, not a parameter of {model.name}{did_you_mean(other, names)}"
            problems.add(place, rule, None, f"its parameters are {listed(names)}")
        if not unknown:
            expressions[name] = expression
    return attempt(problems, ("parameters",), ordered, expressions) or {}


def check_model_rules(
    problems: Problems,
    model: Model,
    fixed: Mapping[str, Any],
    space: Space,
    formulas: Mapping[str, Expression],
    dt_ms: float,
    *,
    condition: Condition,
    place: Place = ("parameters",),
) -> Network | None:
    """Return the network in the middle of the ranges; add a problem if it or one at the ends is invalid.

    condition  that the network is in, at `place` in the file
    """
    network = None
    for point in itertools.chain([middle(space)], corners(space)):
        try:
            given = condition.changed(model, with_derived(model, {**fixed, **point}, formulas))
            made = model.network(given)
            check_stimuli(model.values(made, given), dt_ms)
        except CalibrateError as error:
            rule = str(error)
            derived_one = rule.partition(" = ")[0]
            name = derived_one if derived_one in formulas else name_in(rule, [*space, *fixed, *formulas])
            where = ("parameters", name) if name and not condition.changes else place
            remedy = "change the values"
            if point:
                remedy = f"at {_at(point)}; {'narrow the ranges' if network else remedy}"
            problems.add(where, f"breaks a rule of {model.name}: {rule}", None, remedy)
            break
        except Exception as error:
            rule = f"its code raised {one_line(error)}"
            problems.add(("model", "name"), rule, None, f"fix it{f'; so at {_at(point)}' if point else ''}")
            break
        network = network or made
    return network


def _at(point: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} = {round(v, 6) if isinstance(v, float) else v}" for name, v in point.items())
