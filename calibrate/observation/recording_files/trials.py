"""Trials that share one clock, laid out one after another: a recording with gaps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibrate.observation.recording_files.labels import as_text
from calibrate.observation.recording_files.segments import GAP_MS


@dataclass(frozen=True)
class Trials:
    """When trials begin and end, each by its own clock: shape (n, 2), ms."""

    windows: NDArray[np.float64]

    @property
    def shifts(self) -> NDArray[np.float64]:
        """What is added to the times of each trial, ms: the first begins at 0."""
        lengths = np.diff(self.windows)[:, 0] + GAP_MS
        return np.cumsum(lengths) - lengths - self.windows[:, 0]

    @property
    def intervals(self) -> NDArray[np.float64]:
        """The times of the trials after one another, shape (n, 2), ms."""
        return self.windows + self.shifts[:, None]

    def concatenate(self, trains: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
        """One train of those of the first trials."""
        return np.concatenate([train + shift for train, shift in zip(trains, self.shifts, strict=False)])

    def periods(self, labels: Sequence[object], name: str) -> Mapping[str, NDArray[np.float64]]:
        """The intervals of the trials of each label; numbers are labels of `name`."""
        words = [as_text(label) for label in labels]
        numbers = any(word.lstrip("+-").replace(".", "", 1).isdigit() for word in words)
        words = [f"{name} {word}" if numbers else word for word in words]
        return {
            word: self.intervals[[k for k, one in enumerate(words) if one == word]]
            for word in dict.fromkeys(words)
        }

    @property
    def in_words(self) -> str:
        """How they were laid out."""
        lengths = np.diff(self.windows)[:, 0] / 1000
        same = f"{lengths[0]:g} s" if np.allclose(lengths, lengths[0]) else "different lengths"
        return f"{len(lengths)} trials of {same}, one after another with gaps of {GAP_MS / 1000:g} s"
