"""Spike counts, and sums over interspike intervals, for the observation, as GeNN code.

The code belongs to a projection onto one counter per group: it runs only for spikes, so that it costs nothing
per step.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

from calibrate.network import Population
from calibrate.simulators.genn.counters import add_counters
from calibrate.simulators.genn.internals import keep_snippet
from calibrate.simulators.genn.synapses import PULSE

MONITOR_STATE = {
    "n_spikes": "unsigned int",
    "last": "int",  # step of the last spike; -1: none yet
    "last_interval": "int",  # in steps; 0: none yet
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


def monitor_name(population: Population) -> str:
    """Name of the projection from a population to its counters."""
    return f"monitor_{population.name}"


def add_monitor(pygenn: ModuleType, model: Any, population: Population, group: Any) -> None:
    counters = add_counters(pygenn, model, population)
    per_spike = pygenn.create_weight_update_model(
        "monitor",
        pre_vars=list(MONITOR_STATE.items()),
        pre_spike_syn_code="addToPost(1.0);",
        pre_spike_code=_MONITOR_CODE,
    )
    pulse = pygenn.create_postsynaptic_model("pulse", sim_code=PULSE)
    to_its_group = pygenn.create_sparse_connect_init_snippet(
        "to_its_group",
        row_build_code=f"addSynapse(id_pre / {population.cluster_size}u);",
        calc_max_row_len_func=lambda *_: 1,
        calc_max_col_len_func=lambda *_: population.cluster_size,
    )
    model.add_synapse_population(
        monitor_name(population),
        "SPARSE",
        group,
        counters,
        pygenn.init_weight_update(
            keep_snippet(model, per_spike), {}, {}, pre_vars=dict.fromkeys(MONITOR_STATE, 0)
        ),
        pygenn.init_postsynaptic(keep_snippet(model, pulse)),
        pygenn.init_sparse_connectivity(keep_snippet(model, to_its_group), {}),
    )
