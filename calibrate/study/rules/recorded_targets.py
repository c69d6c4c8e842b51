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
from calibrate.network import Stimulus
from calibrate.objective import Objective, Statistic, Value
from calibrate.objective.derived import distance_to
from calibrate.objective.random_effects import ROUNDING
from calibrate.objective.resampling import Measured
from calibrate.objective.rounding import rounded
from calibrate.objective.sessions import Pooled, difference, distribution, measure_recordings
from calibrate.observation import Observation
from calibrate.observation.recording import Recording
from calibrate.study.file.problems import Problems
from calibrate.study.file.sections import StudyFile
from calibrate.study.file.targets import RECORDING, ObjectiveSection
from calibrate.study.from_files import FromFiles, Stored
from calibrate.study.rules.recorded_clusters import n_clusters
from calibrate.study.rules.recorded_sessions import Session, named, read_sessions

# Default tolerance of a target from a recording, in standard errors.
ERRORS = 2.0


@dataclass(frozen=True)
class Recorded:
    """The data that objectives can compare with.

    sessions       the recordings; none without [recording] and [[recordings]]
    piece_ms       length of the simulations: recordings are measured in pieces as long
    stored         what a database knows of files that are missing; None if they must exist
    unreadable     whether a recording has a problem, so that nothing can be said of it
    condition      the condition that the recordings are data of; None: of all, or there is only one
    distributions  filled by `compared`: the values to compare with, ascending, by objective
    """

    folder: Path
    sessions: Sequence[Session]
    piece_ms: float
    stored: Stored | None = None
    unreadable: bool = False
    condition: str | None = None
    distributions: dict[str, NDArray[np.float64]] = field(default_factory=dict)

    def serving(
        self,
        condition: str | None = None,
        *,
        duration_ms: float | None = None,
        period: str | None = None,
        stimuli: Sequence[Stimulus] = (),
    ) -> Recorded:
        """Return the data of one condition, with the same objectives' methods.

        condition    its name: recordings of other conditions are left out; None: the only one
        duration_ms  length of its simulations; None: as before
        period       what recordings without a period of their own are restricted to
        stimuli      its [[stimuli]]: pieces begin as long before a presentation as a simulation does

        Raises RecordingError, which names the recording, if one has no such period.
        """
        onset_ms = min((one.start_ms for one in stimuli), default=None)
        sessions = []
        for one in self.sessions:
            if None not in (condition, one.condition) and one.condition != condition:
                continue
            try:
                sessions.append(one.simulated(period, onset_ms))
            except RecordingError as error:
                raise RecordingError(f"{one.section.file}: {error}") from None
        piece_ms = self.piece_ms if duration_ms is None else duration_ms
        return replace(self, sessions=sessions, piece_ms=piece_ms, condition=condition, distributions={})

    def path_of(self, session: Session) -> Path:
        """The file of a recording."""
        return (self.folder / session.section.file).resolve()

    @property
    def complete(self) -> bool:
        """Whether there are recordings, and none is missing."""
        return bool(self.sessions) and all(one.recording is not None for one in self.sessions)

    @property
    def recordings(self) -> dict[str, Recording]:
        """The recordings by name; none if one is missing, since targets are of all of them."""
        read = {one.name: one.recording for one in self.sessions if one.recording is not None}
        return read if self.complete else {}

    @property
    def populations(self) -> tuple[str, ...]:
        """Names of the recorded populations; none without a recording."""
        return tuple(dict.fromkeys(name for one in self.recordings.values() for name in one.trains))

    def has(self, population: object) -> bool:
        """Whether a recording can have a statistic of this population; None: of no population."""
        return not self.complete or population in (None, *self.populations)

    def has_only(self, clusters: int, population: object) -> bool:
        """Whether recordings have this many clusters of a population: they stand for those of a network."""
        having = [one for one in self.recordings.values() if population in one.trains]
        return bool(having) and all(n_clusters(one, str(population)) == clusters for one in having)

    def pooled(self, statistic: Statistic) -> Pooled:
        """Return the statistic in the recordings, pooled. Raises ObjectiveError, RecordingError."""
        (pooled,) = measure_recordings(self._require_recordings(), [statistic], piece_ms=self.piece_ms)
        return pooled

    def target(self, statistic: Statistic, section: ObjectiveSection) -> Value:
        """Return the value of the statistic in the recordings. Raises ObjectiveError, RecordingError."""
        if not self.complete and self.stored is not None:
            return _stored(self.stored.taken.targets, statistic.name)
        return value_of(self.pooled(statistic), section)

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
        return self.complete if given == RECORDING else (self.folder / given).exists()

    def _distribution(self, statistic: Statistic, given: str | list[float] | None) -> NDArray[np.float64]:
        if not isinstance(given, str):
            return np.array(given, dtype=float)
        if given != RECORDING:
            return _numbers(self.folder / given)
        sample = distribution(self._require_recordings(), statistic, self.piece_ms)
        if sample is None or not sample.size:
            raise ObjectiveError(f"{statistic.name} has no distribution in the recording")
        return sample

    def _require_recordings(self) -> dict[str, Recording]:
        if not self.recordings:
            of = f" of condition {self.condition}" if self.condition else ""
            raise ObjectiveError(f'there is no [recording]{of} to compare with; add one with file = "..."')
        return self.recordings

    def taken(self, objectives: Sequence[Objective], sections: Sequence[ObjectiveSection]) -> FromFiles:
        """Return what these objectives of a study have taken from data files."""
        targets = {
            objective.name: objective.target
            for objective, section in zip(objectives, sections, strict=True)
            if section.target == RECORDING and isinstance(objective.target, Value)
        }
        read = {one.name: one.recording for one in self.sessions if one.recording is not None}
        found = FromFiles.of(read, self.piece_ms, targets, self.distributions)
        was = self.stored.taken.recordings if self.stored is not None else {}
        facts = {one.name: found.recordings.get(one.name) or was.get(one.name) for one in self.sessions}
        return replace(found, recordings={name: one for name, one in facts.items() if one is not None})


