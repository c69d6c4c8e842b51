"""Whether a study can work at all, found without simulating: points of the space, and statistics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from calibrate import simulators
from calibrate.errors import reason_of
from calibrate.network import Network, check_stimuli
from calibrate.objective import Constraint, Estimate, Objective
from calibrate.objective.panel import evaluate
from calibrate.observation import Layout, Observation, observe_spikes
from calibrate.observation.layout import IntArray
from calibrate.simulation.worker import presentations_of, shifted
from calibrate.study.conditions import Condition, network_in, timing_in
from calibrate.study.space import Space, grid_point, grid_size
from calibrate.study.study import Study

# Points of the search space that are tried.
POINTS = 64

# Shares of the space from which a failure is no exception any more.
MOST = 0.5

# An invented activity: clusters of so many neurons that fire, up or down in each piece of time.
_FIRING, _LARGEST = 30, 200
_UP_HZ, _DOWN_HZ, _PIECE_MS = 40.0, 4.0, 200.0
_MOST_SPIKES = 300_000
_MOST_COUNTS = 20_000_000
_NO_SPIKES = (np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))


@dataclass(frozen=True, kw_only=True)
class Viability:
    """What may prevent a study from working, one line each.

    undefined  statistics that are undefined whatever the network does: such a study cannot work
    doubts     everything else
    hopeless   those of the doubts about most of the search space
    """

    undefined: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    hopeless: tuple[str, ...] = ()


def viability_of(study: Study) -> Viability:
    """Try points all over the search space, and each statistic that judges on an invented activity."""
    undefined, raised = _try_statistics(study)
    share, failing = _try_points(study)
    found = (failing,) if share else ()
    return Viability(
        undefined=tuple(undefined), doubts=(*raised, *found), hopeless=found if share >= MOST else ()
    )


# --- points -------------------------------------------------------------------------------------------


def _try_points(study: Study) -> tuple[float, str]:
    points = list(_spread(study.space, grid=study.sampler.name == "grid")) if study.space else [{}]
    failed = [(point, reason) for point in points if (reason := _why_not(study, point)) is not None]
    if not failed:
        return 0.0, ""
    share = len(failed) / len(points)
    where = "of the search space cannot be simulated"
    point, reason = min(failed, key=lambda one: len(one[1]))
    at = ", ".join(f"{name} = {f'{v:.6g}' if isinstance(v, float) else v}" for name, v in point.items())
    return share, (
        f"about {share:.0%} {where}: {reason}{f', as at {at}' if at else ''}; "
        f"{'narrow the ranges, or give them a step' if at else 'change the parameters'}"
    )


def _spread(space: Space, *, grid: bool) -> Iterator[Mapping[str, Any]]:
    """Yield different points: of a Latin hypercube, or of the grid."""
    random = np.random.default_rng(0)
    if grid:
        size = grid_size(space)
        indices = random.permutation(size) if size <= 10 * POINTS else random.integers(size, size=POINTS)
        yield from (grid_point(space, int(index)) for index in indices[:POINTS])
        return
    cube = np.stack([(random.permutation(POINTS) + random.random(POINTS)) / POINTS for _ in space])
    seen = set[tuple[Any, ...]]()
    for column in cube.T:
        point = {name: domain.at(float(u)) for (name, domain), u in zip(space.items(), column, strict=True)}
        if (key := tuple(point.values())) not in seen:
            seen.add(key)
            yield point


def _why_not(study: Study, point: Mapping[str, Any]) -> str | None:
    """Return why there is no network at this point, or none that the study can judge; None if there is."""
    backend, dt_ms = study.simulation.backend, study.simulation.dt_ms
    for condition in study.conditions:
        try:
            given = study.parameters_in(condition, point)
            network = study.model.network(given)
            simulators.check_network(backend, network, dt_ms)
            check_stimuli(study.model.values(network, given), dt_ms)
        except Exception as error:  # users' models can raise anything
            return condition.reason(reason_of(error))
        if (reason := _why_not_judged(study, condition, network)) is not None:
            return reason
    return None


def _why_not_judged(study: Study, condition: Condition, network: Network) -> str | None:
    """Return what the network of a condition lacks for the study's statistics; None if nothing."""
    populations = {population.name: population.clusters for population in network.populations}
    sections = (*study.file.objectives, *study.file.constraints)
    judges: tuple[Objective | Constraint, ...] = (*study.targeted, *study.constraints)
    for section, judge in zip(sections, judges, strict=True):
        if condition.name not in study.file.conditions_of(section):
            continue
        population = judge.statistic.options.get("population")
        if population is not None and population not in populations:
            return f"{judge.name} needs population {population}"
        if max(section.clusters or [0]) >= populations.get(str(population), np.inf):
            return f"{judge.name} needs cluster {max(section.clusters or [0])} of {population}"
    return None


