"""How precise the statistics of a recording are: without a block of time, and between halves of the units."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibrate.errors import RecordingError
from calibrate.objective import jackknife
from calibrate.objective.estimates import Estimate
from calibrate.objective.panel import panel
from calibrate.objective.piecewise import FEWEST_BLOCKS, MOST_BLOCKS, Block, Sample, blocks_of, samples_of
from calibrate.objective.statistics import Statistic
from calibrate.observation.pieces import Piece
from calibrate.observation.recording import Recording, clusters_of, division

REPEATS = 50
# Enough pieces to tell lasting differences between units from chance; with more than 20, fewer divisions into
# halves do, since each is less noisy.
MOST_PIECES = 100
FEWEST_REPEATS = 10

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A statistic of a recording with its standard error.

    Attributes
    ----------
    statistic : Statistic
        The statistic.
    estimate : Estimate
        Its value: the mean over the pieces of the recording, if there are several. The sample is that of all
        pieces.
    error : float
        Standard error, in the unit of the statistic, for other units at another time; nan if there are fewer
        than 5 blocks, or if the statistic is undefined when one block is left out, for more than half of
        them.
    defined : float
        Share of the blocks without which it is defined.
    note : str
        Remark on the error, or "".
    """

    statistic: Statistic
    estimate: Estimate
    error: float
    defined: float
    note: str = ""

    @property
    def prediction_error(self) -> float:
        """Standard error with which it predicts the value of another recording."""
        return self.error


def measure_recording(
    recording: Recording,
    statistics: Sequence[Statistic] | None = None,
    *,
    repeats: int = REPEATS,
    piece_ms: float | None = None,
    block_ms: float | None = None,
    seed: int = 0,
) -> list[Measured]:
    """Compute statistics of a recording with standard errors.

    Parameters
    ----------
    recording : Recording
        The recording.
    statistics : sequence of Statistic, optional
        Statistics; by default the panel.
    repeats : int
        How often the units are divided into halves; less often, but at least 10 times, if there are more than
        20 pieces.
    piece_ms : float, ms, optional
        Length of the pieces in which the recording is measured, such as that of the simulations to compare
        with; see `Recording.pieces`.
    block_ms : float, ms, optional
        Length of a block; by default a twentieth of the recording, at least 1 s, or a tenth of it where there
        would be fewer than 5. It is rounded to whole bins and windows.
    seed : int
        Seed of the division into halves.

    Returns
    -------
    list of Measured
        The statistics, in order.

    Raises
    ------
    RecordingError
        If the recording has fewer than 5 blocks of `block_ms`, or its counts do not fit into the free memory.

    Notes
    -----
    The value is the mean over the pieces, where a piece has the weight of the time that it holds of all units
    of the statistic's population: a rate is the number of spikes over the time observed, unit by unit. Many
    statistics depend on the length of the measurement, such as the Fano factor. Pieces as long as a
    simulation have the value that such a simulation is expected to have.

    The error is that of another recording, of other units at another time. Its variance has two components,

        error^2 = V_time + max(V_units - V_both, 0)

    V_time is a jackknife over blocks of time, all units together, so that correlations between them stay
    [1]_. A block is part of a piece, or consists of several short pieces. What is kept of a piece is joined.
    Intervals across a seam are not real: blocks should be long compared with them, and with dwell times (see
    `calibrate.objective.jackknife`).

    V_units is the variance between samples of units, from random halves of the units of each cluster: one
    half differs from the other by twice the standard error of all units [2]_. No unit is drawn twice, as it
    would be perfectly correlated with itself. Chance in the spikes of single units is in V_time already;
    V_both is this part of V_units, from the jackknife of the difference of two halves [3]_. Both are taken
    from at most 100 pieces. What is left are lasting differences between units. A statistic that is undefined
    for half of the units, and a population of one unit, have V_time only.

    With 20 blocks, 1.96 errors cover the truth in about 93 % of recordings instead of 95 %. Where the rates
    of few units have a heavy tail, they cover less of the mean, and much less of the SD of rates: a sample of
    units does not show the extremes that it lacks.

    References
    ----------
    .. [1] Kuensch 1989. Blocks of unequal size: Busing, Meijer and van der Leeden 1999.
    .. [2] McCarthy 1969, Pseudo-replication: half samples.
    .. [3] Searle, Casella and McCulloch 1992, Variance Components. Counted twice, as in a bootstrap of rows
       and columns, V_both would make the error of independent units too large by sqrt(2) or more: Owen 2007,
       The pigeonhole bootstrap.

    Examples
    --------
    `recording.csv` has the columns `time_ms` and `unit`:

    >>> from calibrate import find_statistic, measure_recording, read_recording
    >>> recording = read_recording("recording.csv")
    >>> (rate,) = measure_recording(recording, [find_statistic("rate_E")], piece_ms=1000.0)
    >>> rate.defined, rate.error > 0
    (1.0, True)
    """
    chosen = panel(recording.layout) if statistics is None else statistics
    pieces = division(recording, piece_ms)
    groups = _of_equal_widths(chosen)
    divided = [_blocks(pieces, [chosen[k] for k in numbers], block_ms) for numbers in groups]
    wanted = [
        ([chosen[k] for k in numbers], blocks) for numbers, (blocks, _) in zip(groups, divided, strict=True)
    ]
    found: dict[int, Measured] = {}
    samples = samples_of(recording, pieces, wanted)
    for numbers, (together, blocks), (_, note), everyone in zip(
        groups, wanted, divided, samples, strict=True
    ):
        if len(blocks) < FEWEST_BLOCKS:
            rows = [(estimate, math.nan, math.nan) for estimate in everyone.estimates]
        else:
            random = np.random.default_rng(seed)
            lasting = _lasting(recording, everyone, pieces, together, block_ms, random, repeats)
            rows = _rows(everyone, lasting)
        for number, (estimate, error, defined) in zip(numbers, rows, strict=True):
            found[number] = Measured(
                statistic=chosen[number], estimate=estimate, error=error, defined=defined, note=note
            )
    return [found[k] for k in range(len(chosen))]


