"""Objectives that compare with recorded spikes or with a distribution in a file."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from calibrate.errors import ObjectiveError, RecordingError
from calibrate.objective import Objective, Statistic, Value
from calibrate.objective.derived import distance_to
from calibrate.objective.resampling import Measured, estimate_recording, measure_recording
from calibrate.objective.rounding import rounded
from calibrate.observation import Observation
from calibrate.observation.recorded_file import read_recording
from calibrate.observation.recording import Recording
from calibrate.study.file.problems import Problems
from calibrate.study.file.sections import StudyFile
from calibrate.study.file.targets import RECORDING, ObjectiveSection
from calibrate.study.from_files import FromFiles, Stored
from calibrate.study.rules.common import attempt
from calibrate.study.rules.recorded_clusters import n_clusters

# Default tolerance of a target from a recording, in standard errors.
ERRORS = 2.0
# A standard error below this part of the value is that of rounding.
ROUNDING = 1e-9


@dataclass(frozen=True)
class Recorded:
    """The data that objectives can compare with.

    recording      that of [recording]; None if there is none, or if it has a problem
    piece_ms       length of the simulations: the recording is measured in pieces as long
    stored         what a database knows of files that are missing; None if they must exist
    unreadable     whether there is a [recording] with a problem, so that nothing can be said of it
    distributions  filled by `compared`: the values to compare with, ascending, by objective
    """

    folder: Path
    recording: Recording | None
    piece_ms: float
    stored: Stored | None = None
    unreadable: bool = False
    distributions: dict[str, NDArray[np.float64]] = field(default_factory=dict)

    @property
    def populations(self) -> tuple[str, ...]:
        """Names of the recorded populations; none without a recording."""
        return tuple(self.recording.trains) if self.recording is not None else ()

    def has(self, population: object) -> bool:
        """Whether the recording can have a statistic of this population; None: of no population."""
        return self.recording is None or population in (None, *self.populations)

    def has_only(self, clusters: int, population: object) -> bool:
        """Whether the recording has this many clusters of a population: they stand for those of a network."""
        return self.recording is not None and n_clusters(self.recording, str(population)) == clusters

    def target(self, statistic: Statistic, section: ObjectiveSection) -> Value:
        """Return the value of the statistic in the recording. Raises ObjectiveError, RecordingError."""
        if self.recording is None and self.stored is not None:
            return _stored(self.stored.taken.targets, statistic.name)
        (measured,) = measure_recording(self._require_recording(), [statistic], piece_ms=self.piece_ms)
        if reason := why_no_value(measured):
            raise ObjectiveError(f"{statistic.name} has no value in the recording: {reason}")
        tolerance, note = section.tolerance, ""
        if tolerance is None:
            if reason := why_no_tolerance(measured):
                raise ObjectiveError(
                    f"{statistic.name} has no default tolerance, since {reason}; write tolerance = ..."
                )
            tolerance, note = default_tolerance(measured, section.standard_error)
        return Value(measured.estimate.value, tolerance, section.source or RECORDING, note)

    def compared(self, simulated: Statistic, statistic: Statistic, section: ObjectiveSection) -> Statistic:
        """Return the distance of a simulated statistic from a distribution, of `statistic` if recorded.

        Raises ObjectiveError, RecordingError.
        """
        given = section.distribution
        missing = isinstance(given, str) and not self._has(given)
        if missing and self.stored is not None:
            reference = self.stored.taken.distributions.get(statistic.name)
            if reference is None:
                return _without_reference(simulated, section, given)
        else:
            reference = self._distribution(statistic, given)
        if isinstance(given, str):
            self.distributions[statistic.name] = np.sort(reference)
        return distance_to(simulated, reference, section.distance)

    def _has(self, given: str) -> bool:
        return self.recording is not None if given == RECORDING else (self.folder / given).exists()

    def _distribution(self, statistic: Statistic, given: str | list[float] | None) -> NDArray[np.float64]:
        if not isinstance(given, str):
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

    def taken(self, objectives: Sequence[Objective], sections: Sequence[ObjectiveSection]) -> FromFiles:
        """Return what these objectives of a study have taken from data files."""
        targets = {
            objective.name: objective.target
            for objective, section in zip(objectives, sections, strict=True)
            if section.target == RECORDING and isinstance(objective.target, Value)
        }
        found = FromFiles.of(self.recording, self.piece_ms, targets, self.distributions)
        if self.recording is None and self.stored is not None:
            was = self.stored.taken
            return replace(found, units=was.units, duration_ms=was.duration_ms, pieces=was.pieces)
        return found


def default_tolerance(measured: Measured, standard_error: float | None) -> tuple[float, str]:
    """Return the default tolerance of a recorded value, and a note on it.

    A target cannot be met more closely than it is known, nor than a trial can measure it: the tolerance is
    two standard errors, of the recording or of a trial, whichever is larger. It is rounded to two digits.
    """
    of_trial = standard_error or 0.0
    tolerance = float(f"{ERRORS * max(measured.error, of_trial):.2g}")
    if of_trial > measured.error:
        smaller = f"more than those of the recording, {rounded(measured.error, 2)}"
        return tolerance, f"the tolerance is {ERRORS:g} standard errors of a trial, {smaller}"
    return tolerance, f"the tolerance is {ERRORS:g} standard errors of the recording"


def why_no_value(measured: Measured) -> str:
    """Return why a statistic has no value in a recording; "" if it has one."""
    estimate = measured.estimate
    if estimate.defined and not estimate.lower_bound:
        return ""
    return estimate.note or "it is undefined"


def why_no_tolerance(measured: Measured) -> str:
    """Return why a recorded value has no default tolerance; "" if it has one."""
    value, error = abs(measured.estimate.value), measured.error
    if math.isnan(error):
        return "its standard error is unknown"
    if error <= ROUNDING * value or not error:
        return "it is the same in every part of the recording"
    if measured.statistic.scale == "log" and ERRORS * error >= value:
        return f"it is too uncertain to be compared by ratios: {rounded(value, 3)} ± {rounded(error, 2)}"
    return ""


def recorded(problems: Problems, file: StudyFile, folder: Path, stored: Stored | None = None) -> Recorded:
    """Return the data that objectives can compare with; add a problem if the recording cannot be read.

    If a database knows the recording, as `stored`, it may be missing.
    """
    recording, section, piece_ms = None, file.recording, file.simulation.duration_ms
    exists = section is not None and (folder / section.file).exists()
    if section is not None and (stored is None or (exists and not stored.unchanged)):
        place = ("recording", "file")
        remedy = "" if exists else "new trials need it: put it back, or say where it is"
        recording = attempt(
            problems,
            place,
            lambda: read_recording(
                folder / section.file,
                population=section.population,
                start_ms=section.start_ms,
                duration_ms=section.duration_ms,
                units=section.units,
                time_unit=section.time_unit,
                sampling_rate_hz=section.sampling_rate_hz,
                columns=section.columns,
                n_units=section.n_units,
            ),
            remedy=remedy,
        )
        return Recorded(folder, recording, piece_ms, stored, unreadable=recording is None)
    return Recorded(folder, recording, piece_ms, stored)


def _stored(taken: Mapping[str, Value], name: str) -> Value:
    if name not in taken:
        raise ObjectiveError(f"{name} has no stored target, and the recording is missing")
    return taken[name]


def _without_reference(statistic: Statistic, section: ObjectiveSection, given: object) -> Statistic:
    """Return the distance from a distribution that is neither there nor stored: it cannot be computed."""
    file = "the recording" if given == RECORDING else str(given)

    def function(_: Observation, **__: Any) -> NoReturn:
        raise ObjectiveError(f"{statistic.name} needs {file}, which is missing")

    return replace(distance_to(statistic, [0.0, 1.0], section.distance), function=function)


def warnings(
    recording: Recording | None, objectives: Sequence[ObjectiveSection], duration_ms: float
) -> Iterator[str]:
    """Yield one line if a recording that objectives compare with is shorter than their simulations."""
    compared = any(one.is_recorded for one in objectives)
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
