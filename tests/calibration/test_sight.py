"""What samplers see of losses and constraints, and what they find with it."""

from __future__ import annotations

import importlib.util
import itertools
import math
import statistics

import numpy as np
import optuna
import pytest
from optuna.samplers import TPESampler

from calibrate.calibration.search.optuna_logging import quieten_optuna
from calibrate.calibration.search.optuna_trials import Answer
from calibrate.calibration.search.search import Search
from calibrate.calibration.search.sight import as_seen, on_scale
from calibrate.calibration.trials.score import INFEASIBLE
from calibrate.study import Cmaes, Gp, Qmc, Tpe
from calibrate.study.space import Domain, Range
from tests.helpers.landscapes import CUBE, at, beside_silence, on_a_constraint, search

needs_torch = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="needs PyTorch")
SPACE: dict[str, Domain] = {"x": Range(low=0.0, high=1.0), "y": Range(low=0.0, high=1.0)}


def two_constraints(search: Search, trials: int, *, names: tuple[str, str] = ("z", "a")) -> list[dict]:
    """Go on to this number of trials; returns the parameters of those that were added."""
    added = []
    while len(search.trials) < trials:
        proposals = search.ask(2)
        added += [dict(p.parameters) for p in proposals]
        answers = []
        for p in proposals:
            x, y = p.parameters.values()
            violations = {"z": max(x - 0.6, 0.0), "a": 5 * max(0.3 - y, 0.0)}
            broken = sum(violations.values())
            loss = INFEASIBLE * (1 + broken / (1 + broken)) if broken else (x - 0.5) ** 2 + (y - 0.4) ** 2
            ordered = {name: violations[name] for name in names}
            answers.append(Answer(proposal=p, loss=loss, constraints=ordered))
        search.tell(answers)
    return added


def test_the_scale_keeps_the_order_and_gives_half_of_its_range_to_losses_up_to_ten():
    losses = np.concatenate([np.geomspace(1e-6, 4000, 2000), [99.999, 100.0, 100.001]])
    losses.sort()
    seen = [on_scale(loss) for loss in losses]
    assert all(a < b for a, b in itertools.pairwise(seen))
    assert on_scale(10.0) - on_scale(0.0) > (on_scale(4000.0) - on_scale(0.0)) / 2
    assert on_scale(100.0) == pytest.approx(math.log(100.1))


def test_constraints_are_seen_in_the_order_of_their_names_and_infeasible_losses_as_the_median():
    one = Search(SPACE, Qmc(), seed=1)
    two_constraints(one, 12)
    seen = as_seen(one.trials)
    assert all(list(trial.constraints) == ["a", "z"] for trial in seen)
    assert [trial.constraints for trial in seen] == [trial.constraints for trial in one.trials]
    kept = [t.value for t, o in zip(seen, one.trials, strict=True) if max(o.constraints.values()) <= 0]
    broken = [t.value for t, o in zip(seen, one.trials, strict=True) if max(o.constraints.values()) > 0]
    assert 2 < len(kept) < 10
    assert broken == [pytest.approx(statistics.median(kept))] * len(broken)
    # What is stored is the loss itself.
    assert sum(trial.value >= INFEASIBLE for trial in one.trials) == len(broken)


@pytest.mark.parametrize("sampler", [Tpe(startup=4), pytest.param(Gp(startup=6), marks=needs_torch)])
def test_a_search_with_two_constraints_resumed_from_a_database_goes_on_as_if_it_had_not_stopped(
    sampler, tmp_path
):
    with quieten_optuna():
        unbroken = two_constraints(Search(SPACE, sampler, seed=1), 16)
        first = Search(SPACE, sampler, seed=1)
        two_constraints(first, 10)
        stored = optuna.create_study(storage=f"sqlite:///{tmp_path}/constraints.db")
        stored.add_trials(first.trials)
        assert list(stored.trials[0].constraints) != list(first.trials[0].constraints)
        resumed = Search(SPACE, sampler, seed=1)
        resumed.restore(stored.trials)
        assert two_constraints(resumed, 16) == unbroken[10:]


