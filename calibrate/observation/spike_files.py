"""Spikes of an observation as a file that other tools, and `read_recording`, can read: CSV, NPZ or NWB."""

from __future__ import annotations

import importlib.util
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibrate.errors import ObservationError, RecordingError
from calibrate.observation.observation import Observation

# Steps of 0.1 ms are no whole binary numbers: 0.3, and not 0.30000000000000004. A nanosecond is what
# recordings are read with.
_DECIMALS = 6


@dataclass(frozen=True)
class _Units:
    """Neurons as recorded units: the time of each spike with its unit, and the names of each unit."""

    time_ms: NDArray[np.float64]
    unit: NDArray[np.int64]
    population: NDArray[np.str_]
    cluster: NDArray[np.int64]
    duration_ms: float
    dt_ms: float

    @property
    def columns(self) -> dict[str, NDArray[Any]]:
        """A row per spike, in order of time, and then one without a time for each silent unit."""
        silent = np.setdiff1d(np.arange(self.population.size), self.unit)
        unit = np.concatenate([self.unit, silent])
        return {
            "time_ms": np.concatenate([self.time_ms, np.full(silent.size, np.nan)]),
            "unit": unit,
            "population": self.population[unit],
            "cluster": self.cluster[unit],
        }


def write_spikes(observation: Observation, path: Path | str) -> None:
    """Write all spikes of an observation into a new file, which `read_recording` reads back.

    Parameters
    ----------
    observation : Observation
        What a network showed, with its spikes.
    path : Path or str
        The file; its suffix names the format, see Notes.

    Raises
    ------
    ObservationError
        If the observation holds no spikes.
    RecordingError
        If the file exists, if its suffix names no format, if the package for the format is not installed, or
        if the file cannot be written.

    Notes
    -----
    Times are in ms from the start of the measurement. Units are the neurons, counted from 0 over the whole
    network; each has its population and its cluster. Neurons that did not fire are units too.

    .csv
        A row per spike with the columns `time_ms`, `unit`, `population` and `cluster`, and a row without a
        time for each silent unit. It does not hold the length of the measurement: pass `duration_ms` to
        `read_recording`.
    .npz
        Arrays of these names, and the numbers `start_ms` and `stop_ms`.
    .nwb
        A table of units, in seconds, with `obs_intervals`. It needs the package pynwb: the extra
        "recordings".

    Examples
    --------
    >>> from calibrate import observe_trains, read_recording, write_spikes
    >>> observation = observe_trains({"E": [[12.0, 31.0], []], "I": [[40.0]]}, duration_ms=100.0)
    >>> write_spikes(observation, "spikes.npz")
    >>> recording = read_recording("spikes.npz")
    >>> recording.units, recording.stop_ms, recording.trains["E"][0].tolist()
    (3, 100.0, [12.0, 31.0])
    """
    path = Path(path)
    check_spike_file(path)
    units = _units(observation)
    try:
        _WRITERS[path.suffix.lower()](units, path)
    except OSError as error:
        raise RecordingError(f"{path}: cannot be written: {error.strerror or error}") from None


def check_spike_file(path: Path) -> None:
    """Raise RecordingError if spikes cannot be written to `path`; a simulation need not wait for that."""
    suffix = path.suffix.lower()
    if suffix not in _WRITERS:
        raise RecordingError(f"{path}: spikes are written as .csv, .npz or .nwb: use one of these endings")
    if not path.parent.is_dir():
        raise RecordingError(f"{path}: there is no folder {path.parent}")
    if path.exists():
        raise RecordingError(f"{path}: the file exists, and is not overwritten: name another one")
    if suffix == ".nwb" and importlib.util.find_spec("pynwb") is None:
        raise RecordingError(
            f"{path}: NWB needs the package pynwb: pip install 'calibrate-snn[recordings]', or write .npz"
        )


def _units(observation: Observation) -> _Units:
    spikes, groups = observation.spikes, observation.layout.groups
    if spikes is None:
        raise ObservationError("there are no spikes to write: this observation contains only counts")
    sizes = [group.size for group in groups]
    return _Units(
        time_ms=np.round((spikes.step + 1) * observation.dt_ms, _DECIMALS),
        unit=np.asarray(spikes.neuron, dtype=np.int64),
        population=np.repeat([group.population for group in groups], sizes),
        cluster=np.repeat([group.cluster for group in groups], sizes),
        duration_ms=observation.duration_ms,
        dt_ms=observation.dt_ms,
    )


def _write_csv(units: _Units, path: Path) -> None:
    import pandas as pd

    pd.DataFrame(units.columns).to_csv(path, index=False, mode="x")


def _write_npz(units: _Units, path: Path) -> None:
    arrays: dict[str, Any] = {**units.columns, "start_ms": 0.0, "stop_ms": units.duration_ms}
    with path.open("xb") as file:
        np.savez_compressed(file, **arrays)


def _write_nwb(units: _Units, path: Path) -> None:
    from pynwb import NWBHDF5IO, NWBFile
    from pynwb.misc import Units

    table = Units(name="units", description="neurons of a simulation", resolution=units.dt_ms / 1000)
    table.add_column("population", "population of the neuron")
    table.add_column("cluster", "cluster within its population, from 0")
    order = np.argsort(units.unit, kind="stable")
    ends = np.cumsum(np.bincount(units.unit, minlength=units.population.size))
    trains = np.split(units.time_ms[order] / 1000, ends[:-1])
    for number, train in enumerate(trains):
        table.add_unit(
            id=number,
            spike_times=train,
            obs_intervals=[[0.0, units.duration_ms / 1000]],
            population=str(units.population[number]),
            cluster=int(units.cluster[number]),
        )
    content = NWBFile(
        session_description="Spikes of a simulation by calibrate",
        identifier=str(uuid.uuid4()),
        session_start_time=datetime.now(UTC),
        units=table,
    )
    with NWBHDF5IO(path, "x") as file:
        file.write(content)


_WRITERS: dict[str, Callable[[_Units, Path], None]] = {
    ".csv": _write_csv,
    ".npz": _write_npz,
    ".nwb": _write_nwb,
}
