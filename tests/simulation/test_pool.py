"""The pool: order, failures, and processes that die, hang or are left behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import psutil
import pytest

from calibrate import simulators
from calibrate.errors import PluginError, SimulatorError
from calibrate.models.ei_clustered import ei_clustered
from calibrate.network import find_model
from calibrate.observation import Observation, SimulationFailure
from calibrate.simulation.capacity import pinning, slots_for
from calibrate.simulation.jobs import Job, Outcome, Setup, Timing
from calibrate.simulation.local_pool import Pool
from calibrate.simulation.pool import batched
from calibrate.simulation.slot import Slot, last_error
from calibrate.simulators.backends import BACKENDS
from tests.helpers.cuda_driver import H100, install
from tests.helpers.networks import SMALL
from tests.helpers.waiting import wait_until

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


def candidates(*strengths: float) -> list[Job]:
    return [
        Job(uuid=f"candidate-{number}", parameters={**SMALL, "s": strength}, seed=number)
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
    asked[0] = Job(uuid="bad", parameters={**SMALL, "J_E+": 99.0}, seed=0)
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


def starts(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The processes that slots start from now on."""
    found: list[int] = []
    spawn = Slot._spawn

    def counted(slot: Slot) -> None:
        spawn(slot)
        found.append(slot.pid)

    monkeypatch.setattr(Slot, "_spawn", counted)
    return found


def test_of_a_batch_whose_process_dies_only_the_candidate_that_it_dies_of_fails(treacherous, monkeypatch):
    started = starts(monkeypatch)
    with Pool(replace(treacherous, batch_size=16), SHORT, slots=1) as pool:
        found = pool.run(candidates(*[1] * 5, 13, *[1] * 10))
    failed = [isinstance(outcome.result, SimulationFailure) for outcome in found]
    assert failed == [False] * 5 + [True] + [False] * 10
    assert found[5].result.reason.startswith("the simulator's process died more than once")
    # The first one, one more for every halving, and two tries of the candidate alone.
    assert len(started) == 1 + 4 + 2


def test_of_a_batch_of_several_networks_the_others_outlive_one_that_cannot_be_built(tmp_path):
    setup = doomed(tmp_path, where="Poisson.prepare", how=EXIT)
    plugin = tmp_path / "plugin.py"
    dies_of_one = """def die(self, network, before=poisson.Poisson.prepare, **given):
    if network.n_neurons != 500:
        return before(self, network, **given)"""
    text = plugin.read_text().replace("def die(*_, **__):", dies_of_one)
    plugin.write_text(text)
    asked = candidates(*[1.0] * 4)
    asked[1] = replace(asked[1], parameters={**SMALL, "N_E": 400, "N_I": 100, "N_Q": 2})
    with Pool(setup, SHORT, slots=1) as pool:
        found = pool.run(asked)
        shutil.rmtree(pool.logs[0].parent)
    assert [isinstance(outcome.result, SimulationFailure) for outcome in found] == [False, True, False, False]


def test_of_a_batch_that_dies_whatever_is_left_of_it_the_search_for_the_guilty_ends(treacherous, monkeypatch):
    started = starts(monkeypatch)
    with Pool(replace(treacherous, batch_size=64), SHORT, slots=1) as pool:
        found = pool.run(candidates(*[13] * 64))
    assert all(isinstance(outcome.result, SimulationFailure) for outcome in found)
    assert len(started) <= 1 + 2 + 4 * 6 + 1  # of 2 * 64 for all halves and all alone


DOOMED = """
import os, sys
from calibrate.models.ei_clustered import ei_clustered as model
from calibrate.simulators import poisson

def die(*_, **__):
    print("backend.cc: 387: compiling", file=sys.stderr)
    print("fatal error: curand_kernel.h: No such file", file=sys.stderr)
    print("compilation terminated.", file=sys.stderr, flush=True)
    {how}

poisson.{where} = die
"""
EXIT, KILL = "os._exit(1)", "os.kill(os.getpid(), 9)"


def doomed(folder: Path, *, where: str, how: str) -> Setup:
    """Networks whose back end ends the process somewhere."""
    (folder / "plugin.py").write_text(DOOMED.format(where=where, how=how))
    return Setup(model="plugin.py:model", folder=folder, backend="poisson", batch_size=8)


