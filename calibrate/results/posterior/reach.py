"""Targets that no parameters within the ranges reach."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from calibrate.calibration.emulator.cube import Cube
from calibrate.calibration.emulator.models import Model
from calibrate.objective.rounding import rounded
from calibrate.results.posterior.evidence import Evidence
from calibrate.study import Study

FloatArray = NDArray[np.float64]

# A target farther away than this, in standard deviations of what is predicted, is not reached.
_BEYOND = 3.0
# Points of the ranges that are looked at, a power of two.
_POINTS = 2048


def out_of_reach(
    evidence: Sequence[Evidence], study: Study, models: Mapping[str, Model], cube: Cube, points: FloatArray
) -> Iterator[str]:
    """Name the targets that are not reached anywhere in the ranges, or not at points of the posterior."""
    from scipy.stats import qmc

    anywhere = cube.at(qmc.Sobol(len(cube), scramble=True, rng=0).random(_POINTS))
    judged = {one.name: one for one in study.judged}
    # A wide posterior has samples far from a target on both sides: its nearest one says what is reached.
    near = np.array([_distance(one, models[one.name], points) for one in evidence])
    closest = int(near.max(axis=0).argmin())
    for k, one in enumerate(evidence):
        model = models[one.name]
        aim = getattr(judged[one.name], "aim", "") or "its bounds"
        if _distance(one, model, anywhere).min() > _BEYOND:
            reached = model.scale.inverse(np.quantile(model.predict(anywhere).mean, [0.0, 1.0]))
            low, high = (rounded(float(value), 3) for value in reached)
            yield (
                f"{one.name} is out of reach: with these ranges it goes from {low} to {high}, and {aim} is "
                "asked"
            )
        elif near[k, closest] > _BEYOND:
            predicted = model.scale.inverse(model.predict(points[closest : closest + 1]).mean)
            yield (
                f"{one.name} is out of reach together with the other targets: it is then about "
                f"{rounded(float(predicted[0]), 3)}, and {aim} is asked"
            )


def _distance(evidence: Evidence, model: Model, points: FloatArray) -> FloatArray:
    """How far the target is from what is predicted at these points, in standard deviations."""
    datum, predicted = evidence.datum, model.predict(points)
    low, high = datum.ends or (datum.value, datum.value)
    width = np.sqrt(predicted.sd**2 + predicted.error**2 + datum.error**2)
    away = np.maximum(low - predicted.mean, predicted.mean - high)
    return np.asarray(np.maximum(away, 0.0) / width)