# --- statistics ---------------------------------------------------------------------------------------


def _try_statistics(study: Study) -> tuple[list[str], list[str]]:
    """Return a line for each statistic that is undefined for ever, and for each that raises."""
    found = [_try_in(study, condition) for condition in study.conditions]
    return [line for lines, _ in found for line in lines], [line for _, lines in found for line in lines]


def _try_in(study: Study, condition: Condition) -> tuple[list[str], list[str]]:
    statistics = [
        replace(statistic, name=condition.named(statistic.name))
        for statistic in condition.statistics
        if statistic.name in condition.judged and not statistic.needs.episodes
    ]
    invented = _invent(study, condition) if statistics else None
    if invented is None:
        return [], []
    silent, firing = invented
    # Without spikes, costly statistics return at once. Only what fails then is tried again.
    first = evaluate(silent, statistics)
    failing = [
        one for one in statistics if one.name in first.raised or _is_hopeless(first.estimates[one.name])
    ]
    second = evaluate(firing, failing)
    undefined = [
        f"{name} is undefined whatever the network does: {estimate.note or 'so it says'}; change its "
        f"options, the protocol, or {'its' if condition.name else '[simulation]'} duration_ms"
        for name, estimate in second.estimates.items()
        if name not in second.raised and _is_hopeless(estimate)
    ]
    return undefined, [f"{reason}, for an invented activity" for reason in second.raised.values()]


def _is_hopeless(estimate: Estimate) -> bool:
    """Whether no activity could change that it is undefined, or none was found that is less so."""
    return not estimate.defined and estimate.shortfall >= 1


def _invent(study: Study, condition: Condition) -> tuple[Observation, Observation] | None:
    """Invent two measurements with the length and protocol of a condition: silent; clusters up and down.

    None if they would be too large.
    """
    network, dt_ms, timing = network_in(study, condition), study.simulation.dt_ms, timing_in(study, condition)
    layout = Layout.of(
        (p.name, p.clusters * min(p.cluster_size, _LARGEST), p.clusters) for p in network.populations
    )
    widths, duration_ms = study.needs.widths, timing.duration_ms
    counts = len(layout.groups) / widths["bin_ms"] + layout.n_neurons / widths["window_ms"]
    if counts * duration_ms > _MOST_COUNTS:
        return None
    stimuli = study.model.values(network, study.parameters_in(condition, {})).stimuli
    presentations = presentations_of((*stimuli, *shifted(condition.stimuli, timing)), timing)
    found = []
    for step, neuron in (_NO_SPIKES, _spikes(layout, duration_ms=duration_ms, dt_ms=dt_ms)):
        observation = observe_spikes(step, neuron, layout, dt_ms=dt_ms, duration_ms=duration_ms, **widths)
        # A silent network is not far from firing.
        depolarisation = np.full(len(layout.groups), 0.5)
        found.append(replace(observation, presentations=presentations, depolarisation=depolarisation))
    return found[0], found[1]


def _spikes(layout: Layout, *, duration_ms: float, dt_ms: float) -> tuple[IntArray, IntArray]:
    random = np.random.default_rng(0)
    n_steps, n_pieces = round(duration_ms / dt_ms), max(round(duration_ms / _PIECE_MS), 4)
    edges = np.linspace(0, n_steps, n_pieces + 1).astype(np.int64)
    mean_hz = (_UP_HZ + _DOWN_HZ) / 2
    firing = int(_MOST_SPIKES / (len(layout.groups) * mean_hz * duration_ms / 1000))
    firing = min(max(firing, 1), _FIRING)
    steps, neurons = [], []
    for group in layout.groups:
        active = np.arange(group.start, min(group.start + firing, group.stop))
        rates = np.where(random.random(n_pieces) < 0.5, _UP_HZ, _DOWN_HZ)
        counts = random.poisson(rates * np.diff(edges) * dt_ms / 1000, size=(active.size, n_pieces))
        piece = np.tile(np.arange(n_pieces), active.size)
        first, last = (np.repeat(end[piece], counts.ravel()) for end in (edges[:-1], edges[1:]))
        steps.append(first + (random.random(first.size) * (last - first)).astype(np.int64))
        neurons.append(np.repeat(np.repeat(active, n_pieces), counts.ravel()))
    return np.concatenate(steps), np.concatenate(neurons)
