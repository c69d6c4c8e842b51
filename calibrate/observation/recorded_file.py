"""Reading a recording from a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calibrate.errors import RecordingError
from calibrate.observation.periods import Stimuli, presented, restricted
from calibrate.observation.recording import Recording
from calibrate.observation.recording_files import (
    Chosen,
    Populations,
    Table,
    TimeUnit,
    Wanted,
    add_silent,
    read_table,
    remarks,
)
from calibrate.observation.silence import beyond_the_end, long_silence
from calibrate.observation.understanding import in_one_line


def read_recording(
    path: Path | str,
    *,
    population: str | Populations = "E",
    cluster: str | None = None,
    start_ms: float | None = None,
    duration_ms: float | None = None,
    period: str | None = None,
    stimuli: Stimuli | None = None,
    units: Chosen | None = None,
    time_unit: TimeUnit | None = None,
    sampling_rate_hz: float | None = None,
    columns: Mapping[str, str] | None = None,
    n_units: int | Mapping[str, int] | None = None,
) -> Recording:
    """Read a recording from a file. Nothing is unpickled.

    Parameters
    ----------
    path : Path or str
        The file or folder; its suffix or its content names the format, see Notes.
    population : str or dict
        Name of the population of all units if the file gives none. Or the column that tells populations
        apart, and its values for each, such as ``{"column": "cell_type", "E": ["RS", "pyr"], "I": "FS"}``;
        other units are left out. With the column alone, each value is the name of a population.
    cluster : str, optional
        Column whose values tell clusters apart; by default the one with the name `cluster`.
    start_ms : float, ms, optional
        The analysed interval begins after this. By default as the file says, else at 0; but at the first
        spike if that is before 0, or if the time before it is longer than any later silence of all units:
        then the clock did not start with the recording.
    duration_ms : float, ms, optional
        Length of the analysed interval; by default up to where the file says, else up to the last spike.
    period : str, optional
        Only the intervals of this name in the file, see `Recording.periods`. Other time counts as not
        observed.
    stimuli : str, or dict of str to list of int, optional
        Name of the intervals in which a stimulus was presented to all clusters; or for each of several
        stimuli the clusters that receive it, such as ``{"left": [0], "right": [1]}``.
    units : dict of str to (str, int, float or bool, a list of them, or a dict), optional
        Only units with one of these values in each of these columns, such as ``{"quality": "good"}``, or with
        numbers between two, such as ``{"depth": {"min": 300, "max": 800}}``; by default all units. Upper and
        lower case are the same.
    time_unit : {"s", "ms"}, optional
        Unit of the times, for files that do not say it.
    sampling_rate_hz : float, Hz, optional
        How many samples, or steps of a simulation, a second has, for files that count time in them and do not
        say it.
    columns : dict of str to str, optional
        What the file calls the `time` and the `unit` of each spike, if that is not clear: names of columns,
        arrays or variables, such as ``{"time": "ts", "unit": "clu"}``.
    n_units : int, or dict of str to int, optional
        Number of units, or of those of each population, for files that list only units that fired: the
        others are silent.

    Returns
    -------
    Recording
        The recording.

    Raises
    ------
    RecordingError
        If there is no such file, if it cannot be read, if spikes are there twice, if the times seem to be in
        another unit, if it is not clear in which unit they are or which of its numbers they are, if only some
        units have a population or a cluster, if no unit is chosen, if more than `n_units` fired, or if there
        are no intervals of a name; the message is one line.

    Notes
    -----
    A unit is its name together with its population and cluster: unit 0 of E and unit 0 of I are two units.
    Two spikes of one unit at exactly the same time are refused in .csv and .npz files, since they are rows
    that are there twice, or units that were given one name; elsewhere they count once. Spikes that are as
    close as you like are not refused.

    `docs/recordings.md` lists the files and folders that are read, what is read of each, and where the unit
    of time and the length of the recording come from. `understood` of the recording says how the file was
    read.

    Examples
    --------
    `recording.csv` has the columns `time_ms` and `unit`:

    >>> from calibrate import read_recording
    >>> recording = read_recording("recording.csv", duration_ms=5000.0)
    >>> recording.units, recording.duration_ms
    (40, 5000.0)
    """
    path = Path(path)
    name, populations = (population, None) if isinstance(population, str) else ("", population)
    try:
        wanted = Wanted(
            units=units or {},
            populations=populations,
            cluster=cluster,
            time_unit=time_unit,
            sampling_rate_hz=sampling_rate_hz,
            columns=columns or {},
        )
        recording = _recording(read_table(path, wanted), name, start_ms, duration_ms, n_units)
        if stimuli is not None:
            recording = presented(recording, stimuli)
        return recording if period is None else restricted(recording, period)
    except RecordingError as error:
        raise RecordingError(f"{path}: {error}") from None
    except Exception as error:  # readers of damaged files raise anything
        what = " ".join(str(error).split()) or type(error).__name__
        raise RecordingError(f"{path}: cannot be read as a recording: {what}") from error


def _recording(
    table: Table,
    population: str,
    start_ms: float | None,
    duration_ms: float | None,
    n_units: int | Mapping[str, int] | None = None,
) -> Recording:
    pooled = _pooled(table)
    start, last, stop = _interval(table, pooled, start_ms, duration_ms)
    units, trains = add_silent(table, *table.units(population), n_units)
    clusters: dict[str, list[int]] = {}
    by_name: dict[str, list[NDArray[np.float64]]] = {}
    observed: dict[str, list[NDArray[np.float64]]] = {}
    every = np.array([[start, stop]])
    if last is None:
        doubts = long_silence(pooled, start, stop)
    else:
        doubts = beyond_the_end(last, stop)
        every[0, 1] = max(start, min(last, stop))
    notes = (*table.notes, *remarks(units, trains), *doubts)
    if table.only_fired and n_units is None:
        notes = (*notes, "units that did not fire are not in the file: if there were any, say n_units")
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
        understood=in_one_line(table, len(units), stop - start, as_asked=duration_ms is not None),
        notes=notes,
    )


def _pooled(table: Table) -> NDArray[np.float64]:
    """The spikes of all units, ascending; none if the file says when it was recorded."""
    if np.isinf(table.time_ms).any():
        raise RecordingError("contains an infinite spike time")
    if table.observed or (table.start_ms is not None and table.stop_ms is not None):
        return np.zeros(0)
    times = table.time_ms[~np.isnan(table.time_ms)]
    times.sort()
    return times


def _interval(
    table: Table, times: NDArray[np.float64], start_ms: float | None, duration_ms: float | None
) -> tuple[float, float | None, float]:
    """Return the start of the analysed interval, the end of the recording if the file gives it, and the stop.

    Both are as given, else as the file says, else as its spikes suggest: `times`, those of all units.
    """
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
