"""Recordings: spike times from any source, as observations from which statistics are computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil
from numpy.typing import ArrayLike, NDArray

from calibrate.errors import ObservationError, RecordingError
from calibrate.observation import Group, Layout, Observation, observe_spikes
from calibrate.observation.layout import BIN_MS, WINDOW_MS
from calibrate.observation.recording_files import Table, read_table

# Recorded times are counted in nanoseconds, so fine that no statistic sees it. Half of one is the rounding of
# times that are whole steps of something coarser.
RESOLUTION_MS = 1e-6
# Ten thousand years: anything later cannot be a time.
_LATEST_MS = 3e14
# Three months: in nanoseconds, this is about as long as times are exact.
_LONGEST_MS = 8e9

Trains = Sequence[ArrayLike] | Mapping[str, Sequence[ArrayLike]]
Clusters = int | Sequence[int] | Mapping[str, int | Sequence[int]]


def observe_trains(
    trains: Trains,
    *,
    duration_ms: float,
    start_ms: float = 0.0,
    clusters: Clusters = 1,
    dt_ms: float = RESOLUTION_MS,
    bin_ms: float = 1.0,
    window_ms: float = 50.0,
) -> Observation:
    """Make the observation of recorded spike trains, for every statistic that simulated networks have.

    Parameters
    ----------
    trains : list of array_like, or dict of str to list of array_like; ms
        Spike times of each neuron, or such a list for each population. A plain list is population "E".
    duration_ms : float, ms
        Length of the measurement. Spikes with start_ms < t <= start_ms + duration_ms count, as in a
        simulation.
    start_ms : float, ms
        The measurement begins after this time.
    clusters : int, sequence of int, or dict of str to either
        Number of clusters of equal size that the neurons of a population form, one after another; or the size
        of each cluster; by name if there are several populations.
    dt_ms : float, ms
        Step to whose end times are rounded up. By default a nanosecond, so that intervals are those of the
        times as given. Several spikes of a neuron in one step all count.
    bin_ms : float, ms
        Width of the bins of group counts.
    window_ms : float, ms
        Width of the windows of neuron counts.

    Returns
    -------
    Observation
        The observation, with its spikes.

    Raises
    ------
    ObservationError
        If times are not finite, if a neuron has two spikes at the same time, if sizes of clusters do not fit,
        or if a width is not a whole number of steps.

    Examples
    --------
    >>> from calibrate import find_statistic, observe_trains
    >>> observation = observe_trains([[12.0, 31.0, 32.0], [12.5]], duration_ms=100.0)
    >>> find_statistic("rate_E")(observation).value
    20.0
    """
    populations = dict(trains) if isinstance(trains, Mapping) else {"E": trains}
    named = {
        name: [_times(f"neuron {number} of {name}", train) for number, train in enumerate(neurons)]
        for name, neurons in populations.items()
    }
    return _observe(
        named,
        start_ms=start_ms,
        duration_ms=duration_ms,
        clusters=clusters,
        dt_ms=dt_ms,
        bin_ms=bin_ms,
        window_ms=window_ms,
    )


def _times(neuron: str, train: ArrayLike) -> NDArray[np.float64]:
    """Return the times, ascending; raises ObservationError for those that no neuron has."""
    times = np.sort(np.asarray(train, dtype=float).ravel())
    if not np.isfinite(times).all():
        raise ObservationError(f"{neuron} has a spike time that is not a number")
    if (twice := _doubled(times)) is not None:
        raise ObservationError(f"{neuron} has two spikes at {twice:.15g} ms")
    return times


def _doubled(times: NDArray[np.float64]) -> float | None:
    """The first of the ascending `times` that is there twice."""
    twice = np.flatnonzero(np.diff(times) == 0)
    return float(times[twice[0]]) if twice.size else None


def _observe(
    populations: Mapping[str, Sequence[NDArray[np.float64]]],
    *,
    start_ms: float,
    duration_ms: float,
    clusters: Clusters,
    dt_ms: float,
    bin_ms: float,
    window_ms: float,
) -> Observation:
    groups: list[Group] = []
    step: list[NDArray[np.int64]] = []
    first = 0
    for name, neurons in populations.items():
        wanted = clusters.get(name, 1) if isinstance(clusters, Mapping) else clusters
        start = first
        for number, size in enumerate(_sizes(name, len(neurons), wanted)):
            groups.append(Group(name, number, start, start + size))
            start += size
        step += [_steps(train - start_ms, duration_ms, dt_ms) for train in neurons]
        first += len(neurons)
    return observe_spikes(
        np.concatenate(step) if step else np.zeros(0, np.int64),
        np.repeat(np.arange(first), [train.size for train in step]),
        Layout(tuple(groups)),
        dt_ms=dt_ms,
        duration_ms=duration_ms,
        bin_ms=bin_ms,
        window_ms=window_ms,
    )


def _sizes(name: str, neurons: int, clusters: int | Sequence[int]) -> list[int]:
    if isinstance(clusters, int):
        if clusters < 1 or neurons % clusters or not neurons:
            raise ObservationError(f"{neurons} neurons of {name} do not divide into {clusters} clusters")
        return [neurons // clusters] * clusters
    if sum(clusters) != neurons or min(clusters, default=0) < 1:
        raise ObservationError(f"cluster sizes {list(clusters)} do not add up to {neurons} neurons of {name}")
    return list(clusters)


def _steps(times: NDArray[np.float64], duration_ms: float, dt_ms: float) -> NDArray[np.int64]:
    """Return the steps of the spikes in the measurement; step k ends (k + 1) dt after the start."""
    number = np.ceil((times - RESOLUTION_MS / 2) / dt_ms) - 1
    inside: NDArray[np.int64] = number[(number >= 0) & (number < round(duration_ms / dt_ms))].astype(np.int64)
    return inside


@dataclass(frozen=True, kw_only=True)
class Recording:
    """Spike trains of recorded units.

    Attributes
    ----------
    trains : dict of str to list of ndarray of float, ms
        Spike times of each unit, ascending, by population.
    start_ms : float, ms
        The analysed interval begins after this time.
    stop_ms : float, ms
        The analysed interval ends at this time.
    clusters : dict of str to sequence of int
        Sizes of the clusters that the units form, one after another, by population.

    Raises
    ------
    RecordingError
        If the interval is empty or longer than 8e9 ms, if a time lies beyond 3e14 ms, or if there is no unit.

    Examples
    --------
    >>> import numpy as np
    >>> from calibrate import Recording
    >>> recording = Recording(trains={"E": [np.array([12.0, 31.0])]}, start_ms=0.0, stop_ms=100.0)
    >>> recording.units, recording.duration_ms
    (1, 100.0)
    >>> recording.observe().totals("E")
    array([2])
    """

    trains: Mapping[str, Sequence[NDArray[np.float64]]]
    start_ms: float
    stop_ms: float
    clusters: Mapping[str, Sequence[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.stop_ms > self.start_ms:
            raise RecordingError(f"the interval from {self.start_ms:g} to {self.stop_ms:g} ms is empty")
        if self.duration_ms > _LONGEST_MS:
            raise RecordingError(
                f"the interval of {self.duration_ms / 1000:g} s is too long: over three months"
            )
        trains = [train for units in self.trains.values() for train in units if len(train)]
        times = [self.start_ms, self.stop_ms, *(time for train in trains for time in (train[0], train[-1]))]
        if not np.abs(times).max() < _LATEST_MS:
            raise RecordingError(f"contains a time beyond {_LATEST_MS:g} ms, which cannot be a spike time")
        if not any(len(trains) for trains in self.trains.values()):
            raise RecordingError("contains no units")

    def __repr__(self) -> str:
        units = ", ".join(f"{len(trains)} {name}" for name, trains in self.trains.items())
        return f"<Recording of {units} units from {self.start_ms:g} to {self.stop_ms:g} ms>"

    @property
    def duration_ms(self) -> float:
        """Length of the analysed interval in ms."""
        return self.stop_ms - self.start_ms

    @property
    def units(self) -> int:
        """Number of units."""
        return sum(len(trains) for trains in self.trains.values())

    def observe(self, *, bin_ms: float = BIN_MS, window_ms: float = WINDOW_MS) -> Observation:
        """Make the observation of the recording; a last piece shorter than a bin is left out.

        Parameters
        ----------
        bin_ms : float, ms
            Width of the bins of group counts.
        window_ms : float, ms
            Width of the windows of neuron counts.

        Returns
        -------
        Observation
            The observation, with its spikes.

        Raises
        ------
        RecordingError
            If the counts do not fit into the free memory.
        ObservationError
            If sizes of clusters do not fit, or a width is not a whole number of nanoseconds.
        """
        duration_ms = int(self.duration_ms / bin_ms + 1e-6) * bin_ms
        rows = sum(len(sizes) for sizes in self.clusters.values()) or len(self.trains)
        size = 16 * self.duration_ms * (rows / bin_ms + self.units / window_ms)
        if size > psutil.virtual_memory().available:
            raise RecordingError(
                f"lasts {self.duration_ms / 1000:g} s: its counts would need {size / 1e9:.3g} GB of memory"
            )
        return _observe(
            self.trains,
            start_ms=self.start_ms,
            duration_ms=duration_ms,
            clusters=self.clusters,
            dt_ms=RESOLUTION_MS,
            bin_ms=bin_ms,
            window_ms=window_ms,
        )


def read_recording(
    path: Path | str,
    *,
    population: str = "E",
    start_ms: float | None = None,
    duration_ms: float | None = None,
) -> Recording:
    """Read a recording from a file. Nothing is unpickled.

    Parameters
    ----------
    path : Path or str
        The file; its suffix names the format, see Notes.
    population : str
        Name of the population of all units if the file gives none.
    start_ms : float, ms, optional
        The analysed interval begins after this; by default as the file says, else at 0.
    duration_ms : float, ms, optional
        Length of the analysed interval; by default up to where the file says, else up to the last spike.

    Returns
    -------
    Recording
        The recording.

    Raises
    ------
    RecordingError
        If there is no such file, if it cannot be read, if a unit has two spikes at the same time, or if only
        some units have a population or a cluster; the message is one line.

    Notes
    -----
    A unit is its name together with its population and cluster: unit 0 of E and unit 0 of I are two units.
    Two spikes of one unit at exactly the same time are refused, since they are rows that are there twice, or
    units that were given one name. Spikes that are as close as you like are not.

    .csv
        A row per spike, with the columns `time_ms` (or `time_s`) and `unit`, and optionally `population` and
        `cluster` of the unit. A row without a time names a unit that did not fire.
    .npz
        Arrays of these names, one element per spike, and optionally `start_ms` and `stop_ms` as numbers.
    .nwb and the other formats that the package neo reads
        Its spike trains, which may carry "population" and "cluster" as annotations.

    Examples
    --------
    `recording.csv` has the columns `time_ms` and `unit`:

    >>> from calibrate import read_recording
    >>> recording = read_recording("recording.csv", duration_ms=5000.0)
    >>> recording.units, recording.duration_ms
    (40, 5000.0)
    """
    path = Path(path)
    if not path.is_file():
        raise RecordingError(f"{path}: the file does not exist")
    try:
        return _recording(read_table(path), population, start_ms, duration_ms)
    except RecordingError as error:
        raise RecordingError(f"{path}: {error}") from None
    except Exception as error:  # readers of damaged files raise anything
        what = " ".join(str(error).split()) or type(error).__name__
        raise RecordingError(f"{path}: cannot be read as a recording: {what}") from error


def _recording(table: Table, population: str, start_ms: float | None, duration_ms: float | None) -> Recording:
    if not (table.unit.shape == table.time_ms.shape and table.time_ms.ndim == 1):
        raise RecordingError("needs one unit for every spike time")
    for name, column in (("unit", table.unit), ("population", table.population), ("cluster", table.cluster)):
        if column is None:
            continue
        if column.shape != table.time_ms.shape:
            raise RecordingError(f"needs one {name} for every spike time")
        if (column != column).any():  # an empty cell is nan
            raise RecordingError(f"the column {name} has empty cells; each row needs a value")
    start = start_ms if start_ms is not None else table.start_ms or 0.0
    times = table.time_ms[~np.isnan(table.time_ms)]
    if not np.isfinite(times).all():
        raise RecordingError("contains an infinite spike time")
    last = table.stop_ms if table.stop_ms is not None else float(times.max(initial=start))
    stop = last if duration_ms is None else start + duration_ms
    units, trains = table.units(population)
    clusters: dict[str, list[int]] = {}
    by_name: dict[str, list[NDArray[np.float64]]] = {}
    before = None
    for (name, cluster, label), times in zip(units, trains, strict=True):
        if (twice := _doubled(times)) is not None:
            raise RecordingError(
                f"unit {label} of {name} has two spikes at {twice:.15g} ms: "
                "either rows are there twice, or two units have one name"
            )
        by_name.setdefault(name, []).append(times)
        sizes = clusters.setdefault(name, [])
        if before == (name, cluster):
            sizes[-1] += 1
        else:
            sizes.append(1)
        before = (name, cluster)
    return Recording(trains=by_name, clusters=clusters, start_ms=start, stop_ms=stop)
