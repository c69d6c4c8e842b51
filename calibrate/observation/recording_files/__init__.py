"""Files of recorded spikes as tables: one module per family of formats, and what to do about all others."""

from calibrate.observation.recording_files.choice import Chosen
from calibrate.observation.recording_files.folders import parts_of
from calibrate.observation.recording_files.formats import read_table
from calibrate.observation.recording_files.groups import Populations
from calibrate.observation.recording_files.table import Table, TimeUnit, Wanted, add_silent, remarks

__all__ = [
    "Chosen",
    "Populations",
    "Table",
    "TimeUnit",
    "Wanted",
    "add_silent",
    "parts_of",
    "read_table",
    "remarks",
]
