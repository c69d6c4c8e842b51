"""The GeNN code of a network: everything that a compilation depends on, and nothing else.

Synapses carry unit weight; the weight sits in the postsynaptic model, where every member of a batch has its
own. So all members share one connectivity, and none of a candidate's values is compiled in.

What a neuron's spikes leave behind for the observation (counts, sums over intervals) belongs to a projection
onto one counter per group: its code runs only for spikes, so that it costs nothing per step.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
from scipy import stats

from calibrate.network import Bernoulli, Network, Population, Projection
from calibrate.neurons import NeuronModel, Number, delay_steps, neuron_model
from calibrate.wiring import PCG4D

# Spikes of Poisson input are drawn by inversion, which must reach the tail from e^-mean in float32.
LARGEST_NOISE_MEAN = 40.0

CONNECTIVITY_SETTINGS = "settingsSparseConnect"

MONITOR_STATE = {
    "n_spikes": "unsigned int",
    "last": "int",  # step of the last spike, -1: none yet
    "last_interval": "int",  # in steps, 0: none yet
    "interval_sum": "unsigned int",
    "interval_sum_sq": "double",
    "cv2_sum": "double",
    "lv_sum": "double",
    "lvr_sum": "double",
}

_MONITOR_CODE = """
    const int now = (int)((t / dt) + 0.5);
    n_spikes++;
    if (last >= 0) {
        const int interval = now - last;
        interval_sum += (unsigned int)interval;
        interval_sum_sq += (double)interval * (double)interval;
        if (last_interval > 0) {
            const double relative = (double)(interval - last_interval) / (double)(interval + last_interval);
            cv2_sum += 2.0 * fabs(relative);
            lv_sum += 3.0 * relative * relative;
            lvr_sum += 12.0 * relative * relative / (double)(interval + last_interval);
        }
        last_interval = interval;
    }
    last = now;
"""

_NOISE_CODE = (
    "const unsigned int step = (unsigned int)((t / dt) + 0.5);"
    + PCG4D.format(x="h", a="id + first_neuron", b="step", c="key0", d="key1")
    + """
    const scalar u = (scalar)(h / 256u) * 5.9604644775390625e-08;
    injectCurrent(current);
    current *= decay;
    scalar density = none;
    scalar cumulative = none;
    scalar events = 0.0;
    while (u > cumulative && (events < mean || density > 1e-9)) {
        events += 1.0;
        density *= mean / events;
        cumulative += density;
    }
    current += weight * events;
