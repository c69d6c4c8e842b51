"""How many processes there are, on which cores, and in which batches."""

from __future__ import annotations

import psutil
import pytest

from calibrate import simulators
from calibrate.errors import SimulatorError
from calibrate.models.ei_clustered import ei_clustered
from calibrate.simulation.capacity import pinning, slots_for
from calibrate.simulation.local_pool import Pool
from calibrate.simulation.pool import batched
from calibrate.simulators.backends import BACKENDS
from tests.helpers.cuda_driver import H100, install
from tests.helpers.networks import SMALL
from tests.helpers.pools import QUICK, SHORT, candidates


def test_large_networks_get_the_slots_that_memory_allows(monkeypatch):
    network = ei_clustered.network({"N_E": 20000, "N_I": 5000, "N_Q": 20})

    def memory(gigabytes: float) -> None:
        found = type("Memory", (), {"available": gigabytes * 1e9})
        monkeypatch.setattr(psutil, "virtual_memory", lambda: found)

    memory(1000)
    assert slots_for("nest", network) == len(psutil.Process().cpu_affinity())
    memory(9)
    assert slots_for("nest", network) == 1
    memory(4)
    with pytest.raises(SimulatorError, match=r"needs about 6\.\d GiB"):
        slots_for("nest", network)


@pytest.mark.parametrize(("backend", "factor"), [("genn", 2), ("nest", 1)])
def test_synapses_take_twice_the_memory_in_genn_if_16_bits_do_not_index_a_population(backend, factor):
    def bytes_per_synapse(neurons: int) -> float:
        network = ei_clustered.network({"N_E": neurons, "N_I": 100, "N_Q": 1})
        synapses = sum(network.expected_synapses(projection) for projection in network.projections)
        return (simulators.memory_bytes(backend, network) - BACKENDS[backend].process_bytes) / synapses

    assert bytes_per_synapse(2**16 + 1) == pytest.approx(factor * bytes_per_synapse(2**16))


def test_a_gpu_gets_two_processes_and_batches_and_a_core_one_network_at_a_time(monkeypatch):
    network = ei_clustered.network(SMALL)
    assert simulators.batch_size("nest") == 1
    monkeypatch.setattr(simulators, "on_gpu", lambda backend: backend == "genn")
    install(monkeypatch, H100)
    assert slots_for("genn", network) == 2
    install(monkeypatch, H100, H100)
    assert slots_for("genn", network) == 4
    assert simulators.batch_size("genn") == 40
    assert slots_for("nest", network) == len(psutil.Process().cpu_affinity())
    assert simulators.batch_size("nest") == 1


def test_a_batch_that_no_device_takes_is_refused_before_anything_runs(monkeypatch):
    monkeypatch.setattr(simulators, "on_gpu", lambda _: False)
    for backend in ("nest", "genn"):
        with pytest.raises(SimulatorError, match="one network per process at a time, not 8"):
            simulators.batch_size(backend, 8)
    assert simulators.batch_size("poisson", 8) == 8
    monkeypatch.setattr(simulators, "on_gpu", lambda _: True)
    assert simulators.batch_size("genn", 8) == 8


def affinities(slots: int) -> list[list[int]]:
    with Pool(QUICK, SHORT, slots=slots) as pool:
        pool.run(candidates(*[1.0] * slots))  # they have begun
        return [psutil.Process(pid).cpu_affinity() for pid in pool.processes]


def test_with_a_slot_for_every_core_each_stays_on_its_own():
    mine = sorted(psutil.Process().cpu_affinity())
    if len(mine) > 1:
        assert affinities(len(mine)) == [[core] for core in mine]
        assert affinities(len(mine) + 1) == [mine] * (len(mine) + 1)
    assert affinities(1) == [mine]  # another run beside it would choose the same core


def test_slots_keep_to_the_cores_that_the_run_was_given(monkeypatch):
    monkeypatch.setattr(psutil.Process, "cpu_affinity", lambda _: [5, 3])
    assert list(pinning(2)) == [3, 5]
    assert list(pinning(3)) == [None] * 3
    monkeypatch.setattr(psutil.Process, "cpu_affinity", lambda _: [3])
    assert list(pinning(1)) == [None]


def test_slots_of_a_gpu_are_not_pinned(monkeypatch):
    mine = sorted(psutil.Process().cpu_affinity())
    monkeypatch.setattr(simulators, "on_gpu", lambda _: True)
    install(monkeypatch, H100)
    assert affinities(len(mine)) == [mine] * len(mine)


def test_batches_are_spread_over_devices_not_over_the_processes_that_share_them():
    asked = candidates(*[1.0] * 10)
    assert [len(batch) for batch in batched(asked, batch_size=8, devices=1)] == [8, 2]
    assert [len(batch) for batch in batched(asked, batch_size=8, devices=2)] == [5, 5]
