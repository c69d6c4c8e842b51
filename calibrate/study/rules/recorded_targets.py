"""Objectives that compare with recorded spikes, or with a distribution in a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calibrate.errors import ObjectiveError, RecordingError
from calibrate.objective import Statistic, Value
from calibrate.objective.resampling import bootstrap
from calibrate.observation.recording import Recording, read_recording
from calibrate.study.file.problems import Problems
from calibrate.study.file.targets import RECORDING, RecordingSection
from calibrate.study.rules.common import attempt

# A target from a recording is met within so many of its bootstrap errors, unless a tolerance is given.
ERRORS = 2.0


@dataclass(frozen=True)
class Recorded:
    """What objectives may compare with.

    recording  that of [recording]; None where there is none, or it is wrong
    """

    folder: Path
    recording: Recording | None

    def target(self, statistic: Statistic, tolerance: float | None, source: str) -> Value:
        """The statistic's value in the recording. Raises ObjectiveError, RecordingError."""
        (found,) = bootstrap(self._there(), [statistic])
        if not found.estimate.defined or found.estimate.lower_bound:
            why = found.estimate.note or "it is undefined"
            raise ObjectiveError(f"{statistic.name} has no value in the recording: {why}")
        if tolerance is None and not found.error > 0:
            raise ObjectiveError(
                f"{statistic.name} has no bootstrap error in the recording, so give a tolerance"
            )
        within = ERRORS * found.error if tolerance is None else tolerance
        return Value(found.estimate.value, within, source or RECORDING)

    def distribution(self, statistic: Statistic, given: str | list[float]) -> NDArray[np.float64]:
        """The values to compare with. Raises ObjectiveError, RecordingError."""
        if isinstance(given, list):
            return np.array(given, dtype=float)
        if given != RECORDING:
            return _numbers(self.folder / given)
        observation = self._there().observe(**statistic.needs.widths)
        found = statistic(observation).sample
        if found is None or not found.size:
            raise ObjectiveError(f"{statistic.name} has no distribution in the recording")
        return found

    def _there(self) -> Recording:
        if self.recording is None:
            raise ObjectiveError('there is no [recording] to compare with; add one with file = "..."')
        return self.recording


def recorded(problems: Problems, section: RecordingSection | None, folder: Path) -> Recorded:
    """What objectives may compare with; problems where the file of [recording] is wrong."""
    found = None
    if section is not None:
        place = ("recording", "file")
        found = attempt(
            problems,
            place,
            lambda: read_recording(
                folder / section.file,
                population=section.population,
                start_ms=section.start_ms,
                duration_ms=section.duration_ms,
            ),
        )
    return Recorded(folder, found)


def _numbers(path: Path) -> NDArray[np.float64]:
    if path.exists() and not path.is_file():  # a device may have no end
        raise RecordingError(f"{path} is no file")
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise RecordingError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise RecordingError(f"{path} is not a text with one number a line") from None
    numbers = []
    for number, line in enumerate(lines, start=1):
        word = line.strip().rstrip(",")
        try:
            if word:
                numbers.append(float(word))
        except ValueError:
            if number > 1:  # the first may be a heading
                raise RecordingError(f"{path}:{number}: '{word[:30]}' is not a number") from None
    return np.array(numbers)
