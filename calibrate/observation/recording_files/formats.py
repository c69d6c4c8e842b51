"""Which reader reads a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from calibrate.errors import RecordingError
from calibrate.observation.recording_files.arrays import read_json, read_npy, read_npz
from calibrate.observation.recording_files.matlab import read_matlab
from calibrate.observation.recording_files.neo_files import READERS, read_neo
from calibrate.observation.recording_files.nest_files import holds_nest_files, read_nest
from calibrate.observation.recording_files.nwb import read_nwb
from calibrate.observation.recording_files.table import Table, Wanted
from calibrate.observation.recording_files.text import read_text
from calibrate.observation.recording_files.unread import explain

Reader = Callable[[Path, Wanted], Table]

_READERS: Mapping[str, Reader] = {
    **dict.fromkeys(READERS, read_neo),
    **dict.fromkeys([".csv", ".tab", ".tsv", ".txt"], read_text),
    **dict.fromkeys([".dat", ".gdf"], read_nest),
    ".json": read_json,
    ".mat": read_matlab,
    ".npy": read_npy,
    ".npz": read_npz,
    ".nwb": read_nwb,
}
# What tells the folders of a format from others, and their reader; the first that matches reads a folder.
_FOLDERS: Sequence[tuple[Callable[[Path], bool], Reader]] = ((holds_nest_files, read_nest),)


def read_table(path: Path, wanted: Wanted | None = None) -> Table:
    """Return the spikes of the wanted units of a file, whose suffix names its format, or of a folder.

    Raises RecordingError for what is not read, and for damaged files whatever their reader raises.
    """
    if not path.exists():
        raise RecordingError("the file does not exist")
    if path.is_dir():
        reader = next((read for matches, read in _FOLDERS if matches(path)), None)
    else:
        reader = _READERS.get(path.suffix.lower()) if path.is_file() else None
    if reader is None:
        raise RecordingError(explain(path))
    return reader(path, wanted or Wanted())
