"""The pool: order, failures, and processes that die, hang or are left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from calibrate import simulators
from calibrate.errors import PluginError, SimulatorError
from calibrate.models.ei_clustered import ei_clustered
from calibrate.network import find_model
from calibrate.observation import Observation, SimulationFailure
from calibrate.pool import Pool, pinning, slots_for
from calibrate.worker import Candidate, Outcome, Setup, Timing
from conftest import SMALL

QUICK = Setup(model="ei_clustered", backend="poisson")
SHORT = Timing(warmup_ms=10.0, duration_ms=100.0)

TREACHEROUS = """
import os, sys, time
from multiprocessing.connection import Connection
from calibrate.models.ei_clustered import ei_clustered
from calibrate.network import Model

def network(p):
    if p["s"] == 13:
        os.kill(os.getpid(), 9)
    if p["s"] == 14:
        time.sleep(60)
    print("this must not reach the user's standard output", flush=True)
    if p["s"] == 16:
        def die_sending(connection, message):
            os.write(connection.fileno(), bytes(message[:6]))
            os.kill(os.getpid(), 9)
        Connection._send_bytes = die_sending
    if p["s"] == 17 and not os.path.exists("slept"):
        open("slept", "w").close()
        time.sleep(60)
    if p["s"] == 15:
        raise RuntimeError("the plug-in is broken")
    return ei_clustered.network(p)

