"""The options that say how recordings are read, and the keys of a study file that say the same."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from calibrate.errors import CalibrateError
from calibrate.observation.periods import Stimuli
from calibrate.observation.recorded_file import read_recording
from calibrate.observation.recording import Recording
from calibrate.observation.recording_files import Chosen, Populations

_BETWEEN = ".."
_CLUSTERS = re.compile(r"=\s*\d+(\s*,\s*\d+)*\s*$")


@dataclass(frozen=True, kw_only=True)
class RecordingOptions:
    """How files of recordings are read: all in the same way."""

    population: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Population of the units, if the file names none (default: E). Or NAME=COLUMN:VALUE, such "
            "as I=cell_type:FS: the units with this value in this column; several values are separated by "
            "commas (repeatable).",
        ),
    ] = None
    cluster: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="Column whose values tell clusters apart (default: cluster)."),
    ] = None
    time_unit: Annotated[
        Literal["s", "ms"] | None,
        typer.Option(metavar="UNIT", help="Unit of the times (s or ms), if the file does not say it."),
    ] = None
    sampling_rate_hz: Annotated[
        float | None,
        typer.Option(
            metavar="HZ",
            help="How many samples (or steps of a simulation) a second has, if the file counts time in them "
            "and does not say it.",
        ),
    ] = None
    columns: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ROLE=NAME",
            help="What the file calls the time and the unit of each spike, if that is not clear, such as "
            "time=ts,unit=clu.",
        ),
    ] = None
    n_units: Annotated[
        str | None,
        typer.Option(
            metavar="N",
            help="Number of units, if the file lists only those that fired; of several populations, such as "
            "E=400,I=100.",
        ),
    ] = None
    start_ms: Annotated[
        float | None,
        typer.Option(
            metavar="MS",
            help="Start of the analysed interval (default: that of the file; if it names none, 0, or the "
            "first spike if the clock started earlier or later).",
        ),
    ] = None
    duration_ms: Annotated[
        float | None,
        typer.Option(
            metavar="MS", help="Length of the analysed interval (default: to the end of the recording)."
        ),
    ] = None
    period: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Use only the intervals of this name in the file, such as epochs or trials."
        ),
    ] = None
    stimuli: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Intervals in which a stimulus was presented, by their name in the file; or NAME=0,1, with "
            "the clusters that receive it (repeatable).",
        ),
    ] = None
    units: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN=VALUE",
            help="Use only units with this value in this column of the file, such as quality=good; several "
            "values are separated by commas, and numbers can be a range, such as depth=300..800 "
            "(repeatable).",
        ),
    ] = None

    def read(self, path: Path) -> Recording:
        """Read a recording."""
        return read_recording(path, **self.keys)

    @property
    def keys(self) -> dict[str, Any]:
        """The keys of [recording] that say the same."""
        given = {
            "population": _populations(self.population or ()),
            "cluster": self.cluster,
            "start_ms": self.start_ms,
            "duration_ms": self.duration_ms,
            "period": self.period,
            "stimuli": _stimuli(self.stimuli or ()),
            "units": _units(self.units or ()),
            "time_unit": self.time_unit,
            "sampling_rate_hz": self.sampling_rate_hz,
            "columns": _columns(self.columns or ()),
            "n_units": _number_of_units(self.n_units),
        }
        return {key: value for key, value in given.items() if value is not None}


def _units(texts: Sequence[str]) -> Chosen | None:
    return dict(_choice(text) for text in texts) or None


def _choice(text: str) -> tuple[str, list[str] | dict[str, float]]:
    column, equals, values = text.partition("=")
    if not (column.strip() and equals):
        raise CalibrateError(f"--units {text}: write COLUMN=VALUE, such as quality=good")
    least, between, most = values.partition(_BETWEEN)
    if not between:
        return column.strip(), values.split(",")
    try:
        limits = {end: float(number) for end, number in (("min", least), ("max", most)) if number.strip()}
    except ValueError:
        return column.strip(), values.split(",")  # a value can contain two points
    if not limits:
        raise CalibrateError(f"--units {text}: write COLUMN=LEAST..MOST, such as depth=300..800")
    return column.strip(), limits


def _columns(texts: Sequence[str]) -> dict[str, str] | None:
    return dict(_role(one) for text in texts for one in text.split(",")) or None


def _role(text: str) -> tuple[str, str]:
    role, equals, name = text.partition("=")
    if not (role.strip() and equals and name.strip()):
        raise CalibrateError(f"--columns {text}: write ROLE=NAME, such as time=ts,unit=clu")
    return role.strip(), name.strip()


def _number_of_units(text: str | None) -> int | dict[str, int] | None:
    if text is None:
        return None
    pairs = [one.partition("=") for one in text.split(",")]
    if not all(number.strip().isdecimal() for _, _, number in pairs) and not text.isdecimal():
        raise CalibrateError(f"--n-units {text}: write a number, or NAME=N for each population: E=400,I=100")
    return int(text) if text.isdecimal() else {name.strip(): int(number) for name, _, number in pairs}


def _populations(texts: Sequence[str]) -> str | Populations | None:
    if not texts:
        return None
    if len(texts) == 1 and "=" not in texts[0]:
        return texts[0]
    found: dict[str, Any] = {}
    for text in texts:
        name, equals, rest = text.partition("=")
        column, colon, values = rest.partition(":")
        if not (name.strip() and equals and column.strip() and colon and values):
            raise CalibrateError(f"--population {text}: write NAME=COLUMN:VALUE, such as I=cell_type:FS")
        if found.setdefault("column", column.strip()) != column.strip():
            raise CalibrateError(f"--population {text}: all populations are told apart by the same column")
        found[name.strip()] = values.split(",")
    return found


def _stimuli(texts: Sequence[str]) -> Stimuli | None:
    if not texts:
        return None
    # Names of periods can contain the sign, too: trials/stimulus=left.
    if len(texts) == 1 and not _CLUSTERS.search(texts[0]):
        return texts[0]
    found: dict[str, list[int]] = {}
    for text in texts:
        name, _, clusters = text.rpartition("=")
        if not (name and all(cluster.strip().isdecimal() for cluster in clusters.split(","))):
            raise CalibrateError(
                f"--stimuli {text}: write the clusters of each of several stimuli, such as left=0,1"
            )
        found[name] = [int(cluster) for cluster in clusters.split(",")]
    return found


def names_of(paths: Sequence[Path]) -> dict[str, Path]:
    """A name for each file: without folder and ending, if that tells them apart."""
    short: Mapping[str, Path] = {path.stem: path for path in paths}
    names = {path.stem if len(short) == len(paths) else str(path): path for path in paths}
    if len(names) < len(paths):
        twice = next(path for path in paths if paths.count(path) > 1)
        raise CalibrateError(f"{twice} is named twice")
    return names
