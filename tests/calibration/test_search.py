"""The search: which parameter sets are asked, in which order, and that it depends on nothing else."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.trial import FrozenTrial, TrialState

from calibrate.calibration.search import optuna_internals
from calibrate.calibration.search.optuna_trials import Answer, Proposal
from calibrate.calibration.search.search import Search, candidate_seed, distribution
from calibrate.errors import StudyError
from calibrate.study import Grid, Random, Tpe
from calibrate.study.space import Choice, Domain, Range, grid_point, grid_size

SPACE: dict[str, Domain] = {
    "x": Range(low=0.0, high=1.0),
    "y": Range(low=0.01, high=100.0, log=True),
    "n": Range(low=1, high=9, integer=True),
    "s": Range(low=0.5, high=2.5, step=0.25),
    "c": Choice(values=("a", "b", "c")),
}
SQUARE: dict[str, Domain] = {f"x{k}": Range(low=0.0, high=1.0) for k in range(4)}


def loss(parameters: Mapping[str, Any]) -> float:
    return sum((float(value) - 0.3) ** 2 for value in parameters.values() if not isinstance(value, str))


def go_on(search: Search, batches: int, size: int) -> list[Proposal]:
    asked = []
    for _ in range(batches):
        proposals = search.ask(size)
        search.tell([Answer(proposal=p, loss=loss(p.parameters)) for p in proposals])
        asked += proposals
    return asked


def parameters(proposals: Sequence[Proposal]) -> list[Mapping[str, Any]]:
    return [proposal.parameters for proposal in proposals]


@given(st.floats(0, 1, exclude_max=True), st.sampled_from(sorted(SPACE)))
def test_every_quantile_is_a_value_that_optuna_accepts(u, name):
    value = SPACE[name].at(u)
    found = distribution(SPACE[name])
    assert found._contains(found.to_internal_repr(value))


def test_quantiles_reach_all_values_evenly():
    for name, count in (("n", 9), ("s", 9), ("c", 3)):
        values = [SPACE[name].at((k + 0.5) / (4 * count)) for k in range(4 * count)]
        assert all(values.count(value) == 4 for value in values)
    assert len({SPACE["n"].at(k / 90) for k in range(90)}) == 9


def test_midpoints_lie_in_the_middle_of_the_scale():
    middle = {name: domain.midpoint for name, domain in SPACE.items()}
    assert middle == {"x": 0.5, "y": pytest.approx(1.0), "n": 5, "s": 1.5, "c": "a"}


def test_a_grid_has_all_combinations_in_order_and_in_clean_decimals():
    scan: dict[str, Domain] = {
        "I_th_E": Range(low=0.95, high=2.90, step=0.05),
        "I_th_I": Range(low=0.70, high=1.675, points=40),
    }
    assert grid_size(scan) == 1600
    points = [grid_point(scan, index) for index in range(1600)]
    assert points[0] == {"I_th_E": 0.95, "I_th_I": 0.7}
    assert points[7 * 40 + 3] == {"I_th_E": 1.3, "I_th_I": 0.775}
    assert points[-1] == {"I_th_E": 2.9, "I_th_I": 1.675}
    assert len({tuple(point.values()) for point in points}) == 1600


def test_grids_of_logarithms_whole_numbers_and_choices():
    assert Range(low=0.01, high=100.0, log=True, points=5).grid == pytest.approx([0.01, 0.1, 1, 10, 100])
    assert list(Range(low=1, high=10, integer=True, points=4).grid) == [1, 4, 7, 10]
    assert list(Range(low=1, high=10, step=4, integer=True).grid) == [1, 5, 9]
    assert list(Choice(values=("a", "b")).grid) == ["a", "b"]
    with pytest.raises(StudyError, match="needs step or points"):
        _ = Range(low=0.0, high=1.0).grid
    with pytest.raises(StudyError, match="too long"):
        _ = Range(low=0.0, high=1.0, step=1e-9).grid


@pytest.mark.parametrize("sampler", [Tpe(startup=6), Random()], ids=lambda sampler: sampler.name)
def test_the_same_seed_asks_the_same_and_another_seed_something_else(sampler):
    one, same, other = (parameters(go_on(Search(SPACE, sampler, seed=seed), 5, 4)) for seed in (1, 1, 2))
    assert one == same
    assert all(a != b for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("sampler", [Tpe(startup=6), Random(), Grid()], ids=lambda sampler: sampler.name)
def test_a_study_that_was_stopped_goes_on_as_if_it_had_not_been(sampler):
    space = SPACE | {"x": Range(low=0.0, high=1.0, points=3), "y": Range(low=0.1, high=1.0, points=2)}
    unbroken = go_on(Search(space, sampler, seed=1), 6, 4)
    first = Search(space, sampler, seed=1)
    go_on(first, 3, 4)
    resumed = Search(space, sampler, seed=1)
    resumed.restore(first.trials)
    assert parameters(go_on(resumed, 3, 4)) == parameters(unbroken)[12:]


def test_candidates_that_were_lost_are_asked_again():
    search = Search(SPACE, Random(), seed=1)
    proposals = search.ask(6)
    kept = search.tell([Answer(proposal=proposals[k], loss=1.0) for k in (0, 2, 5)])
    resumed = Search(SPACE, Random(), seed=1)
    resumed.restore(kept)
    again = resumed.ask(4)
    assert [proposal.index for proposal in again] == [1, 3, 4, 6]
    assert parameters(again)[:3] == [proposals[k].parameters for k in (1, 3, 4)]


def test_a_grid_is_complete_once_whatever_was_lost():
    space: dict[str, Domain] = {"a": Range(low=1, high=4, integer=True), "b": Choice(values=("u", "v", "w"))}
    search, seen = Search(space, Grid(), seed=0), []
    for _ in range(10):
        proposals = search.ask(3)[::2]  # every second one is lost
        seen += [tuple(proposal.parameters.values()) for proposal in proposals]
        told = [*search.trials, *search.tell([Answer(proposal=p, loss=0.0) for p in proposals])]
        search = Search(space, Grid(), seed=0)
        search.restore(told)
    assert sorted(seen) == [(a, b) for a in range(1, 5) for b in "uvw"]
    assert search.ask(3) == []


def test_the_first_points_fill_the_space():
    search = Search(SQUARE, Tpe(startup=16), seed=4)
    points = parameters(search.ask(16))
    for name in SQUARE:
        assert sorted(int(16 * point[name]) for point in points) == list(range(16))


def test_a_first_batch_larger_than_the_startup_fills_the_space_too():
    points = parameters(Search(SQUARE, Tpe(startup=4), seed=4).ask(32))
    for name in SQUARE:
        assert sorted(int(32 * point[name]) for point in points) == list(range(32))


def test_tpe_learns():
    losses = {}
    for sampler in (Tpe(), Random()):
        found = [Search(SQUARE, sampler, seed=seed) for seed in range(3)]
        for search in found:
            go_on(search, 20, 4)
        losses[sampler.name] = sum(search.best.value for search in found)
    assert losses["tpe"] < 0.5 * losses["random"]


def test_tpe_sees_a_limited_number_of_trials_the_best_among_them():
    search = Search(SQUARE, Tpe(startup=4, history=10), seed=0)
    go_on(search, 8, 4)
    best, latest = search.best, search.trials[-1]
    search.ask(1)
    seen = [trial.params for trial in search._study.get_trials(states=[TrialState.COMPLETE])]
    assert len(seen) == 10
    assert best.params in seen
    assert latest.params in seen


@pytest.mark.parametrize("multivariate", [True, False])
def test_tpe_asks_what_optunas_own_sampler_would(multivariate, monkeypatch):
    sampler = Tpe(startup=4, multivariate=multivariate)
    ours = parameters(go_on(Search(SPACE, sampler, seed=1), 6, 4))
    monkeypatch.delattr(optuna_internals.BatchTpe, "_get_internal_repr")
    assert parameters(go_on(Search(SPACE, sampler, seed=1), 6, 4)) == ours


def test_failed_trials_are_told_as_such_and_the_search_goes_on():
    search = Search(SPACE, Tpe(startup=2), seed=1)
    for _ in range(3):
        search.tell([Answer(proposal=p, loss=None, attributes={"reason": "x"}) for p in search.ask(2)])
    assert all(trial.state == TrialState.FAIL for trial in search.trials)
    assert search.best is None
    go_on(search, 3, 2)
    assert search.best is not None
    assert len(search.trials) == 12


def test_told_trials_are_numbered_in_order_and_carry_attributes_but_no_notes_of_the_sampler():
    search = Search(SPACE, Tpe(startup=2), seed=1)
    go_on(search, 3, 2)
    told = search.tell(
        [Answer(proposal=p, loss=float(p.index), attributes={"uuid": f"u{p.index}"}) for p in search.ask(2)]
    )
    assert [trial.number for trial in search.trials] == list(range(8))
    assert [trial.user_attrs for trial in told] == [{"index": 6, "uuid": "u6"}, {"index": 7, "uuid": "u7"}]
    assert all(trial.system_attrs == {} for trial in told)
    assert [trial.value for trial in told] == [6.0, 7.0]


def test_the_best_is_the_lowest_loss_and_the_first_of_equals():
    search = Search(SPACE, Random(), seed=1)
    search.tell(
        [Answer(proposal=p, loss=x) for p, x in zip(search.ask(4), (3.0, 1.0, 1.0, None), strict=True)]
    )
    assert search.best is not None
    assert search.best.number == 1


def test_simulations_that_are_known_already_are_not_asked_again_but_told():
    search = Search(SPACE, Tpe(startup=4), seed=1)
    proposals = Search(SPACE, Tpe(startup=4), seed=1).ask(2)
    search.reopen([Proposal(index=1, parameters=dict.fromkeys(SQUARE, 0.5), asked=datetime.now())])
    search.tell([Answer(proposal=proposals[1], loss=2.0)])
    assert [proposal.index for proposal in search.ask(3)] == [0, 2, 3]
    assert isinstance(search.best, FrozenTrial)
    assert search.best.params == proposals[1].parameters


def test_seeds_of_candidates_differ_and_depend_on_study_and_index():
    seeds = [candidate_seed(study, index) for study in (0, 1) for index in range(500)]
    assert len(set(seeds)) == 1000
    assert all(0 <= seed < 2**32 for seed in seeds)
    assert candidate_seed(1, 7) == seeds[507]


def test_a_log_scale_gives_equal_ratios_equal_chances():
    domain = SPACE["y"]
    assert [math.log10(domain.at(u)) for u in (0.0, 0.25, 0.5, 0.75)] == pytest.approx([-2, -1, 0, 1])


def test_steps_are_stored_as_decimals_whatever_the_sampler_computes():
    space: dict[str, Domain] = {"x": Range(low=0, high=2, step=0.1), "y": Range(low=0.0, high=1.0)}
    asked = parameters(go_on(Search(space, Tpe(), seed=1), batches=10, size=8))
    assert {values["x"] for values in asked} <= {k / 10 for k in range(21)}
