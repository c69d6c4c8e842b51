"""Adaptive confirmation: rivals get further graphs until the error of their loss decides."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from calibrate import Estimate
from calibrate.calibration.confirmation import CONFIRMED_BELOW
from calibrate.calibration.loop import run
from calibrate.calibration.search.search import search_for
from calibrate.calibration.trials.candidate import gather_candidates
from calibrate.calibration.trials.score import Deviation, deviation_of, score
from calibrate.calibration.trials.simulation import Simulation
from calibrate.errors import StudyError
from calibrate.simulation.jobs import Job, Outcome
from calibrate.study import Study, read_study
from calibrate.study.identity import content_of
from tests.helpers.in_memory import Dies, Noisy, Shelf, doubled
from tests.helpers.studies import RATE_E, RATE_I, Tables, small_study, write_study

RULE = {"least": 2, "most": 7, "error": 0.1}
# Noise decides among many candidates, so that some are given up and others get all graphs.
LENIENT = {"objectives": [RATE_E | {"tolerance": 6.0}, RATE_I | {"tolerance": 8.0}]}


def adaptive(folder: Path, trials: int = 24, *changes: Tables, graphs: int = 1, **rule: float) -> Study:
    folder.mkdir(exist_ok=True)
    replicates = {"graphs": graphs, "confirm": {**RULE, **rule}, "fresh": 0}
    return small_study(folder, *changes, replicates=replicates, budget={"trials": trials})


def of(shelf: Shelf, uuid: str) -> list[Simulation]:
    return sorted((one for one in shelf.kept if one.uuid == uuid), key=lambda one: one.realisation)


def story(shelf: Shelf) -> list[tuple[Any, ...]]:
    return sorted(
        (t.user_attrs["index"], t.user_attrs.get("graphs"), t.value, t.user_attrs.get("reason"))
        for t in shelf.trials
    )


def done(study: Study, bench: Noisy | None = None) -> tuple[Shelf, Noisy]:
    shelf, pool = Shelf(), bench or Noisy()
    run(study, pool=pool, store=shelf)
    return shelf, pool


def further(shelf: Shelf) -> list[int]:
    return [int(trial.user_attrs["graphs"]) - 1 for trial in shelf.trials]


def left_out(study: Study, own: Sequence[Simulation]) -> float:
    """The error of the root of the loss, from the losses without each of the graphs."""
    roots = [math.sqrt(score(study, [*own[:k], *own[k + 1 :]]).loss) for k in range(len(own))]
    n, whole = len(own), math.sqrt(score(study, own).loss)
    variance = (n - 1) / n * sum((root - sum(roots) / n) ** 2 for root in roots)
    return math.hypot(math.sqrt(variance), (n - 1) * (sum(roots) / n - whole))


# --- how many graphs ------------------------------------------------------------------------------------


def test_candidates_get_graphs_until_their_error_is_small_or_they_cannot_win(tmp_path):
    study = adaptive(tmp_path, 60, LENIENT, {"study": {"seed": 4}})
    shelf, _ = done(study, Noisy(1.0))
    begun = [trial for trial in shelf.trials if trial.user_attrs["graphs"] > 1]
    given_up = []
    for trial in begun:
        own = of(shelf, trial.user_attrs["uuid"])
        assert [one.realisation for one in own] == list(range(trial.user_attrs["graphs"]))
        assert trial.value == pytest.approx(score(study, own).loss)
        n = len(own) - 1
        assert RULE["least"] <= n <= RULE["most"]
        if n < RULE["most"] and left_out(study, own) > RULE["error"]:
            given_up.append(trial)
    best = min(trial.value for trial in shelf.trials)
    assert given_up
    assert all(trial.value > best for trial in given_up)


def test_the_winner_is_confirmed_to_the_error_that_is_asked_for(tmp_path):
    for error in (0.05, 0.2, 1.0):
        study = adaptive(tmp_path / str(error), 24, LENIENT, error=error)
        shelf, _ = done(study)
        best = min(shelf.trials, key=lambda trial: trial.value)
        own = of(shelf, best.user_attrs["uuid"])
        assert best.value < CONFIRMED_BELOW
        assert len(own) - 1 == RULE["most"] or left_out(study, own) <= error
        assert len(own) - 1 >= RULE["least"]


def test_networks_without_noise_get_the_least_number_of_graphs(tmp_path):
    shelf, _ = done(adaptive(tmp_path), Noisy(0.0))
    assert set(further(shelf)) == {0, RULE["least"]}


def test_a_tighter_error_costs_more_graphs_and_giving_up_saves_some(tmp_path):
    seed = {"study": {"seed": 4}}
    loose, tight, all_of_them = (
        len(done(adaptive(tmp_path, 60, LENIENT, seed, **rule), Noisy(1.0))[0].kept)
        for rule in ({"error": 1.0}, {"error": 0.01}, {"least": 7})
    )
    assert loose < tight < all_of_them


def test_least_and_most_alike_are_the_fixed_number(tmp_path):
    same = adaptive(tmp_path, 20, LENIENT, least=3, most=3)
    fixed = small_study(tmp_path, LENIENT, replicates={"confirm": 3}, budget={"trials": 20})
    assert story(done(fixed)[0]) == story(done(same)[0])


def test_the_fixed_number_and_the_graphs_of_the_search_come_first(tmp_path):
    study = adaptive(tmp_path, 12, LENIENT, graphs=3)
    assert (study.graphs.confirmation, study.graphs.fresh.start) == (range(3, 10), 10)
    shelf, _ = done(study)
    graphs = {int(trial.user_attrs["graphs"]) for trial in shelf.trials}
    assert min(graphs) == 3
    assert max(graphs) >= 5


# --- the error ------------------------------------------------------------------------------------------


def test_far_from_the_target_the_error_is_the_standard_error_in_tolerances(tmp_path):
    # With one target, the root of the loss is the deviation of the mean, in tolerances.
    study = small_study(tmp_path, objectives=[RATE_E | {"target": 25.0, "tolerance": 2.0}])
    shelf, _ = done(study, Noisy())
    rates = [10.0, 11.5, 9.2, 10.7, 12.1]
    own = [
        replace(shelf.kept[0], realisation=k, estimates={"rate_E": Estimate(rate)})
        for k, rate in enumerate(rates)
    ]
    study = replace(study, file=small_study(tmp_path, replicates={"graphs": 5}).file)
    found = deviation_of(study, own)
    assert found.graphs == 5
    assert found.loss == pytest.approx(((np.mean(rates) - 25) / 2) ** 2)
    assert found.error == pytest.approx(stats.sem(rates) / 2)


def test_nothing_is_known_of_the_error_of_one_graph(tmp_path):
    study = small_study(tmp_path, budget={"trials": 1})
    shelf, _ = done(study)
    assert deviation_of(study, shelf.kept).error == math.inf
    assert not deviation_of(study, shelf.kept).exceeds(Deviation(loss=0.0))


@pytest.mark.parametrize("n", [2, 3, 6])
def test_a_rival_is_given_up_as_a_t_test_would_say(n):
    random_ = np.random.default_rng(n)
    said = set()
    for gap in np.linspace(0.0, 2.0, 40):
        own, best = 1 + gap + 0.5 * random_.standard_normal(n), 1 + 0.5 * random_.standard_normal(5)
        rival, other = (
            Deviation(loss=float(one.mean()) ** 2, error=float(stats.sem(one)), graphs=len(one))
            for one in (own, best)
        )
        if min(own.mean(), best.mean()) > 0:
            expected = stats.ttest_ind(own, best, alternative="greater").pvalue < 0.05
            assert rival.exceeds(other) == expected
            alone = stats.ttest_1samp(own, 1.0, alternative="greater").pvalue < 0.05
            assert rival.exceeds(Deviation(loss=1.0)) == alone
            said |= {expected}
    assert said == {True, False}


# --- interruptions --------------------------------------------------------------------------------------


@pytest.mark.parametrize("after", [*range(4, 16), 21, 27])
def test_a_run_that_is_killed_gives_the_same_graphs_and_the_same_best(tmp_path, after):
    study = adaptive(tmp_path, 16, LENIENT)
    unbroken, whole = done(study)
    shelf = Dies(after)
    with pytest.raises(KeyboardInterrupt):
        run(study, pool=Noisy(), store=shelf)
    shelf.after = -1
    result = run(study, pool=Noisy(), store=shelf)
    assert story(shelf) == story(unbroken)
    assert doubled(shelf) == []
    assert len(shelf.kept) == len(whole.asked)
    assert result.best is not None
    assert result.best.loss == min(trial.value for trial in unbroken.trials)


@pytest.mark.parametrize("after", [13, 17, 21, 26])
def test_what_a_larger_machine_began_is_completed_on_a_smaller_one(tmp_path, after):
    study, large, small = adaptive(tmp_path, 16, LENIENT), Noisy(), Noisy()
    large.capacity, small.capacity = 16, 1
    shelf = Dies(after + 16)
    with pytest.raises(KeyboardInterrupt):
        run(study, pool=large, store=shelf)
    shelf.after = -1
    run(study, pool=small, store=shelf)
    best = min(shelf.trials, key=lambda trial: trial.value)
    assert best.user_attrs["graphs"] > RULE["least"]
    for trial in shelf.trials:
        own = of(shelf, trial.user_attrs["uuid"])
        assert [one.realisation for one in own] == list(range(trial.user_attrs["graphs"]))
        assert trial.value == pytest.approx(score(study, own).loss)
    assert doubled(shelf) == []


@pytest.mark.parametrize("after", [8, 12, 20, 26])
def test_a_candidate_that_fails_while_it_is_confirmed_changes_nothing_for_a_run_that_is_killed(
    tmp_path, after
):
    def broken(job: Job) -> bool:
        return job.realisation == 1 and job.seed % 2 == 0

    study = adaptive(tmp_path, 16, LENIENT)
    unbroken, _ = done(study, Noisy(broken=broken))
    assert any(trial.value is None for trial in unbroken.trials)
    shelf = Dies(after)
    with pytest.raises(KeyboardInterrupt):
        run(study, pool=Noisy(broken=broken), store=shelf)
    shelf.after = -1
    run(study, pool=Noisy(broken=broken), store=shelf)
    assert [repr(entry) for entry in story(shelf)] == [repr(entry) for entry in story(unbroken)]


# --- with everything else -------------------------------------------------------------------------------


def test_a_candidate_that_breaks_a_constraint_in_the_mean_gets_no_more_graphs(tmp_path):
    constraint = {"constraints": [{"statistic": "rate_E", "max": 8.0}]}
    study = adaptive(tmp_path, 60, LENIENT, constraint, error=0.01)
    shelf, _ = done(study, Noisy(1.0))
    out = [t for t in shelf.trials if not t.user_attrs["feasible"] and t.user_attrs["graphs"] > 1]
    assert out
    assert min(trial.user_attrs["graphs"] for trial in out) == 1 + RULE["least"]
    best = min((t for t in shelf.trials if t.user_attrs["feasible"]), key=lambda t: t.value)
    assert best.user_attrs["graphs"] > 1


def test_in_every_condition_of_a_search_and_on_a_front_the_lowest_loss_is_confirmed(tmp_path):
    conditions = {
        "conditions": [{"name": "rest"}, {"name": "driven", "parameters": {"I_E": {"scale": 1.3}}}],
        "objectives": [
            RATE_E | {"condition": "rest", "tolerance": 6.0},
            RATE_I | {"condition": "driven", "tolerance": 8.0},
        ],
    }
    for change in (conditions, {"study": {"pareto": True}}):
        study = adaptive(tmp_path / str(len(change)), 16, LENIENT, change)
        shelf, _ = done(study)
        trial = min(shelf.trials, key=lambda t: t.user_attrs.get("loss", t.values[0]))
        own = of(shelf, trial.user_attrs["uuid"])
        graphs = int(trial.user_attrs["graphs"])
        assert graphs > RULE["least"]
        assert [one.realisation for one in own] == sorted([*range(graphs)] * len(study.searched))


def test_rivals_fill_the_pool_and_open_ones_get_what_places_are_left(tmp_path):
    batches: list[list[tuple[str, int]]] = []

    class Watched(Noisy):
        capacity = 8

        def run(self, candidates: Sequence[Job], **more: Any) -> list[Outcome]:
            batches.append([(one.uuid, one.realisation) for one in candidates])
            return super().run(candidates, **more)

    done(adaptive(tmp_path, 40, LENIENT, error=0.05), Watched())
    confirming = [batch for batch in batches if all(graph for _, graph in batch)]
    assert max(len({uuid for uuid, _ in batch}) for batch in confirming) == 4  # two graphs each
    assert max(map(len, confirming)) <= 8
    # One that is left alone gets its last five graphs at once.
    assert any(len({uuid for uuid, _ in batch}) == 1 and len(batch) == 5 for batch in confirming)


# --- a sampler with a model -----------------------------------------------------------------------------

BO: Tables = {
    "sampler": {"name": "bo"},
    "objectives": [RATE_E | {"target": 8.0, "tolerance": 2.0}, RATE_I],
    "constraints": [{"statistic": "rate_E", "max": 14.0}],
}


def test_a_model_expects_what_noise_hides(tmp_path):
    study = small_study(tmp_path, BO, constraints=None, budget={"trials": 40})
    noisy, _ = done(study, Noisy(0.3))
    search = search_for(study)
    search.restore(noisy.trials[:30])
    candidates = gather_candidates([one for one in noisy.kept if one.index >= 30])
    expected = search.expect([one.answer(study) for one in candidates], graphs=5)
    space_filling = search_for(small_study(tmp_path))
    assert space_filling.expect([one.answer(study) for one in candidates], graphs=5) == ()
    assert search.expect([], graphs=5) == ()
    exact = [
        (((5 * one.proposal.parameters["I_E"] - 8) / 2) ** 2 / 2)
        + (max(abs(5 * one.proposal.parameters["I_I"] - 10) - 1, 0) / 2) ** 2 / 2
        for one in candidates
    ]
    observed = [score(study, one.simulations).loss for one in candidates]

    def off(losses: Sequence[float]) -> float:
        return float(np.median(np.abs(np.sqrt(losses) - np.sqrt(exact))))

    assert off(expected) < 0.6 * off(observed)


def test_a_candidate_that_the_model_expects_to_be_the_best_is_confirmed_though_it_seems_not_to_be(tmp_path):
    study = adaptive(tmp_path, 24, BO, {"study": {"seed": 4}})
    shelf, _ = done(study, Noisy(0.3))
    unlucky, best = [], math.inf
    for start in range(0, 24, 2):
        batch = shelf.trials[start : start + 2]
        for trial in batch:
            first = score(study, of(shelf, trial.user_attrs["uuid"])[:1])
            unlucky += [trial] if trial.user_attrs["graphs"] > 1 and first.loss >= best else []
        best = min([best, *(trial.value for trial in batch if trial.user_attrs["feasible"])])
    (found,) = unlucky
    assert found.user_attrs["graphs"] > RULE["least"]
    assert found.value < min(trial.value for trial in shelf.trials[: found.number])


def test_with_a_model_too_a_run_that_is_killed_while_it_confirms_goes_on_as_if_it_had_not_been(tmp_path):
    study = adaptive(tmp_path, 16, BO, {"study": {"seed": 4}})
    unbroken, _ = done(study, Noisy(0.3))
    confirming = [k for k, one in enumerate(unbroken.kept) if one.realisation]
    for after in confirming[3::6]:
        shelf = Dies(after)
        with pytest.raises(KeyboardInterrupt):
            run(study, pool=Noisy(0.3), store=shelf)
        shelf.after = -1
        run(study, pool=Noisy(0.3), store=shelf)
        assert story(shelf) == story(unbroken)


# --- the study file -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("confirm", "message"),
    [
        ({"least": 5, "most": 3}, r"\[replicates\] confirm.least must not be above most: 5; most is 3"),
        ({"least": 0}, r"\[replicates\] confirm.least must be at least 1: 0; least is: "),
        ({"error": 0.0}, r"\[replicates\] confirm.error must be above 0: 0.0; error is: "),
        ({"error": "small"}, r'\[replicates\] confirm.error must be a number: "small"'),
        (
            {"leest": 2},
            r"confirm.leest is not a valid key .did you mean 'least'.*; valid keys are least",
        ),
        ("four", r'\[replicates\] confirm must be a whole number: "four"; .* \{ least = 2, most = 10, '),
        (1.5, r"\[replicates\] confirm must be a whole number: 1.5"),
        (True, r"\[replicates\] confirm must be a whole number: true"),
    ],
)
def test_a_wrong_rule_is_explained_in_one_line(tmp_path, confirm, message):
    with pytest.raises(StudyError) as caught:
        read_study(write_study(tmp_path, replicates={"confirm": confirm}))
    assert len(str(caught.value).splitlines()) == 1
    assert re.search(message, str(caught.value))


def test_studies_of_before_have_the_identity_that_they_had_and_a_rule_is_part_of_it(tmp_path):
    def identity(**replicates: Any) -> Any:
        return content_of(small_study(tmp_path, replicates=replicates)).get("replicates")

    assert identity(confirm=4) is None
    assert identity(confirm=2, fresh=7) == {"confirm": 2}
    whole = {"confirm": {"least": 2, "most": 10, "error": 0.1}}
    assert identity(confirm={}) == identity(confirm={"most": 10}) == whole
    assert identity(confirm={"least": 4, "most": 4, "error": 0.1}) != whole
