"""Recordings: spike times from any source, as observations from which statistics are computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil
from numpy.typing import NDArray

from calibrate.errors import ObservationError, RecordingError
from calibrate.observation import Layout, Observation
from calibrate.observation.layout import BIN_MS, WINDOW_MS
from calibrate.observation.pieces import Observed, Piece, divide, normalised
from calibrate.observation.recording_files import Chosen, Table, TimeUnit, Wanted, read_table, remarks
from calibrate.observation.silence import beyond_the_end, long_silence
from calibrate.observation.trains import RESOLUTION_MS, layout_of, observe_times

# Ten thousand years: anything later cannot be a time.
_LATEST_MS = 3e14
# Three months: in nanoseconds, this is about as long as times are exact.
_LONGEST_MS = 8e9


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
    observed : dict of str to list of ndarray of float, shape (k, 2), ms
        The intervals in which each unit was observed, by population, within the analysed interval; by default
        all of it. Time outside of them is not silence: it counts for nothing.
    periods : dict of str to ndarray of float, shape (k, 2), ms
        Named times in the file, such as epochs or trials of a kind.
    understood : str
        What the file was taken for, and how its times were read.
    notes : tuple of str
        What to know about how the file was read, such as units that are not single neurons.

    Raises
    ------
    RecordingError
        If the interval is empty or longer than 8e9 ms, if a time lies beyond 3e14 ms, if there is no unit, or
        if none was observed.

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
    observed: Observed = field(default_factory=dict)
    periods: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    understood: str = ""
    notes: Sequence[str] = ()

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
        object.__setattr__(self, "observed", self._observed_within())

    def _observed_within(self) -> Observed:
        """The observed intervals of every unit within the analysed interval."""
        whole = np.array([[self.start_ms, self.stop_ms]])
        within: dict[str, list[NDArray[np.float64]]] = {}
        for name, units in self.trains.items():
            given = self.observed.get(name)
            if given is None:
                within[name] = [whole] * len(units)
                continue
            if len(given) != len(units):
                raise RecordingError(
                    f"has {len(units)} units of {name}, but observed intervals of {len(given)}"
                )
            within[name] = [normalised(intervals, self.start_ms, self.stop_ms) for intervals in given]
        if not any(len(intervals) for units in within.values() for intervals in units):
            raise RecordingError(
                f"no unit was observed between {self.start_ms / 1000:g} and {self.stop_ms / 1000:g} s"
            )
        return within

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

    @property
    def observed_ms(self) -> float:
        """The time for which units were observed, summed over units, in ms."""
        return float(sum(np.diff(one).sum() for units in self.observed.values() for one in units))

    @property
    def longest_ms(self) -> float:
        """The longest time for which a unit was observed without a gap, in ms."""
        return float(max(np.diff(one).max(initial=0) for units in self.observed.values() for one in units))

    @property
    def layout(self) -> Layout:
        """Populations and clusters, in the order of the units."""
        sizes = {name: self.clusters.get(name, [len(units)]) for name, units in self.trains.items()}
        for name, units in self.trains.items():
            if sum(sizes[name]) != len(units) or min(sizes[name], default=0) < 0:
                raise ObservationError(
                    f"cluster sizes {list(sizes[name])} do not add up to {len(units)} units of {name}"
                )
        return layout_of(sizes)

    def pieces(self, length_ms: float | None = None) -> list[Recording]:
        """Divide the recording into pieces without gaps, each of the units that were observed throughout it.

        Parameters
        ----------
        length_ms : float, ms, optional
            Length of every piece, such as that of a simulation to compare with. By default, and if no unit
            was observed for so long without a gap, pieces begin and end where units or gaps do.

        Returns
        -------
        list of Recording
            The pieces, in order of time. They do not overlap. A cluster without a unit keeps its number.

        Raises
        ------
        RecordingError
            If the length is not above 0.

        Examples
        --------
        >>> import numpy as np
        >>> from calibrate import Recording
        >>> recording = Recording(
        ...     trains={"E": [np.arange(50.0, 1000.0, 100.0), np.arange(50.0, 400.0, 100.0)]},
        ...     observed={"E": [np.array([[0.0, 1000.0]]), np.array([[0.0, 400.0]])]},
        ...     start_ms=0.0,
        ...     stop_ms=1000.0,
        ... )
        >>> [(piece.stop_ms, piece.units) for piece in recording.pieces()]
        [(400.0, 2), (1000.0, 1)]
        >>> [(piece.stop_ms, piece.units) for piece in recording.pieces(300.0)]
        [(300.0, 2), (600.0, 1), (900.0, 1)]
        """
        return [part_of(self, piece) for piece in division(self, length_ms)]

    def observe(self, *, bin_ms: float = BIN_MS, window_ms: float = WINDOW_MS) -> Observation:
        """Make the observation of the recording; a last part shorter than a bin is left out.

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
            If a unit was not observed all the time, or if the counts do not fit into the free memory.
        ObservationError
            If sizes of clusters do not fit, or a width is not a whole number of nanoseconds.
        """
        every = np.array([[self.start_ms, self.stop_ms]])
        windows = [intervals for units in self.observed.values() for intervals in units]
        if not all(len(one) == 1 and np.abs(one - every).max() <= RESOLUTION_MS for one in windows):
            raise RecordingError(
                "not all units were observed all the time: observe each of its pieces(), which have no gaps"
            )
        duration_ms = int(self.duration_ms / bin_ms + 1e-6) * bin_ms
        layout = self.layout
        size = 16 * self.duration_ms * (len(layout.groups) / bin_ms + self.units / window_ms)
        if size > psutil.virtual_memory().available:
            raise RecordingError(
                f"lasts {self.duration_ms / 1000:g} s: its counts would need {size / 1e9:.3g} GB of memory"
            )
        return observe_times(
            [train for units in self.trains.values() for train in units],
            layout,
            start_ms=self.start_ms,
            duration_ms=duration_ms,
            dt_ms=RESOLUTION_MS,
            bin_ms=bin_ms,
            window_ms=window_ms,
        )


def division(recording: Recording, length_ms: float | None) -> list[Piece]:
    """The times and the units of the pieces of a recording, as `Recording.pieces` describes them."""
    if length_ms is not None and not length_ms > 0:
        raise RecordingError(f"a piece must be longer than 0 ms, not {length_ms:g} ms")
    of_length = divide(recording.observed, length_ms) if length_ms else []
    return of_length or divide(recording.observed, None)


def part_of(recording: Recording, piece: Piece) -> Recording:
    """The recording of a piece alone."""
    limits = np.array([piece.start_ms, piece.stop_ms]) + RESOLUTION_MS / 2
    trains, clusters = {}, {}
    for name, numbers in piece.units.items():
        every = recording.trains[name]
        ends = [np.searchsorted(every[unit], limits, side="right") for unit in numbers]
        trains[name] = [every[unit][a:b] for unit, (a, b) in zip(numbers, ends, strict=True)]
        cluster = clusters_of(recording, name)
        clusters[name] = np.bincount(cluster[numbers], minlength=cluster.max(initial=-1) + 1).tolist()
    return Recording(trains=trains, clusters=clusters, start_ms=piece.start_ms, stop_ms=piece.stop_ms)


def clusters_of(recording: Recording, population: str) -> NDArray[np.int64]:
    """The number of the cluster of each unit of a population."""
    sizes = recording.clusters.get(population, [len(recording.trains[population])])
    return np.repeat(np.arange(len(sizes)), sizes)


def read_recording(
    path: Path | str,
    *,
    population: str = "E",
    start_ms: float | None = None,
    duration_ms: float | None = None,
    units: Chosen | None = None,
    time_unit: TimeUnit | None = None,
) -> Recording:
    """Read a recording from a file. Nothing is unpickled.

    Parameters
    ----------
    path : Path or str
        The file; its suffix names the format, see Notes.
    population : str
        Name of the population of all units if the file gives none.
    start_ms : float, ms, optional
        The analysed interval begins after this. By default as the file says, else at 0; but at the first
        spike if that is before 0, or if the time before it is longer than any later silence of all units:
        then the clock did not start with the recording.
    duration_ms : float, ms, optional
        Length of the analysed interval; by default up to where the file says, else up to the last spike.
    units : dict of str to (str, int, float or bool, or a list of them), optional
        Only units with one of these values in each of these columns, such as ``{"quality": "good"}``; by
        default all units. Upper and lower case are the same.
    time_unit : {"s", "ms"}, optional
        Unit of the times, for files that do not say it.

    Returns
    -------
    Recording
        The recording.

    Raises
    ------
    RecordingError
        If there is no such file, if it cannot be read, if spikes are there twice, if the times seem to be in
        another unit, if only some units have a population or a cluster, or if no unit is chosen; the message
        is one line.

    Notes
    -----
    A unit is its name together with its population and cluster: unit 0 of E and unit 0 of I are two units.
    Two spikes of one unit at exactly the same time are refused in .csv and .npz files, since they are rows
    that are there twice, or units that were given one name; elsewhere they count once. Spikes that are as
    close as you like are not refused.

    .csv
        A row per spike, with the columns `time_ms` (or `time_s`) and `unit`, and optionally `population` and
        `cluster` of the unit. A row without a time names a unit that did not fire. Other columns with one
        value per unit are for choosing units.
    .npz
        Arrays of these names, one element per spike, and optionally `start_ms` and `stop_ms` as numbers.
    .nwb
        The table of units: `spike_times`, `obs_intervals` if they are there, and the other columns with one
        value per unit, of which `population` and `cluster` are as above. Nothing else of the file is loaded.
    .f32, .mat, .nev, .nex, .nix, .plx, .set, .smr, .smrx, .src
        The spike trains that the package neo finds, which may carry "population" and "cluster" as
        annotations. Of .nev, .plx and .set files, the column `quality` is "sorted", "unsorted" or "noise". A
        .mat file is one that neo wrote.

    Examples
    --------
    `recording.csv` has the columns `time_ms` and `unit`:

    >>> from calibrate import read_recording
    >>> recording = read_recording("recording.csv", duration_ms=5000.0)
    >>> recording.units, recording.duration_ms
    (40, 5000.0)
    """
    path, wanted = Path(path), Wanted(units=units or {}, time_unit=time_unit)
    try:
        return _recording(read_table(path, wanted), population, start_ms, duration_ms)
    except RecordingError as error:
        raise RecordingError(f"{path}: {error}") from None
    except Exception as error:  # readers of damaged files raise anything
        what = " ".join(str(error).split()) or type(error).__name__
        raise RecordingError(f"{path}: cannot be read as a recording: {what}") from error


def _recording(table: Table, population: str, start_ms: float | None, duration_ms: float | None) -> Recording:
    start, last, stop = _interval(table, start_ms, duration_ms)
    units, trains = table.units(population)
    clusters: dict[str, list[int]] = {}
    by_name: dict[str, list[NDArray[np.float64]]] = {}
    observed: dict[str, list[NDArray[np.float64]]] = {}
    every = np.array([[start, stop]])
    if last is None:
        doubts = long_silence(np.sort(np.concatenate(trains)), start, stop)
    else:
        doubts = beyond_the_end(last, stop)
        every[0, 1] = max(start, min(last, stop))
    notes = (*table.notes, *remarks(units, trains), *doubts)
    before = None
    for (name, cluster, label), times in zip(units, trains, strict=True):
        by_name.setdefault(name, []).append(times)
        observed.setdefault(name, []).append((table.observed or {}).get(label, every))
        sizes = clusters.setdefault(name, [])
        if before == (name, cluster):
            sizes[-1] += 1
        else:
            sizes.append(1)
        before = (name, cluster)
    return Recording(
        trains=by_name,
        clusters=clusters,
        start_ms=start,
        stop_ms=stop,
        observed=observed,
        periods=table.periods,
        understood=table.understood,
        notes=notes,
    )


def _interval(
    table: Table, start_ms: float | None, duration_ms: float | None
) -> tuple[float, float | None, float]:
    """Return the start of the analysed interval, the end of the recording if the file gives it, and the stop.

    Both are as given, else as the file says, else as its spikes suggest.
    """
    times = np.sort(table.time_ms[~np.isnan(table.time_ms)])
    if not np.isfinite(times).all():
        raise RecordingError("contains an infinite spike time")
    windows = [one for one in (table.observed or {}).values() if len(one)]
    first = table.start_ms
    if first is None and windows:
        first = float(min(one.min() for one in windows))
    if first is None:
        late = times.size > 1 and (times[0] < 0 or times[0] > (1 + 1e-9) * np.diff(times).max())
        first = float(times[0]) if late else 0.0
    start = first if start_ms is None else start_ms
    last = table.stop_ms
    if last is None and windows:
        last = float(max(one.max() for one in windows))
    if duration_ms is not None:
        return start, last, start + duration_ms
    return start, last, float(times.max(initial=start)) if last is None else last
