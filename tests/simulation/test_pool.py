"""The pool: order, failures of candidates, time limits, logs and what is left behind."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import psutil
import pytest

from calibrate.errors import PluginError
from calibrate.models.ei_clustered import ei_clustered
from calibrate.network import find_model
from calibrate.observation import Observation, SimulationFailure
from calibrate.simulation.jobs import Job, Outcome, Timing
from calibrate.simulation.local_pool import Pool
from tests.helpers.networks import SMALL
from tests.helpers.pools import QUICK, SHORT, TREACHEROUS, candidates
from tests.helpers.waiting import wait_until


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
