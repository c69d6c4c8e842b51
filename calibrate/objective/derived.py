"""Statistics made of others: of some clusters, a part of the time, a sample of the neurons; as a distance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from calibrate.errors import ObjectiveError
from calibrate.objective.statistics import Estimate, Statistic
from calibrate.observation import Needs, Observation, parts

Distance = Literal["wasserstein", "ks"]


def of_clusters(statistic: Statistic, clusters: Sequence[int]) -> Statistic:
    """`statistic` of some clusters of its population alone. Raises ObjectiveError where it has none."""
    population = statistic.options.get("population")
    if population is None:
        raise ObjectiveError(f"{statistic.name} looks at no single population, so not at clusters of one")

    def function(observation: Observation, **options: Any) -> float | Estimate:
        return statistic.function(parts.of_clusters(observation, str(population), clusters), **options)

    return replace(statistic, function=function, spread={})


def during(statistic: Statistic, start_ms: float, stop_ms: float) -> Statistic:
    """`statistic` of a part of the measurement, in ms from its start. Needs every spike."""

    def function(observation: Observation, **options: Any) -> float | Estimate:
        return statistic.function(parts.during(observation, start_ms, stop_ms), **options)

    needs = Needs.merge([statistic.needs, Needs(spikes=True)])
    return replace(statistic, function=function, needs=needs, screens=False, spread={})


def subsampled(statistic: Statistic, *, neurons: int, samples: int = 20) -> Statistic:
    """`statistic` of as many neurons as were recorded, averaged over `samples` random choices of them.

    From every population `neurons` are drawn without replacement, the same ones for every candidate (all
    where there are fewer). Undefined where it is on more than half of the samples. Needs every spike.
    """

    def function(observation: Observation, **options: Any) -> Estimate:
        found = []
        for seed in range(samples):
            random = np.random.default_rng(seed)
            of_each = [_drawn(observation, name, neurons, random) for name in observation.layout.populations]
            one = statistic.function(parts.of_neurons(observation, np.concatenate(of_each)), **options)
            found.append(one if isinstance(one, Estimate) else Estimate(float(one)))
        defined = [one for one in found if one.defined]
        if 2 * len(defined) < samples:
            missing = [one for one in found if not one.defined]
            shortfall = float(np.mean([one.shortfall for one in missing]))
            return replace(missing[0], shortfall=shortfall, sample=None)
        values = np.array([one.value for one in defined])
        pooled = [one.sample for one in defined if one.sample is not None]
        return Estimate(
            float(values.mean()),
            support=float(np.mean([one.support for one in defined])),
            lower_bound=any(one.lower_bound for one in defined),
            note=next((one.note for one in defined if one.note), ""),
            # Samples of one network are not independent: their spread is what one recording would vary by.
            error=float(values.std(ddof=1)) if values.size > 1 else math.nan,
            sample=np.concatenate(pooled) if len(pooled) == len(defined) else None,
        )

    needs = Needs.merge([statistic.needs, Needs(spikes=True)])
    return replace(statistic, function=function, needs=needs, screens=False, spread={})


def _drawn(
    observation: Observation, population: str, neurons: int, random: np.random.Generator
) -> NDArray[np.int64]:
    rows = observation.layout.neurons_of(population)
    every = np.arange(rows.start, rows.stop)
    return np.sort(random.choice(every, size=min(neurons, every.size), replace=False))


def distance_to(
    statistic: Statistic, reference: Sequence[float] | NDArray[np.float64], distance: Distance = "wasserstein"
) -> Statistic:
    """The distance of the distribution that `statistic` is the mean of from the values in `reference`.

    wasserstein  W_1 = integral |F(x) - G(x)| dx, in the unit of the statistic
    ks           the largest |F(x) - G(x)| (Kolmogorov-Smirnov), from 0 to 1

    with F and G the empirical distribution functions. 0 where they are the same; undefined where the
    statistic is. Raises ObjectiveError where it is the mean of nothing.
    """
    if not statistic.sample:
        raise ObjectiveError(f"{statistic.name} is no mean over neurons or episodes: it has no distribution")
    target = np.asarray(reference, dtype=float).ravel()
    if target.size < 2 or not np.isfinite(target).all():
        raise ObjectiveError("a distribution to compare with needs at least 2 numbers, all finite")

    def function(observation: Observation, **options: Any) -> Estimate:
        from scipy import stats

        found = statistic.function(observation, **options)
        assert isinstance(found, Estimate)  # it carries a sample
        if not found.defined or found.sample is None or not found.sample.size:
            return replace(found, value=math.nan, sample=None, lower_bound=False)
        if distance == "ks":
            value = stats.ks_2samp(found.sample, target).statistic
        else:
            value = stats.wasserstein_distance(found.sample, target)
        return Estimate(float(value), support=found.sample.size, note=found.note)

    return replace(
        statistic,
        function=function,
        unit=statistic.unit if distance == "wasserstein" else "",
        scale="linear",
        sample="",
        screens=False,
        spread={},
    )