model = Model(
    name="treacherous",
    parameters=ei_clustered.parameters,
    make_network=network,
    make_values=ei_clustered.make_values,
)
"""


def candidates(*strengths: float) -> list[Candidate]:
    return [
        Candidate(uuid=f"candidate-{number}", parameters={**SMALL, "s": strength}, seed=number)
        for number, strength in enumerate(strengths)
    ]


@pytest.fixture
def treacherous(tmp_path: Path) -> Setup:
    (tmp_path / "plugin.py").write_text(TREACHEROUS)
    return Setup(model="plugin.py:model", folder=tmp_path, backend="poisson")


def test_outcomes_come_back_in_the_order_of_the_candidates_and_progress_as_they_are_known():
    seen: list[Outcome] = []
    asked = candidates(*[1.0] * 7)
    with Pool(QUICK, SHORT, slots=2) as pool:
        found = pool.run(asked, progress=seen.append)
    assert [outcome.uuid for outcome in found] == [candidate.uuid for candidate in asked]
    assert {outcome.uuid for outcome in seen} == {candidate.uuid for candidate in asked}
    assert all(isinstance(outcome.result, Observation) for outcome in found)


def test_the_result_of_a_candidate_does_not_depend_on_slots_or_neighbours():
    asked = candidates(*[1.0] * 4)
    with Pool(QUICK, SHORT, slots=2) as pool:
        together = pool.run(asked)
    with Pool(QUICK, SHORT, slots=1) as pool:
        reverse = pool.run(asked[::-1])[::-1]
    for one, other in zip(together, reverse, strict=True):
        assert isinstance(one.result, Observation)
        assert isinstance(other.result, Observation)
        assert (one.result.neuron_totals == other.result.neuron_totals).all()


def test_parameters_that_break_a_rule_fail_their_candidate_only():
    asked = candidates(1.0, 1.0)
    asked[0] = Candidate(uuid="bad", parameters={**SMALL, "J_E+": 99.0}, seed=0)
    with Pool(QUICK, SHORT, slots=1) as pool:
        bad, good = pool.run(asked)
    assert isinstance(bad.result, SimulationFailure)
    assert "J_E+" in bad.result.reason
    assert isinstance(good.result, Observation)


def test_a_process_that_dies_is_replaced_and_its_candidate_reported(treacherous):
    with Pool(treacherous, SHORT, slots=2) as pool:
        found = pool.run(candidates(1, 13, 1, 1, 13, 1))
        again = pool.run(candidates(1, 1, 1, 1))
        assert len(pool.processes) == 2
    assert all(isinstance(outcome.result, Observation) for outcome in again)
    failed = [isinstance(outcome.result, SimulationFailure) for outcome in found]
    assert failed == [False, True, False, False, True, False]
    assert "process died" in found[1].result.reason


def test_a_process_killed_from_outside_is_replaced_and_no_candidate_lost(treacherous, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with Pool(treacherous, SHORT, slots=1, timeout_s=30) as pool:
        pool.run(candidates(1))
        victim = pool.processes[0]
        threading.Timer(1.0, os.kill, (victim, signal.SIGKILL)).start()
        found = pool.run(candidates(17, 1))
        assert victim not in pool.processes
    assert all(isinstance(outcome.result, Observation) for outcome in found)


def test_of_a_batch_whose_process_dies_only_the_candidate_that_it_dies_of_fails(treacherous):
    with Pool(replace(treacherous, batch_size=4), SHORT, slots=1) as pool:
        found = pool.run(candidates(1, 13, 1, 1))
    failed = [isinstance(outcome.result, SimulationFailure) for outcome in found]
    assert failed == [False, True, False, False]
    assert found[1].result.reason.startswith("the simulator's process died, 2 times")


def test_without_a_limit_of_its_own_a_simulation_may_take_many_times_the_slowest_so_far(
    treacherous, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("calibrate.pool.SHORTEST_PATIENCE_S", 3.0)
    with Pool(treacherous, SHORT, slots=1) as pool:
        (quick,) = pool.run(candidates(1))
        began = time.monotonic()
        (hung,) = pool.run(candidates(14))
        assert time.monotonic() - began < 30
    assert isinstance(quick.result, Observation)
    assert isinstance(hung.result, SimulationFailure)
    assert "longer than" in hung.result.reason


def test_a_process_that_dies_while_it_sends_its_result_is_replaced(treacherous):
    with Pool(treacherous, SHORT, slots=1) as pool:
        dead, alive = pool.run(candidates(16, 1))
    assert isinstance(dead.result, SimulationFailure)
    assert "process died" in dead.result.reason
    assert isinstance(alive.result, Observation)


def test_candidates_of_several_graphs_come_back_each_with_its_graph():
    asked = [
        Candidate(uuid=uuid, parameters=SMALL, seed=1, realisation=graph)
        for uuid in ("a", "b")
        for graph in (2, 0)
    ]
    with Pool(QUICK, SHORT, slots=2) as pool:
        found = pool.run(asked, timing=Timing(warmup_ms=0.0, duration_ms=50.0))
    assert [outcome.key for outcome in found] == [("a", 2), ("a", 0), ("b", 2), ("b", 0)]
    results = [outcome.result for outcome in found]
    assert all(isinstance(result, Observation) and result.duration_ms == 50.0 for result in results)
    assert (results[0].neuron_totals == results[2].neuron_totals).all()
    assert (results[0].neuron_totals != results[1].neuron_totals).any()


def test_a_simulation_that_takes_too_long_is_stopped(treacherous):
    with Pool(treacherous, SHORT, slots=1, timeout_s=6) as pool:
        slow, quick = pool.run(candidates(14, 1))
    assert isinstance(slow.result, SimulationFailure)
    assert "longer than 6 s" in slow.result.reason
    assert isinstance(quick.result, Observation)


def test_an_error_in_a_plug_in_is_a_failure_with_its_reason(treacherous):
    with Pool(treacherous, SHORT, slots=1) as pool:
        broken, good = pool.run(candidates(15, 1))
    assert broken.result == SimulationFailure("RuntimeError: the plug-in is broken")
    assert isinstance(good.result, Observation)


def test_what_simulators_print_goes_to_the_log(treacherous, capfd):
    with Pool(treacherous, SHORT, slots=1) as pool:
        pool.run(candidates(1))
        assert pool.log is not None
        assert "must not reach" in pool.log.read_text()
    assert "must not reach" not in "".join(capfd.readouterr())


def test_processes_end_with_their_parent(tmp_path):
    (tmp_path / "plugin.py").write_text(TREACHEROUS)
    script = textwrap.dedent(
        f"""
        from pathlib import Path
        from calibrate.pool import Pool
        from calibrate.worker import Candidate, Setup, Timing
        if __name__ == "__main__":
            setup = Setup(model="plugin.py:model", folder=Path({str(tmp_path)!r}), backend="poisson")
            with Pool(setup, Timing(warmup_ms=10.0, duration_ms=100.0), slots=2) as pool:
                quick = [Candidate(uuid=str(k), parameters={SMALL!r}, seed=k) for k in range(2)]
                pool.run(quick)
                print(*pool.processes, flush=True)
                pool.run([Candidate(uuid="x", parameters={{**{SMALL!r}, "s": 14.0}}, seed=1)])
        """
    )
    (tmp_path / "script.py").write_text(script)
    parent = subprocess.Popen([sys.executable, tmp_path / "script.py"], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    children = [int(pid) for pid in parent.stdout.readline().split()]
    assert len(children) == 2
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 10
    while any(map(_alive, children)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(map(_alive, children))


def _alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_model_is_found_by_name_and_anything_else_refused(tmp_path):
    assert find_model("ei_clustered") is ei_clustered
    with pytest.raises(PluginError, match="did you mean 'ei_clustered'"):
        find_model("ei_cluster")
    (tmp_path / "mine.py").write_text("model = 3")
    with pytest.raises(PluginError, match="is of type int"):
        find_model("mine.py:model", folder=tmp_path)


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


def test_a_gpu_gets_one_process_and_batches_and_a_core_one_network_at_a_time(monkeypatch):
    network = ei_clustered.network(SMALL)
    assert simulators.batch_size("nest") == 1
    monkeypatch.setattr(simulators, "on_gpu", lambda backend: backend == "genn")
    assert slots_for("genn", network) == 1
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


def test_a_process_that_dies_while_idle_is_replaced_and_no_candidate_lost():
    with Pool(QUICK, SHORT, slots=1) as pool:
        pool.run(candidates(1))
        os.kill(pool.processes[0], signal.SIGKILL)
        time.sleep(0.5)
        assert all(isinstance(outcome.result, Observation) for outcome in pool.run(candidates(1, 1)))


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
    assert affinities(len(mine)) == [mine] * len(mine)
