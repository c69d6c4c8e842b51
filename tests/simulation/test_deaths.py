"""Processes that die: replaced, their batch tried again in parts, the guilty found, the cause said."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from calibrate.observation import Observation, SimulationFailure
from calibrate.simulation.jobs import Setup
from calibrate.simulation.local_pool import Pool
from calibrate.simulation.slot import last_error
from tests.helpers.networks import SMALL
from tests.helpers.pools import QUICK, SHORT, candidates, starts


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


@pytest.mark.slow
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


def test_a_process_that_dies_while_it_sends_its_result_is_replaced(treacherous):
    with Pool(treacherous, SHORT, slots=1) as pool:
        dead, alive = pool.run(candidates(16, 1))
    assert isinstance(dead.result, SimulationFailure)
    assert "process died" in dead.result.reason
    assert isinstance(alive.result, Observation)


def test_a_process_that_dies_while_idle_is_replaced_and_no_candidate_lost():
    with Pool(QUICK, SHORT, slots=1) as pool:
        pool.run(candidates(1))
        os.kill(pool.processes[0], signal.SIGKILL)
        time.sleep(0.5)
        assert all(isinstance(outcome.result, Observation) for outcome in pool.run(candidates(1, 1)))
