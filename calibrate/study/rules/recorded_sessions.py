"""The recordings of a study: read from their files, each with its name, period and stimuli."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from calibrate.errors import did_you_mean
from calibrate.observation.periods import presented, restricted
from calibrate.observation.recorded_file import read_recording
from calibrate.observation.recording import Recording
from calibrate.study.file.problems import Place, Problems, listed
from calibrate.study.file.sections import StudyFile
from calibrate.study.file.targets import RecordingSection, RecordingsSection
from calibrate.study.from_files import Stored
from calibrate.study.rules.common import attempt


@dataclass(frozen=True)
class Session:
    """A recording of a study.

    name       its name; "" for [recording]
    place      where the study file has it
    section    its keys
    recording  None if its file is missing
    """

    name: str
    place: Place
    section: RecordingSection
    recording: Recording | None

    @property
    def condition(self) -> str | None:
        """The condition that it is data of; None: of every condition."""
        return self.section.condition if isinstance(self.section, RecordingsSection) else None

    def simulated(self, period: str | None, onset_ms: float | None) -> Session:
        """The same session as a simulation is compared with it.

        period    what it is restricted to, unless it names a period itself
        onset_ms  when the first stimulus begins, from the start of a measurement; None: there is none

        Raises RecordingError for an unknown period.
        """
        recording = self.recording
        if recording is None:
            return self
        if period is not None and self.section.period is None:
            recording = restricted(recording, period)
        if onset_ms is not None and recording.presentations:
            recording = replace(recording, lead_ms=onset_ms)
        return replace(self, recording=recording)


def read_sessions(
    problems: Problems,
    file: StudyFile,
    folder: Path,
    stored: Stored | None = None,
    conditions: Sequence[str] = (),
) -> tuple[list[Session], bool]:
    """Return the recordings, and whether all that should be there could be read; add problems for others.

    If a database knows the recordings, as `stored`, their files may be missing.
    """
    if file.recording is not None and file.recordings:
        remedy = "write all of them as [[recordings]]"
        problems.add(("recording",), "and [[recordings]] are both there", None, remedy)
    sections = [*_sections(file)]
    names = [name for name, _, _ in sections]
    sessions, complete = [], True
    read: dict[str, Recording] = {}
    for number, (name, place, section) in enumerate(sections):
        condition = getattr(section, "condition", None)
        if name in names[:number]:
            remedy = 'rename one of them: name = "..."'
            problems.add(place, "has the same name as an earlier one", name, remedy)
        if condition is not None and condition not in conditions:
            known = f"conditions are {listed(conditions)}" if conditions else "add [[conditions]]"
            rule = f"is not a condition of the study{did_you_mean(condition, conditions)}"
            problems.add((*place, "condition"), rule, condition, known)
        recording = None
        exists = (folder / section.file).exists()
        if stored is None or (exists and not stored.unchanged):
            remedy = "" if exists else "new trials need it: put it back, or say where it is"
            recording = attempt(problems, (*place, "file"), _read, section, folder, read, remedy=remedy)
            recording = recording and attempt(problems, place, _part, recording, section)
            complete &= recording is not None
        sessions.append(Session(name, place, section, recording))
    return sessions, complete


def _sections(file: StudyFile) -> Iterator[tuple[str, Place, RecordingSection]]:
    if file.recording is not None:
        yield "", ("recording",), file.recording
    for number, section in enumerate(file.recordings):
        yield section.called, ("recordings", number), section


def _read(section: RecordingSection, folder: Path, read: dict[str, Recording]) -> Recording:
    """The whole recording; one that several sections use is read once."""
    settings = section.model_dump(
        include={"population", "cluster", "start_ms", "duration_ms", "units", "time_unit"}
    )
    key = f"{(folder / section.file).resolve()} {settings}"
    if key not in read:
        read[key] = read_recording(folder / section.file, **settings)
    return read[key]


def _part(recording: Recording, section: RecordingSection) -> Recording:
    """The period of a section, with its stimuli."""
    if section.stimuli is not None:
        recording = presented(recording, section.stimuli)
    return recording if section.period is None else restricted(recording, section.period)


def named(name: str) -> str:
    """A session in a message: the recording, or the recording mouse1."""
    return f"the recording {name}".rstrip()