"""
)


@dataclass(frozen=True, kw_only=True)
class Build:
    """What is compiled: the same Build is the same code.

    row_lengths  room for synapses per source neuron, for each projection; a graph may need less
    """

    network: Network
    dt_ms: float
    batch_size: int
    precision: str
    record_spikes: bool
    row_lengths: tuple[int, ...]

    @classmethod
    def of(
        cls, network: Network, *, dt_ms: float, batch_size: int, precision: str, record_spikes: bool
    ) -> Build:
        """The Build of a network, from which the numbers of its wiring tier are removed."""
        lengths = tuple(row_length(network, projection) for projection in network.projections)
        return cls(
            network=network,
            dt_ms=dt_ms,
            batch_size=batch_size,
            precision=precision,
            record_spikes=record_spikes,
            row_lengths=lengths,
        )

    def text(self) -> str:
        """All that the code depends on, as text: models, sizes and rules without probabilities."""
        parts: list[object] = [self.dt_ms, self.batch_size, self.precision, self.record_spikes]
        for population in self.network.populations:
            model = neuron_model(population.neuron)
            code = model.genn
            distributed = sorted(population.distributed)
            parts += [population.name, population.size, population.clusters, distributed, population.noise]
            parts += [code.sim_code, code.threshold, code.reset_code, sorted(code.state.items())]
            parts += [sorted(constants(model, population, self.dt_ms).items()), sorted(code.integers)]
            parts += [sorted(model.receptors.items())]
        for projection, length in zip(self.network.projections, self.row_lengths, strict=True):
            delay = delay_steps(projection.delay_ms, self.dt_ms)
            parts += [projection.name, type(projection.rule).__name__, delay, projection.receptor, length]
        return "\n".join(str(part) for part in parts)


def row_length(network: Network, projection: Projection) -> int:
    """Room for the synapses of one source: exceeded once in 10^9 graphs.

    Rounded up in steps of 4 %, so that nearby probabilities share their code.
    """
    source, target = network.population(projection.source), network.population(projection.target)
    reach = target.size
    if projection.part == "within":
        reach = target.cluster_size
    elif projection.part == "between":
        reach = target.size - target.cluster_size
    if reach == 0:
        return 1
    probability = projection.rule.probability
    if not isinstance(projection.rule, Bernoulli):
        # Every target takes round(p n) of n sources, of which there are n - 1 without itself.
        n = source.cluster_size
        probability = min(1.0, projection.rule.indegree(n) / max(n - (source.name == target.name), 1))
    bound = stats.binom.isf(1e-9 / source.size, reach, probability)
    fine = 2 ** (1 / 16)
    return min(reach, max(1, math.ceil(fine ** math.ceil(math.log(max(bound, 1), fine)))))


def constants(model: NeuronModel, population: Population, dt_ms: float) -> dict[str, bool]:
    """Names of the constants that the neuron code reads -> whether each neuron has its own.

    Found by trying: a constant is per neuron if it is an array when the distributed parameters are.
    """
    values: dict[str, Number] = {p.name: p.default for p in model.parameters}
    for name in population.distributed:
        values[name] = np.full(2, values[name])
    found = {name: np.ndim(value) > 0 for name, value in model.genn.constants(values, dt_ms).items()}
    found["I_e"] = True  # stimuli reach single clusters
    return found


def assemble(pygenn: ModuleType, model: Any, build: Build) -> None:
    """Add the populations and projections of `build` to an empty GeNN model."""
    model.dt = build.dt_ms
    model.batch_size = build.batch_size
    model.default_narrow_sparse_ind_enabled = True
    network = build.network
    groups = {p.name: _add_population(pygenn, model, build, p) for p in network.populations}
    for projection, length in zip(network.projections, build.row_lengths, strict=True):
        _add_projection(pygenn, model, build, projection, length, groups)
    first_neuron = 0
    for population in network.populations:
        _add_monitor(pygenn, model, population, groups[population.name])
        if population.noise:
            _add_noise(pygenn, model, population, groups[population.name], first_neuron)
        first_neuron += population.size


def _add_population(pygenn: ModuleType, model: Any, build: Build, population: Population) -> Any:
    neuron = neuron_model(population.neuron)
    code, access = neuron.genn, pygenn.VarAccess
    variables: list[tuple[Any, ...]] = [(name, kind) for name, kind in code.state.items()]
    for name, per_neuron in constants(neuron, population, build.dt_ms).items():
        kind = "unsigned int" if name in code.integers else "scalar"
        own = access.READ_ONLY_DUPLICATE if per_neuron else access.READ_ONLY_SHARED_NEURON
        variables.append((name, kind, own))
    snippet = pygenn.create_neuron_model(
        neuron.name,
        vars=variables,
        sim_code=code.sim_code,
        threshold_condition_code=code.threshold,
        reset_code=code.reset_code,
        additional_input_vars=[(f"I_{receptor}", "scalar", 0.0) for receptor in neuron.receptors],
        auto_refractory_required=False,
    )
    initial = {variable[0]: 0 for variable in variables}
    group = model.add_neuron_population(population.name, population.size, snippet, {}, initial)
    group.spike_recording_enabled = build.record_spikes
    return group


def _add_projection(
    pygenn: ModuleType, model: Any, build: Build, projection: Projection, length: int, groups: dict[str, Any]
) -> None:
    shared = pygenn.VarAccess.READ_ONLY_SHARED_NEURON
    current = pygenn.create_postsynaptic_model(
        "exponential",
        vars=[("weight", "scalar", shared), ("decay", "scalar", shared)],
        sim_code="injectCurrent(weight * inSyn); inSyn *= decay;",
    )
    rule = _connectivity(pygenn, build.network, projection, length)
    synapses = model.add_synapse_population(
        projection.name,
        "SPARSE",
        groups[projection.source],
        groups[projection.target],
        pygenn.init_weight_update("StaticPulseConstantWeight", {"g": 1.0}),
        pygenn.init_postsynaptic(current, {}, {"weight": 0.0, "decay": 0.0}),
        pygenn.init_sparse_connectivity(rule, {}),
    )
    synapses.connectivity_rule = rule  # PyGeNN keeps no reference of its own, and crashes without one
    # PyGeNN 5.4 looks these up without the suffix that they have in its runtime.
    parameters = synapses.connectivity_extra_global_params
    parameters[CONNECTIVITY_SETTINGS] = parameters.pop("settings")
    synapses.axonal_delay_steps = delay_steps(projection.delay_ms, build.dt_ms)
    synapses.post_target_var = f"I_{projection.receptor}"


def _connectivity(pygenn: ModuleType, network: Network, projection: Projection, length: int) -> Any:
    """The rule as GeNN code: the same comparisons as in `calibrate.wiring`, synapse for synapse.

    `settings` holds the two words of the graph's key, then the threshold or the in-degree.
    """
    source, target = network.population(projection.source), network.population(projection.target)
    sizes = {
        "N": source.cluster_size,
        "M": target.cluster_size,
        "Q": source.clusters,
        "RECURRENT": int(source.name == target.name),
    }
    if isinstance(projection.rule, Bernoulli):
        code = {"row_build_code": _BERNOULLI[projection.part]}
    else:
        code = {"col_build_code": _FIXED_INDEGREE}
        sizes["WITHIN"] = int(projection.part != "between")
        sizes["BETWEEN"] = int(projection.part != "within")
    (kind, text) = next(iter(code.items()))
    for name, value in sizes.items():
        text = text.replace(f"@{name}@", f"{value}u")
    return pygenn.create_sparse_connect_init_snippet(
        f"{type(projection.rule).__name__}_{projection.part}",
        **{kind: text},
        extra_global_params=[("settings", "uint32_t*")],
        calc_max_row_len_func=lambda *_: length,
        calc_max_col_len_func=lambda *_: source.size,
    )


_BERNOULLI_TEST = (
    PCG4D.format(x="h", a="id_pre", b="j", c="settings[0]", d="settings[1]")
    + """
    if ((h / 2u) < settings[2] && !(@RECURRENT@ == 1u && j == id_pre)) {
        addSynapse(j);
    }
