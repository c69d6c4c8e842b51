"""Excerpts: observations of a piece of a recording, of any of its units, and without a stretch of time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from calibrate.observation import Needs, Observation, Presentation
from calibrate.observation.pieces import Piece
from calibrate.observation.recording import (
    Recording,
    part_of,
    parts_of,
    presented_within,
    presented_without,
)
from calibrate.observation.tallies import Tally, tally
from calibrate.observation.trains import RESOLUTION_MS

FloatArray = NDArray[np.float64]
Units = Mapping[str, NDArray[np.int64]]
# Times of a piece, one after another through all of it, that are left out in turn.
Cuts = Sequence[tuple[float, float]]


class Excerpt(Protocol):
    """A piece of a recording that can be observed without its spikes being counted again."""

    def of_units(self, units: Units) -> Excerpt | None:
        """The same of some of its units; None if it has none of them."""

    def observe(self, without: int | None = None) -> Observation:
        """The observation of the piece, or without the cut of this number: what is left is joined."""


def excerpts_of(
    recording: Recording, pieces: Sequence[Piece], wanted: Sequence[tuple[Needs, Sequence[Cuts]]]
) -> list[list[Excerpt | None]]:
    """The excerpts of pieces, for each of several needs and the cuts of each piece that go with them.

    The recording is divided once for all of them. None if a piece has no unit, or is shorter than a bin.
    """
    found: list[list[Excerpt | None]] = [[None] * len(pieces) for _ in wanted]
    with_units = [number for number, piece in enumerate(pieces) if piece.n_units]
    parts = parts_of(recording, [pieces[number] for number in with_units])
    for number, part in zip(with_units, parts, strict=True):
        for (needs, cuts), excerpts in zip(wanted, found, strict=True):
            if part.duration_ms >= needs.widths["bin_ms"]:
                excerpts[number] = _excerpt(recording, pieces[number], part, needs, cuts[number])
    return found


def _excerpt(recording: Recording, piece: Piece, part: Recording, needs: Needs, cuts: Cuts) -> Excerpt:
    counted = None
    if not needs.spikes:
        counted = tally(
            [train for units in part.trains.values() for train in units],
            part.layout,
            start_ms=part.start_ms,
            duration_ms=part.duration_ms,
            needs=needs,
            spans_ms=cuts,
        )
    if counted is None:
        return _Spikes(recording, piece, part, needs, cuts)
    return _Counts(piece, counted, part.presentations, cuts)


@dataclass(frozen=True)
class _Counts:
    """Counted once: statistics that need no single spikes."""

    piece: Piece
    tally: Tally
    presentations: tuple[Presentation, ...]
    cuts: Cuts

    def of_units(self, units: Units) -> Excerpt | None:
        piece = self.piece.of_units(units)
        if not piece.n_units:
            return None
        sizes = np.cumsum([0, *(numbers.size for numbers in self.piece.units.values())])
        rows = [
            first + np.flatnonzero(np.isin(numbers, piece.units[name]))
            for first, (name, numbers) in zip(sizes, self.piece.units.items(), strict=False)
        ]
        chosen = np.concatenate(rows)
        return replace(
            self, piece=piece, tally=self.tally.of_units(chosen, self.tally.layout.of_neurons(chosen))
        )

    def observe(self, without: int | None = None) -> Observation:
        observation, shown = self.tally.observation(without), self.presentations
        if not shown:
            return observation
        if without is not None:
            shown = presented_without(shown, *self.cuts[without])
        shown = presented_within(shown, self.piece.start_ms, observation.duration_ms)
        return replace(observation, presentations=shown)


@dataclass(frozen=True)
class _Spikes:
    """Observed again each time: statistics that need every spike, or bins that straddle a seam."""

    recording: Recording
    piece: Piece
    part: Recording
    needs: Needs
    cuts: Cuts

    def of_units(self, units: Units) -> Excerpt | None:
        piece = self.piece.of_units(units)
        part = part_of(self.recording, piece) if piece.n_units else None
        return None if part is None else replace(self, piece=piece, part=part)

    def observe(self, without: int | None = None) -> Observation:
        part = self.part if without is None else _removed(self.part, *self.cuts[without])
        return part.observe(**self.needs.widths)


def _removed(part: Recording, start_ms: float, stop_ms: float) -> Recording:
    """Return a piece without part of its time; what is left is joined."""
    limits = np.array([start_ms, stop_ms]) + RESOLUTION_MS / 2
    length_ms = stop_ms - start_ms

    def joined(times: FloatArray) -> FloatArray:
        start, stop = np.searchsorted(times, limits, side="right")
        return np.concatenate([times[:start], times[stop:] - length_ms])

    trains: Mapping[str, list[FloatArray]] = {
        name: [joined(times) for times in units] for name, units in part.trains.items()
    }
    return Recording(
        trains=trains,
        clusters=part.clusters,
        start_ms=part.start_ms,
        stop_ms=part.stop_ms - length_ms,
        presentations=presented_without(part.presentations, start_ms, stop_ms),
    )
