"""Parameters of neuron models in the form that NEST takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np


def format_settings(settings: Mapping[str, Any], size: int) -> dict[str, Any]:
    """Settings as NEST takes them: a number for all neurons, or a list with one for each.

    If any has one for each neuron, so must the lists of ports, which are the same for all neurons.
    """
    numbers = {n: np.asarray(v, dtype=float) for n, v in settings.items() if not isinstance(v, list)}
    each = any(value.ndim for value in numbers.values())
    lists = {n: [v] * size if each else v for n, v in settings.items() if isinstance(v, list)}
    return {**{name: value.tolist() for name, value in numbers.items()}, **lists}
