"""Statistics derived from others: of some clusters, part of the time, a sample of the neurons; distances."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from calibrate.errors import ObjectiveError
from calibrate.objective.estimates import Estimate
from calibrate.objective.statistics import Comparison, Statistic
from calibrate.observation import Needs, Observation, parts

Distance = Literal["wasserstein", "ks"]


def of_clusters(statistic: Statistic, clusters: Sequence[int]) -> Statistic:
    """Restrict `statistic` to some clusters of its population. Raises ObjectiveError if it has none."""
    population = statistic.options.get("population")
    if population is None:
        raise ObjectiveError(f"{statistic.name} has no population whose clusters could be selected")

    def function(observation: Observation, **options: Any) -> float | Estimate:
        return statistic.function(parts.of_clusters(observation, str(population), clusters), **options)

    return replace(statistic, function=function)


def during(statistic: Statistic, start_ms: float, stop_ms: float) -> Statistic:
    """Restrict `statistic` to a part of the measurement, in ms from its start. Needs every spike."""

    def function(observation: Observation, **options: Any) -> float | Estimate:
        return statistic.function(parts.during(observation, start_ms, stop_ms), **options)

    needs = Needs.merge([statistic.needs, Needs(spikes=True)])
    return replace(statistic, function=function, needs=needs, screens=False)


def subsampled(statistic: Statistic, *, neurons: int, samples: int = 20) -> Statistic:
    """Compute `statistic` from as many neurons as were recorded, averaged over `samples` random samples.

    Each sample draws `neurons` neurons of every population without replacement (all of them if there are
    fewer), the same ones for every candidate. Undefined if more than half of the samples are. Needs every
    spike.
    """

    def function(observation: Observation, **options: Any) -> Estimate:
        estimates = []
        for seed in range(samples):
            random = np.random.default_rng(seed)
            of_each = [_draw(observation, name, neurons, random) for name in observation.layout.populations]
            value = statistic.function(parts.of_neurons(observation, np.concatenate(of_each)), **options)
            estimates.append(value if isinstance(value, Estimate) else Estimate(float(value)))
        defined = [estimate for estimate in estimates if estimate.defined]
        if 2 * len(defined) < samples:
            undefined = [estimate for estimate in estimates if not estimate.defined]
            shortfall = float(np.mean([estimate.shortfall for estimate in undefined]))
            return replace(undefined[0], shortfall=shortfall, sample=None)
        values = np.array([estimate.value for estimate in defined])
        pooled = [estimate.sample for estimate in defined if estimate.sample is not None]
        return Estimate(
            float(values.mean()),
            support=float(np.mean([estimate.support for estimate in defined])),
            lower_bound=any(estimate.lower_bound for estimate in defined),
            note=next((estimate.note for estimate in defined if estimate.note), ""),
            # Samples of one network are not independent. Their SD is how much a single recording of so few
            # neurons would vary.
            error=float(values.std(ddof=1)) if values.size > 1 else math.nan,
            sample=np.concatenate(pooled) if len(pooled) == len(defined) else None,
        )

    needs = Needs.merge([statistic.needs, Needs(spikes=True)])
    return replace(statistic, function=function, needs=needs, screens=False)


def _draw(
    observation: Observation, population: str, neurons: int, random: np.random.Generator
) -> NDArray[np.int64]:
    rows = observation.layout.neurons_of(population)
    every = np.arange(rows.start, rows.stop)
    return np.sort(random.choice(every, size=min(neurons, every.size), replace=False))


def distance_to(
    statistic: Statistic, reference: Sequence[float] | NDArray[np.float64], distance: Distance = "wasserstein"
) -> Statistic:
    """Make the distance between the distribution whose mean is `statistic` and the values in `reference`.

    wasserstein  W_1 = integral |F(x) - G(x)| dx, in the unit of the statistic
    ks           the largest |F(x) - G(x)| (Kolmogorov-Smirnov), from 0 to 1

    with F and G the empirical distribution functions. 0 if they are equal; undefined if `statistic` is.
    Raises ObjectiveError if `statistic` is not the mean of a distribution.
    """
    if not statistic.sample:
        raise ObjectiveError(
            f"{statistic.name} is not a mean over neurons or episodes: it has no distribution"
        )
    target = np.asarray(reference, dtype=float).ravel()
    if target.size < 2 or not np.isfinite(target).all():
        raise ObjectiveError("a reference distribution needs at least 2 numbers, all finite")

    def function(observation: Observation, **options: Any) -> Estimate:
        from scipy import stats

        estimate = statistic.function(observation, **options)
        assert isinstance(estimate, Estimate)  # it carries a sample
        if not estimate.defined or estimate.sample is None or not estimate.sample.size:
            return replace(estimate, value=math.nan, sample=None, lower_bound=False)
        if distance == "ks":
            value = stats.ks_2samp(estimate.sample, target, method="asymp").statistic
        else:
            value = stats.wasserstein_distance(estimate.sample, target)
        return Estimate(float(value), support=estimate.sample.size, note=estimate.note)

    return replace(
        statistic,
        function=function,
        unit=statistic.unit if distance == "wasserstein" else "",
        scale="linear",
        sample="",
        screens=False,
        compares=Comparison(statistic=statistic, reference=target),
    )
