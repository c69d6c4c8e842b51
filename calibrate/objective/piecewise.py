"""Statistics of a recording in pieces: the mean over them, and what it is without a block of time."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from calibrate.objective import jackknife
from calibrate.objective.estimates import Estimate
from calibrate.objective.excerpts import Excerpt, excerpts_of
from calibrate.objective.panel import measure
from calibrate.objective.statistics import Statistic
from calibrate.observation import Needs, Observation
from calibrate.observation.pieces import Piece
from calibrate.observation.recording import Recording

FloatArray = NDArray[np.float64]

FEWEST_BLOCKS = 5
MOST_BLOCKS = 20


@dataclass(frozen=True)
class Cut:
    """Part of a block of time: from one time of a piece to another."""

    piece: int
    start_ms: float
    stop_ms: float


Block = list[Cut]


class Sample:
    """Statistics of some units in some pieces of a recording.

    The value of a statistic is the mean over the pieces, in which a piece has the weight of the time that it
    holds of all units of the statistic's population. Standard errors of single pieces are not computed.

    pieces    the pieces, of these units
    excerpts  of each piece, what it is observed from; None if there is nothing
    blocks    what `without_blocks` leaves out in turn
    """

    def __init__(
        self,
        statistics: Sequence[Statistic],
        pieces: Sequence[Piece],
        excerpts: Sequence[Excerpt | None],
        blocks: Sequence[Block] = (),
    ) -> None:
        self._statistics, self._blocks, self._cuts = statistics, blocks, _cuts_of_pieces(pieces, blocks)
        self._pieces, self._excerpts = pieces, excerpts
        self._of_pieces = [
            self._undefined("shorter than a bin" if piece.n_units else "no unit")
            if each is None
            else self._measure(each.observe())
            for piece, each in zip(pieces, excerpts, strict=True)
        ]
        self._weight = np.array([[_weight(piece, one) for one in statistics] for piece in pieces])
        # Without any other piece, a lower bound says nothing of how much the value varies.
        self._value = np.array([_values(row, bounds=len(pieces) > 1) for row in self._of_pieces])

    def of_units(self, units: Mapping[str, NDArray[np.int64]]) -> Sample:
        """The sample of some of the units, in the same pieces."""
        return Sample(
            self._statistics,
            [piece.of_units(units) for piece in self._pieces],
            [each and each.of_units(units) for each in self._excerpts],
            self._blocks,
        )

    def _undefined(self, note: str) -> list[Estimate]:
        return [Estimate(math.nan, note=note)] * len(self._statistics)

    def _measure(self, observation: Observation) -> list[Estimate]:
        with jackknife.left_out():
            estimates = measure(observation, self._statistics)
        return [estimates[statistic.name] for statistic in self._statistics]

    @property
    def estimates(self) -> list[Estimate]:
        """The estimate of each statistic."""
        columns = zip(*self._of_pieces, strict=True)
        return [_mean(column, weight) for column, weight in zip(columns, self._weight.T, strict=True)]

    @property
    def values(self) -> FloatArray:
        """The value of each statistic, shape (statistics,)."""
        return _weighted(self._value, self._weight)

    def without_blocks(self) -> tuple[FloatArray, FloatArray]:
        """The values without each block, and the share of the data that it is, shape (blocks, statistics).

        A value is nan if a piece that had one has none without the block.
        """
        defined = np.isfinite(self._value)
        total = (self._weight * defined).sum(axis=0)
        values, shares = [], []
        for block in self._blocks:
            value, weight = self._value.copy(), self._weight.copy()
            for cut in block:
                piece, each = self._pieces[cut.piece], self._excerpts[cut.piece]
                left = 1 - (cut.stop_ms - cut.start_ms) / piece.duration_ms
                weight[cut.piece] *= left
                if left > 0 and each is not None:
                    number = self._cuts[cut.piece].index((cut.start_ms, cut.stop_ms))
                    value[cut.piece] = _values(self._measure(each.observe(number)), bounds=False)
            mean = _weighted(value, weight)
            lost = (defined & ~np.isfinite(value) & (weight > 0)).any(axis=0)
            values.append(np.where(lost, math.nan, mean))
            with np.errstate(invalid="ignore"):
                shares.append(1 - (weight * defined).sum(axis=0) / total)
        return np.array(values), np.array(shares)


def samples_of(
    recording: Recording,
    pieces: Sequence[Piece],
    wanted: Sequence[tuple[Sequence[Statistic], Sequence[Block]]],
) -> Iterator[Sample]:
    """The samples of all units of pieces, for each group of statistics and the blocks to leave out."""
    needs = [
        (Needs.merge(one.needs for one in statistics), _cuts_of_pieces(pieces, blocks))
        for statistics, blocks in wanted
    ]
    excerpts = excerpts_of(recording, pieces, needs)
    for (statistics, blocks), of_pieces in zip(wanted, excerpts, strict=True):
        yield Sample(statistics, pieces, of_pieces, blocks)


def _cuts_of_pieces(pieces: Sequence[Piece], blocks: Sequence[Block]) -> list[list[tuple[float, float]]]:
    """The cuts of each piece, in order of time; none of a piece that is only left out as a whole."""
    cuts: list[list[tuple[float, float]]] = [[] for _ in pieces]
    for block in blocks:
        for cut in block:
            if cut.stop_ms - cut.start_ms < pieces[cut.piece].duration_ms:
                cuts[cut.piece].append((cut.start_ms, cut.stop_ms))
    return cuts


def _weight(piece: Piece, statistic: Statistic) -> float:
    population = statistic.options.get("population")
    units = piece.n_units if population is None else len(piece.units.get(str(population), ()))
    return units * piece.duration_ms


def _values(estimates: Sequence[Estimate], *, bounds: bool) -> FloatArray:
    return np.array([math.nan if each.lower_bound and not bounds else each.value for each in estimates])


def _weighted(value: FloatArray, weight: FloatArray) -> FloatArray:
    """The mean over pieces, the first axis, of what is defined."""
    defined = np.isfinite(value)
    weight = weight * defined
    with np.errstate(invalid="ignore"):
        mean: FloatArray = (weight * np.where(defined, value, 0.0)).sum(axis=0) / weight.sum(axis=0)
    return mean


def _mean(estimates: Sequence[Estimate], weight: FloatArray) -> Estimate:
    """The mean of the estimates of pieces; undefined if it is in more than half of the data."""
    estimates = [estimate for estimate, held in zip(estimates, weight, strict=True) if held] or estimates[:1]
    if len(estimates) == 1:
        return estimates[0]
    weight = weight[weight > 0]
    good = np.array([estimate.defined for estimate in estimates])
    if 2 * weight[good].sum() < weight.sum():
        undefined = [estimate for estimate in estimates if not estimate.defined]
        return replace(undefined[0], note=_remark(estimates, undefined), sample=None)
    defined = [estimate for estimate in estimates if estimate.defined]
    bounds = np.array([estimate.lower_bound for estimate in estimates])
    samples = [estimate.sample for estimate in defined if estimate.sample is not None]
    return Estimate(
        float(np.average([estimate.value for estimate in defined], weights=weight[good])),
        support=float(np.mean([estimate.support for estimate in defined])),
        lower_bound=bool(2 * weight[good & bounds].sum() > weight[good].sum()),
        note=_remark(estimates, [estimate for estimate in estimates if estimate.note]),
        sample=np.concatenate(samples) if len(samples) == len(defined) else None,
        by_chance=float(np.average([estimate.by_chance for estimate in defined], weights=weight[good])),
    )


def _remark(estimates: Sequence[Estimate], noted: Sequence[Estimate]) -> str:
    """The first note, and in how many pieces there is one."""
    note = next((estimate.note for estimate in noted if estimate.note), "")
    return f"{note} (in {len(noted)} of {len(estimates)} pieces)" if note else ""


def blocks_of(
    pieces: Sequence[Piece], statistics: Sequence[Statistic], block_ms: float | None = None
) -> tuple[list[Block], float]:
    """Divide the time of the pieces into blocks, none with a gap inside a cut; and return their length in ms.

    By default, a block is a twentieth of the time, at least 1 s, or a tenth of it where that leaves too few.
    Inside a piece, a block consists of whole bins and windows of every statistic, so that none straddles a
    seam; if no length suits all, of the widest ones. Short pieces are blocks together.
    """
    total = sum(piece.duration_ms for piece in pieces)
    wanted = [block_ms] if block_ms else [max(total / MOST_BLOCKS, 1000.0), total / (2 * FEWEST_BLOCKS)]
    for length in wanted:
        whole = _whole_ms(statistics, length)
        block = max(round(length / whole), 1) * whole
        blocks = _cut(pieces, block)
        if len(blocks) >= FEWEST_BLOCKS:
            break
    return blocks, block


def _whole_ms(statistics: Sequence[Statistic], block_ms: float) -> float:
    needs = [statistic.needs for statistic in statistics]
    widths_us = [round(1000 * width) for need in needs for width in (need.bin_ms, need.window_ms) if width]
    if not widths_us:
        return 100.0 if block_ms >= 1000 else 1.0
    whole_ms = math.lcm(*widths_us) / 1000
    return whole_ms if whole_ms <= 2 * block_ms else max(widths_us) / 1000


def _cut(pieces: Sequence[Piece], block_ms: float) -> list[Block]:
    blocks: dict[tuple[int, int], Block] = {}
    before_ms = 0.0  # of short pieces
    for number, piece in enumerate(pieces):
        inside = int(piece.duration_ms / block_ms + 1e-9)
        if inside < 2:
            together = int((before_ms + piece.duration_ms / 2) / block_ms)
            before_ms += piece.duration_ms
            blocks.setdefault((-1, together), []).append(Cut(number, piece.start_ms, piece.stop_ms))
            continue
        edges = [*(piece.start_ms + block_ms * np.arange(inside)), piece.stop_ms]
        for k in range(inside):
            blocks[number, k] = [Cut(number, float(edges[k]), float(edges[k + 1]))]
    return list(blocks.values())
