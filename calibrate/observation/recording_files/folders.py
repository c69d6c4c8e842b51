"""Folders that are one recording: which format each is of, and the files in it that are read."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from calibrate.errors import RecordingError
from calibrate.observation.recording_files import (
    alf,
    kwik,
    mountainsort,
    nest_files,
    neuroscope,
    phy,
    spikeinterface_files,
)
from calibrate.observation.recording_files.table import Table, Wanted

# Sorters put their output this deep below the folder that a user gave them.
_DEPTH = 3
_SHOWN = 4


@dataclass(frozen=True)
class FolderFormat:
    """A format of folders.

    matches  whether a folder is of this format
    read     the reader of such a folder
    files    the files that it reads of a folder
    whole    whether each of these files stands for the folder
    """

    matches: Callable[[Path], bool]
    read: Callable[[Path, Wanted], Table]
    files: Callable[[Path], Iterable[Path]]
    whole: bool = True


_FORMATS = (
    FolderFormat(phy.is_phy, phy.read_phy, phy.files_of),
    FolderFormat(alf.is_alf, alf.read_alf, alf.files_of),
    FolderFormat(
        spikeinterface_files.is_sorting, spikeinterface_files.read_sorting, spikeinterface_files.files_of
    ),
    FolderFormat(kwik.is_kwik, kwik.read_kwik, kwik.files_of),
    FolderFormat(neuroscope.is_neuroscope, neuroscope.read_neuroscope, neuroscope.files_of),
    FolderFormat(mountainsort.is_mountainsort, mountainsort.read_mountainsort, mountainsort.files_of),
    FolderFormat(nest_files.is_nest, nest_files.read_nest, nest_files.files_of, whole=False),
)


def find_folder(path: Path) -> tuple[Path, FolderFormat] | None:
    """Return the folder of a recording and its format; None if the path has to do with none.

    It is the path itself, the only one below it, or the one that a file is a part of.

    Raises RecordingError if there are several below it.
    """
    if path.is_file():
        found = _format_of(path.parent) if os.access(path.parent, os.R_OK) else None
        return (path.parent, found) if found and found.whole and path in found.files(path.parent) else None
    if found := _format_of(path):
        return path, found
    below = list(_folders_below(path, _DEPTH))
    if len(below) > 1:
        names = ", ".join(one.relative_to(path).as_posix() for one, _ in below[:_SHOWN])
        more = ", ..." if len(below) > _SHOWN else ""
        raise RecordingError(f"contains {len(below)} folders with spikes ({names}{more}): name one of them")
    return below[0] if below else None


def _format_of(path: Path) -> FolderFormat | None:
    return next((one for one in _FORMATS if one.matches(path)), None)


def _folders_below(path: Path, depth: int) -> Iterator[tuple[Path, FolderFormat]]:
    for one in sorted(path.iterdir()):
        if not one.is_dir() or one.name.startswith(".") or one.suffix == ".zarr":
            continue
        if not os.access(one, os.R_OK | os.X_OK):
            continue
        if found := _format_of(one):
            yield one, found
        elif depth > 1:
            yield from _folders_below(one, depth - 1)


def parts_of(path: Path) -> dict[str, Path]:
    """The files that are read of a recording of several, by their names in its folder; none for any other."""
    found = find_folder(path) if path.exists() else None
    if found is None:
        files = nest_files.files_of(path) if path.is_file() else []
        return {file.name: file for file in files} if len(files) > 1 else {}
    folder, form = found
    names = {os.path.relpath(one, folder): one for one in form.files(folder) if one.is_file()}
    return dict(sorted(names.items()))
