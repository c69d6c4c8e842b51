"""What to search in a model, for those who begin: which parameters, and between which values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from calibrate.errors import ModelError
from calibrate.network import Model, Parameter

# A free parameter as a study file has it: {low, high, ...} or {choices}.
SearchRange = Mapping[str, Any]

# Every whole number of a range is tried in the model, unless there are more.
MOST_TRIED = 2000
# What a parameter is about that moves the activity most, the first first.
TELLING = ("constant input", "weight", "strength")
HANDFUL = 4


def searchable(model: Model) -> tuple[Parameter, ...]:
    """The parameters that can be free: numbers, switches, and texts with choices."""
    return tuple(p for p in model.parameters if p.kind in (int, float, bool) or p.choices)


def suggestion(model: Model, parameter: Parameter) -> SearchRange | None:
    """Values to search: all choices, or from half to one and a half of the default, as far as allowed.

    None where the default is None or 0, or where the model allows too little around it.
    """
    default = parameter.default
    if parameter.choices or parameter.kind is bool:
        values = parameter.choices or (True, False)
        # The first one stands for the middle of a range.
        ordered = [default, *(value for value in values if value != default)]
        kept = [value for value in ordered if _accepts(model, parameter, value)]
        return {"choices": kept} if len(kept) > 1 else None
    if not default or parameter.kind not in (int, float) or not isinstance(default, int | float):
        return None
    low, high = sorted((_round(default / 2), _round(default * 1.5)))
    if parameter.kind is int:
        low, high = min(math.ceil(low), default - 1), max(math.floor(high), default + 1)
    low = low if parameter.low is None else max(low, parameter.low)
    high = high if parameter.high is None else min(high, parameter.high)
    if parameter.kind is int:
        return _whole(model, parameter, math.ceil(low), math.floor(high))
    ends = [_towards(model, parameter, end, float(default)) for end in (low, high)]
    return {"low": ends[0], "high": ends[1]} if ends[0] < ends[1] else None


def between(model: Model, parameter: Parameter, low: float, high: float) -> SearchRange:
    """A range that was asked for. Raises ModelError for one that the parameter cannot have."""
    if parameter.kind not in (int, float):
        raise ModelError(f"{parameter.name} has no range: leave it out, and all its values are searched")
    ends = [parameter.checked(value) for value in (low, high)]
    if not ends[0] < ends[1]:
        raise ModelError(f"{parameter.name} needs LOW:HIGH with LOW below HIGH, not {low:g}:{high:g}")
    if parameter.kind is float:
        return {"low": ends[0], "high": ends[1]}
    found = _whole(model, parameter, *ends)
    if found is None:
        raise ModelError(
            f"{model.name} allows at most one value of {parameter.name} from {low:g} to {high:g}"
        )
    return found


def described(search: SearchRange) -> str:
    """The values to search, for a reader."""
    if "choices" in search:
        values = [
            str(value).lower() if isinstance(value, bool) else str(value) for value in search["choices"]
        ]
        return " or ".join(values) if len(values) < 3 else ", ".join(values)
    steps = f" in steps of {search['step']:g}" if "step" in search else ""
    return f"{search['low']:g} to {search['high']:g}{steps}"


def handful(model: Model) -> tuple[str, ...]:
    """A few free parameters to begin with: inputs, weights and strengths, else the first numbers."""
    numbers = [p for p in searchable(model) if p.tier == "values" and p.kind is float and p.default]
    by_word = [p for word in TELLING for p in numbers if word in p.doc.lower()]
    chosen = list(dict.fromkeys(p.name for p in by_word)) or [p.name for p in numbers]
    ready = [name for name in chosen if suggestion(model, model.parameter(name))]
    return tuple(ready[:HANDFUL])


def _accepts(model: Model, parameter: Parameter, value: object) -> bool:
    """Whether the model takes `value` with the defaults of all other parameters."""
    given = {parameter.name: value}
    try:
        model.values(model.network(given), given)
    except Exception:  # a model is anybody's code
        return False
    return True


def _towards(model: Model, parameter: Parameter, end: float, default: float) -> float:
    """`end`, or where the model refuses it, the first value on the way to the default that it takes."""
    for step in range(8):
        value = _round(default + (end - default) * (1 - step / 8)) if step else float(end)
        if _accepts(model, parameter, value):
            return value
    return default


def _round(value: float) -> float:
    return float(f"{value:.4g}")


def _whole(model: Model, parameter: Parameter, low: int, high: int) -> SearchRange | None:
    """The whole numbers from `low` to `high` that the model takes: a range, one with steps, or choices."""
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
