"""Which reader reads a file."""

from __future__ import annotations

from pathlib import Path

from calibrate.errors import RecordingError
from calibrate.observation.recording_files.choice import Chosen
from calibrate.observation.recording_files.columns import read_csv, read_npz
from calibrate.observation.recording_files.neo_files import READERS, read_neo
from calibrate.observation.recording_files.nwb import read_nwb
from calibrate.observation.recording_files.table import Table
from calibrate.observation.recording_files.unread import explain

_READERS = {".csv": read_csv, ".npz": read_npz, ".nwb": read_nwb, **dict.fromkeys(READERS, read_neo)}


def read_table(path: Path, chosen: Chosen | None = None) -> Table:
    """Return the spikes of the chosen units of a file, whose suffix names its format.

    Raises RecordingError for what is not read, and for damaged files whatever their reader raises.
    """
    if not path.exists():
        raise RecordingError("the file does not exist")
    reader = _READERS.get(path.suffix.lower())
    if reader is None or not path.is_file():
        raise RecordingError(explain(path))
    return reader(path, chosen or {})
