"""What an exported network should show: the spikes of calibrate's simulation in NEST, and statistics."""

from __future__ import annotations

import math
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from calibrate.errors import SimulatorError
from calibrate.network import Model, Network
from calibrate.network_export.realisation import Realisation
from calibrate.network_export.spike_statistics import statistics
from calibrate.objective.panel import measure
from calibrate.observation import Accumulator, IntArray, Observation, SimulationFailure
from calibrate.simulation.capacity import slots_for
from calibrate.simulation.jobs import Job, Setup, Timing
from calibrate.simulation.local_pool import Pool
from calibrate.simulators.base import RecordingPlan
from calibrate.study import Study
from calibrate.study.conditions import Condition

# Of all statistics of a network together, one in a hundred checks of a correct network fails.
FALSE_ALARMS = 0.01


@dataclass(frozen=True, kw_only=True)
class SpikeTrains:
    """All spikes of a simulation, ordered by step, then by neuron.

    step    NEST's time of each spike in steps: the end of the step in which it was fired, from 1
    neuron  number in the whole network, from 0
    """

    step: IntArray
    neuron: IntArray


def simulate(
    realisation: Realisation,
    duration_ms: float,
    *,
    graphs: Sequence[tuple[int, int]],
    timeout_s: float | None,
) -> list[SpikeTrains]:
    """Simulate a network in NEST from t = 0, once for each graph number and seed in `graphs`.

    Raises SimulatorError if a simulation fails.
    """
    recording = RecordingPlan(spikes=True)
    whole_ms = math.ceil(duration_ms / recording.bin_ms - 1e-9) * recording.bin_ms
    setup = Setup(
        model=_model(realisation),
        backend="nest",
        precision="double",
        dt_ms=realisation.dt_ms,
        recording=recording,
        wiring_seed=realisation.wiring_seed,
    )
    jobs = [
        Job(uuid=str(uuid.uuid4()), parameters={}, seed=seed, realisation=graph) for graph, seed in graphs
    ]
    slots = min(slots_for("nest", realisation.network), len(jobs))
    timing = Timing(warmup_ms=0.0, duration_ms=whole_ms)
    with Pool(setup, timing, slots=slots, timeout_s=timeout_s) as pool:
        outcomes = {outcome.key: outcome for outcome in pool.run(jobs)}
    found = []
    for job in jobs:
        result = outcomes[job.key].result
        if isinstance(result, SimulationFailure):
            raise SimulatorError(f"the simulation failed: {result.reason}")
        spikes = outcomes[job.key].observation.spikes
        if spikes is None:
            raise SimulatorError("the simulation kept no spikes")
        inside = spikes.step < round(duration_ms / realisation.dt_ms)
        found.append(SpikeTrains(step=spikes.step[inside] + 1, neuron=spikes.neuron[inside]))
    return found


def _model(realisation: Realisation) -> Model:
    """A model with only this network."""
    return Model(
        name="exported",
        parameters=(),
        make_network=lambda _: realisation.network,
        make_values=lambda *_: realisation.values,
    )


def populations_of(network: Network) -> dict[str, tuple[int, int]]:
    """Numbers of neurons and clusters, by population."""
    return {population.name: (population.size, population.clusters) for population in network.populations}


def statistics_of(
    realisation: Realisation, trains: Sequence[SpikeTrains], *, start_ms: float, stop_ms: float
) -> dict[str, dict[str, Any]]:
    """The statistics by which networks are compared, over graphs: see `summarised`."""
    values = [
        statistics(
            one.step,
            one.neuron,
            populations=populations_of(realisation.network),
            dt_ms=realisation.dt_ms,
            start_ms=start_ms,
            stop_ms=stop_ms,
        )
        for one in trains
    ]
    return {name: summarised([each[name] for each in values], of=len(values[0])) for name in values[0]}


def statistics_of_study(
    realisation: Realisation,
    trains: Sequence[SpikeTrains],
    study: Study,
    condition: Condition,
    *,
    start_ms: float,
    stop_ms: float,
) -> dict[str, dict[str, Any]]:
    """The statistics of a study over graphs; of one graph, with their own standard errors."""
    estimates = [
        measure(_observe(realisation, one, study, start_ms, stop_ms), condition.statistics) for one in trains
    ]
    found = {}
    for name in estimates[0]:
        found[name] = summarised([each[name].value for each in estimates], of=len(estimates[0]))
        error = estimates[0][name].error
        if len(trains) == 1 and error is not None and math.isfinite(error):
            found[name]["standard_error"] = float(error)
    return found


def _observe(
    realisation: Realisation, trains: SpikeTrains, study: Study, start_ms: float, stop_ms: float
) -> Observation:
    """The measurement after the warm-up, as a simulation of the study records it."""
    layout, dt_ms = realisation.network.layout, realisation.dt_ms
    widths = study.needs.widths
    first, stop = (round(time / dt_ms) for time in (start_ms, stop_ms))
    whole = round(widths["bin_ms"] / dt_ms)
    stop = first + (stop - first) // whole * whole
    accumulator = Accumulator(
        layout,
        dt_ms=dt_ms,
        bin_ms=widths["bin_ms"],
        window_ms=widths["window_ms"],
        keep_spikes=True,
    )
    inside = (trains.step > first) & (trains.step <= stop)
    accumulator.add(trains.step[inside] - first - 1, trains.neuron[inside], stop - first)
    return accumulator.finish(np.full(len(layout.groups), math.nan))


def summarised(values: Sequence[float], *, of: int) -> dict[str, Any]:
    """Mean, standard deviation and standard error over graphs of a statistic, and the tolerance of one more.

    The tolerance is half the width of the prediction interval for the value of one other graph (Student's t),
    at a level of which all `of` statistics together give a false alarm in one of a hundred checks.
    """
    defined = [value for value in values if not math.isnan(value)]
    found: dict[str, Any] = {"mean": float(np.mean(defined)) if defined else None}
    n = len(defined)
    if n < 2:
        return found
    sd = float(np.std(defined, ddof=1))
    t = float(stats.t.ppf(1 - FALSE_ALARMS / of / 2, n - 1))
    spread = {"graphs": n, "sd": sd, "standard_error": sd / math.sqrt(n)}
    return {**found, **spread, "tolerance": t * sd * math.sqrt(1 + 1 / n)}
