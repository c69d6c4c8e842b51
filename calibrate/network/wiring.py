"""Drawing connectivity, heterogeneity and initial states from seeds.

Every draw has its own key; there is no stream that another draw could advance. Whether a pair of neurons is
connected depends on a counter-based hash of the pair and the key of the graph. The graph drawn here for NEST
and the one that GeNN draws on its device are therefore the same, synapse for synapse, without any copying.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibrate.errors import ModelError
from calibrate.network import (
    Bernoulli,
    Distributed,
    FixedIndegree,
    Network,
    Population,
    Projection,
    Uniform,
    UniformDelay,
    UniformIndegree,
    UniformPotential,
    Values,
)
from calibrate.network.levels import at_random, log_normal, nearest
from calibrate.neurons import Number, delay_steps, neuron_model

UInt = NDArray[np.uint32]

PCG4D = """
    uint32_t {x} = ({a}) * 1664525u + 1013904223u;
    uint32_t {x}b = ({b}) * 1664525u + 1013904223u;
    uint32_t {x}c = ({c}) * 1664525u + 1013904223u;
    uint32_t {x}d = ({d}) * 1664525u + 1013904223u;
    {x} += {x}b * {x}d; {x}b += {x}c * {x}; {x}c += {x} * {x}b; {x}d += {x}b * {x}c;
    {x} ^= {x} / 65536u; {x}b ^= {x}b / 65536u; {x}c ^= {x}c / 65536u; {x}d ^= {x}d / 65536u;
    {x} += {x}b * {x}d;
"""
"""`pcg4d` as statements of GeNN code: declares `{x}`, the first output word for the inputs a, b, c, d."""


def pcg4d(a: UInt | int, b: UInt | int, c: int, d: int) -> UInt:
    """First word of a hash of four 32-bit words to four (Jarzynski & Olano 2020, JCGT 9(3), pcg4d).

    Arrays broadcast; arithmetic is modulo 2^32.
    """
    with np.errstate(over="ignore"):
        x, y, z, w = (
            np.atleast_1d(np.asarray(word, dtype=np.uint32)) * np.uint32(1664525) + np.uint32(1013904223)
            for word in (a, b, c, d)
        )
        x = x + y * w
        y = y + z * x
        z = z + x * y
        w = w + y * z
        x, y, w = x ^ (x >> np.uint32(16)), y ^ (y >> np.uint32(16)), w ^ (w >> np.uint32(16))
        return x + y * w


Key = tuple[int, int]


def key(*entropy: int | str) -> Key:
    """Two 32-bit words from seeds and names, by numpy's SeedSequence."""
    numbers = [zlib.crc32(e.encode()) if isinstance(e, str) else e for e in entropy]
    first, second = np.random.SeedSequence(numbers).generate_state(2)
    return int(first), int(second)


def graph_key(projection: Projection, wiring_seed: int, realisation: int) -> Key:
    """Return the key of a block, which the parts "within" and "between" of a pair of populations share."""
    return key("graph", projection.source, projection.target, wiring_seed, realisation)


def probability_threshold(probability: float) -> int:
    """Return the value that `h >> 1` of a connected pair is below; 31 bits, so that probability 1 fits."""
    return round(probability * 2**31)


@dataclass(frozen=True)
class Connections:
    """Synapses of a projection, by source.

    row_lengths  synapses of each source neuron, shape (n_sources,)
    targets      target of every synapse, source by source, ascending within each, shape (n_synapses,)
    """

    row_lengths: NDArray[np.int64]
    targets: NDArray[np.int32]

    @property
    def sources(self) -> NDArray[np.int32]:
        """Source of every synapse, shape (n_synapses,)."""
        return np.repeat(np.arange(self.row_lengths.size, dtype=np.int32), self.row_lengths)