@pytest.mark.parametrize(
    ("where", "what"),
    [
        ("Poisson.__init__", "it started"),
        ("Poisson.prepare", "it built the network"),
        ("PreparedPoisson.load", "it loaded the network"),
    ],
)
def test_a_back_end_that_ends_its_process_fails_the_batch_once_with_the_cause(
    tmp_path, monkeypatch, where, what
):
    started = starts(monkeypatch)
    with Pool(doomed(tmp_path, where=where, how=EXIT), SHORT, slots=1) as pool:
        found = pool.run(candidates(*[1.0] * 8))
        log = pool.logs[0]
    assert len(started) == 2
    (reason,) = {outcome.result.reason for outcome in found}
    cause = "fatal error: curand_kernel.h: No such file"
    died = f"the simulator's process died while {what}"
    assert reason == f"{died}: {cause} (its output is in {log})"
    assert "compiling" in log.read_text()
    shutil.rmtree(log.parent)


def test_a_process_that_is_killed_while_it_builds_is_tried_once_more(tmp_path, monkeypatch):
    started = starts(monkeypatch)
    with Pool(doomed(tmp_path, where="Poisson.prepare", how=KILL), SHORT, slots=1) as pool:
        found = pool.run(candidates(*[1.0] * 8))
        shutil.rmtree(pool.logs[0].parent)
    assert len(started) == 3
    assert all("died while it built the network" in outcome.result.reason for outcome in found)


def test_an_error_of_cuda_is_no_candidates_fault(tmp_path, monkeypatch):
    setup = doomed(tmp_path, where="PreparedPoisson.advance", how=EXIT)
    plugin = tmp_path / "plugin.py"
    error = "backend.cc: 12: cuda runtime error 700: an illegal memory access was encountered"
    plugin.write_text(plugin.read_text().replace("fatal error: curand_kernel.h: No such file", error))
    started = starts(monkeypatch)
    with Pool(setup, SHORT, slots=1) as pool:
        found = pool.run(candidates(*[1.0] * 8))
        shutil.rmtree(pool.logs[0].parent)
    assert len(started) == 2
    assert all(f"died while it simulated: {error}" in outcome.result.reason for outcome in found)


@pytest.mark.parametrize(
    ("printed", "last"),
    [
        ("", ""),
        ("\n  \n", ""),
        ("one\ntwo\n", ""),
        ("make: *** [neuronUpdate.o] Error 1\nbye\n", "make: *** [neuronUpdate.o] Error 1"),
        ("a.cc:3: Assertion `x' failed.\nAborted\n", "a.cc:3: Assertion `x' failed."),
        (
            "terminate called\n  what():  optimizeBlockSize: NVCC failed\n",
            "what():  optimizeBlockSize: NVCC failed",
        ),
    ],
)
def test_the_last_words_of_a_process_are_its_last_error(printed, last):
    assert last_error(printed) == last


