"""Exact mode: how long two simulators produce the same spikes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from calibrate.calibration.validation.verdict import SpikesCompared
from calibrate.errors import ObservationError
from calibrate.observation import Layout, Observation


def compare_spikes(
    reference: Observation, other: Observation, *, graph: int, names: tuple[str, str]
) -> SpikesCompared:
    """Compare the spikes of one network in two simulators, called `names`, up to the first difference.

    Raises ObservationError unless both contain all spikes of measurements of the same duration and time step.
    """
    if reference.spikes is None or other.spikes is None:
        raise ObservationError("to compare spike trains, both observations must contain all spikes")
    if (reference.dt_ms, reference.duration_ms) != (other.dt_ms, other.duration_ms):
        raise ObservationError("spike trains of different lengths or time steps cannot be compared")
    a, b = _in_order(reference), _in_order(other)
    n = min(len(a), len(b))
    apart = np.flatnonzero((a[:n] != b[:n]).any(axis=1))
    k = int(apart[0]) if apart.size else n
    first, identical_ms = None, reference.duration_ms
    if k < max(len(a), len(b)):
        # The earlier of the two spikes at this position is missing on the other side.
        only_a = k == len(b) or (k < len(a) and tuple(a[k]) < tuple(b[k]))
        step, neuron = a[k] if only_a else b[k]
        time_ms = (step + 1) * reference.dt_ms  # spikes are recorded at the end of their step
        identical_ms = round(step * reference.dt_ms, 6)
        where = _place(reference.layout, int(neuron))
        first = f"a spike of {where} at {time_ms:g} ms in {names[0] if only_a else names[1]} only"
    return SpikesCompared(
        graph=graph,
        identical_ms=identical_ms,
        duration_ms=reference.duration_ms,
        spikes=len(a),
        first=first,
    )


def _in_order(observation: Observation) -> NDArray[np.int64]:
    """Step and neuron of every spike, shape (spikes, 2), sorted by time and then by neuron."""
    assert observation.spikes is not None
    order = np.lexsort((observation.spikes.neuron, observation.spikes.step))
    return np.column_stack([observation.spikes.step[order], observation.spikes.neuron[order]])


def _place(layout: Layout, neuron: int) -> str:
    group = next(group for group in layout.groups if group.start <= neuron < group.stop)
    return f"{group.population} neuron {neuron - layout.neurons_of(group.population).start}"
