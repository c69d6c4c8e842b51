"""Which reader reads a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from calibrate.errors import RecordingError
from calibrate.observation.recording_files.columns import read_csv, read_npz
from calibrate.observation.recording_files.folders import find_folder
from calibrate.observation.recording_files.kwik import read_kwik
from calibrate.observation.recording_files.mountainsort import read_mountainsort
from calibrate.observation.recording_files.neo_files import READERS, read_neo
from calibrate.observation.recording_files.nwb import read_nwb
from calibrate.observation.recording_files.sonata import is_sonata, read_sonata
from calibrate.observation.recording_files.spikeinterface_files import is_npz_sorting, read_sorting
from calibrate.observation.recording_files.table import Table, Wanted
from calibrate.observation.recording_files.unread import explain

Reader = Callable[[Path, Wanted], Table]

_READERS: Mapping[str, Reader] = {
    ".csv": read_csv,
    ".kwik": read_kwik,
    ".mda": read_mountainsort,
    ".npz": read_npz,
    ".nwb": read_nwb,
    **dict.fromkeys(READERS, read_neo),
}
# What tells files of a format from others of the same suffix, and their reader.
_BY_CONTENT: Mapping[str, tuple[Callable[[Path], bool], Reader]] = {
    ".npz": (is_npz_sorting, read_sorting),
    **dict.fromkeys([".h5", ".hdf5"], (is_sonata, read_sonata)),
}
# What tells the folders of a format from others, and their reader; the first that matches reads a folder.
_FOLDERS: Sequence[tuple[Callable[[Path], bool], Reader]] = ()


def read_table(path: Path, wanted: Wanted | None = None) -> Table:
    """Return the spikes of the wanted units of a file, whose suffix names its format, or of a folder.

    Raises RecordingError for what is not read, and for damaged files whatever their reader raises.
    """
    if not path.exists():
        raise RecordingError("the file does not exist")
    if found := find_folder(path):
        folder, form = found
        return form.read(folder, wanted or Wanted())
    if path.is_dir():
        reader = next((read for matches, read in _FOLDERS if matches(path)), None)
    else:
        reader = _reader_of(path) if path.is_file() else None
    if reader is None:
        raise RecordingError(explain(path))
    return reader(path, wanted or Wanted())


def _reader_of(path: Path) -> Reader | None:
    suffix = path.suffix.lower()
    if suffix in _BY_CONTENT:
        matches, read = _BY_CONTENT[suffix]
        if matches(path):
            return read
    return _READERS.get(suffix)
