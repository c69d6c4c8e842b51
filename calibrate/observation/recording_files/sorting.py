"""Spikes as spike sorters save them: a sample and the number of a unit for each, in order of time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibrate.errors import RecordingError
from calibrate.observation.recording_files.labels import as_text
from calibrate.observation.recording_files.sorted_units import Unit, make_table
from calibrate.observation.recording_files.table import Table, Wanted

# What says whether a unit is a neuron; and what spike sorters call what is none.
QUALITY = "quality"
# Spikes that are counted at once.
_AT_ONCE = 2**22
_NO_NEURON = frozenset({"noise", "artifact", "artefact"})


@dataclass(frozen=True)
class SpikesByUnit:
    """The spikes of a file, by unit.

    labels  the numbers of the units that have spikes, ascending
    code    for each spike, the place of its unit among them
    order   the spikes of the first unit, those of the second, and so on
    ends    where those of each unit end there
    """

    labels: NDArray[np.int64]
    code: NDArray[np.unsignedinteger]
    order: NDArray[np.int64]
    ends: NDArray[np.int64]

    @classmethod
    def of(cls, numbers: NDArray[Any]) -> SpikesByUnit:
        """Sort once by the number of the unit, whose order of time is kept."""
        labels, code = _distinct(numbers)
        # Numpy sorts integers of 16 bits by their digits, much faster than longer ones.
        code = code.astype(np.uint16 if labels.size < 2**16 else np.uint32)
        ends = np.cumsum(_sums(code, labels.size)).astype(np.int64)
        return cls(labels, code, np.argsort(code, kind="stable"), ends)

    def split(self, values: NDArray[Any]) -> Iterator[NDArray[Any]]:
        """What is given for each spike, by unit."""
        starts = [0, *self.ends[:-1]]
        for start, end in zip(starts, self.ends, strict=False):  # without units, there is no end
            yield np.asarray(values[self.order[start:end]])

    def mean(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """The mean over the spikes of each unit."""
        return _sums(self.code, self.labels.size, values) / self.counts

    @property
    def counts(self) -> NDArray[np.int64]:
        """The number of spikes of each unit."""
        return np.diff(self.ends, prepend=0)


def _sums(
    code: NDArray[np.unsignedinteger], units: int, values: NDArray[Any] | None = None
) -> NDArray[np.float64]:
    """The sum of values over the spikes of each unit, by default the number of spikes."""
    sums = np.zeros(units)
    for start in range(0, code.size, _AT_ONCE):  # numpy makes all that it counts 64 bits wide
        part = slice(start, start + _AT_ONCE)
        weights = None if values is None else values[part]
        sums += np.bincount(code[part], weights=weights, minlength=units)
    return sums


def _distinct(numbers: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """The numbers that occur, and for each spike the place of its own among them."""
    if not numbers.size:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    least, most = int(numbers.min()), int(numbers.max())
    if most - least > numbers.size + 2**20:
        labels, code = np.unique(numbers, return_inverse=True)
        return labels.astype(np.int64), code
    shifted = numbers if least == 0 else numbers.astype(np.int64) - least
    present = np.flatnonzero(np.bincount(shifted))
    place = np.zeros(most - least + 1, np.uint32)
    place[present] = np.arange(present.size)
    return present + least, place[shifted]


def open_array(path: Path) -> NDArray[Any]:
    """Map an .npy file to memory. Raises RecordingError if it is damaged."""
    try:
        array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        what = " ".join(str(error).split())
        if "pickle" in what or "Python objects" in what:
            what = "it is damaged, or holds Python objects, which are not read"
        raise RecordingError(f"{path.name} cannot be read: {what}") from None
    return array


def load_array(path: Path, *, whole: bool = False) -> NDArray[Any]:
    """Map one number for each spike, shape (n,), from an .npy file to memory.

    whole  whether they must be whole numbers
    """
    array = open_array(path)
    if array.dtype.kind not in "fiu" or array.size != max(array.shape, default=0):
        raise RecordingError(f"{path.name} does not hold one number for each spike")
    array = array.reshape(-1)
    if whole and array.dtype.kind == "f":
        if not (array == np.round(array)).all():
            raise RecordingError(f"{path.name} contains fractions, but should hold whole numbers")
        array = array.astype(np.int64)
    return np.asarray(array)


def check_lengths(arrays: Mapping[str, NDArray[Any]]) -> None:
    """Raise RecordingError if files of one number for each spike are not of one sorting."""
    if len({array.size for array in arrays.values()}) > 1:
        sizes = ", ".join(f"{name} {array.size}" for name, array in arrays.items())
        raise RecordingError(
            f"its files do not hold the same number of spikes, so they differ in age: {sizes}"
        )


def to_ms(samples: NDArray[Any], rate_hz: float) -> NDArray[np.float64]:
    """Times in ms of samples."""
    times: NDArray[np.float64] = samples * 1000.0 / rate_hz
    return times


def say_rate(rate_hz: float) -> str:
    """Say how times are counted."""
    return f"times in samples at {rate_hz / 1000:.10g} kHz"


def check_rate(rate: object, where: str) -> float:
    """Return a sampling rate in Hz. Raises RecordingError if it is none."""
    if isinstance(rate, bool) or not isinstance(rate, int | float | np.number) or not 0 < rate < 1e9:
        raise RecordingError(f"{where} is {str(rate)[:30]}, which is not a sampling rate in Hz")
    return float(rate)


def make_table_of_neurons(
    units: Sequence[Unit],
    wanted: Wanted,
    *,
    understood: str,
    time_from: str = "",
    periods: Mapping[str, NDArray[np.float64]] | None = None,
    start_ms: float | None = 0.0,
) -> Table:
    """Make the table of the wanted units. Noise is no unit, unless units are chosen by their quality.

    start_ms  when the recording began; None if nothing says it
    """
    kept = [unit for unit in units if QUALITY in wanted.units or not _is_noise(unit)]
    if units and not kept:
        raise RecordingError(f"contains no neuron: all {len(units)} units are called noise")
    table = make_table(kept, wanted, understood=understood, time_from=time_from, periods=periods)
    noise = {"noise": len(units) - len(kept)} if len(kept) < len(units) else {}
    if table.start_ms is None:
        table = replace(table, start_ms=start_ms)
    return replace(table, left_out={**noise, **table.left_out})


def _is_noise(unit: Unit) -> bool:
    return as_text(unit.columns.get(QUALITY, "")).casefold() in _NO_NEURON