def difference_of(
    first: Recorded, second: Recorded, statistic: Statistic, section: ObjectiveSection
) -> Value:
    """The target of a difference between two conditions: that of the first minus that of the second.

    Recordings of one file are a pair: its difference is what is pooled. Others are left out if there is one.

    first, second  the data of the conditions, from `Recorded.serving`

    Raises ObjectiveError, RecordingError.
    """
    stored = first.stored or second.stored
    if stored is not None and not (first.complete and second.complete):
        return _stored(stored.taken.targets, statistic.name)
    minuend, subtrahend = first.pooled(statistic), second.pooled(statistic)
    of_file = {second.path_of(one): one.name for one in second.sessions if one.name in subtrahend.sessions}
    pairs = [
        (one.name, of_file[first.path_of(one)])
        for one in first.sessions
        if one.name in minuend.sessions and first.path_of(one) in of_file
    ]
    return value_of(difference(statistic, minuend, subtrahend, pairs), section)


def value_of(pooled: Pooled, section: ObjectiveSection) -> Value:
    """The target that an objective takes from recordings. Raises ObjectiveError if they have none."""
    name = pooled.statistic.name
    if reason := why_no_value(pooled):
        raise ObjectiveError(f"{name} has no value in the recording: {reason}")
    tolerance, note = section.tolerance, ""
    if tolerance is None:
        if reason := why_no_tolerance(pooled):
            raise ObjectiveError(f"{name} has no default tolerance, since {reason}; write tolerance = ...")
        tolerance, note = default_tolerance(pooled, section.standard_error)
    source = section.source or _source(pooled)
    return Value(pooled.estimate.value, tolerance, source, note, pooled.prediction_error)


