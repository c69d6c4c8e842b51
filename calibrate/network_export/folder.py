"""A folder that is there with all of its files, or not at all."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from calibrate.errors import CalibrateError, one_line


def check_folder(path: Path) -> None:
    """Raise CalibrateError unless `path` is an empty folder, or one that can be made."""
    if path.is_dir() and not any(path.iterdir()):
        return
    if path.exists() or path.is_symlink():
        what = "is not empty" if path.is_dir() else "is no folder"
        raise CalibrateError(f"{path} {what}, and nothing is overwritten: name another folder with --output")
    if not path.absolute().parent.is_dir():
        raise CalibrateError(f"{path}: there is no folder {path.parent}")


@contextlib.contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A folder to write into, which is at `path` at the end; if anything fails, it is removed.

    Raises CalibrateError if it cannot be written.
    """
    try:
        parent = path.absolute().parent
        with tempfile.TemporaryDirectory(
            dir=parent, prefix=f".{path.name}.incomplete-", ignore_cleanup_errors=True
        ) as temporary:
            folder = Path(temporary) / path.name
            folder.mkdir()
            yield folder
            shutil.copymode(parent, folder)
            folder.replace(path)
    except OSError as error:
        reason = error.strerror or one_line(error)
        raise CalibrateError(f"cannot write {path}: {reason}; name another folder with --output") from None
