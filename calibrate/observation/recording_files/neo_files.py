"""Formats of acquisition systems and sorters that the package neo reads, without their raw traces."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from calibrate.errors import RecordingError
from calibrate.observation.recording_files.sorted_units import Unit, make_table
from calibrate.observation.recording_files.table import Table, Wanted
from calibrate.observation.recording_files.trials import Trials
from calibrate.observation.recording_files.unread import SAVE

# The readers of files with spikes. neo itself takes the first reader that lists the suffix, which may be one
# for another format, or one that makes up data.
READERS = {
    ".f32": ["BrainwareF32IO"],
    ".mat": ["NeoMatlabIO"],
    ".nev": ["BlackrockIO"],
    ".nex": ["NeuroExplorerIO"],
    ".nix": ["NixIO"],
    ".plx": ["PlexonIO"],
    ".set": ["AxonaIO"],
    ".smr": ["CedIO", "Spike2IO"],
    ".smrx": ["CedIO"],
    ".src": ["BrainwareSrcIO"],
}
# Here units are classes of waveforms of an electrode: ch1#0 is its class 0, all that is not sorted.
_CLASSES = (".nev", ".plx")
_CLASS = re.compile(r"#(\d+)\b")
_NOISE = 255  # of Blackrock


def read_neo(path: Path, wanted: Wanted) -> Table:
    """Read the spike trains of a file with neo."""
    wanted.refuse_time_unit("units of its own")
    wanted.refuse_columns()
    try:
        import neo
    except ImportError:
        raise RecordingError("needs the package neo: pip install 'calibrate-snn[recordings]'") from None
    suffix = path.suffix.lower()
    try:
        with _silence():
            segments = _read_segments(_open(neo, path, READERS[suffix]))
            return _make_table(segments, suffix, wanted)
    except RecordingError:
        raise
    except ImportError as error:
        what = f"the package {error.name}" if error.name else " ".join(str(error).split())
        raise RecordingError(f"neo needs more to read {suffix} files: {what}") from None
    except Exception as error:  # each of its many readers raises its own
        what = " ".join(str(error).split()) or type(error).__name__
        raise RecordingError(f"neo cannot read it ({what}): if it is not damaged, {SAVE}") from error


@contextmanager
def _silence() -> Iterator[None]:
    """Let neo show neither progress bars nor remarks."""
    before = logging.root.manager.disable
    logging.disable()
    try:
        with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            yield
    finally:
        logging.disable(before)


def _open(neo: Any, path: Path, readers: list[str]) -> Any:
    *others, last = readers
    for name in others:
        try:
            return getattr(neo.io, name)(str(path))
        except Exception:
            continue
    return getattr(neo.io, last)(str(path))


@dataclass(frozen=True)
class _Segment:
    """A stretch of time with the spike trains in it, by unit, and its named times (ms)."""

    name: str
    trains: Mapping[object, Any]
    epochs: Sequence[tuple[str, float, float]]

    @property
    def window(self) -> tuple[float, float]:
        """When it begins and ends, in ms."""
        starts = [_ms(train.t_start) for train in self.trains.values()]
        return min(starts), max(_ms(train.t_stop) for train in self.trains.values())


def _ms(time: Any) -> float:
    return float(time.rescale("ms").item())


def _read_segments(reader: Any) -> list[_Segment]:
    """The segments of all blocks."""
    from neo.io.basefromrawio import BaseFromRaw

    raw = isinstance(reader, BaseFromRaw)
    blocks = reader.read(lazy=True) if raw else reader.read()
    segments = [segment for block in blocks for segment in block.segments if len(segment.spiketrains)]
    if not segments:
        raise RecordingError("contains no spike trains")
    # Readers of raw files list the same units, in the same order, in every segment of a block.
    by_place = raw and len(blocks) == 1
    keys = [_keys(segment.spiketrains, by_place) for segment in segments]
    if any(None in one for one in keys):
        if len({len(one) for one in keys}) > 1:
            counts = ", ".join(str(len(one)) for one in keys[:10])
            raise RecordingError(
                f"contains {len(segments)} segments with different numbers of spike trains ({counts}) that "
                "have no names by which to tell which are of one unit; save only one of them"
            )
        keys = [list(range(len(one))) for one in keys]
    return [
        _Segment(
            segment.name or "",
            {
                key: train.load() if raw else train
                for key, train in zip(names, segment.spiketrains, strict=True)
            },
            [epoch for one in segment.epochs for epoch in _epochs(one.load() if raw else one)],
        )
        for names, segment in zip(keys, segments, strict=True)
    ]


def _keys(trains: Sequence[Any], by_place: bool) -> list[object]:
    """What tells the units of a segment apart in all segments; None if nothing does."""
    if by_place:
        return list(range(len(trains)))
    for annotation in ("source_id", "unit_id", "id", "channel_id"):
        found = [train.annotations.get(annotation) for train in trains]
        if None not in found and len(set(map(str, found))) == len(found):
            return [
                (train.annotations.get("source_population"), str(one))
                for train, one in zip(trains, found, strict=True)
            ]
    names = [train.name for train in trains]
    return names if all(names) and len(set(names)) == len(names) else [None] * len(names)


def _epochs(epoch: Any) -> Iterator[tuple[str, float, float]]:
    """The named times of an epoch of neo, each with its start and stop in ms."""
    starts = epoch.times.rescale("ms").magnitude.ravel()
    lengths = np.ravel(epoch.durations.rescale("ms").magnitude) if epoch.durations is not None else ()
    labels = [str(one) for one in np.ravel(epoch.labels)] if epoch.labels is not None else []
    for number, (start, length) in enumerate(zip(starts, lengths, strict=False)):
        label = labels[number] if number < len(labels) else ""
        if length > 0:
            yield label or epoch.name or "epochs", float(start), float(start + length)


def _make_table(segments: Sequence[_Segment], suffix: str, wanted: Wanted) -> Table:
    """The table of the units; segments that overlap in time, such as trials, follow one another."""
    windows = np.array([segment.window for segment in segments])
    keys = dict.fromkeys(key for segment in segments for key in segment.trains)
    trials = Trials(windows) if any(_overlap(segments, key) for key in keys) else None
    shifts = trials.shifts if trials else np.zeros(len(segments))
    periods: dict[str, list[tuple[float, float]]] = {}
    for segment, (start, stop), shift in zip(segments, windows, shifts, strict=True):
        if len(segments) > 1:
            periods.setdefault(segment.name or "segments", []).append((start + shift, stop + shift))
        for name, begin, end in segment.epochs:
            periods.setdefault(name, []).append((begin + shift, end + shift))
    units = [
        _unit(
            number,
            [
                (one.trains[key], shift)
                for one, shift in zip(segments, shifts, strict=True)
                if key in one.trains
            ],
            suffix,
        )
        for number, key in enumerate(keys)
    ]
    said = f"; {trials.in_words.replace('trials', 'segments')}" if trials else ""
    return make_table(
        units,
        wanted,
        understood=f"{suffix}, read with neo{said}",
        periods={name: np.array(times) for name, times in periods.items()},
    )


def _overlap(segments: Sequence[_Segment], key: object) -> bool:
    """Whether segments with a unit overlap in time."""
    windows = sorted(segment.window for segment in segments if key in segment.trains)
    return any(start < stop for (_, stop), (start, _) in pairwise(windows))


def _unit(number: int, trains: Sequence[tuple[Any, float]], suffix: str) -> Unit:
    """One unit, by its place in the file: names and numbers there need not be different."""
    ends = [(_ms(train.t_start) + shift, _ms(train.t_stop) + shift) for train, shift in trains]
    first = trains[0][0]
    columns = {
        name: value
        for name, value in first.annotations.items()
        if isinstance(value, str | bytes | bool | int | float | np.generic)
    }
    if suffix in _CLASSES and (found := _CLASS.search(f"{columns.get('id', '')!s} {first.name}")):
        columns["quality"] = _quality(int(found[1]), suffix)
    if suffix == ".set":
        columns["quality"] = "unsorted"  # a tetrode, with all its spikes
    times = [train.rescale("ms").magnitude.astype(float) + shift for train, shift in trains]
    return Unit(
        label=number,
        times_ms=np.concatenate(times),
        observed=np.array([(start, stop) for start, stop in ends if stop > start]).reshape(-1, 2),
        columns=columns,
    )


def _quality(waveform: int, suffix: str) -> str:
    if suffix == ".nev" and waveform == _NOISE:
        return "noise"
    return "sorted" if waveform else "unsorted"
