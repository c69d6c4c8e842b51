"""What a model suggests for a first study of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class FirstStudy:
    """A study to begin with: what `calibrate new` writes for a model, as far as the user wants nothing else.

    With targets that were measured at known parameters inside the ranges, the study can be run as it is, and
    ends with its targets met.

    Attributes
    ----------
    ranges : dict of str to dict
        The parameters to search, the most important first, and their values, as in a study file:
        {"low": ..., "high": ...} or {"choices": [...]}.
    parameters : dict of str to object
        Known values of parameters, if they are not the defaults: those at which the targets were measured.
    simulation : dict of str to object
        Keys of the table [simulation], in particular durations that are long enough for the objectives.
    objectives : sequence of dict
        Tables [[objectives]]. If there are none, `calibrate new` writes the rate of every population with a
        target to replace.

    Examples
    --------
    >>> from dataclasses import replace
    >>> from calibrate import FirstStudy, find_model
    >>> first = FirstStudy(
    ...     ranges={"I_th_E": {"low": 0.8, "high": 2.0}},
    ...     objectives=[{"statistic": "rate_E", "target": 3.51, "tolerance": 0.3}],
    ... )
    >>> model = replace(find_model("balanced"), first_study=first)
    """

    ranges: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    simulation: Mapping[str, Any] = field(default_factory=dict)
    objectives: Sequence[Mapping[str, Any]] = ()