def _of_equal_widths(statistics: Sequence[Statistic]) -> list[list[int]]:
    """Numbers of statistics with the same bins and windows, those that need every spike apart.

    These share their blocks of time, so that an error does not depend on what else is measured.
    """
    groups: dict[tuple[float | None, float | None, bool], list[int]] = {}
    for number, statistic in enumerate(statistics):
        needs = statistic.needs
        groups.setdefault((needs.bin_ms, needs.window_ms, needs.spikes), []).append(number)
    return list(groups.values())


def _blocks(
    pieces: Sequence[Piece], statistics: Sequence[Statistic], block_ms: float | None
) -> tuple[list[Block], str]:
    """The blocks of time for statistics with the same bins and windows, and a note on them."""
    blocks, length_ms = blocks_of(pieces, statistics, block_ms)
    if len(blocks) >= FEWEST_BLOCKS:
        short = f"the standard error is from blocks of only {length_ms:g} ms" if length_ms < 1000 else ""
        return blocks, short if block_ms is None else ""
    total_s = sum(piece.duration_ms for piece in pieces) / 1000
    few = f"{total_s:g} s has {len(blocks)} block{'s' * (len(blocks) != 1)} of {length_ms / 1000:g} s"
    if block_ms is not None:
        raise RecordingError(f"the recording of {few}, but standard errors need at least {FEWEST_BLOCKS}")
    return blocks, f"no standard error: a recording of {few}, and at least {FEWEST_BLOCKS} are needed"


def _rows(everyone: Sample, lasting: FloatArray) -> list[tuple[Estimate, float, float]]:
    """The estimate, standard error and share of the blocks of each statistic."""
    of_time, defined = _variances(everyone.values, *everyone.without_blocks())
    errors = np.sqrt(np.where(defined >= 0.5, of_time + lasting, math.nan))
    return [
        (estimate, float(error) if estimate.defined else math.nan, float(share))
        for estimate, error, share in zip(everyone.estimates, errors, defined, strict=True)
    ]


def estimate_recording(recording: Recording, statistic: Statistic, piece_ms: float | None = None) -> Estimate:
    """Compute a statistic of a recording as `measure_recording` does, without its standard error."""
    return next(samples_of(recording, division(recording, piece_ms), [([statistic], [])])).estimates[0]


def _variances(whole: FloatArray, without: FloatArray, shares: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The jackknife variance of each statistic, and the share of the blocks without which it is defined.

    Blocks in which a statistic has no data say nothing about it.
    """
    variances = np.full(whole.shape, math.nan)
    defined = np.zeros(whole.shape)
    for k, value in enumerate(whole):
        held = shares[:, k] > 1e-9
        good = held & np.isfinite(without[:, k]) & (shares[:, k] < 1)
        if good.sum() > 1 and math.isfinite(value):
            defined[k] = good.sum() / held.sum()
            variances[k] = jackknife.variance_of_shares(np.array(value), without[good, k], shares[good, k])
    return variances, defined


def _lasting(
    recording: Recording,
    everyone: Sample,
    pieces: Sequence[Piece],
    statistics: Sequence[Statistic],
    block_ms: float | None,
    random: np.random.Generator,
    repeats: int,
) -> FloatArray:
    """The variance of each statistic that lasting differences between units make."""
    if len(pieces) > MOST_PIECES:
        pieces = [pieces[k] for k in np.linspace(0, len(pieces) - 1, MOST_PIECES).round().astype(int)]
        blocks, _ = blocks_of(pieces, statistics, block_ms)
        everyone = next(samples_of(recording, pieces, [(statistics, blocks)]))
    repeats = min(repeats, max(repeats * MOST_BLOCKS // len(pieces), FEWEST_REPEATS))

    def halves() -> list[Sample]:
        return [everyone.of_units(half) for half in _halves(recording, random)]

    one, other = halves()
    between = [one.values - other.values]
    (without_one, shares), (without_other, _) = one.without_blocks(), other.without_blocks()
    both, defined = _variances(between[0], without_one - without_other, shares)
    for _ in range(repeats - 1):
        one, other = halves()
        between.append(one.values - other.values)
    # Halves differ by twice the error of the whole.
    lasting = np.maximum((np.array(between) ** 2).mean(axis=0) - both, 0.0) / 4
    return np.where(np.isfinite(lasting) & (defined == 1), lasting, 0.0)


def _halves(
    recording: Recording, random: np.random.Generator
) -> tuple[dict[str, NDArray[np.int64]], dict[str, NDArray[np.int64]]]:
    """Divide the units of each cluster at random; a population of a single unit is in both halves."""
    first: dict[str, NDArray[np.int64]] = {}
    second: dict[str, NDArray[np.int64]] = {}
    for population, trains in recording.trains.items():
        cluster = clusters_of(recording, population)
        # Sorted by cluster, in random order within each, every second unit goes to the same half.
        order = np.lexsort((random.random(cluster.size), cluster))
        odd = int(random.integers(2))
        halves = (order[odd::2], order[1 - odd :: 2]) if len(trains) > 1 else (order, order)
        first[population], second[population] = (np.sort(half) for half in halves)
    return first, second


# Their names before they stated more than a bootstrap over time.
Bootstrapped = Measured
bootstrap = measure_recording