"""
)

_BERNOULLI = {
    "all": "for (unsigned int j = 0u; j < num_post; j++) {" + _BERNOULLI_TEST + "}",
    "within": """
        const unsigned int first = (id_pre / @N@) * @M@;
        for (unsigned int j = first; j < first + @M@; j++) {"""
    + _BERNOULLI_TEST
    + "}",
    "between": """
        const unsigned int first = (id_pre / @N@) * @M@;
        for (unsigned int j = 0u; j < num_post; j++) {
            if (j < first || j >= first + @M@) {"""
    + _BERNOULLI_TEST
    + "}}",
}

_FIXED_INDEGREE = (
    """
    const unsigned int own = id_post / @M@;
    for (unsigned int c = 0u; c < @Q@; c++) {
        if ((c == own && @WITHIN@ == 1u) || (c != own && @BETWEEN@ == 1u)) {
            const unsigned int first = c * @N@;
            uint64_t left = @N@;
            if (@RECURRENT@ == 1u && id_post >= first && id_post < first + @N@) {
                left -= 1u;
            }
            uint64_t needed = settings[2];
            if (needed > left) {
                needed = left;
            }
            for (unsigned int i = first; i < first + @N@; i++) {
                if (!(@RECURRENT@ == 1u && i == id_post)) {
    """
    + PCG4D.format(x="h", a="i", b="id_post", c="settings[0]", d="settings[1]")
    + """
                    const uint64_t drawn = h / 2u;
                    if (drawn * left < needed * 2147483648u) {
                        addSynapse(i);
                        needed -= 1u;
                    }
                    left -= 1u;
                }
            }
        }
    }
"""
)


def monitor_name(population: Population) -> str:
    """Name of the counters of a population and of the projection onto them."""
    return f"monitor_{population.name}"


def noise_name(population: Population) -> str:
    """Name of the source of a population's Poisson input."""
    return f"noise_{population.name}"


def _add_monitor(pygenn: ModuleType, model: Any, population: Population, group: Any) -> None:
    counter = pygenn.create_neuron_model(
        "counter", vars=[("count", "unsigned int")], sim_code="count += (unsigned int)Isyn;"
    )
    counters = model.add_neuron_population(
        f"{monitor_name(population)}_counters", population.clusters, counter, {}, {"count": 0}
    )
    per_spike = pygenn.create_weight_update_model(
        "monitor",
        pre_vars=list(MONITOR_STATE.items()),
        pre_spike_syn_code="addToPost(1.0);",
        pre_spike_code=_MONITOR_CODE,
    )
    pulse = pygenn.create_postsynaptic_model("pulse", sim_code="injectCurrent(inSyn); inSyn = 0.0;")
    to_its_group = pygenn.create_sparse_connect_init_snippet(
        "to_its_group",
        row_build_code=f"addSynapse(id_pre / {population.cluster_size}u);",
        calc_max_row_len_func=lambda *_: 1,
        calc_max_col_len_func=lambda *_: population.cluster_size,
    )
    synapses = model.add_synapse_population(
        monitor_name(population),
        "SPARSE",
        group,
        counters,
        pygenn.init_weight_update(per_spike, {}, {}, pre_vars=dict.fromkeys(MONITOR_STATE, 0)),
        pygenn.init_postsynaptic(pulse),
        pygenn.init_sparse_connectivity(to_its_group, {}),
    )
    synapses.connectivity_rule = to_its_group


def _add_noise(pygenn: ModuleType, model: Any, population: Population, group: Any, first_neuron: int) -> None:
    shared = pygenn.VarAccess.READ_ONLY_SHARED_NEURON
    of_each = pygenn.VarAccess.READ_ONLY_DUPLICATE  # clusters may have input of different rates
    for receptor in neuron_model(population.neuron).receptors:
        # One source per receptor; the sign of the weight decides which of them is silent.
        snippet = pygenn.create_current_source_model(
            "poisson_input",
            params=[("first_neuron", "unsigned int")],
            vars=[
                ("current", "scalar"),
                *((name, "scalar", of_each) for name in ("mean", "none")),
                *((name, "scalar", shared) for name in ("decay", "weight")),
                *((name, "uint32_t", shared) for name in ("key0", "key1")),
            ],
            injection_code=_NOISE_CODE,
        )
        names = ("current", "mean", "none", "decay", "weight", "key0", "key1")
        source = model.add_current_source(
            f"{noise_name(population)}_{receptor}",
            snippet,
            group,
            {"first_neuron": first_neuron},
            dict.fromkeys(names, 0),
        )
        source.target_var = f"I_{receptor}"
