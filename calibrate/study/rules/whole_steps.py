"""What a simulator rounds: times to whole steps, in-degrees to whole numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from calibrate.network import FixedIndegree, Model, Network, UniformDelay, Values
from calibrate.network.own_simulation import OwnNetwork
from calibrate.neurons import delay_steps, neuron_model, refractory_steps
from calibrate.study.rules.parameters import middle
from calibrate.study.space import Range, Space

# Moves a whole number of steps off the steps.
_OFF = 0.37

Complete = Callable[[Mapping[str, Any]], Mapping[str, Any]]


def in_whole_steps(model: Model, complete: Complete, space: Space, dt_ms: float, backend: str) -> Space:
    """Return `space` with the parameters that set times of the simulation in whole steps of it.

    complete   maps free parameters to all parameters

    Which these are is seen from the networks: a parameter in ms is one of them if another time of the network
    is rounded where the parameter lies between two steps than where it is a whole number of steps.
    """
    times = {
        name: replace(domain, multiple_of=dt_ms)
        for name, domain in space.items()
        if isinstance(domain, Range) and not domain.integer and model.parameter(name).unit == "ms"
    }
    times = {name: domain for name, domain in times.items() if domain.needs_rounding}
    centre = middle({**space, **times})
    whole = _rounded_at(model, complete, centre, dt_ms, backend) if times else None
    if whole is None:
        return space
    found = {}
    for name, domain in times.items():
        value = centre[name] + _OFF * dt_ms
        value = value if value <= domain.high else centre[name] - _OFF * dt_ms
        between = _rounded_at(model, complete, {**centre, name: value}, dt_ms, backend)
        if between is not None and between.keys() - whole.keys():
            found[name] = domain
    return {**space, **found}


def _rounded_at(
    model: Model, complete: Complete, point: Mapping[str, Any], dt_ms: float, backend: str
) -> dict[str, tuple[float, float]] | None:
    """Return the rounded times of the network at a point; None if there is no such network."""
    try:
        given = complete(point)
        network = model.network(given)
        return dict(rounded_times(network, model.values(network, given), dt_ms, backend))
    except Exception:  # of any kind, from the model's code: reported by the rules of the model
        return None


def rounded_times(
    network: Network, values: Values, dt_ms: float, backend: str
) -> Iterator[tuple[str, tuple[float, float]]]:
    """Yield the times that are not simulated as they are written: what they are, written and simulated (ms).

    Stimuli between two steps are refused by simulators; their second time is that of the nearest step.
    """
    for number, stimulus in enumerate(values.stimuli):
        for what in ("start", "stop"):
            time = getattr(stimulus, f"{what}_ms")
            yield from _if_rounded(f"{what} of stimulus {number + 1}", time, round(time / dt_ms), dt_ms)
    if backend == "poisson" or isinstance(network, OwnNetwork):  # no synapses and no refractory times
        return
    for projection in network.projections:
        delay = projection.delay_ms
        ends = (delay.low_ms, delay.high_ms) if isinstance(delay, UniformDelay) else (delay,)
        for end, what in zip(ends, ("delay", "longest delay"), strict=False):
            yield from _if_rounded(f"{what} of {projection.name}", end, delay_steps(end, dt_ms), dt_ms)
    for population in network.populations:
        model = neuron_model(population.neuron)
        time = values.neurons[population.name].get(model.refractory, model.complete({})[model.refractory])
        if isinstance(time, int | float):  # distributed times are between steps anyway
            n_steps = refractory_steps(time, dt_ms)
            yield from _if_rounded(f"refractory time of {population.name}", time, n_steps, dt_ms)


def _if_rounded(
    what: str, written: float, n_steps: int, dt_ms: float
) -> Iterator[tuple[str, tuple[float, float]]]:
    simulated = n_steps * dt_ms
    if not math.isclose(written, simulated, rel_tol=1e-9, abs_tol=1e-9):
        yield what, (written, simulated)


def simulated_otherwise(
    model: Model, complete: Complete, space: Space, dt_ms: float, backend: str
) -> Iterator[str]:
    """Yield a line for the times that are rounded in the middle of the ranges or at the end of one."""
    centre = middle(space)
    ends = [{**centre, name: end} for name, domain in space.items() for end in domain.ends]
    rounded: dict[str, tuple[float, float]] = {}
    for point in (centre, *ends):
        rounded = {**(_rounded_at(model, complete, point, dt_ms, backend) or {}), **rounded}
    for written, simulated in dict.fromkeys(rounded.values()):
        names = [name for name, times in rounded.items() if times == (written, simulated)]
        yield f"the {_and_others(names)} of {written:g} ms is simulated as {simulated:g} ms"


def warnings(model: Model, complete: Complete, space: Space, dt_ms: float, backend: str) -> Iterator[str]:
    """Yield a line for what is searched, or simulated, otherwise than it is written."""
    for name, domain in space.items():
        if isinstance(domain, Range):
            yield from _about(name, domain, dt_ms)
    for line in simulated_otherwise(model, complete, space, dt_ms, backend):
        yield (
            f"{line}, in whole steps of dt_ms = {dt_ms:g}: write what is simulated, or choose a dt_ms that "
            "divides it"
        )


def _about(name: str, domain: Range, dt_ms: float) -> Iterator[str]:
    last = domain.ends[1]
    if domain.step is not None and domain.multiple_of is None and last < domain.high:
        further = domain.high_reached_by_steps
        yield (
            f"{name}: steps of {domain.step:g} from {domain.low:g} end at {last:g}, so that high = "
            f"{domain.high:g} is not searched: write high = {last:g} or {further:g}, or another step"
        )
    if domain.multiple_of is not None:
        yield (
            f"{name} is searched in whole steps of dt_ms = {dt_ms:g}, as it is simulated: {domain.ends[0]:g} "
            f"to {last:g} ms"
        )
    if domain.points is not None and len(domain.grid) < domain.points:
        yield f"{name}: {domain.points} points are only {len(domain.grid)} different values"


def about_points(points: Sequence[Mapping[str, Any]], space: Space) -> Iterator[str]:
    """Yield a line for each value of the points to try first that is rounded."""
    for number, point in enumerate(points, start=1):
        for name, value in point.items():
            domain = space.get(name)
            if isinstance(domain, Range) and not math.isclose(tried := domain.nearest(value), value):
                yield f"[prior] point {number}: {name} = {value:g} is tried as {tried:g}"


def about_indegrees(network: Network) -> Iterator[str]:
    """Yield a line for the in-degrees that are rounded."""
    rounded = []
    for projection in network.projections:
        rule, n = projection.rule, network.population(projection.source).cluster_size
        if isinstance(rule, FixedIndegree) and not math.isclose(rule.probability * n, rule.indegree(n)):
            rounded.append((projection.name, rule.probability, n, rule.indegree(n)))
    if rounded:
        _, probability, n, drawn = rounded[0]
        names = [name for name, *_ in rounded]
        yield (
            f"{_and_others(names)}: in-degrees are whole numbers, so that a neuron has {drawn} of {n} "
            f"sources ({drawn / n:.3g} of them, not {probability:g})"
        )


def _and_others(names: list[str]) -> str:
    more = len(names) - 1
    return names[0] + (f" and {more} other{'s' * (more > 1)}" if more else "")
