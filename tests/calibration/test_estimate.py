"""What a study is said to cost: memory, and time from simulating a little of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from calibrate.calibration.resources import estimate as cost
from calibrate.calibration.resources.estimate import estimate
from calibrate.calibration.study_pool import setup_of
from calibrate.objective import Estimate
from calibrate.objective.panel import Evaluation
from calibrate.observation import SimulationFailure
from calibrate.simulation import probe
from calibrate.simulation.jobs import Job, Outcome, Timing, outcome_of
from calibrate.simulators.base import RecordingPlan
from tests.helpers.studies import RATE_E, small_study

STAGE = {
    "constraints": [{"statistic": "rate_E", "max": 60.0}],
    "stages": [{"duration_ms": 400, "warmup_ms": 100}],
}
GRAPHS = {"replicates": {"graphs": 3, "fresh": 4}}
NO = Estimate(float("nan"))


class Clock:
    """A pool that says how long its simulations took.

    1 s for 1000 ms, 0.25 s for each simulation whatever its length, 5 s for building and 3 s for the first
    graph, 0.5 s for another graph.
    """

    def __init__(self, _setup: Any, _timing: Timing, *, slots: int, timeout_s: float | None) -> None:
        assert timeout_s is None or timeout_s > 0
        self.slots = slots
        self.graph: int | None = None

    def __enter__(self) -> Clock:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def run(self, candidates: Sequence[Job]) -> list[Outcome]:
        return [self._run(job) for job in candidates]

    def _run(self, job: Job) -> Outcome:
        assert job.timing is not None
        wall_s = job.timing.whole_ms / 1000 + 0.15
        wall_s += 3.0 if self.graph is None else 0.5 if self.graph != job.realisation else 0.0
        build_s = 5.0 if self.graph is None else 0.0
        self.graph = job.realisation
        evaluation = Evaluation(estimates={"rate_E": Estimate(1.0 + job.realisation), "rate_I": NO})
        return outcome_of(
            job,
            result=None,  # type: ignore[arg-type]
            evaluation=evaluation,
            wall_s=wall_s,
            build_s=build_s,
            scoring_s=0.1,
        )


@pytest.fixture
def _clock(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(probe, "Pool", Clock)
    slots: Callable[..., int] = lambda *_: 2  # noqa: E731
    monkeypatch.setattr(cost, "slots_for", slots)


@pytest.mark.usefixtures("_clock")
def test_a_trial_costs_all_conditions_of_the_search_and_the_noise_is_measured_in_all(tmp_path):
    conditions = [{"name": "a"}, {"name": "b", "duration_ms": 1000}, {"name": "c", "held_out": True}]
    objectives = [
        {**RATE_E, "condition": "a"},
        {**RATE_E, "condition": "c"},
        {"difference": ["b", "a"], "statistic": "rate_E", "target": 0.0, "tolerance": 1.0},
    ]
    study = small_study(tmp_path, conditions=conditions, objectives=objectives)
    found = estimate(study, graphs=4)
    assert found.trial_s == pytest.approx(2.25 + 1.25)
    assert [one.name for one in found.noise] == ["a.rate_E", "c.rate_E", "b-a.rate_E"]
    assert [one.sd for one in found.noise][2] == 0  # the same on every graph in both


@pytest.mark.usefixtures("_clock")
def test_a_trial_costs_its_warm_up_its_measurement_and_its_loading_but_not_the_building(tmp_path):
    found = estimate(small_study(tmp_path, simulation={"warmup_ms": 500.0}))
    assert found.trial_s == pytest.approx(2.5 + 0.25)
    assert found.total_s == pytest.approx(8 + 4 * 2.75)  # 8 trials on 2 slots
    assert (found.slots, found.batch_size) == (2, 1)
    assert found.build_s == pytest.approx(8.0)


@pytest.mark.usefixtures("_clock")
def test_a_trial_costs_all_its_stages_and_graphs_and_the_end_its_fresh_graphs(tmp_path):
    found = estimate(small_study(tmp_path, STAGE, GRAPHS))
    each = 2 + 0.25 + 0.5
    assert found.trial_s == pytest.approx(0.5 + 0.25 + 3 * each)
    assert found.total_s == pytest.approx(8 + 4 * (0.75 + 3 * each) + 2 * each)  # 4 fresh graphs on 2 slots


@pytest.mark.usefixtures("_clock")
@pytest.mark.parametrize(
    ("confirm", "batches"),
    [(0, None), (1, (1, 1)), (4, (2, 2)), ({"least": 3, "most": 10}, (2, 5))],
)
def test_confirming_a_candidate_takes_batches_of_its_further_graphs(tmp_path, confirm, batches):
    found = estimate(small_study(tmp_path, replicates={"confirm": confirm}))
    each = 2 + 0.25 + 0.5  # on 2 slots
    assert found.confirm_s == (batches and pytest.approx(tuple(each * n for n in batches)))


@pytest.mark.usefixtures("_clock")
def test_the_noise_is_measured_on_as_many_graphs_as_a_minute_allows(tmp_path):
    said: list[str] = []
    found = estimate(small_study(tmp_path), say=said.append)
    (noise,) = found.noise  # rate_I is undefined
    assert (noise.name, noise.mean, noise.graphs) == ("rate_E", 4.5, 8)
    assert noise.sd == pytest.approx(6**0.5)  # of 1 to 8
    assert said == ["Measuring the noise of a trial on 8 graphs: about 11 s."]
    longer = small_study(tmp_path, simulation={"duration_ms": 20_000.0})
    assert [one.graphs for one in estimate(longer).noise] == [4]
    longest = small_study(tmp_path, simulation={"duration_ms": 40_000.0})
    assert estimate(longest).noise == ()
    assert estimate(longest).noise_note == "not measured: 4 graphs take about 82 s (--graphs 4)"
    assert [one.graphs for one in estimate(longest, graphs=3).noise] == [3]


@pytest.mark.usefixtures("_clock")
def test_the_total_is_not_known_where_no_number_of_trials_is_given(tmp_path):
    found = estimate(small_study(tmp_path, budget={"trials": None, "plateau": 8}))
    assert found.trial_s == pytest.approx(2.25)
    assert found.total_s is None


def test_a_cost_without_times_simulates_nothing(tmp_path, monkeypatch):
    monkeypatch.delattr(probe, "Pool")
    found = estimate(small_study(tmp_path), timed=False)
    assert (found.neurons, found.synapses, found.memory_bytes) == (50, 0, 150e6)
    assert (found.build_s, found.trial_s, found.total_s, found.note) == (None, None, None, "")


@pytest.mark.usefixtures("_clock")
def test_a_network_that_cannot_be_simulated_has_no_time_and_a_note_why(tmp_path, monkeypatch):
    def fails(_: Clock, candidates: Sequence[Job]) -> list[Outcome]:
        return [Outcome(uuid=c.uuid, result=SimulationFailure("it broke")) for c in candidates]

    monkeypatch.setattr(Clock, "run", fails)
    found = estimate(small_study(tmp_path))
    assert (found.trial_s, found.total_s) == (None, None)
    assert found.note == "the time is unknown: it broke"


def test_a_probe_lasts_whole_bins_and_whole_intervals_of_a_closed_loop(tmp_path):
    study = small_study(tmp_path)
    setup = replace(setup_of(study), recording=RecordingPlan(bin_ms=4.0))
    assert probe.Probe(setup, {}).whole(617.0) == 616.0
    looped = replace(setup, loop=SimpleNamespace(interval_ms=10.0))  # type: ignore[arg-type]
    assert probe.Probe(looped, {}).whole(617.0) == 620.0
    assert probe.Probe(looped, {}).whole(1.0) == 20.0
