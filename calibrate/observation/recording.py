"""Recordings: spike times from any source, as observations from which statistics are computed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import psutil
from numpy.typing import NDArray

from calibrate.errors import ObservationError, RecordingError
from calibrate.observation import Layout, Observation, Presentation
from calibrate.observation.layout import BIN_MS, WINDOW_MS
from calibrate.observation.pieces import Observed, Piece, divide, normalised
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
    presentations : tuple of Presentation
        Stimuli that were presented, in order of time, which counts as in `trains`; see `read_recording`.
    lead_ms : float, ms, or None
        Pieces of a given length begin so long before a presentation, and nowhere else; None: anywhere.
    trials_ms : ndarray of float, shape (n,), ms
        Times, such as the beginnings of trials, that lie within no piece of a given length.
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
    presentations: tuple[Presentation, ...] = ()
    lead_ms: float | None = None
    trials_ms: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
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
        observation = observe_times(
            [train for units in self.trains.values() for train in units],
            layout,
            start_ms=self.start_ms,
            duration_ms=duration_ms,
            dt_ms=RESOLUTION_MS,
            bin_ms=bin_ms,
            window_ms=window_ms,
        )
        shown = presented_within(self.presentations, self.start_ms, duration_ms)
        return replace(observation, presentations=shown)


def presented_within(
    presentations: Sequence[Presentation], start_ms: float, duration_ms: float
) -> tuple[Presentation, ...]:
    """The stimuli that begin in a measurement, with times from its start."""
    stop_ms = start_ms + duration_ms
    return tuple(
        replace(one, start_ms=one.start_ms - start_ms, stop_ms=min(one.stop_ms, stop_ms) - start_ms)
        for one in presentations
        if start_ms <= one.start_ms < stop_ms
    )


def presented_without(
    presentations: Sequence[Presentation], start_ms: float, stop_ms: float
) -> tuple[Presentation, ...]:
    """The stimuli outside of a time that is left out, when the rest is joined."""
    length_ms = stop_ms - start_ms
    return tuple(
        replace(one, start_ms=one.start_ms - length_ms, stop_ms=one.stop_ms - length_ms)
        if one.start_ms >= stop_ms
        else one
        for one in presentations
        if one.start_ms >= stop_ms or one.stop_ms <= start_ms
    )


def division(recording: Recording, length_ms: float | None) -> list[Piece]:
    """The times and the units of the pieces of a recording, as `Recording.pieces` describes them."""
    if length_ms is not None and not length_ms > 0:
        raise RecordingError(f"a piece must be longer than 0 ms, not {length_ms:g} ms")
    if not length_ms:
        return divide(recording.observed, None)
    starts = None
    if recording.lead_ms is not None:
        starts = np.unique([one.start_ms - recording.lead_ms for one in recording.presentations])
    of_length = divide(recording.observed, length_ms, starts, recording.trials_ms)
    return of_length or divide(recording.observed, None)


def part_of(recording: Recording, piece: Piece) -> Recording:
    """The recording of a piece alone."""
    return next(parts_of(recording, [piece]))


def parts_of(recording: Recording, pieces: Sequence[Piece]) -> Iterator[Recording]:
    """The recordings of pieces with units, one after another."""
    limits = np.array([(piece.start_ms, piece.stop_ms) for piece in pieces]).ravel() + RESOLUTION_MS / 2
    ends = {
        name: np.array([np.searchsorted(train, limits, side="right") for train in trains]).reshape(-1, 2)
        for name, trains in recording.trains.items()
    }
    cluster = {name: clusters_of(recording, name) for name in recording.trains}
    for k, piece in enumerate(pieces):
        trains, clusters = {}, {}
        for name, numbers in piece.units.items():
            every = recording.trains[name]
            places = ends[name][numbers * len(pieces) + k].tolist()
            trains[name] = [every[unit][a:b] for unit, (a, b) in zip(numbers.tolist(), places, strict=True)]
            of_units = cluster[name]
            clusters[name] = np.bincount(of_units[numbers], minlength=of_units.max(initial=-1) + 1).tolist()
        yield Recording(
            trains=trains,
            clusters=clusters,
            start_ms=piece.start_ms,
            stop_ms=piece.stop_ms,
            presentations=tuple(
                one for one in recording.presentations if piece.start_ms <= one.start_ms < piece.stop_ms
            ),
        )


def clusters_of(recording: Recording, population: str) -> NDArray[np.int64]:
    """The number of the cluster of each unit of a population."""
    sizes = recording.clusters.get(population, [len(recording.trains[population])])
    return np.repeat(np.arange(len(sizes)), sizes)
