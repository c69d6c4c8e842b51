"""Processes that share GPUs: they take turns, and none counts its waiting."""

from __future__ import annotations

import shutil
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from calibrate import simulators
from calibrate.observation import Observation, SimulationFailure
from calibrate.simulation.jobs import Setup
from calibrate.simulation.local_pool import Pool
from tests.helpers.cuda_driver import H100, install
from tests.helpers.pools import SHORT, candidates

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
