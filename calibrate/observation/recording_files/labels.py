"""Labels of units, populations and clusters, as files write them."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from calibrate.errors import RecordingError

# How programs write a cell that is empty.
_EMPTY = frozenset({"", "na", "n/a", "nan", "<na>", "none", "null"})
_WHOLE = re.compile(r"[+-]?\d+(\.0*)?")
# Beyond this, floats are not whole numbers any more.
_LARGEST = 2**53


def read_labels(name: str, values: ArrayLike) -> NDArray[Any]:
    """Return labels as whole numbers if all are, otherwise as text; raises RecordingError for empty ones.

    Two ways of writing one number (1, 01 and 1.0) are refused, since units could be taken for one another.
    """
    array = np.asarray(values)
    if array.dtype.kind in "iu":
        return array
    if array.dtype.kind == "f":
        return _read_floats(name, array)
    if array.dtype.kind not in "OSU":
        raise RecordingError(f"the column {name} has no labels, which are whole numbers or text")
    distinct, code = np.unique(array, return_inverse=True)
    words = [as_text(value) for value in distinct]
    if (empty := next((word for word in words if is_empty(word)), None)) is not None:
        shown = f" ('{empty}')" if empty else ""
        raise RecordingError(f"the column {name} has empty cells{shown}; each row needs a value")
    return _read_numbers(name, np.array(words))[code].reshape(array.shape)


def _read_floats(name: str, array: NDArray[Any]) -> NDArray[Any]:
    if np.isnan(array).any():
        raise RecordingError(f"the column {name} has empty cells; each row needs a value")
    if (array != np.round(array)).any() or (np.abs(array) > _LARGEST).any():
        fraction = array[(array != np.round(array)) | (np.abs(array) > _LARGEST)][0]
        raise RecordingError(f"the column {name} contains {fraction:g}; labels are whole numbers or text")
    return array.astype(np.int64)


def _read_numbers(name: str, words: NDArray[Any]) -> NDArray[Any]:
    """The words as whole numbers if all are, unless they are names."""
    if name == "population" or not words.size or not all(_WHOLE.fullmatch(str(word)) for word in words):
        return words
    numbers = [int(str(word).partition(".")[0]) for word in words]
    if max(map(abs, numbers)) > np.iinfo(np.int64).max:
        return words
    if len(set(numbers)) < len(set(words)):
        ways_of: dict[int, set[str]] = {}
        for word, number in zip(words, numbers, strict=True):
            ways_of.setdefault(number, set()).add(str(word))
        ways = " and ".join(sorted(next(ways for ways in ways_of.values() if len(ways) > 1)))
        raise RecordingError(f"the column {name} writes one label in several ways: {ways}; write it in one")
    return np.array(numbers, dtype=np.int64)


def is_empty(word: str) -> bool:
    """Whether a cell says that it has no value."""
    return word.casefold() in _EMPTY


def as_text(value: Any) -> str:
    """Write a label as text: whole numbers without a point, and truth in lower case."""
    if isinstance(value, bytes):
        return value.decode(errors="replace").strip()
    if isinstance(value, bool | np.bool_):
        return str(bool(value)).lower()
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value).strip()