def _source(pooled: Pooled) -> str:
    """The names of the recordings that a target comes from."""
    names = [name for name, one in pooled.sessions.items() if name and one.estimate.defined]
    return f"{RECORDING}{'s' * (len(names) > 1)} {', '.join(names)}".rstrip()


def default_tolerance(measured: Measured, standard_error: float | None) -> tuple[float, str]:
    """Return the default tolerance of a recorded value, and a note on it.

    A target cannot be met more closely than it is known, nor than a trial can measure it: the tolerance is
    two standard errors, of the recording or of a trial, whichever is larger. It is rounded to two digits.

    A network stands for one animal. So of several sessions, the standard error is that with which their mean
    predicts one more session, sqrt(error^2 + between^2) as in a prediction interval (Higgins, Thompson and
    Spiegelhalter 2009): a network within the spread of the sessions is as good as another one of them.
    """
    of_trial, of_data = standard_error or 0.0, measured.prediction_error
    tolerance = float(f"{ERRORS * max(of_data, of_trial):.2g}")
    several = isinstance(measured, Pooled) and len(measured.sessions) > 1
    if of_trial > of_data:
        whose = "one more session" if several else "the recording"
        smaller = f"more than those of {whose}, {rounded(of_data, 2)}"
        return tolerance, f"the tolerance is {ERRORS:g} standard errors of a trial, {smaller}"
    if isinstance(measured, Pooled) and several:
        n = sum(one.estimate.defined for one in measured.sessions.values())
        parts = f"SD between the {n} sessions {rounded(measured.between, 2)}"
        parts += f", standard error of their mean {rounded(measured.error, 2)}"
        return tolerance, f"the tolerance is {ERRORS:g} standard errors of one more session: {parts}"
    return tolerance, f"the tolerance is {ERRORS:g} standard errors of the recording"


def why_no_value(measured: Measured) -> str:
    """Return why a statistic has no value in a recording; "" if it has one."""
    estimate = measured.estimate
    if estimate.defined and not estimate.lower_bound:
        return ""
    return estimate.note or "it is undefined"


def why_no_tolerance(measured: Measured) -> str:
    """Return why a recorded value has no default tolerance; "" if it has one."""
    value, error = abs(measured.estimate.value), measured.prediction_error
    if math.isnan(error):
        return "its standard error is unknown"
    if error <= ROUNDING * value or not error:
        several = isinstance(measured, Pooled) and len(measured.sessions) > 1
        return f"it is the same in every {'session' if several else 'part of the recording'}"
    if measured.statistic.scale == "log" and ERRORS * error >= value:
        return f"it is too uncertain to be compared by ratios: {rounded(value, 3)} ± {rounded(error, 2)}"
    return ""


def recorded(
    problems: Problems,
    file: StudyFile,
    folder: Path,
    stored: Stored | None = None,
    conditions: Sequence[str] = (),
) -> Recorded:
    """Return the data that objectives can compare with; add a problem if a recording cannot be read.

    If a database knows the recordings, as `stored`, they may be missing.
    """
    sessions, complete = read_sessions(problems, file, folder, stored, conditions)
    return Recorded(folder, sessions, file.simulation.duration_ms, stored, unreadable=not complete)


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
    recordings: Mapping[str, Recording], objectives: Sequence[ObjectiveSection], duration_ms: float
) -> Iterator[str]:
    """Yield one line for each recording that is shorter than the simulations that it is compared with."""
    if not any(one.is_recorded for one in objectives):
        return
    for name, recording in recordings.items():
        if recording.longest_ms < duration_ms:
            yield (
                f"{named(name)} has at most {recording.longest_ms / 1000:g} s without a gap, but simulations "
                f"last {duration_ms / 1000:g} s: statistics that depend on the length of the measurement, "
                "such as the Fano factor, are compared as if it did not matter; shorten [simulation] "
                "duration_ms"
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
