"""Which reader reads a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from calibrate.errors import RecordingError
from calibrate.observation.recording_files.arrays import read_json, read_npy, read_npz
from calibrate.observation.recording_files.folders import find_folder
from calibrate.observation.recording_files.kwik import read_kwik
from calibrate.observation.recording_files.matlab import read_matlab
from calibrate.observation.recording_files.mountainsort import read_mountainsort
from calibrate.observation.recording_files.neo_files import READERS, read_neo
from calibrate.observation.recording_files.nest_files import read_nest
from calibrate.observation.recording_files.nwb import read_nwb
from calibrate.observation.recording_files.sonata import is_sonata, read_sonata
from calibrate.observation.recording_files.spikeinterface_files import is_npz_sorting, read_sorting
from calibrate.observation.recording_files.table import Table, Wanted
from calibrate.observation.recording_files.text import read_text
from calibrate.observation.recording_files.unread import explain

Reader = Callable[[Path, Wanted], Table]

# Of these, the user can say which columns, arrays or variables are times and units.
_NAMED: Mapping[str, Reader] = {
    **dict.fromkeys([".csv", ".tab", ".tsv", ".txt"], read_text),
    **dict.fromkeys([".dat", ".gdf"], read_nest),
    ".json": read_json,
    ".mat": read_matlab,
    ".npy": read_npy,
    ".npz": read_npz,
}
_READERS: Mapping[str, Reader] = {
    **dict.fromkeys(READERS, read_neo),
    ".kwik": read_kwik,
    ".mda": read_mountainsort,
    ".nwb": read_nwb,
    **_NAMED,
}
# What tells files of a format from others of the same suffix, and their reader.
_BY_CONTENT: Mapping[str, tuple[Callable[[Path], bool], Reader]] = {
    ".npz": (is_npz_sorting, read_sorting),
    **dict.fromkeys([".h5", ".hdf5"], (is_sonata, read_sonata)),
}


def read_table(path: Path, wanted: Wanted | None = None) -> Table:
    """Return the spikes of the wanted units of a file, whose suffix names its format, or of a folder.

    Raises RecordingError for what is not read, and for damaged files whatever their reader raises.
    """
    if not path.exists():
        raise RecordingError("the file does not exist")
    wanted = wanted or Wanted()
    if found := find_folder(path):
        folder, form = found
        wanted.refuse_columns()
        return form.read(folder, wanted)
    reader = _reader_of(path) if path.is_file() else None
    if reader is None:
        raise RecordingError(explain(path))
    if reader not in _NAMED.values():
        wanted.refuse_columns()
    return reader(path, wanted)


def _reader_of(path: Path) -> Reader | None:
    suffix = path.suffix.lower()
    if suffix in _BY_CONTENT:
        matches, read = _BY_CONTENT[suffix]
        if matches(path):
            return read
    return _READERS.get(suffix)
