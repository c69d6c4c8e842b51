"""What a study takes from data files: targets of its recordings, and distributions to compare with.

It is stored with the study. Its targets then stay as they were when it began, and its results can be read by
someone who has not got the files.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibrate.errors import ObjectiveError
from calibrate.objective import Value
from calibrate.observation.pieces import in_words
from calibrate.observation.recording import Recording, division

# A distribution of more values stays in its file.
MOST_VALUES = 20_000


@dataclass(frozen=True, kw_only=True)
class RecordingFacts:
    """What a study says of a recording without having it.

    units        its number of units
    duration_ms  length of its analysed interval
    pieces       the pieces that it was measured in, such as "20 pieces of 3 s"
    """

    units: int
    duration_ms: float
    pieces: str

    @classmethod
    def of(cls, recording: Recording, piece_ms: float) -> RecordingFacts:
        """What is to be said of a recording that is measured in pieces of this length."""
        pieces = in_words(division(recording, piece_ms))
        return cls(units=recording.units, duration_ms=recording.duration_ms, pieces=pieces)


@dataclass(frozen=True, kw_only=True)
class FromFiles:
    """What was taken from data files.

    Attributes
    ----------
    targets : dict of str to Value
        Targets of the recordings, by objective.
    distributions : dict of str to ndarray of float
        Values to compare with, ascending, by objective; those of more than 20,000 values are left out.
    recordings : dict of str to RecordingFacts
        The recordings by name; that of [recording] has the name "".
    """

    targets: Mapping[str, Value] = field(default_factory=dict)
    distributions: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    recordings: Mapping[str, RecordingFacts] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        recordings: Mapping[str, Recording],
        piece_ms: float,
        targets: Mapping[str, Value],
        distributions: Mapping[str, NDArray[np.float64]],
    ) -> FromFiles:
        """Collect what a study has taken."""
        few = {name: values for name, values in distributions.items() if values.size <= MOST_VALUES}
        facts = {name: RecordingFacts.of(one, piece_ms) for name, one in recordings.items()}
        return cls(targets=targets, distributions=few, recordings=facts)

    def as_json(self) -> dict[str, Any]:
        """Return it as it is stored."""
        return {
            "targets": {name: _target_json(one) for name, one in self.targets.items()},
            "distributions": {name: values.tolist() for name, values in self.distributions.items()},
            "recordings": {name: asdict(one) for name, one in self.recordings.items()},
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> FromFiles:
        """Read it as it is stored. Raises ValueError if it is damaged."""
        try:
            return cls(
                targets={name: Value(**one) for name, one in stored["targets"].items()},
                distributions={
                    name: np.array([float(value) for value in values])
                    for name, values in stored["distributions"].items()
                },
                recordings={name: _facts(one) for name, one in _recordings(stored).items()},
            )
        except (AttributeError, KeyError, ObjectiveError, TypeError, ValueError):
            raise ValueError("a study has invalid targets from its data files") from None


def _target_json(target: Value) -> dict[str, Any]:
    known = {"error": target.error} if math.isfinite(target.error) else {}
    return {
        "value": target.value,
        "tolerance": target.tolerance,
        "source": target.source,
        "note": target.note,
        **known,
    }


def _recordings(stored: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    """The facts of each recording. Older versions had one, or of a study without it one without units."""
    if "recordings" in stored:
        found: Mapping[str, Mapping[str, Any]] = stored["recordings"]
        return found
    return {"": stored["recording"]} if stored["recording"]["units"] else {}


def _facts(stored: Mapping[str, Any]) -> RecordingFacts:
    return RecordingFacts(
        units=int(stored["units"]), duration_ms=float(stored["duration_ms"]), pieces=str(stored["pieces"])
    )


@dataclass(frozen=True, kw_only=True)
class Stored:
    """What a database knows of the data files of a study: their SHA-256 by name, and what was taken.

    unchanged  whether the files are there as they were, so that what was taken need not be measured again
    """

    digests: Mapping[str, str]
    taken: FromFiles
    unchanged: bool = False


def changes_of_targets(was: Mapping[str, Value], now: Mapping[str, Value]) -> Iterator[str]:
    """Say which targets of a recording are no longer what they were when the study began."""
    for name, target in was.items():
        if not np.allclose(target.ends, now[name].ends, rtol=1e-6, atol=0):
            yield (
                f"{name}: the study keeps the target that it began with, {target}; "
                f"in the recording it now is {now[name]}"
            )
