"""Parts of an observation: some neurons, some clusters, some of the time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from calibrate.errors import ObservationError
from calibrate.observation.accumulator import observe_spikes
from calibrate.observation.layout import IntArray, Layout, steps
from calibrate.observation.observation import Observation, Spikes


def of_neurons(observation: Observation, neurons: IntArray) -> Observation:
    """Restrict an observation to some neurons.

    Clusters without one of them are left out.

    Parameters
    ----------
    observation : Observation
        What to take the part of.
    neurons : ndarray of int, shape (n,)
        Numbers of the neurons, ascending.

    Returns
    -------
    Observation
        The observation of these neurons alone.

    Raises
    ------
    ObservationError
        If the spikes were not kept.

    Examples
    --------
    >>> import numpy as np
    >>> from calibrate import observe_trains
    >>> from calibrate.observation import of_neurons
    >>> observation = observe_trains([[12.0, 31.0], [40.0], [55.0]], duration_ms=100.0)
    >>> of_neurons(observation, np.array([0, 2])).totals("E")
    array([2, 1])
    """
    if observation.spikes is None:
        raise ObservationError("a sample of the neurons needs the spikes, but only counts were kept")
    number = np.full(observation.layout.n_neurons, -1, dtype=np.int64)
    number[neurons] = np.arange(len(neurons))
    sizes = observation.layout.group_sums((number >= 0).astype(np.int64))
    chosen = number[observation.spikes.neuron] >= 0
    sampled = observe_spikes(
        observation.spikes.step[chosen],
        number[observation.spikes.neuron[chosen]],
        observation.layout.of_neurons(neurons),
        dt_ms=observation.dt_ms,
        duration_ms=observation.duration_ms,
        bin_ms=observation.bin_ms,
        window_ms=observation.window_ms,
    )
    return replace(
        sampled,
        depolarisation=observation.depolarisation[sizes > 0].copy(),
        presentations=observation.presentations,
        episodes=observation.episodes,
    )


def of_clusters(observation: Observation, population: str, clusters: Sequence[int]) -> Observation:
    """Restrict one population of an observation to some of its clusters.

    Parameters
    ----------
    observation : Observation
        What to take the part of.
    population : str
        Name of the population; the others stay whole.
    clusters : sequence of int
        Numbers of the clusters to keep, from 0.

    Returns
    -------
    Observation
        The observation without the other clusters of the population.

    Raises
    ------
    ObservationError
        If the population has no such cluster.

    Examples
    --------
    >>> from calibrate import observe_trains
    >>> from calibrate.observation import of_clusters
    >>> observation = observe_trains([[12.0, 31.0], [40.0]], duration_ms=100.0, clusters=2)
    >>> of_clusters(observation, "E", [1]).totals("E")
    array([1])
    """
    numbers = [g.cluster for g in observation.layout.groups if g.population == population]
    for cluster in clusters:
        if cluster not in numbers:
            raise ObservationError(f"{population} has no cluster {cluster}; it has 0 to {len(numbers) - 1}")
    rows = [
        k
        for k, group in enumerate(observation.layout.groups)
        if group.population != population or group.cluster in clusters
    ]
    before = [observation.layout.groups[k] for k in rows]
    neurons = np.concatenate([np.arange(group.start, group.stop) for group in before])
    stops = np.cumsum([group.size for group in before])
    groups = (
        replace(group, start=int(stop) - group.size, stop=int(stop))
        for group, stop in zip(before, stops, strict=True)
    )
    spikes = None
    if observation.spikes is not None:
        number = np.full(observation.layout.n_neurons, -1, dtype=np.int64)
        number[neurons] = np.arange(neurons.size)
        chosen = number[observation.spikes.neuron] >= 0
        spikes = Spikes(observation.spikes.step[chosen], number[observation.spikes.neuron[chosen]])
    blocks = observation.interval_blocks
    return replace(
        observation,
        layout=Layout(tuple(groups)),
        group_bins=observation.group_bins[rows],
        neuron_windows=observation.neuron_windows[neurons],
        neuron_totals=observation.neuron_totals[neurons],
        intervals=observation.intervals[neurons],
        interval_blocks=None if blocks is None else blocks[neurons],
        depolarisation=observation.depolarisation[rows],
        spikes=spikes,
    )


def during(observation: Observation, start_ms: float, stop_ms: float) -> Observation:
    """Restrict an observation to the time between two moments, as if no more had been measured.

    Parameters
    ----------
    observation : Observation
        What to take the part of.
    start_ms : float, ms
        Beginning of the part, from the start of the measurement.
    stop_ms : float, ms
        End of the part.

    Returns
    -------
    Observation
        The part; its times count from its own beginning.

    Raises
    ------
    ObservationError
        If the spikes were not kept, or if a time lies outside the measurement or between steps.

    Examples
    --------
    >>> from calibrate import observe_trains
    >>> from calibrate.observation import during
    >>> observation = observe_trains([[12.0, 31.0], [40.0]], duration_ms=100.0)
    >>> during(observation, 20.0, 100.0).totals("E")
    array([1, 1])
    """
    if observation.spikes is None:
        raise ObservationError("a part of a measurement needs the spikes, but only counts were kept")
    if not 0 <= start_ms < stop_ms <= observation.duration_ms:
        raise ObservationError(
            f"{start_ms:g} to {stop_ms:g} ms is not part of a measurement of {observation.duration_ms:g} ms"
        )
    first, last = steps(start_ms, observation.dt_ms, "a time"), steps(stop_ms, observation.dt_ms, "a time")
    inside = (observation.spikes.step >= first) & (observation.spikes.step < last)
    part = observe_spikes(
        observation.spikes.step[inside] - first,
        observation.spikes.neuron[inside],
        observation.layout,
        dt_ms=observation.dt_ms,
        duration_ms=stop_ms - start_ms,
        bin_ms=observation.bin_ms,
        window_ms=observation.window_ms,
    )
    presentations = tuple(
        replace(shown, start_ms=shown.start_ms - start_ms, stop_ms=min(shown.stop_ms, stop_ms) - start_ms)
        for shown in observation.presentations
        if start_ms <= shown.start_ms < stop_ms
    )
    episodes = observation.episodes and tuple(
        replace(episode, start_ms=episode.start_ms - start_ms, stop_ms=episode.stop_ms - start_ms)
        for episode in observation.episodes
        if start_ms <= episode.start_ms and episode.stop_ms <= stop_ms
    )
    depolarisation = observation.depolarisation.copy()
    return replace(part, depolarisation=depolarisation, presentations=presentations, episodes=episodes)
