"""What a study takes from data files: targets of its recording, and distributions to compare with.

It is stored with the study. Its targets then stay as they were when it began, and its results can be read by
someone who has not got the files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
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
class FromFiles:
    """What was taken from data files.

    Attributes
    ----------
    targets : dict of str to Value
        Targets of the recording, by objective.
    distributions : dict of str to ndarray of float
        Values to compare with, ascending, by objective; those of more than 20,000 values are left out.
    units : int
        Number of units of the recording; 0 if there is none.
    duration_ms : float, ms
        Length of its analysed interval.
    pieces : str
        The pieces that it was measured in, such as "20 pieces of 3 s".
    """

    targets: Mapping[str, Value] = field(default_factory=dict)
    distributions: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    units: int = 0
    duration_ms: float = 0.0
    pieces: str = ""

    @classmethod
    def of(
        cls,
        recording: Recording | None,
        piece_ms: float,
        targets: Mapping[str, Value],
        distributions: Mapping[str, NDArray[np.float64]],
    ) -> FromFiles:
        """Collect what a study has taken."""
        few = {name: values for name, values in distributions.items() if values.size <= MOST_VALUES}
        if recording is None:
            return cls(targets=targets, distributions=few)
        return cls(
            targets=targets,
            distributions=few,
            units=recording.units,
            duration_ms=recording.duration_ms,
            pieces=in_words(division(recording, piece_ms)),
        )

    def as_json(self) -> dict[str, Any]:
        """Return it as it is stored."""
        return {
            "targets": {
                name: {"value": one.value, "tolerance": one.tolerance, "source": one.source, "note": one.note}
                for name, one in self.targets.items()
            },
            "distributions": {name: values.tolist() for name, values in self.distributions.items()},
            "recording": {
                "units": self.units,
                "duration_ms": self.duration_ms,
                "pieces": self.pieces,
            },
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
                units=int(stored["recording"]["units"]),
                duration_ms=float(stored["recording"]["duration_ms"]),
                pieces=str(stored["recording"]["pieces"]),
            )
        except (AttributeError, KeyError, ObjectiveError, TypeError, ValueError):
            raise ValueError("a study has invalid targets from its data files") from None


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
