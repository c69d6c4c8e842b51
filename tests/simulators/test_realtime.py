"""The closed loop against the clock: networks that are late, and the deadline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calibrate.simulators import create
from calibrate.simulators.base import Member, RecordingPlan
from calibrate.simulators.closed_loop import Loop, realtime, run_loop
from tests.helpers.closed_loop import ENVIRONMENT, GYMNASIUM
from tests.helpers.studies import small_study


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "world.py").write_text(ENVIRONMENT)
    (tmp_path / "gym_world.py").write_text(GYMNASIUM)


class Slow:
    """A network that takes its time: `late_ms` more than the interval, in some intervals."""

    def __init__(self, prepared: Any, late: dict[int, float]) -> None:
        self._prepared, self._late, self._n = prepared, late, 0
        self.now = 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._prepared, name)

    def advance(self, duration_ms: float) -> None:
        self._prepared.advance(duration_ms)
        self.sleep(self._late.get(self._n, 0.0) / 1000)
        self._n += 1

    def perf_counter(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def clocked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, deadline: Any, late: dict[int, float]
) -> tuple[Any, Any, float]:
    """A run by a clock of its own, the environment, and the time that passed (s)."""
    study = small_study(tmp_path)
    one = Member(values=study.model.values(study.network, study.parameters({})), seed=1)
    loop = Loop(environment="world.py:Recorder", folder=tmp_path, interval_ms=40.0, output="counts")
    with create("poisson", dt_ms=1.0, precision="single").prepare(
        study.network, batch_size=1, recording=RecordingPlan(), wiring_seed=0
    ) as prepared:
        slow = Slow(prepared, late)
        monkeypatch.setattr(realtime, "time", slow)
        found = run_loop(
            slow,  # type: ignore[arg-type]
            one,
            loop=loop,
            realisation=0,
            warmup_ms=0.0,
            intervals=8,
            deadline=deadline,
        )
    return found, loop.made().__class__.made[-2], slow.now


def test_the_environment_waits_for_a_late_network(monkeypatch, tmp_path):
    found, world, _ = clocked(monkeypatch, tmp_path, "wait", {2: 100.0})
    assert found.missed == 0
    assert len(world.actions) == 8
    of = found.latencies.summary()
    assert (of["max_ms"], of["median_ms"]) == (pytest.approx(100.0), 0.0)
    assert of["realtime_share"] == 7 / 8


@pytest.mark.parametrize("deadline", ["hold", "skip"])
def test_by_the_clock_the_environment_goes_on_without_a_late_network(monkeypatch, tmp_path, deadline):
    found, world, _ = clocked(monkeypatch, tmp_path, deadline, {2: 150.0})
    # It is ready 150 ms after the second tick (at 80 ms): those at 120, 160 and 200 ms found nothing.
    assert found.missed == 3
    assert len(world.actions) == 8 + 3
    last, stood_in, late = world.actions[1], world.actions[2:5], world.actions[5]
    assert not np.array_equal(last, late)
    for action in stood_in:  # a device has not got what the late network will say
        assert np.array_equal(action, last if deadline == "hold" else np.zeros(2))
    assert late.sum() > 0


def test_a_network_that_is_late_at_once_has_no_activity_to_hold(monkeypatch, tmp_path):
    found, world, _ = clocked(monkeypatch, tmp_path, "hold", {0: 50.0})
    assert found.missed == 1
    assert not world.actions[0].any()
    assert world.actions[1].any()


def test_by_the_clock_it_goes_no_faster_than_the_clock(monkeypatch, tmp_path):
    _, _, passed_s = clocked(monkeypatch, tmp_path, "hold", {})
    assert passed_s == pytest.approx(0.32)
