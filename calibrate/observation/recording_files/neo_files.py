"""Formats of acquisition systems and sorters that the package neo reads, without their raw traces."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from calibrate.errors import RecordingError
from calibrate.observation.recording_files.sorted_units import Unit, make_table
from calibrate.observation.recording_files.table import Table, Wanted
from calibrate.observation.recording_files.unread import OWN_MATLAB, SAVE

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
    try:
        import neo
    except ImportError:
        raise RecordingError("needs the package neo: pip install 'calibrate-snn[recordings]'") from None
    suffix = path.suffix.lower()
    if suffix == ".mat":
        _check_matlab(path)
    try:
        with _silence():
            trains = _read_trains(_open(neo, path, READERS[suffix]))
    except RecordingError:
        raise
    except ImportError as error:
        what = f"the package {error.name}" if error.name else " ".join(str(error).split())
        raise RecordingError(f"neo needs more to read {suffix} files: {what}") from None
    except Exception as error:  # each of its many readers raises its own
        what = " ".join(str(error).split()) or type(error).__name__
        raise RecordingError(f"neo cannot read it ({what}): if it is not damaged, {SAVE}") from error
    units = [_unit(number, train, suffix) for number, train in enumerate(trains)]
    return make_table(units, wanted, understood=f"{suffix}, read with neo")


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


def _check_matlab(path: Path) -> None:
    from scipy.io import whosmat

    try:
        names = {name for name, *_ in whosmat(path)}
    except NotImplementedError:  # HDF5, which neo does not write
        names = set()
    if "block" not in names:
        raise RecordingError(OWN_MATLAB)


def _read_trains(reader: Any) -> list[list[Any]]:
    """The spike trains of each unit, one for each stretch of time."""
    from neo.io.basefromrawio import BaseFromRaw

    raw = isinstance(reader, BaseFromRaw)
    blocks = reader.read(lazy=True) if raw else reader.read()
    segments = [segment for block in blocks for segment in block.segments if len(segment.spiketrains)]
    if not segments:
        raise RecordingError("contains no spike trains")
    if len(segments) > 1 and not (raw and len(blocks) == 1):
        raise RecordingError(f"contains {len(segments)} segments with spike trains; save only one of them")
    # Readers of raw files list the same units, in the same order, in every segment.
    found = list(zip(*(segment.spiketrains for segment in segments), strict=True))
    ends = sorted(
        (float(train.t_start.rescale("ms")), float(train.t_stop.rescale("ms"))) for train in found[0]
    )
    if any(start < stop for (_, stop), (start, _) in pairwise(ends)):
        raise RecordingError(
            f"contains {len(segments)} segments that overlap in time, such as trials; save only one of them"
        )
    return [[train.load() if raw else train for train in trains] for trains in found]


def _unit(number: int, trains: list[Any], suffix: str) -> Unit:
    """One unit, by its place in the file: names and numbers there need not be different."""
    ends = [(train.t_start.rescale("ms").item(), train.t_stop.rescale("ms").item()) for train in trains]
    columns = {
        name: value
        for name, value in trains[0].annotations.items()
        if isinstance(value, str | bytes | bool | int | float | np.generic)
    }
    if suffix in _CLASSES and (found := _CLASS.search(f"{columns.get('id', '')!s} {trains[0].name}")):
        columns["quality"] = _quality(int(found[1]), suffix)
    if suffix == ".set":
        columns["quality"] = "unsorted"  # a tetrode, with all its spikes
    return Unit(
        label=number,
        times_ms=np.concatenate([train.rescale("ms").magnitude.astype(float) for train in trains]),
        observed=np.array([(start, stop) for start, stop in ends if stop > start]).reshape(-1, 2),
        columns=columns,
    )


def _quality(waveform: int, suffix: str) -> str:
    if suffix == ".nev" and waveform == _NOISE:
        return "noise"
    return "sorted" if waveform else "unsorted"
