"""Observations in files: written whole or not at all, and checked when read."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from calibrate.errors import StoreError
from calibrate.observation import Observation
from calibrate.observation.packing import Packed, pack


def folder_in(base: Path, study: str) -> Path:
    """The folder of the observations of `study` in that of its files."""
    return base / f"{study}.observations"


def save(observation: Observation | Packed, path: Path) -> str:
    """Write `observation` to `path` in one step; returns the file's SHA-256.

    Raises StoreError where it cannot be written, as on a full disk; then there is no file.
    """
    content = (observation if isinstance(observation, Packed) else pack(observation)).content
    _write(content, path)
    return hashlib.sha256(content).hexdigest()


def load(path: Path, sha256: str | None = None) -> Observation:
    """The observation in the file at `path`.

    Raises StoreError if the file is missing, was changed since `sha256` was taken, or holds something else.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise StoreError(f"the observation {path} cannot be read: {error.strerror}") from None
    if sha256 is not None and hashlib.sha256(content).hexdigest() != sha256:
        raise StoreError(f"the observation {path} was changed since it was written: its hash differs")
    try:
        return Packed(content).unpack()
    except Exception as error:  # of whatever reads damaged bytes
        what = " ".join(str(error).split()) or type(error).__name__
        raise StoreError(f"{path} is not an observation of calibrate: {what}") from None


def _write(content: bytes, path: Path) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise StoreError(f"cannot write the observation {path}: {error.strerror}") from None
