"""Stages and constraints: short simulations turn candidates away, the others go on together, none twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import FrozenTrial

from calibrate.calibration.loop import run
from calibrate.calibration.progress import Progress
from calibrate.calibration.result import Result
from calibrate.calibration.trials.score import INFEASIBLE
from calibrate.simulation.jobs import Job, Outcome, Timing
from calibrate.study import Study
from calibrate.study.graph_numbers import Purpose
from tests.helpers.in_memory import Dies, RateBench, Shelf, doubled
from tests.helpers.studies import CONSTRAINT, STAGE, Tables, small_study

SHORT, FULL = 500.0, 2000.0
RANDOM, TPE, BO = {"name": "random"}, {"name": "tpe", "startup": 6}, {"name": "bo", "startup": 6}


def staged(
    folder: Path,
    *,
    constraints: Sequence[Tables] = (CONSTRAINT,),
    stages: Sequence[Tables] = (STAGE,),
    sampler: Tables = RANDOM,
    **budget: float,
) -> Study:
    return small_study(
        folder,
        constraints=list(constraints),
        stages=list(stages) or None,
        sampler=sampler,
        budget={"trials": 30} | budget,
    )


class Batches(RateBench):
    """A bench that notes what it simulated together."""

    measured = (*RateBench.measured, "cv_E")

    def __init__(self, fail: Callable[[Job], bool] = lambda _: False) -> None:
        super().__init__(fail)
        self.batches: list[tuple[Timing, list[str]]] = []

    def run(
        self,
        candidates: Sequence[Job],
        *,
        progress: Callable[[Outcome], None] = lambda _: None,
    ) -> list[Outcome]:
        (timing,) = {candidate.timing for candidate in candidates}
        assert timing is not None
        self.batches.append((timing, [candidate.uuid for candidate in candidates]))
        return super().run(candidates, progress=progress)

    def of(self, duration_ms: float) -> list[list[str]]:
        return [uuids for timing, uuids in self.batches if timing.duration_ms == duration_ms]


def uuids(trials: Sequence[FrozenTrial]) -> list[str]:
    return [trial.user_attrs["uuid"] for trial in trials]


def story(shelf: Shelf) -> list[tuple[Any, ...]]:
    """What the trials are, without what differs from run to run."""
    return [(trial.number, trial.user_attrs["index"], trial.params, trial.value) for trial in shelf.trials]


def in_pieces(study: Study, after: int) -> tuple[Shelf, RateBench]:
    """A run that is interrupted after so many simulations, and its second part."""
    shelf = Shelf()
    first = run(study, pool=RateBench(), store=shelf, interrupted=lambda: len(shelf.kept) >= after)
    assert first.stopped == "interrupted"
    bench = RateBench()
    run(study, pool=bench, store=shelf)
    return shelf, bench


def test_a_candidate_that_breaks_a_constraint_is_told_after_the_short_simulation(tmp_path):
    shelf, pool = Shelf(), Batches()
    result = run(staged(tmp_path), pool=pool, store=shelf)
    rejected = [trial for trial in shelf.trials if not trial.user_attrs["feasible"]]
    passed = [trial for trial in shelf.trials if trial.user_attrs["feasible"]]
    assert rejected
    assert passed
    assert result.infeasible == len(rejected)
    assert all(trial.user_attrs["rate_E"] > 10 for trial in rejected)
    assert all(trial.user_attrs["rate_E"] <= 10 for trial in passed)
    assert {uuid for batch in pool.of(FULL) for uuid in batch} == set(uuids(passed))
    assert {uuid for batch in pool.of(SHORT) for uuid in batch} == set(uuids(shelf.trials))
    assert {(trial.user_attrs["stage"], trial.user_attrs["graphs"]) for trial in rejected} == {(1, 1)}
    assert {(trial.user_attrs["stage"], trial.user_attrs["graphs"]) for trial in passed} == {(2, 1)}


def test_a_candidate_that_breaks_a_constraint_is_worse_than_all_that_do_not_and_by_how_much(tmp_path):
    shelf = Shelf()
    run(staged(tmp_path, trials=40), pool=RateBench(), store=shelf)
    rejected = [trial for trial in shelf.trials if not trial.user_attrs["feasible"]]
    passed = [trial for trial in shelf.trials if trial.user_attrs["feasible"]]
    assert max(trial.value for trial in passed) < INFEASIBLE <= min(trial.value for trial in rejected)
    assert all(trial.constraints == {"rate_E": 0.0} for trial in passed)
    by_rate = sorted(rejected, key=lambda trial: trial.user_attrs["rate_E"])
    violations = [trial.constraints["rate_E"] for trial in by_rate]
    assert violations == sorted(violations)
    assert 0 < violations[0] < violations[-1] < 1
    losses = [trial.value for trial in by_rate]
    assert losses == sorted(losses)


def test_survivors_are_simulated_in_full_batches_at_full_length_from_the_beginning(tmp_path):
    shelf, pool = Shelf(), Batches()
    study = staged(tmp_path)
    run(study, pool=pool, store=shelf)
    short, full = study.stages
    assert (short.warmup_ms, short.duration_ms) == (100, SHORT)
    assert (full.warmup_ms, full.duration_ms) == (0, FULL)
    assert {timing for timing, _ in pool.batches} == {short, full}
    sizes = [len(batch) for batch in pool.of(FULL)]
    assert set(sizes[:-1]) == {4}
    assert 1 <= sizes[-1] <= 4
    kept = {(k.stage, k.duration_ms) for k in shelf.kept}
    assert kept == {(1, SHORT), (2, FULL)}
    seeds = {k.uuid: k.seed for k in shelf.kept if k.stage == 1}
    assert all(k.seed == seeds[k.uuid] for k in shelf.kept)


@pytest.mark.parametrize("trials", [1, 4, 11, 30])
def test_the_budget_is_used_exactly(tmp_path, trials):
    shelf, pool = Shelf(), Batches()
    result = run(staged(tmp_path, trials=trials), pool=pool, store=shelf)
    assert (result.stopped, result.complete, result.added) == ("trials", trials, trials)
    assert [trial.number for trial in shelf.trials] == list(range(trials))
    assert sorted(trial.user_attrs["index"] for trial in shelf.trials) == list(range(trials))
    assert sum(map(len, pool.of(SHORT))) == trials
    assert doubled(shelf) == []


def test_rejected_and_surviving_candidates_are_each_told_in_the_order_they_were_asked(tmp_path):
    shelf, pool = Shelf(), Batches()
    run(staged(tmp_path), pool=pool, store=shelf)
    for feasible in (False, True):
        told = [t.user_attrs["index"] for t in shelf.trials if t.user_attrs["feasible"] == feasible]
        assert told == sorted(told)
    # Nobody is told before the simulations that decide on it: rejected ones with their short batch.
    place = {uuid: number for number, uuid in enumerate(uuids(shelf.trials))}
    for batch in pool.of(FULL):
        places = [place[uuid] for uuid in batch]
        assert places == list(range(places[0], places[0] + len(places)))


def test_progress_says_what_is_simulated_and_never_more_than_the_budget(tmp_path):
    seen: list[Progress] = []
    run(staged(tmp_path), pool=RateBench(), store=Shelf(), progress=seen.append)
    assert {progress.doing for progress in seen if progress.batch} == {Purpose.SCREENING, Purpose.SEARCH}
    done = [progress.done for progress in seen]
    assert done == sorted(done)
    assert done[-1] == 30


@pytest.mark.parametrize("sampler", [RANDOM, TPE, BO], ids=["random", "tpe", "bo"])
@pytest.mark.parametrize("after", [4, 12, 28])
def test_a_run_that_is_interrupted_between_stages_goes_on_as_if_it_had_not_been(tmp_path, sampler, after):
    study, unbroken = staged(tmp_path, sampler=sampler), Shelf()
    run(study, pool=RateBench(), store=unbroken)
    shelf, _ = in_pieces(study, after)
    assert story(shelf) == story(unbroken)
    assert doubled(shelf) == []


def test_what_was_screened_before_an_interruption_is_not_screened_again(tmp_path):
    shelf, bench = in_pieces(staged(tmp_path), after=4)
    first = {kept.uuid for kept in shelf.kept[:4]}
    assert {kept.stage for kept in shelf.kept[:4]} == {1}
    again = [c.uuid for c, t in zip(bench.asked, bench.timings, strict=True) if t.duration_ms == SHORT]
    assert not first & set(again)
    survived = [t for t in shelf.trials if t.user_attrs["uuid"] in first and t.user_attrs["stage"] == 2]
    assert survived
    assert len(shelf.trials) == 30


def test_survivors_that_wait_at_an_interruption_are_told_even_if_the_budget_is_smaller_now(tmp_path):
    shelf = Shelf()
    run(staged(tmp_path), pool=RateBench(), store=shelf, interrupted=lambda: len(shelf.kept) >= 4)
    waiting = {kept.uuid for kept in shelf.kept} - set(uuids(shelf.trials))
    assert waiting
    result = run(staged(tmp_path, trials=1), pool=RateBench(), store=shelf)
    assert result.stopped == "trials"
    assert len(shelf.trials) == 4
    assert waiting < set(uuids(shelf.trials))


@pytest.mark.parametrize("after", [1, 3, 6, 13, 17, 22])
def test_a_run_that_is_killed_in_any_stage_loses_and_doubles_nothing(tmp_path, after):
    study, shelf = staged(tmp_path, trials=20), Dies(after)
    with pytest.raises(KeyboardInterrupt):
        run(study, pool=RateBench(), store=shelf)
    before = {kept.uuid for kept in shelf.kept}
    shelf.after = -1
    result = run(study, pool=RateBench(), store=shelf)
    assert result.complete == 20
    assert before <= set(uuids(shelf.trials))
    assert sorted(trial.user_attrs["index"] for trial in shelf.trials) == list(range(20))
    assert doubled(shelf) == []


def test_a_network_that_fails_in_the_short_stage_has_failed(tmp_path):
    shelf, pool = Shelf(), Batches(fail=lambda candidate: candidate.parameters["I_I"] > 3)
    result = run(staged(tmp_path), pool=pool, store=shelf)
    failed = [trial for trial in shelf.trials if trial.value is None]
    assert 0 < result.failed == len(failed) < 30
    assert {trial.user_attrs["reason"] for trial in failed} == {"it broke"}
    assert all(trial.constraints == {} for trial in failed)
    assert not {uuid for batch in pool.of(FULL) for uuid in batch} & set(uuids(failed))
    assert (result.complete + result.failed, result.infeasible) == (
        30,
        sum(not trial.user_attrs.get("feasible", True) for trial in shelf.trials),
    )


def test_many_failures_end_no_run_in_which_networks_pass_the_short_stage(tmp_path):
    class Wide(Batches):
        capacity = 40

    seen = Counter[str]()

    def fail(candidate: Job) -> bool:
        seen[candidate.uuid] += 1
        return seen[candidate.uuid] == 1 and len(seen) % 4 != 0  # three of four

    study = staged(tmp_path, trials=200, constraints=[CONSTRAINT | {"max": 1000.0}])
    result = run(study, pool=Wide(fail), store=Shelf())
    assert (result.complete, result.failed) == (50, 150)


def test_a_constraint_that_a_second_cannot_judge_is_judged_after_the_full_simulation(tmp_path):
    regular = {"statistic": "cv_E", "min": 0.5}  # the bench fires regularly
    shelf, pool = Shelf(), Batches()
    result = run(staged(tmp_path, constraints=[CONSTRAINT, regular]), pool=pool, store=shelf)
    assert result.best is None
    assert result.infeasible == 30
    late = [trial for trial in shelf.trials if trial.user_attrs["stage"] == 2]
    assert late
    assert {uuid for batch in pool.of(FULL) for uuid in batch} == set(uuids(late))
    assert all(trial.constraints["rate_E"] == 0 < trial.constraints["cv_E"] for trial in late)
    early = [trial for trial in shelf.trials if trial.user_attrs["stage"] == 1]
    assert all(trial.constraints["cv_E"] == 0 < trial.constraints["rate_E"] for trial in early)


def test_three_stages_follow_one_another(tmp_path):
    shelf, pool = Shelf(), Batches()
    study = staged(tmp_path, stages=[STAGE, {"duration_ms": 1000}])
    run(study, pool=pool, store=shelf)
    assert [timing.duration_ms for timing in study.stages] == [SHORT, 1000, FULL]
    for trial in shelf.trials:
        own = [kept.stage for kept in shelf.kept if kept.uuid == trial.user_attrs["uuid"]]
        assert own == ([1, 2, 3] if trial.user_attrs["feasible"] else [1])
    for length in (1000, FULL):
        assert set(map(len, pool.of(length)[:-1])) <= {4}
    resumed, _ = in_pieces(study, after=10)
    assert story(resumed) == story(shelf)


def test_several_graphs_and_further_ones_are_for_the_last_stage_only(tmp_path):
    shelf = Shelf()
    study = small_study(
        tmp_path,
        constraints=[CONSTRAINT],
        stages=[STAGE],
        replicates={"graphs": 2, "confirm": 2},
        budget={"trials": 20},
    )
    run(study, pool=RateBench(), store=shelf)
    assert {kept.realisation for kept in shelf.kept if kept.stage == 1} == {0}
    for trial in shelf.trials:
        graphs = [k.realisation for k in shelf.kept if k.uuid == trial.user_attrs["uuid"] and k.stage == 2]
        assert sorted(graphs) in ([], [0, 1], [0, 1, 2, 3])
        assert trial.user_attrs["graphs"] == (len(graphs) or 1)


@pytest.mark.parametrize("stages", [[], [STAGE]], ids=["one stage", "two stages"])
def test_an_infeasible_candidate_is_never_the_best(tmp_path, stages):
    above = CONSTRAINT | {"max": 3.0}  # the target, 5 Hz, is not allowed
    shelf = Shelf()
    study = staged(tmp_path, constraints=[above], stages=stages, trials=40)
    result = run(study, pool=RateBench(), store=shelf)
    assert result.best is not None
    assert result.best.statistics["rate_E"] <= 3.0
    feasible = [trial for trial in shelf.trials if trial.user_attrs["feasible"]]
    assert result.best.loss == min(trial.value for trial in feasible)


def hopeless(folder: Path, **budget: float) -> tuple[Result, Shelf]:
    shelf = Shelf()
    study = staged(folder, constraints=[{"statistic": "rate_E", "min": 900.0}], trials=60, **budget)
    return run(study, pool=RateBench(), store=shelf), shelf


def test_a_study_without_a_feasible_candidate_has_no_best_and_simulates_nothing_in_full(tmp_path):
    result, shelf = hopeless(tmp_path)
    assert (result.best, result.complete, result.infeasible) == (None, 60, 60)
    assert {kept.stage for kept in shelf.kept} == {1}


def test_a_plateau_ends_a_study_without_a_feasible_candidate_too(tmp_path):
    result, shelf = hopeless(tmp_path, plateau=10)
    assert result.stopped == "plateau"
    assert 10 <= len(shelf.trials) < 10 + 4


def test_infeasible_trials_meet_no_loss_to_stop_at(tmp_path):
    result, _ = hopeless(tmp_path, loss=1e9)
    assert result.stopped == "trials"
