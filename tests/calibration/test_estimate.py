"""What a study is said to cost: memory, and time from simulating a little of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from calibrate.calibration.resources import estimate as cost
from calibrate.calibration.resources.estimate import estimate
from calibrate.observation import SimulationFailure
from calibrate.simulation import probe
from calibrate.simulation.jobs import Job, Outcome, Timing
from tests.helpers.studies import small_study

STAGE = {
    "constraints": [{"statistic": "rate_E", "max": 60.0}],
    "stages": [{"duration_ms": 400, "warmup_ms": 100}],
}
GRAPHS = {"replicates": {"graphs": 3, "fresh": 4}}


class Clock:
    """A pool that says how long its simulations took: 1 s for 1000 ms, and 2 s for building."""

    def __init__(self, _setup: Any, _timing: Timing, *, slots: int, timeout_s: float) -> None:
        assert timeout_s > 0
        self.slots = slots

    def __enter__(self) -> Clock:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def run(self, candidates: Sequence[Job], *, timing: Timing) -> list[Outcome]:
        assert timing.warmup_ms == 0.0
        wall_s = timing.duration_ms / 1000
        return [
            Outcome(uuid=c.uuid, result=None, wall_s=wall_s, build_s=2.0)  # type: ignore[arg-type]
            for c in candidates
        ]


@pytest.fixture
def _clock(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(probe, "Pool", Clock)
    slots: Callable[..., int] = lambda *_: 2  # noqa: E731
    monkeypatch.setattr(cost, "slots_for", slots)


@pytest.mark.usefixtures("_clock")
def test_a_trial_costs_its_warm_up_and_its_measurement(tmp_path):
    found = estimate(small_study(tmp_path, simulation={"warmup_ms": 500.0}))
    assert found.trial_s == pytest.approx(2.5)
    assert found.total_s == pytest.approx(2 + 4 * 2.5)  # 8 trials on 2 slots
    assert (found.build_s, found.slots, found.batch_size) == (2.0, 2, 1)


@pytest.mark.usefixtures("_clock")
def test_a_trial_costs_all_its_stages_and_graphs_and_the_end_its_fresh_graphs(tmp_path):
    found = estimate(small_study(tmp_path, STAGE, GRAPHS))
    assert found.trial_s == pytest.approx(0.5 + 3 * 2)
    assert found.total_s == pytest.approx(2 + 4 * 6.5 + 2 * 2)  # 4 fresh graphs on 2 slots


@pytest.mark.usefixtures("_clock")
def test_the_total_is_not_known_where_no_number_of_trials_is_given(tmp_path):
    found = estimate(small_study(tmp_path, budget={"trials": None, "plateau": 8}))
    assert found.trial_s == pytest.approx(2.0)
    assert found.total_s is None


def test_a_cost_without_times_simulates_nothing(tmp_path, monkeypatch):
    monkeypatch.delattr(probe, "Pool")
    found = estimate(small_study(tmp_path), timed=False)
    assert (found.neurons, found.synapses, found.memory_bytes) == (50, 0, 150e6)
    assert (found.build_s, found.trial_s, found.total_s, found.note) == (None, None, None, "")


@pytest.mark.usefixtures("_clock")
def test_a_network_that_cannot_be_simulated_has_no_time_and_a_note_why(tmp_path, monkeypatch):
    def fails(_: Clock, candidates: Sequence[Job], **_timing: Any) -> list[Outcome]:
        return [Outcome(uuid=c.uuid, result=SimulationFailure("it broke")) for c in candidates]

    monkeypatch.setattr(Clock, "run", fails)
    found = estimate(small_study(tmp_path))
    assert (found.trial_s, found.total_s) == (None, None)
    assert found.note == "the time is unknown: it broke"