@needs_torch
def test_the_order_in_which_constraints_are_told_does_not_matter_to_the_gaussian_process():
    one, other = (Search(SPACE, Gp(startup=6), seed=1) for _ in range(2))
    assert two_constraints(one, 12) == two_constraints(other, 12, names=("a", "z"))


def test_the_scale_changes_nothing_for_tpe_which_ranks():
    """An independent TPE, of Optuna, on the losses themselves asks for the same point."""
    ours = search(beside_silence, Tpe(startup=8), seed=2, trials=8, batch=8)
    (asked,) = ours.ask(1)
    with quieten_optuna():
        seen = ours._study
        assert seen is not None
        plain = optuna.create_study(sampler=TPESampler(n_startup_trials=0, constant_liar=True, seed=3))
        plain.add_trials(ours.trials)
        scaled = optuna.create_study(sampler=TPESampler(n_startup_trials=0, constant_liar=True, seed=3))
        scaled.add_trials(as_seen(ours.trials))
        distributions = ours.trials[0].distributions
        assert plain.ask(distributions).params == scaled.ask(distributions).params
    assert asked.parameters.keys() == CUBE.keys()


def median_best(landscape, sampler) -> float:
    bests = [search(landscape, sampler, seed=seed, trials=40, batch=2).best for seed in range(5)]
    return statistics.median(best.value for best in bests if best is not None)


@needs_torch
@pytest.mark.slow
@pytest.mark.parametrize("landscape", [on_a_constraint, beside_silence])
def test_the_gaussian_process_is_not_worse_than_the_other_samplers_within_forty_trials(landscape):
    with quieten_optuna():
        gp, tpe, cmaes = (median_best(landscape, sampler) for sampler in (Gp(), Tpe(), Cmaes()))
    assert gp < min(tpe, cmaes)


def valleys(x: np.ndarray) -> tuple[float, dict[str, float]]:
    """Two valleys: the wide one ends at a loss of 2, the narrower one at 0."""
    wide = np.mean(((x - 0.25) / 0.12) ** 2) + 2
    narrow = np.mean(((x - 0.75) / 0.05) ** 2)
    return float(min(wide, narrow)), {}


def bowl(x: np.ndarray) -> tuple[float, dict[str, float]]:
    return float(np.mean(((x - 0.4) / 0.05) ** 2)), {}


@pytest.mark.parametrize("batch", [2, 8])
def test_cmaes_that_has_converged_starts_again_elsewhere(batch):
    found = search(bowl, Cmaes(), seed=1, trials=300, batch=batch, space=SPACE)
    points = np.array([at(trial.params) for trial in found.trials])
    assert found.best is not None
    assert found.best.value < 0.01
    assert np.ptp(points[-100:], axis=0).min() > 0.3  # without restarts: below .002


def in_the_narrow_valley() -> int:
    found = [search(valleys, Cmaes(), seed=seed, trials=400, batch=8, space=SPACE) for seed in range(8)]
    return sum(one.best is not None and one.best.value < 2 for one in found)


@pytest.mark.slow
def test_cmaes_with_restarts_finds_the_better_of_two_valleys_more_often(monkeypatch):
    restarted = in_the_narrow_valley()
    monkeypatch.setattr("calibrate.calibration.search.evolution._has_converged", lambda *_: False)
    assert restarted >= in_the_narrow_valley() + 4


@pytest.mark.parametrize("batch", [2, 5])
def test_cmaes_resumed_at_any_point_restarts_as_if_it_had_not_been_stopped(batch):
    whole = search(bowl, Cmaes(startup=4), seed=3, trials=200, batch=batch, space=SPACE)
    for trials in range(20, 200, 30):
        resumed = Search(SPACE, Cmaes(startup=4), seed=3)
        resumed.restore(whole.trials[:trials])
        expected = [trial.params for trial in whole.trials[trials : trials + batch]]
        assert [dict(p.parameters) for p in resumed.ask(batch)] == expected