def draw(network: Network, projection: Projection, *, wiring_seed: int, realisation: int) -> Connections:
    """The synapses of `projection` in graph number `realisation`."""
    source, target = network.population(projection.source), network.population(projection.target)
    block = graph_key(projection, wiring_seed, realisation)
    if isinstance(projection.rule, Bernoulli):
        return _draw_bernoulli(projection, projection.rule, source, target, block)
    if isinstance(projection.rule, UniformIndegree):
        return _draw_uniform_indegree(projection.rule, source, target, block)
    return _draw_fixed_indegree(projection, projection.rule, source, target, block)


def _draw_bernoulli(
    projection: Projection, rule: Bernoulli, source: Population, target: Population, block: Key
) -> Connections:
    threshold = np.uint32(probability_threshold(rule.probability))
    lengths, targets = [], []
    for rows, columns in _pairs(projection, source, target):
        chosen = (pcg4d(rows[:, None], columns[None, :], *block) >> np.uint32(1)) < threshold
        if source.name == target.name:
            chosen &= rows[:, None] != columns[None, :]
        lengths.append(chosen.sum(axis=1))
        targets.append(columns[np.nonzero(chosen)[1]].astype(np.int32))
    return Connections(np.concatenate(lengths), np.concatenate(targets))


def _pairs(
    projection: Projection, source: Population, target: Population, at_once: int = 1 << 20
) -> Iterator[tuple[UInt, UInt]]:
    """Yield blocks of sources, in order, with the targets that they can reach."""
    every = np.arange(target.size, dtype=np.uint32)
    for cluster in range(source.clusters):
        columns = every
        if projection.part != "all":
            own = every // target.cluster_size == cluster
            columns = every[own if projection.part == "within" else ~own]
        first = cluster * source.cluster_size
        rows_at_once = max(1, at_once // max(columns.size, 1))
        for start in range(first, first + source.cluster_size, rows_at_once):
            stop = min(start + rows_at_once, first + source.cluster_size)
            yield np.arange(start, stop, dtype=np.uint32), columns


def _draw_fixed_indegree(
    projection: Projection, rule: FixedIndegree, source: Population, target: Population, block: Key
) -> Connections:
    """Selection sampling (Knuth, TAOCP 2, 3.4.2 S) over the sources of each cluster, for all targets at once.

    Source number o of a cluster is selected with probability needed / left.
    """
    size = source.cluster_size
    post = np.arange(target.size, dtype=np.uint32)
    clusters = np.arange(source.clusters, dtype=np.uint32)
    own = post // np.uint32(target.cluster_size)
    if projection.part == "within":
        cluster = own[None, :]
    else:
        cluster = np.broadcast_to(clusters[:, None], (source.clusters, target.size))
    allowed = np.ones(cluster.shape, dtype=bool)
    if projection.part == "between":
        allowed = cluster != own[None, :]
    first = cluster * np.uint32(size)
    recurrent = source.name == target.name
    left = np.full(cluster.shape, size, dtype=np.int64)
    if recurrent:
        left -= (post[None, :] >= first) & (post[None, :] < first + size)
    needed = np.where(allowed, np.minimum(rule.indegree(size), left), 0)
    rows: list[NDArray[np.int32]] = [np.zeros(0, np.int32)] * source.size
    for offset in range(size):
        pre = first + np.uint32(offset)
        drawn = (pcg4d(pre, post[None, :], *block) >> np.uint32(1)).astype(np.int64)
        candidate = pre != post[None, :] if recurrent else np.True_
        take = candidate & (drawn * left < needed << 31)
        left -= candidate
        needed -= take
        sources, targets = pre[take] if pre.shape == take.shape else pre, np.nonzero(take)[1]
        order = np.argsort(sources, kind="stable")
        bounds = np.flatnonzero(np.diff(sources[order])) + 1
        for piece in np.split(order, bounds):
            if piece.size:
                rows[int(sources[piece[0]])] = targets[piece].astype(np.int32)
    return Connections(np.array([row.size for row in rows], dtype=np.int64), np.concatenate(rows))


def indegree_of(rule: UniformIndegree, hashed: UInt) -> NDArray[np.int64]:
    """Return the in-degrees of targets, given their hashes of (2^32 - 1, target)."""
    choices = np.uint64(rule.high - rule.low + 1)
    drawn = (hashed.astype(np.uint64) * choices) >> np.uint64(32)
    return drawn.astype(np.int64) + rule.low


def _draw_uniform_indegree(
    rule: UniformIndegree, source: Population, target: Population, block: Key
) -> Connections:
    """Selection sampling over all sources, as for a fixed in-degree over those of a cluster."""
    post = np.arange(target.size, dtype=np.uint32)
    recurrent = source.name == target.name
    left = np.full(target.size, source.size - recurrent, dtype=np.int64)
    needed = indegree_of(rule, pcg4d(0xFFFFFFFF, post, *block))
    rows = []
    for pre in range(source.size):
        drawn = (pcg4d(pre, post, *block) >> np.uint32(1)).astype(np.int64)
        candidate = post != pre if recurrent else np.ones(target.size, dtype=bool)
        take = candidate & (drawn * left < needed << 31)
        left -= candidate
        needed -= take
        rows.append(np.flatnonzero(take).astype(np.int32))
    return Connections(np.array([row.size for row in rows], dtype=np.int64), np.concatenate(rows))


def weight_factors(
    projection: Projection, drawn: Connections, *, wiring_seed: int, realisation: int
) -> NDArray[np.float64]:
    """Return the factor on the mean weight for each synapse: log-normal with mean 1; shape (n_synapses,).

    A Box-Muller transform of two hashes, rounded to 12 binary places. Single precision then sums the input of
    a step without rounding, so that the order in which a GPU adds does not matter.
    """
    normal = _normal(projection, drawn, "weights", wiring_seed, realisation)
    return np.rint(log_normal(normal, projection.weight_cv) * 2**12) / 2**12


def synapse_weights(
    projection: Projection, drawn: Connections, values: Values, *, wiring_seed: int, realisation: int
) -> tuple[float, NDArray[np.float64]]:
    """Return the weights of single synapses: a unit, and the factor on it for each, shape (n_synapses,).

    Without levels, the unit is the mean weight. With them, it is their step, and the factors are whole
    numbers. Mismatch rounds them to 12 binary places of the mean weight; see `weight_factors`.
    """
    unit, graph = values.weights[projection.name], (wiring_seed, realisation)
    factors = np.ones(drawn.targets.size)
    if projection.weight_cv:
        factors = weight_factors(projection, drawn, wiring_seed=wiring_seed, realisation=realisation)
    if not projection.levels:
        return unit, factors
    levels, places = values.levels[projection.name], 12
    if levels.step is not None:
        wanted = unit * factors
        uniform = _hashes(projection, drawn, "levels", *graph) / 2**32
        places -= int(abs(unit) / levels.step).bit_length()
        unit = math.copysign(levels.step, unit)
        if levels.at_random:
            factors = at_random(wanted, levels.step, levels.highest, uniform)
        else:
            factors = nearest(wanted, levels.step, levels.highest)
    if levels.mismatch_cv:
        factors = factors * log_normal(_normal(projection, drawn, "mismatch", *graph), levels.mismatch_cv)
        factors = np.ldexp(np.rint(np.ldexp(factors, max(places, 0))), -max(places, 0))
    return unit, factors


def _normal(
    projection: Projection, drawn: Connections, what: str, wiring_seed: int, realisation: int
) -> NDArray[np.float64]:
    """Return a standard normal number for each synapse: a Box-Muller transform of two hashes."""
    cos, log = (
        (_hashes(projection, drawn, f"{what} {part}", wiring_seed, realisation) + 0.5) / 2**32
        for part in ("cos", "log")
    )
    normal: NDArray[np.float64] = np.sqrt(-2 * np.log(log)) * np.cos(2 * np.pi * cos)
    return normal


def synapse_delays(
    projection: Projection, drawn: Connections, *, dt_ms: float, wiring_seed: int, realisation: int
) -> NDArray[np.int64]:
    """Return the delay of each synapse in steps, uniform over whole steps; shape (n_synapses,)."""
    if not isinstance(projection.delay_ms, UniformDelay):
        return np.full(drawn.targets.size, delay_steps(projection.delay_ms, dt_ms))
    low = delay_steps(projection.delay_ms.low_ms, dt_ms)
    high = delay_steps(projection.delay_ms.high_ms, dt_ms)
    hashed = _hashes(projection, drawn, "delays", wiring_seed, realisation).astype(np.uint64)
    return ((hashed * np.uint64(high - low + 1)) >> np.uint64(32)).astype(np.int64) + low


def _hashes(
    projection: Projection, drawn: Connections, what: str, wiring_seed: int, realisation: int
) -> UInt:
    """Return a hash of each synapse, from which only `what` is drawn."""
    words = key(what, projection.source, projection.target, wiring_seed, realisation)
    return pcg4d(drawn.sources.astype(np.uint32), drawn.targets.astype(np.uint32), *words)


def neuron_parameters(
    population: Population, values: Values, *, wiring_seed: int, realisation: int
) -> dict[str, Number]:
    """Return all neuron parameters of a population; distributed ones are arrays of shape (size,).

    Raises ModelError if the value drawn for a neuron is not valid.
    """
    drawn: dict[str, Number] = {}
    for name, value in values.neurons[population.name].items():
        random = np.random.default_rng(key("distributed", population.name, name, wiring_seed, realisation))
        if isinstance(value, Distributed):
            drawn[name] = value.mean + value.sd * random.standard_normal(population.size)
        elif isinstance(value, Uniform):
            drawn[name] = value.low + (value.high - value.low) * random.random(population.size)
        else:
            drawn[name] = value
    model = neuron_model(population.neuron)
    parameters = model.complete(drawn)
    for name, mismatch in values.mismatch.get(population.name, {}).items():
        random = np.random.default_rng(key("mismatch", population.name, name, wiring_seed, realisation))
        parameters[name] = mismatch.apply(parameters[name], random.standard_normal(population.size))
        drawn[name] = parameters[name]
    try:
        model.check(parameters)
    except ModelError as error:
        # The number in the error is that of the most extreme neuron of this graph; means and spreads were
        # checked together with the model.
        remedy = "; choose a smaller spread" if any(np.ndim(value) for value in drawn.values()) else ""
        raise ModelError(f"population {population.name}: {error}{remedy}") from None
    return parameters


def initial_potential(
    population: Population, values: Values, parameters: dict[str, Number], *, seed: int
) -> NDArray[np.float64]:
    """Draw the membrane potential of every neuron at t = 0 (mV), shape (size,), from the candidate's seed."""
    uniform = np.random.default_rng(key("initial", population.name, seed)).random(population.size)
    initial = values.initial[population.name]
    if isinstance(initial, UniformPotential):
        return initial.low + (initial.high - initial.low) * uniform
    model = neuron_model(population.neuron)
    p = {
        name: np.broadcast_to(value, population.size)
        for name, value in {**parameters, "tau_m": model.tau_m(parameters)}.items()
    }
    spread = p["V_reset"] + (p["V_th"] - p["V_reset"]) * uniform
    drive = p["I_e"] * p["tau_m"] / p["C_m"]  # where the potential would settle, from E_L
    threshold, reset = p["V_th"] - p["E_L"], p["V_reset"] - p["E_L"]
    fires = drive > threshold
    safe = np.where(fires, drive, threshold + 1)
    # V(t) = drive + (reset - drive) exp(-t / tau_m) reaches the threshold after `period`.
    period = p["tau_m"] * np.log((safe - reset) / (safe - threshold))
    phase = safe + (reset - safe) * np.exp(-uniform * period / p["tau_m"])
    potential: NDArray[np.float64] = np.where(fires, p["E_L"] + phase, spread)
    return potential
