"""Search ranges for a new study: which parameters of a model to search, and over which values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import islice, pairwise
from typing import Any

from calibrate.errors import ModelError
from calibrate.network import Model, Parameter

# A free parameter as in a study file: {low, high, ...} or {choices}.
SearchRange = Mapping[str, Any]

# Every whole number of a range is tried in the model, unless there are more than this.
MOST_TRIED = 2000
HANDFUL = 4


def searchable(model: Model) -> tuple[Parameter, ...]:
    """Return the parameters that can be free: numbers, switches, and strings with choices."""
    return tuple(p for p in model.parameters if p.kind in (int, float, bool) or p.choices)


def suggestion(model: Model, parameter: Parameter) -> SearchRange | None:
    """Suggest values to search: those of the model's first study, or what follows from the usual value.

    That is all choices, or from 0.5 to 1.5 times the usual value, within the limits. None if that is None or
    0, or if the model allows too few values around it.
    """
    first = model.first_study
    if parameter.name in first.ranges:
        return first.ranges[parameter.name]
    default = first.parameters.get(parameter.name, parameter.default)
    if parameter.choices or parameter.kind is bool:
        values = parameter.choices or (True, False)
        # The first choice takes the role of the middle of a range.
        ordered = [default, *(value for value in values if value != default)]
        accepted = [value for value in ordered if _accepts(model, parameter, value)]
        return {"choices": accepted} if len(accepted) > 1 else None
    if not default or parameter.kind not in (int, float) or not isinstance(default, int | float):
        return None
    low, high = sorted((_round(default / 2), _round(default * 1.5)))
    if parameter.kind is int:
        low, high = min(math.ceil(low), default - 1), max(math.floor(high), default + 1)
    low = low if parameter.low is None else max(low, parameter.low)
    high = high if parameter.high is None else min(high, parameter.high)
    if parameter.kind is int:
        return _whole_numbers(model, parameter, math.ceil(low), math.floor(high))
    ends = [_towards(model, parameter, end, float(default)) for end in (low, high)]
    return {"low": ends[0], "high": ends[1]} if ends[0] < ends[1] else None


def between(model: Model, parameter: Parameter, low: float, high: float) -> SearchRange:
    """Return the requested search range. Raises ModelError if the parameter cannot have it."""
    if parameter.kind not in (int, float):
        raise ModelError(f"{parameter.name} cannot have a range: omit it to search all values")
    ends = [parameter.checked(value) for value in (low, high)]
    if not ends[0] < ends[1]:
        raise ModelError(f"{parameter.name} needs LOW:HIGH with LOW below HIGH, not {low:g}:{high:g}")
    if parameter.kind is float:
        return {"low": ends[0], "high": ends[1]}
    search = _whole_numbers(model, parameter, *ends)
    if search is None:
        raise ModelError(
            f"{model.name} allows at most one value of {parameter.name} from {low:g} to {high:g}"
        )
    return search


def described(search: SearchRange) -> str:
    """Describe the values to search."""
    if "choices" in search:
        values = [
            str(value).lower() if isinstance(value, bool) else str(value) for value in search["choices"]
        ]
        return " or ".join(values) if len(values) < 3 else ", ".join(values)
    steps = f" in steps of {search['step']:g}" if "step" in search else ""
    return f"{search['low']:g} to {search['high']:g}{steps}"


def handful(model: Model) -> tuple[str, ...]:
    """Suggest a few free parameters to begin with: those of its first study, or else its first numbers."""
    numbers = [p for p in searchable(model) if p.tier == "values" and p.kind is float and p.default]
    suggested = (p.name for p in numbers if suggestion(model, p))
    return tuple(model.first_study.ranges) or tuple(islice(suggested, HANDFUL))


def _accepts(model: Model, parameter: Parameter, value: object) -> bool:
    """Whether the model accepts `value` with the usual values of all other parameters."""
    given = {**model.first_study.parameters, parameter.name: value}
    try:
        model.values(model.network(given), given)
    except Exception:  # users' models can raise anything
        return False
    return True


def _towards(model: Model, parameter: Parameter, end: float, default: float) -> float:
    """Return `end` or, if the model rejects it, the first value it accepts on the way to the default."""
    for step in range(8):
        value = _round(default + (end - default) * (1 - step / 8)) if step else float(end)
        if _accepts(model, parameter, value):
            return value
    return default


def _round(value: float) -> float:
    return float(f"{value:.4g}")


def _whole_numbers(model: Model, parameter: Parameter, low: int, high: int) -> SearchRange | None:
    """Return the whole numbers from `low` to `high` that the model accepts: a range, steps, or choices."""
    if high - low > MOST_TRIED:
        return {"low": low, "high": high}
    values = [value for value in range(low, high + 1) if _accepts(model, parameter, value)]
    if len(values) < 2:
        return None
    steps = {after - before for before, after in pairwise(values)}
    if len(steps) > 1:
        return {"choices": values}
    step = steps.pop()
    return {"low": values[0], "high": values[-1], **({} if step == 1 else {"step": step})}
