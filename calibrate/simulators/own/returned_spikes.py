"""From what a simulation of one's own returns to an observation, or to one line on what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibrate.errors import ObservationError, SimulatorError, did_you_mean
from calibrate.observation import Accumulator, FloatArray, IntArray, Layout, Observation, steps
from calibrate.observation.trains import RESOLUTION_MS
from calibrate.simulators.base import RecordingPlan

EXAMPLE = "{'E': [times of neuron 0 in ms, times of neuron 1, ...]}"

# A neuron that fires so often, in a time that is as many ms as the simulation has seconds, has times in s.
_IMPOSSIBLE_HZ = 1000.0
_FEW = 3


def observe(
    returned: object,
    layout: Layout,
    *,
    name: str,
    warmup_ms: float,
    duration_ms: float,
    recording: RecordingPlan,
) -> Observation:
    """Make the observation of returned spikes, whose times count from the start of the warm-up.

    Times are counted in nanoseconds, as those of recordings are, whatever the step of the simulator was.
    Raises SimulatorError, which names the function `name`.
    """
    try:
        times_ms, neuron = _spikes(returned, layout)
        _check_times(times_ms, neuron, layout, stop_ms=warmup_ms + duration_ms)
    except SimulatorError as error:
        raise SimulatorError(f"{name} {error}") from None
    # As in a simulation by steps, a spike belongs to the step at whose end it is sent.
    step = np.ceil((times_ms - warmup_ms - RESOLUTION_MS / 2) / RESOLUTION_MS).astype(np.int64) - 1
    until = steps(duration_ms, RESOLUTION_MS, "the measurement")
    inside = (step >= 0) & (step < until)
    accumulator = Accumulator(
        layout,
        dt_ms=RESOLUTION_MS,
        bin_ms=recording.bin_ms,
        window_ms=recording.window_ms,
        keep_spikes=recording.spikes,
    )
    try:
        accumulator.add(step[inside], neuron[inside], until)
    except ObservationError:  # the one rule that is left to break
        raise SimulatorError(f"{name} {_doubled(times_ms[inside], neuron[inside], layout)}") from None
    return accumulator.finish()


def _spikes(returned: object, layout: Layout) -> tuple[FloatArray, IntArray]:
    """The times (ms) and the neurons of all spikes, in no order."""
    if not isinstance(returned, Mapping):
        raise SimulatorError(f"must return a dict of spike times, {EXAMPLE}, not {_kind(returned)}")
    populations = layout.populations
    for key in returned:
        if key not in populations:
            hint = did_you_mean(str(key), populations)
            raise SimulatorError(
                f"returned a population {key!r}{hint}, which is not declared: {', '.join(populations)}"
            )
    times, neurons = [], []
    for population in populations:
        if population not in returned:
            raise SimulatorError(
                f"returned no population {population!r}, but {', '.join(map(repr, returned)) or 'nothing'}"
            )
        rows = layout.neurons_of(population)
        spikes = _of_population(returned[population], population, rows.stop - rows.start)
        times.append(spikes[0])
        neurons.append(spikes[1] + rows.start)
    return np.concatenate(times), np.concatenate(neurons)


def _of_population(value: Any, population: str, size: int) -> tuple[FloatArray, IntArray]:
    if isinstance(value, tuple):
        return _of_events(value, population, size)
    if isinstance(value, Mapping):  # Brian2's spike_trains()
        if set(value) != set(range(size)):
            raise SimulatorError(f"returned a dict for {population} whose keys are not 0 to {size - 1}")
        value = [value[number] for number in range(size)]
    if isinstance(value, np.ndarray) and value.dtype != object:
        shape = " x ".join(map(str, value.shape))
        raise SimulatorError(
            f"returned one array of numbers for {population} ({shape}): it takes a list with the spike "
            "times of each neuron, or a tuple (times, neurons)"
        )
    if not isinstance(value, Sequence | np.ndarray) or isinstance(value, str):
        raise SimulatorError(f"returned {_kind(value)} for {population}: it takes a list, {EXAMPLE}")
    if len(value) != size:
        raise SimulatorError(f"returned {len(value)} spike trains for {population}, of {size} neurons")
    trains = [_times(train, f"neuron {number} of {population}") for number, train in enumerate(value)]
    return np.concatenate(trains), np.repeat(np.arange(size), [train.size for train in trains])


def _of_events(value: tuple[Any, ...], population: str, size: int) -> tuple[FloatArray, IntArray]:
    """Spikes as (times, neurons) or (times, ids, ids of all neurons in order)."""
    if len(value) not in (2, 3):
        raise SimulatorError(
            f"returned a tuple of {len(value)} for {population}: a tuple is (times, neurons), or (times, "
            "ids, ids of all neurons); the spike times of each neuron are a list"
        )
    times = _times(value[0], f"population {population}")
    neuron = _whole(value[1], population)
    if times.size != neuron.size:
        raise SimulatorError(f"returned {times.size} times, but {neuron.size} neurons for {population}")
    if len(value) == 3:
        ids = _whole(value[2], population)
        if ids.size != size:
            raise SimulatorError(f"returned {ids.size} ids for {population}, of {size} neurons")
        order = np.argsort(ids)
        place = np.minimum(np.searchsorted(ids[order], neuron), size - 1)
        if neuron.size and (wrong := ids[order][place] != neuron).any():
            raise SimulatorError(
                f"returned a spike of neuron {neuron[wrong][0]}, which is not one of {population}"
            )
        return times, order[place]
    if neuron.size and (neuron.min() < 0 or neuron.max() >= size):
        wrong_one = int(neuron.max()) if neuron.max() >= size else int(neuron.min())
        raise SimulatorError(
            f"returned a spike of neuron {wrong_one} of {population}: its {size} neurons count from 0; "
            "for other ids, return (times, ids, ids of all neurons)"
        )
    return times, neuron


def _whole(given: Any, population: str) -> IntArray:
    numbers = np.asarray(given)
    if numbers.ndim != 1 or (numbers.size and numbers.dtype.kind not in "iu"):
        raise SimulatorError(f"returned neurons of {population} that are not whole numbers in one dimension")
    return numbers.astype(np.int64)


def _times(given: Any, what: str) -> FloatArray:
    """Spike times in ms."""
    if type(given) is np.ndarray and given.ndim == 1 and given.dtype == float:
        return given
    try:
        times = np.asarray(_in_ms(given), dtype=float)
    except (TypeError, ValueError):
        raise SimulatorError(f"returned spike times of {what} that are not numbers") from None
    if times.ndim != 1:
        raise SimulatorError(
            f"returned spike times of {what} in an array of {times.ndim} dimensions: it must have 1"
        )
    return times


def _in_ms(given: Any) -> Any:
    """Times without their unit: those of Brian2 are seconds if they have one, those of Neo say what it is."""
    if type(given).__module__.startswith("brian2.") and str(getattr(given, "dim", "")) == "s":
        return 1000.0 * np.asarray(given)
    rescale = getattr(given, "rescale", None)
    return rescale("ms").magnitude if callable(rescale) else given


def _check_times(times_ms: FloatArray, neuron: IntArray, layout: Layout, *, stop_ms: float) -> None:
    if not times_ms.size:
        return
    if not np.isfinite(times_ms).all():
        who = _who(neuron[~np.isfinite(times_ms)][0], layout)
        raise SimulatorError(f"returned a spike time of {who} that is not a number")
    if (first := times_ms.min()) < 0:
        who = _who(neuron[np.argmin(times_ms)], layout)
        raise SimulatorError(f"returned a spike of {who} at {first:g} ms, before the start of the simulation")
    late = times_ms > stop_ms + RESOLUTION_MS / 2
    last = times_ms.max()
    if 2 * late.sum() > late.size:
        who = _who(neuron[np.argmax(times_ms)], layout)
        raise SimulatorError(
            f"returned {late.sum()} of {late.size} spikes after the end at {stop_ms:g} ms, such as one of "
            f"{who} at {last:.10g} ms: times are in ms from the start of the simulation"
        )
    most = int(np.bincount(neuron).max())
    seconds = stop_ms / 1000
    if last <= seconds and most >= _FEW and most / (seconds / 1000) > _IMPOSSIBLE_HZ:
        raise SimulatorError(
            f"returned times in seconds, it seems: all are below {seconds:g}, and a neuron has {most} "
            "spikes: return ms"
        )


def _doubled(times_ms: FloatArray, neuron: IntArray, layout: Layout) -> str:
    order = np.lexsort((times_ms, neuron))
    again = (np.diff(neuron[order]) == 0) & (np.diff(times_ms[order]) <= RESOLUTION_MS)
    at = order[np.flatnonzero(again)[0]]
    return f"returned two spikes of {_who(neuron[at], layout)} at {times_ms[at]:.10g} ms"


def _who(neuron: np.int64, layout: Layout) -> str:
    """A neuron as the user counts: from 0 in its population."""
    group = next(group for group in layout.groups if group.start <= neuron < group.stop)
    first = layout.neurons_of(group.population).start
    return f"neuron {neuron - first} of {group.population}"


def _kind(value: object) -> str:
    if value is None:
        return "nothing"
    kind: NDArray[Any] | str = type(value).__name__
    return f"a {kind}"
