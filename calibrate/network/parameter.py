"""Parameters of a model."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from calibrate.errors import ModelError, did_you_mean


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """A parameter of a model: what a study file may fix or search.

    Attributes
    ----------
    name : str
        Name in study files.
    default : float, int, str, bool, tuple or None
        Default; None if it is derived from other parameters (`doc` says how).
    unit : str
        Unit, or "".
    doc : str
        What it is, in a few words.
    tier : {"code", "wiring", "values"}
        What a change of it costs: compiling, drawing another graph, or nothing.
    kind : type
        Its type: float, int, str, bool or tuple.
    choices : tuple of str
        Values that a str parameter may have; empty if any will do.
    low : float or None
        Smallest value that it may have.
    high : float or None
        Largest value that it may have.

    Examples
    --------
    >>> from calibrate import Parameter
    >>> p = Parameter(name="p", default=0.1, unit="", doc="probability of connection", low=0.0, high=1.0)
    >>> p.checked(1)
    1.0
    """

    name: str
    default: float | int | str | bool | tuple[Any, ...] | None
    unit: str
    doc: str
    tier: Literal["code", "wiring", "values"] = "values"
    kind: type[Any] = float
    choices: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None

    def checked(self, given: Any) -> Any:
        """Convert a value to the type of this parameter, and check it.

        Parameters
        ----------
        given : object
            The value; None is valid only if the default is None.

        Returns
        -------
        object
            The value as `kind`.

        Raises
        ------
        ModelError
            If a rule is broken; the message names the parameter, the rule and the value.
        """
        value = given
        if value is None:
            if self.default is None:
                return None
            raise ModelError(f"{self.name} needs a value")
        if self.kind is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if self.kind is int and isinstance(value, float) and value.is_integer():
            value = int(value)
        if self.kind is tuple and isinstance(value, list):
            value = tuple(tuple(item) if isinstance(item, list) else item for item in value)
        if not isinstance(value, self.kind) or (self.kind is not bool and isinstance(value, bool)):
            raise ModelError(f"{self.name} takes {_KINDS[self.kind]}, not {value!r}")
        if self.kind is float and not math.isfinite(value):
            raise ModelError(f"{self.name} must be finite, not {value}")
        if self.choices and value not in self.choices:
            hint = did_you_mean(str(value), self.choices)
            raise ModelError(f"{self.name} must be one of {', '.join(self.choices)}, not {value!r}{hint}")
        unit = f" {self.unit}" if self.unit else ""
        if self.low is not None and value < self.low:
            raise ModelError(f"{self.name} must be at least {self.low:g}{unit}, not {value:g}")
        if self.high is not None and value > self.high:
            raise ModelError(f"{self.name} must be at most {self.high:g}{unit}, not {value:g}")
        return value


_KINDS = {float: "a number", int: "a whole number", str: "a string", bool: "true or false", tuple: "a list"}

Parameters = Mapping[str, Any]
