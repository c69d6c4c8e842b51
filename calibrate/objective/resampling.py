"""How precise the statistics of a recording are: the bootstrap over time and over neurons."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from calibrate.errors import RecordingError
from calibrate.objective.estimates import Estimate
from calibrate.objective.panel import measure, panel
from calibrate.objective.statistics import Statistic
from calibrate.observation import Needs
from calibrate.observation.recording import Recording

REPEATS = 200
FEWEST_BLOCKS = 5


@dataclass(frozen=True, kw_only=True)
class Bootstrapped:
    """A statistic of a recording with its bootstrap error.

    Attributes
    ----------
    statistic : Statistic
        The statistic.
    estimate : Estimate
        Its value for the whole recording.
    error : float
        Standard error, in the unit of the statistic; nan if it is defined in fewer than half of the bootstrap
        samples.
    defined : float
        Share of the bootstrap samples in which it is defined.
    """

    statistic: Statistic
    estimate: Estimate
    error: float
    defined: float


def bootstrap(
    recording: Recording,
    statistics: Sequence[Statistic] | None = None,
    *,
    repeats: int = REPEATS,
    block_ms: float | None = None,
    seed: int = 0,
) -> list[Bootstrapped]:
    """Compute statistics of a recording with bootstrap errors.

    Parameters
    ----------
    recording : Recording
        The recording.
    statistics : sequence of Statistic, optional
        Statistics; by default the panel.
    repeats : int
        Number of bootstrap samples.
    block_ms : float, ms, optional
        Length of a block; by default a twentieth of the recording, at least 1 s. It is rounded to whole bins
        and windows.
    seed : int
        Seed of the resampling.

    Returns
    -------
    list of Bootstrapped
        The statistics, in order.

    Raises
    ------
    RecordingError
        If the recording has fewer than 5 blocks, or its counts do not fit into the free memory.

    Notes
    -----
    Each sample is as many blocks of time as the recording has, drawn with replacement and joined one after
    another [1]_, all units together, so that correlations between them stay. Intervals across a seam are not
    real: blocks should be long compared with them, and with dwell times.

    If a statistic is a mean over neurons, the fact that these are a sample adds its variance, SD^2 / N.
    Chance that is shared neither over time nor by neurons counts in both: for independent neurons the error
    is too large by sqrt(2) [2]_.

    References
    ----------
    .. [1] Kuensch 1989.
    .. [2] Owen 2007, The pigeonhole bootstrap.

    Examples
    --------
    `recording.csv` has the columns `time_ms` and `unit`:

    >>> from calibrate import bootstrap, find_statistic, read_recording
    >>> recording = read_recording("recording.csv")
    >>> (rate,) = bootstrap(recording, [find_statistic("rate_E")], repeats=20)
    >>> rate.defined, rate.error > 0
    (1.0, True)
    """
    chosen = panel(recording.observe().layout) if statistics is None else statistics
    needs = Needs.merge(statistic.needs for statistic in chosen)
    widths = needs.widths
    block = max(recording.duration_ms / 20, 1000.0) if block_ms is None else block_ms
    # Blocks consist of whole bins and windows, so that none of these straddles a seam.
    unit = max(widths.values())
    block = max(round(block / unit), 1) * unit
    blocks = int(recording.duration_ms / block + 1e-9)
    if blocks < FEWEST_BLOCKS:
        raise RecordingError(
            f"the recording of {recording.duration_ms / 1000:g} s has {blocks} block{'s' * (blocks != 1)} of "
            f"{block / 1000:g} s, but a bootstrap needs at least {FEWEST_BLOCKS}"
        )
    whole = measure(recording.observe(**widths), chosen)
    random = np.random.default_rng(seed)
    values = np.full((len(chosen), repeats), math.nan)
    for repeat in range(repeats):
        resampled = _resample(recording, random.integers(blocks, size=blocks), block)
        estimates = measure(resampled.observe(**widths), chosen)
        for row, statistic in enumerate(chosen):
            estimate = estimates[statistic.name]
            values[row, repeat] = math.nan if estimate.lower_bound else estimate.value
    return [
        _summarise(statistic, whole[statistic.name], row)
        for statistic, row in zip(chosen, values, strict=True)
    ]


def _resample(recording: Recording, blocks: NDArray[np.int64], block_ms: float) -> Recording:
    trains = {
        population: [_join(times - recording.start_ms, blocks, block_ms) for times in units]
        for population, units in recording.trains.items()
    }
    return replace(recording, trains=trains, start_ms=0.0, stop_ms=block_ms * blocks.size)


def _join(times: NDArray[np.float64], blocks: NDArray[np.int64], block_ms: float) -> NDArray[np.float64]:
    edges = np.searchsorted(times, np.arange(blocks.max() + 2) * block_ms, side="right")
    pieces = [
        times[edges[block] : edges[block + 1]] + (place - block) * block_ms
        for place, block in enumerate(blocks)
    ]
    return np.concatenate(pieces)


def _summarise(statistic: Statistic, estimate: Estimate, values: NDArray[np.float64]) -> Bootstrapped:
    finite = values[np.isfinite(values)]
    share, error = finite.size / values.size, math.nan
    if share >= 0.5 and finite.size > 1:
        of_neurons = estimate.error if statistic.per_neuron and math.isfinite(estimate.error) else 0.0
        error = math.hypot(float(finite.std(ddof=1)), of_neurons)
    return Bootstrapped(statistic=statistic, estimate=estimate, error=error, defined=share)
