"""Objectives that compare with recorded spikes or with a distribution in a file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calibrate.errors import ObjectiveError, RecordingError
from calibrate.objective import Statistic, Value
from calibrate.objective.resampling import estimate_recording, measure_recording
from calibrate.observation.recording import Recording, read_recording
from calibrate.study.file.problems import Problems
from calibrate.study.file.targets import RECORDING, ObjectiveSection, RecordingSection
from calibrate.study.rules.common import attempt

# Default tolerance of a target from a recording, in standard errors.
ERRORS = 2.0


@dataclass(frozen=True)
class Recorded:
    """The data that objectives can compare with.

    recording  that of [recording]; None if there is none, or if it has a problem
    piece_ms   length of the simulations: the recording is measured in pieces as long
    """

    folder: Path
    recording: Recording | None
    piece_ms: float

    def target(self, statistic: Statistic, tolerance: float | None, source: str) -> Value:
        """Return the value of the statistic in the recording. Raises ObjectiveError, RecordingError."""
        (measured,) = measure_recording(self._require_recording(), [statistic], piece_ms=self.piece_ms)
        estimate, error = measured.estimate, measured.error
        if not estimate.defined or estimate.lower_bound:
            why = estimate.note or "it is undefined"
            raise ObjectiveError(f"{statistic.name} has no value in the recording: {why}")
        if tolerance is None and not error > 0:
            raise ObjectiveError(
                f"{statistic.name} has no standard error in the recording, so it needs a tolerance"
            )
        return Value(estimate.value, ERRORS * error if tolerance is None else tolerance, source or RECORDING)

    def distribution(self, statistic: Statistic, given: str | list[float]) -> NDArray[np.float64]:
        """Return the values to compare with. Raises ObjectiveError, RecordingError."""
        if isinstance(given, list):
            return np.array(given, dtype=float)
        if given != RECORDING:
            return _numbers(self.folder / given)
        sample = estimate_recording(self._require_recording(), statistic, self.piece_ms).sample
        if sample is None or not sample.size:
            raise ObjectiveError(f"{statistic.name} has no distribution in the recording")
        return sample

    def _require_recording(self) -> Recording:
        if self.recording is None:
            raise ObjectiveError('there is no [recording] to compare with; add one with file = "..."')
        return self.recording


def recorded(problems: Problems, section: RecordingSection | None, folder: Path, piece_ms: float) -> Recorded:
    """Return the data that objectives can compare with; add a problem if the recording cannot be read."""
    recording = None
    if section is not None:
        place = ("recording", "file")
        recording = attempt(
            problems,
            place,
            lambda: read_recording(
                folder / section.file,
                population=section.population,
                start_ms=section.start_ms,
                duration_ms=section.duration_ms,
                units=section.units,
            ),
        )
    return Recorded(folder, recording, piece_ms)


def warnings(
    recording: Recording | None, objectives: Sequence[ObjectiveSection], duration_ms: float
) -> Iterator[str]:
    """Yield one line if a recording that objectives compare with is shorter than their simulations."""
    compared = any(RECORDING in (one.target, one.distribution) for one in objectives)
    if recording is None or not compared or recording.longest_ms >= duration_ms:
        return
    yield (
        f"the recording has at most {recording.longest_ms / 1000:g} s without a gap, but simulations last "
        f"{duration_ms / 1000:g} s: statistics that depend on the length of the measurement, such as the "
        "Fano factor, are compared as if it did not matter; shorten [simulation] duration_ms"
    )


def _numbers(path: Path) -> NDArray[np.float64]:
    if path.exists() and not path.is_file():  # reading a device might never end
        raise RecordingError(f"{path} is not a file")
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise RecordingError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise RecordingError(f"{path} is not a text file with one number per line") from None
    numbers = []
    for number, line in enumerate(lines, start=1):
        word = line.strip().rstrip(",")
        try:
            if word:
                numbers.append(float(word))
        except ValueError:
            if number > 1:  # the first line can be a heading
                raise RecordingError(f"{path}:{number}: '{word[:30]}' is not a number") from None
    return np.array(numbers)
