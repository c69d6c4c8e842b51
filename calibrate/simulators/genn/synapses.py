"""Projections as GeNN code: static, distributed and plastic synapses, and the spikes that modulate them."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from calibrate.network import Network, Plasticity, Projection, UniformDelay
from calibrate.neurons import delay_steps
from calibrate.neurons.plasticity import PlasticityRule, plasticity_rule
from calibrate.simulators.genn.connectivity import (
    SETTINGS,
    avoid_shared_memory_race,
    connectivity,
    every_pair,
)
from calibrate.simulators.genn.internals import keep_snippet, rename_connectivity_settings

PULSE = "injectCurrent(inSyn); inSyn = 0.0;"

# A neuron signals its spikes to its plastic synapses one step later. GeNN's own events for this cannot be
# compiled together with those of modulating spikes: its CPU back end (5.4) declares a variable twice.
OWN_SPIKE = ("own_spike", "own_spike_next")
OWN_SPIKE_STEP = "own_spike = own_spike_next; own_spike_next = 0.0;\n"
OWN_SPIKE_RESET = "own_spike_next = 1.0;\n"


def modulation_name(projection: Projection) -> str:
    """Name of the target's variable for modulating spikes of a plastic projection, and of what sets it."""
    return f"modulation_{projection.name}"


def delay_bytes(projection: Projection, dt_ms: float) -> int:
    """Bytes that hold the individual delay of a synapse, in steps."""
    return 1 if delay_steps(projection.longest_delay_ms, dt_ms) < 2**8 else 2


def add_projection(
    pygenn: ModuleType,
    model: Any,
    network: Network,
    projection: Projection,
    *,
    dt_ms: float,
    row_length: int,
    groups: dict[str, Any],
) -> None:
    """Add the synapses of `projection`, with room for `row_length` per source neuron."""
    shared = pygenn.VarAccess.READ_ONLY_SHARED_NEURON
    arrival = pygenn.create_postsynaptic_model(
        "weighted",
        vars=[("weight", "scalar", shared)],
        sim_code="injectCurrent(weight * inSyn); inSyn = 0.0;",
    )
    rule = connectivity(pygenn, model, network, projection, row_length)
    synapses = model.add_synapse_population(
        projection.name,
        "SPARSE",
        groups[projection.source],
        groups[projection.target],
        _synapse(pygenn, model, projection, groups[projection.target], dt_ms=dt_ms),
        pygenn.init_postsynaptic(keep_snippet(model, arrival), {}, {"weight": 0.0}),
        pygenn.init_sparse_connectivity(rule, {}),
    )
    rename_connectivity_settings(synapses, SETTINGS)
    longest = delay_steps(projection.longest_delay_ms, dt_ms)
    if isinstance(projection.delay_ms, UniformDelay):
        synapses.max_dendritic_delay_timesteps = longest + 1
    else:
        synapses.axonal_delay_steps = longest
    synapses.post_target_var = f"in_{projection.receptor}"
    targets = network.population(projection.target).size
    avoid_shared_memory_race(pygenn, synapses, row_length=row_length, targets=targets)


def _synapse(pygenn: ModuleType, model: Any, projection: Projection, target: Any, *, dt_ms: float) -> Any:
    """The weight update of `projection`: the effect of a spike on a synapse, and through it."""
    if projection.plasticity is not None:
        return _plastic_synapse(
            pygenn, model, projection, plasticity_rule(projection.plasticity.rule), target
        )
    weights, delays = projection.individual, isinstance(projection.delay_ms, UniformDelay)
    if not weights and not delays:
        return pygenn.init_weight_update("StaticPulseConstantWeight", {"g": 1.0})
    fixed = pygenn.VarAccess.READ_ONLY
    # Levels depend on the values of a network: every network of a batch has its own.
    own = pygenn.VarAccess.READ_ONLY_DUPLICATE if projection.levels else fixed
    width = delay_bytes(projection, dt_ms)
    variables = [("g", "scalar", own)] * weights + [("d", f"uint{8 * width}_t", fixed)] * delays
    weight = "g" if weights else "1.0"
    snippet = pygenn.create_weight_update_model(
        "distributed",
        vars=variables,
        pre_spike_syn_code=f"addToPostDelay({weight}, d);" if delays else f"addToPost({weight});",
    )
    return pygenn.init_weight_update(
        keep_snippet(model, snippet), {}, {variable[0]: 0 for variable in variables}
    )


def _plastic_synapse(
    pygenn: ModuleType, model: Any, projection: Projection, rule: PlasticityRule, target: Any
) -> Any:
    """A plastic weight update; modulating and own spikes are events of the target, for all its synapses."""
    names = tuple(rule.constants({p.name: p.default for p in rule.parameters}, 1.0))
    shared = pygenn.VarAccess.READ_ONLY_SHARED_NEURON
    snippet = pygenn.create_weight_update_model(
        rule.name,
        vars=[("g", "scalar")],
        pre_vars=[("last", "double")],
        post_vars=[(name, "scalar", shared) for name in names],
        post_neuron_var_refs=[("modulation", "scalar"), ("own_spike", "scalar")],
        pre_spike_code="last = t;",
        pre_spike_syn_code="addToPost(g);",
        post_event_threshold_condition_code="modulation > 0.0 || own_spike > 0.0",
        post_event_syn_code=f"""
            const scalar since = (scalar)(t - last);
            if (modulation > 0.0) {{ {rule.modulated_code} }}
            if (own_spike > 0.0) {{ {rule.postsynaptic_code} }}
        """,
    )
    references = {
        "modulation": pygenn.create_var_ref(target, modulation_name(projection)),
        "own_spike": pygenn.create_var_ref(target, "own_spike"),
    }
    return pygenn.init_weight_update(
        keep_snippet(model, snippet),
        {},
        {"g": 1.0},
        pre_vars={"last": 0.0},
        post_vars=dict.fromkeys(names, 0.0),
        post_var_refs=references,
    )


def add_modulation(
    pygenn: ModuleType,
    model: Any,
    network: Network,
    projection: Projection,
    plasticity: Plasticity,
    groups: dict[str, Any],
) -> None:
    """Add synapses from the modulator, which deliver its spikes to the target with a delay of one step."""
    name, source = modulation_name(projection), plasticity.modulator
    pulse = pygenn.create_postsynaptic_model("pulse", sim_code=PULSE)
    reach = every_pair(
        pygenn, model, network.population(source), network.population(projection.target), plasticity.part
    )
    synapses = model.add_synapse_population(
        name,
        "SPARSE",
        groups[source],
        groups[projection.target],
        pygenn.init_weight_update("StaticPulseConstantWeight", {"g": 1.0}),
        pygenn.init_postsynaptic(keep_snippet(model, pulse)),
        pygenn.init_sparse_connectivity(reach, {}),
    )
    synapses.axonal_delay_steps = 1
    synapses.post_target_var = f"in_{name}"
    targets = network.population(projection.target).size
    avoid_shared_memory_race(pygenn, synapses, row_length=targets, targets=targets)
