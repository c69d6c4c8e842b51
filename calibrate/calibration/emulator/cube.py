"""Parameter sets as points of the unit cube, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibrate.study.space import Choice, Range, Space

FloatArray = NDArray[np.float64]


class Cube:
    """The unit cube of a space: a dimension for each range, and one for each value of a choice."""

    def __init__(self, space: Space) -> None:
        self._space = space
        widths = [1 if isinstance(domain, Range) else len(domain.values) for domain in space.values()]
        ends = np.cumsum(widths)
        self._parts = [slice(end - width, end) for end, width in zip(ends, widths, strict=True)]
        self.dimensions = sum(widths)

    def __len__(self) -> int:
        """Number of parameters."""
        return len(self._space)

    def point(self, parameters: Mapping[str, Any]) -> FloatArray:
        """The point of a parameter set."""
        coordinates: list[float] = []
        for name, domain in self._space.items():
            if isinstance(domain, Range):
                coordinates.append(domain.quantile(parameters[name]))
            else:
                coordinates += [float(parameters[name] == value) for value in domain.values]
        return np.array(coordinates)

    def quantiles(self, points: FloatArray) -> FloatArray:
        """The quantiles of the parameter sets at points, shape (m, parameters); the middle one of many."""
        columns = [
            points[:, part.start]
            if isinstance(domain, Range)
            else (points[:, part].argmax(axis=1) + 0.5) / len(domain.values)
            for domain, part in zip(self._space.values(), self._parts, strict=True)
        ]
        return np.column_stack(columns)

    def at(self, quantiles: FloatArray) -> FloatArray:
        """The points of parameter sets at these quantiles in [0, 1], shape (m, parameters)."""
        points = np.zeros((len(quantiles), self.dimensions))
        for column, domain, part in zip(quantiles.T, self._space.values(), self._parts, strict=True):
            if isinstance(domain, Choice):
                chosen = np.minimum((column * len(domain.values)).astype(int), len(domain.values) - 1)
                points[:, part] = np.eye(len(domain.values))[chosen]
            else:
                points[:, part.start] = column
        return self.snapped(points)

    def parameters(self, point: FloatArray) -> dict[str, Any]:
        """The parameter set at a point, or nearest to it."""
        parameters: dict[str, Any] = {}
        for (name, domain), part in zip(self._space.items(), self._parts, strict=True):
            if isinstance(domain, Range):
                parameters[name] = domain.at(_quantile(point[part][0]))
            else:
                parameters[name] = domain.values[int(point[part].argmax())]
        return parameters

    def snapped(self, points: FloatArray) -> FloatArray:
        """The points of the parameter sets nearest to these, shape (m, d): not all are between steps."""
        inside = np.clip(points, 0.0, 1.0)
        for domain, part in zip(self._space.values(), self._parts, strict=True):
            if isinstance(domain, Choice):
                inside[:, part] = np.eye(len(domain.values))[inside[:, part].argmax(axis=1)]
            elif domain.integer or domain.step or domain.multiple_of:
                column = inside[:, part.start]
                inside[:, part.start] = [domain.quantile(domain.at(_quantile(u))) for u in column]
        return inside


def _quantile(coordinate: float) -> float:
    """A quantile in [0, 1): a parameter with steps has no value at 1."""
    return float(min(max(coordinate, 0.0), 1 - 1e-9))
