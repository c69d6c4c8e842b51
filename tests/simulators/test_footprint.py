"""What a batch takes of a GPU's memory, estimated from the network alone."""

from __future__ import annotations

from typing import Any

import pytest

from calibrate.models.ei_clustered import ei_clustered
from calibrate.models.larva import larva
from calibrate.network import Model
from calibrate.simulators.base import Member, RecordingPlan
from calibrate.simulators.genn.counters import counters_name
from calibrate.simulators.genn.footprint import Footprint, footprint

LARGE: dict[str, Any] = {"N_E": 20_000, "N_I": 5_000, "N_Q": 20, "J_E+": 2.75}
SCAN: dict[str, Any] = {"recording": RecordingPlan(), "duration_ms": 10_000.0, "dt_ms": 0.1}


def of(given: dict[str, Any], **more: Any) -> Footprint:
    return footprint(ei_clustered.network(given), **{"precision": "single", **SCAN, **more})


def test_what_fits_follows_from_the_memory_of_all_processes():
    needs = Footprint(shared_bytes=1e9, member_bytes=1e7, hot_bytes=1e6, host_bytes=2e7)
    assert needs.most(free_bytes=12e9, host_free_bytes=1e12) == int((0.8 * 12e9 - 0.6e9 - 1e9) / 1e7)
    assert needs.most(free_bytes=12e9, host_free_bytes=1e12, processes=2) == int((4.8e9 - 1.6e9) / 1e7)
    assert needs.most(free_bytes=12e9, host_free_bytes=4e9) == int((3.2e9 - 0.3e9 - 1e9) / 2e7)
    shared = {"processes": 2, "gpus": 2, "evaluators": 4}
    assert needs.most(free_bytes=12e9, host_free_bytes=10e9, **shared) == int((1.8e9 - 0.3e9 - 1e9) / 2e7)
    assert needs.most(free_bytes=1e9, host_free_bytes=1e12) == 0


def test_a_large_network_shares_its_graph_and_a_batch_of_the_scan_fits_into_the_cache():
    """Read off GeNN's arrays: 384 MB of targets, 2.3 MB a member, of which a step goes through 0.9 MB."""
    needs = of(LARGE)
    assert needs.shared_bytes == pytest.approx(400e6, rel=0.1)
    assert needs.member_bytes == pytest.approx(2.3e6, rel=0.1)
    assert needs.hot_bytes == pytest.approx(0.9e6, rel=0.05)
    double = of(LARGE, precision="double")
    assert needs.member_bytes < double.member_bytes < 2 * needs.member_bytes


def test_host_memory_is_that_of_observing():
    """`python -m benchmarks host` peaks at 17 MB a member, without what waits to be scored."""
    needs = of(LARGE)
    assert 17e6 < needs.host_bytes < 35e6
    assert of(LARGE, duration_ms=20_000.0).host_bytes > 1.7 * needs.host_bytes - 5e6


@pytest.mark.genn
@pytest.mark.parametrize("precision", ["single", "double"])
@pytest.mark.parametrize(
    ("model", "given"),
    [
        (ei_clustered, {"N_E": 800, "N_I": 200, "N_Q": 4, "J_E+": 2.0}),
        (ei_clustered, {"N_E": 800, "N_I": 200, "N_Q": 4, "J_E+": 2.0, "delay": 1.5, "sd_V_th_E": 1.0}),
        (ei_clustered, {"N_E": 800, "N_I": 200, "N_Q": 4, "noise_rate_E": 100.0, "noise_weight_E": 0.1}),
        (larva, {}),
    ],
)
def test_a_members_memory_is_that_of_genns_arrays(model: Model, given: dict[str, Any], precision: Any):
    from calibrate.simulators.genn.simulator import GeNN

    network = model.network(given)
    with GeNN(dt_ms=0.1, precision=precision).prepare(
        network, batch_size=1, recording=RecordingPlan(), wiring_seed=1
    ) as prepared:
        prepared.load([Member(values=model.values(network, given), seed=1)], 0)
        genn = prepared._model
        groups = genn.neuron_populations
        arrays = [v for group in groups.values() for v in group.vars.values()]
        arrays += [v for source in genn.current_sources.values() for v in source.vars.values()]
        arrays += [groups[counters_name(p)].extra_global_params["bins"] for p in network.populations]
        for group in genn.synapse_populations.values():
            arrays += [*group.pre_vars.values(), *group.post_vars.values(), *group.psm_vars.values()]
            arrays.append(group.out_post)
        found = sum(array.view.nbytes for array in arrays)
        plastic = [genn.synapse_populations[p.name] for p in network.projections if p.plasticity is not None]
        found += sum(group.vars["g"].values.nbytes for group in plastic)
    spikes = sum(population.size * 4 * 20 for population in network.populations)  # queues, not to be read
    estimate = footprint(network, **{"precision": precision, **SCAN}).member_bytes
    assert 0.95 * found < estimate < 1.1 * found + spikes