def test_without_a_limit_of_its_own_a_simulation_may_take_many_times_the_slowest_so_far(
    treacherous, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("calibrate.simulation.local_pool.SHORTEST_PATIENCE_S", 3.0)
    with Pool(treacherous, SHORT, slots=1) as pool:
        (quick,) = pool.run(candidates(1))
        (hung,) = pool.run(candidates(14))
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
    brief = Timing(warmup_ms=0.0, duration_ms=50.0)
    asked = [
        Job(uuid=uuid, parameters=SMALL, seed=1, realisation=graph, timing=brief)
        for uuid in ("a", "b")
        for graph in (2, 0)
    ]
    with Pool(QUICK, SHORT, slots=2) as pool:
        found = pool.run(asked)
    assert [outcome.key[:2] for outcome in found] == [("a", 2), ("a", 0), ("b", 2), ("b", 0)]
    results = [outcome.result for outcome in found]
    assert all(isinstance(result, Observation) and result.duration_ms == 50.0 for result in results)
    assert (results[0].neuron_totals == results[2].neuron_totals).all()
    assert (results[0].neuron_totals != results[1].neuron_totals).any()


def test_a_simulation_that_takes_too_long_is_stopped(treacherous):
    with Pool(treacherous, SHORT, slots=1, timeout_s=10) as pool:
        slow, quick = pool.run(candidates(14, 1))
    assert isinstance(slow.result, SimulationFailure)
    assert "longer than 10 s" in slow.result.reason
    assert isinstance(quick.result, Observation)


def test_pauses_do_not_count_as_time_of_a_batch(monkeypatch):
    """To start a process and to simulate takes longer than 10 ms, here all of it during a pause."""
    pauses = iter([0.0, 3600.0])
    monkeypatch.setattr("calibrate.simulation.slot.running_s", lambda: 0.0)
    monkeypatch.setattr("calibrate.simulation.slot.paused_s", lambda: next(pauses))
    with Pool(QUICK, SHORT, slots=1, timeout_s=0.01) as pool:
        (outcome,) = pool.run(candidates(1))
    assert isinstance(outcome.result, Observation)
    assert outcome.wall_s == 0.0


def test_an_error_in_a_plug_in_is_a_failure_with_its_reason(treacherous):
    with Pool(treacherous, SHORT, slots=1) as pool:
        broken, good = pool.run(candidates(15, 1))
    assert broken.result == SimulationFailure(
        "model plugin.py:model raised RuntimeError: the plug-in is broken"
    )
    assert isinstance(good.result, Observation)


def test_what_simulators_print_goes_to_the_log(treacherous, capfd):
    with Pool(treacherous, SHORT, slots=1) as pool:
        pool.run(candidates(1))
        (log,) = pool.logs
        assert "must not reach" in log.read_text()
    assert not log.parent.exists()
    assert "must not reach" not in "".join(capfd.readouterr())


def test_processes_end_with_their_parent(tmp_path):
    (tmp_path / "plugin.py").write_text(TREACHEROUS)
    script = textwrap.dedent(
        f"""
        from pathlib import Path
        from calibrate.simulation.local_pool import Pool
        from calibrate.simulation.jobs import Job, Setup, Timing
        if __name__ == "__main__":
            setup = Setup(model="plugin.py:model", folder=Path({str(tmp_path)!r}), backend="poisson")
            with Pool(setup, Timing(warmup_ms=10.0, duration_ms=100.0), slots=2) as pool:
                quick = [Job(uuid=str(k), parameters={SMALL!r}, seed=k) for k in range(2)]
                pool.run(quick)
                print(*pool.processes, flush=True)
                pool.run([Job(uuid="x", parameters={{**{SMALL!r}, "s": 14.0}}, seed=1)])
        """
    )
    (tmp_path / "script.py").write_text(script)
    parent = subprocess.Popen([sys.executable, tmp_path / "script.py"], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    children = [int(pid) for pid in parent.stdout.readline().split()]
    assert len(children) == 2
    parent.kill()
    parent.wait()
    wait_until(lambda: not any(map(_alive, children)), "the end of the processes")


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
    install(monkeypatch, H100)
    assert affinities(len(mine)) == [mine] * len(mine)


# --- GPUs ---------------------------------------------------------------------------------------------

SHARED = """
import os, time
from calibrate.models.ei_clustered import ei_clustered as model
from calibrate.simulators import poisson

def log(what):
    print(what, os.environ["CUDA_VISIBLE_DEVICES"], time.monotonic(), flush=True)

def load(self, *given, before=poisson.PreparedPoisson.load):
    log("load")
    before(self, *given)

def observe(self, before=poisson.PreparedPoisson.observe):
    log("observe")
    time.sleep(0.2)
    return before(self)

def advance(self, duration_ms, before=poisson.PreparedPoisson.advance):
    time.sleep(0.1)
    before(self, duration_ms)
    log("advanced")

poisson.PreparedPoisson.load = load
poisson.PreparedPoisson.observe = observe
poisson.PreparedPoisson.advance = advance
"""


@pytest.fixture
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Setup:
    """Networks whose processes tell when they are on their GPU; in batches of two."""
    (tmp_path / "plugin.py").write_text(SHARED)
    monkeypatch.setattr(simulators, "on_gpu", lambda _: True)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return Setup(model="plugin.py:model", folder=tmp_path, backend="poisson", batch_size=2)


def told(pool: Pool) -> list[list[tuple[str, str, float]]]:
    """What each slot's process told: what it did, on which GPU, when."""
    lines = [[line.split() for line in log.read_text().splitlines()] for log in pool.logs]
    return [[(what, gpu, float(when)) for what, gpu, when in found] for found in lines]


def test_processes_that_share_a_gpu_simulate_by_turns_and_observe_meanwhile(shared, monkeypatch):
    install(monkeypatch, H100)
    with Pool(shared, SHORT, slots=2) as pool:
        outcomes = pool.run(candidates(*[1.0] * 12))
        found = told(pool)
    assert all(isinstance(outcome.result, Observation) for outcome in outcomes)
    # Waiting for the other is no time of a simulation: of six turns in a row, each knows only its own.
    loads = [[when for what, _, when in slot if what == "load"] for slot in found]
    ends = [[when for what, _, when in slot if what == "advanced"][1::2] for slot in found]
    spans = sorted(
        (*pair, number) for number in (0, 1) for pair in zip(loads[number], ends[number], strict=True)
    )
    assert len(spans) == 6
    whole_s = spans[-1][1] - spans[0][0]
    assert all(outcome.wall_s < whole_s / 2 for outcome in outcomes)
    assert all(end <= start for (_, end, _), (start, _, _) in pairwise(spans))
    # While one observes the other has its turn.
    observes = [[when for what, _, when in slot if what == "observe"] for slot in found]
    assert any(
        start <= when + 0.2 and end >= when for start, end, number in spans for when in observes[1 - number]
    )


def test_fewer_processes_than_gpus_get_whole_batches(shared, monkeypatch):
    install(monkeypatch, *[H100] * 4)
    with Pool(replace(shared, batch_size=8), SHORT, slots=1) as pool:
        pool.run(candidates(*[1.0] * 8))
        found = told(pool)
    assert [what for what, _, _ in found[0]].count("load") == 1


def test_what_a_killed_process_leaves_in_temporary_folders_is_removed(shared, monkeypatch):
    install(monkeypatch, H100)
    plugin = shared.folder / "plugin.py"
    plugin.write_text(
        plugin.read_text() + "\nimport tempfile\nprint('left', tempfile.mkdtemp(), 0, flush=True)\n"
    )
    with Pool(shared, SHORT, slots=1) as pool:
        pool.run(candidates(1.0))
        left = Path(pool.logs[0].read_text().split()[1])
        assert left.exists()
        pool.keeps_logs = True
        logs = pool.logs
    assert not left.exists()
    assert logs[0].exists()
    shutil.rmtree(logs[0].parent)


def test_every_gpu_has_processes_of_its_own(shared, monkeypatch):
    install(monkeypatch, H100, H100)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-a, GPU-b")
    with Pool(shared, SHORT, slots=3) as pool:
        pool.run(candidates(*[1.0] * 12))
        found = told(pool)
    assert [{gpu for _, gpu, _ in slot} for slot in found] == [{"GPU-a"}, {"GPU-b"}, {"GPU-a"}]
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    with Pool(shared, SHORT, slots=2) as pool:
        pool.run(candidates(*[1.0] * 8))
        found = told(pool)
    assert [{gpu for _, gpu, _ in slot} for slot in found] == [{"0"}, {"1"}]


def test_to_wait_for_a_turn_does_not_count_as_time_of_a_batch(shared, monkeypatch):
    install(monkeypatch, H100)
    plugin = shared.folder / "plugin.py"
    plugin.write_text(plugin.read_text().replace("time.sleep(0.1)", "time.sleep(0.4)"))
    with Pool(shared, SHORT, slots=6, timeout_s=60.0) as pool:
        pool.run(candidates(*[1.0] * 12))  # they have begun
        pool._timeout_s = 3.0  # a batch takes 1 s, and the last one has waited for five turns of 0.8 s
        outcomes = pool.run(candidates(*[1.0] * 12))
    assert [outcome.result for outcome in outcomes if isinstance(outcome.result, SimulationFailure)] == []


def test_batches_are_spread_over_devices_not_over_the_processes_that_share_them():
    asked = candidates(*[1.0] * 10)
    assert [len(batch) for batch in batched(asked, batch_size=8, devices=1)] == [8, 2]
    assert [len(batch) for batch in batched(asked, batch_size=8, devices=2)] == [5, 5]
