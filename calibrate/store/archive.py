"""Observations in files, written completely or not at all, and verified when they are read."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from calibrate.errors import StoreError
from calibrate.observation import Observation
from calibrate.observation.packing import Packed, pack


def folder_in(base: Path, study: str) -> Path:
    """The folder of the observations of `study`, inside the folder of its files."""
    return base / f"{study}.observations"


def save(observation: Observation | Packed, path: Path) -> str:
    """Write `observation` to `path` atomically; returns the file's SHA-256.

    Raises StoreError if this fails, for instance because the disk is full; it then leaves no file behind.
    """
    content = (observation if isinstance(observation, Packed) else pack(observation)).content
    _write(content, path)
    return hashlib.sha256(content).hexdigest()


def load(path: Path, sha256: str | None = None) -> Observation:
    """The observation in the file at `path`.

    Raises StoreError if the file is missing, has changed since `sha256` was computed, or contains something
    else.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise StoreError(f"cannot read the observation {path}: {error.strerror}") from None
    if sha256 is not None and hashlib.sha256(content).hexdigest() != sha256:
        raise StoreError(f"the observation {path} has changed since it was written: its hash differs")
    try:
        return Packed(content).unpack()
    except Exception as error:  # on damaged bytes, zipfile, NumPy and JSON raise many types
        what = " ".join(str(error).split()) or type(error).__name__
        raise StoreError(f"{path} is not an observation that calibrate wrote: {what}") from None


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
