"""The search with proposals that wait for their results, constraints, and points that are known before."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from optuna.trial import FrozenTrial

from calibrate.calibration.search.optuna_trials import Answer, Proposal
from calibrate.calibration.search.search import Search
from calibrate.study import Cmaes, Nsga2, Qmc, Random, Sampler, Tpe
from calibrate.study.space import Choice, Domain, Range

SPACE: dict[str, Domain] = {
    "x": Range(low=0.0, high=1.0),
    "y": Range(low=0.01, high=100.0, log=True),
    "n": Range(low=1, high=9, integer=True),
}
WITH_CHOICE: dict[str, Domain] = SPACE | {"c": Choice(values=("a", "b"))}
SAMPLERS: list[Sampler] = [Tpe(startup=6), Cmaes(startup=6, population=4), Nsga2(population=8)]
EACH = pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda sampler: sampler.name)


def verdict(proposal: Proposal) -> Answer:
    """The nearer to (.3, 1, 3) the better; beyond x = .6 a constraint is broken, and n = 9 fails."""
    at = proposal.parameters
    if at["n"] == 9:
        return Answer(proposal=proposal, loss=None)
    broken = max(at["x"] - 0.6, 0.0)
    loss = (at["x"] - 0.3) ** 2 + math.log10(at["y"]) ** 2 + ((at["n"] - 3) / 9) ** 2
    return Answer(
        proposal=proposal, loss=loss + 1000 if broken else loss, constraints={"x": broken, "other": 0.0}
    )


def parameters(proposals: Sequence[Proposal]) -> list[Mapping[str, Any]]:
    return [proposal.parameters for proposal in proposals]


class Screened:
    """A run of two stages: what breaks the constraint is told at once, the rest by four."""

    def __init__(self, search: Search, waiting: Sequence[Proposal] = ()) -> None:
        self.search, self.waiting = search, list(waiting)
        self.asked: list[Proposal] = []

    def go_on(self, batches: int) -> None:
        for _ in range(batches):
            proposals = self.search.ask(4)
            self.asked += proposals
            out = [p for p in proposals if p.parameters["x"] > 0.6]
            self.waiting += [p for p in proposals if p not in out]
            self.search.tell([verdict(p) for p in out])
            while len(self.waiting) >= 4:
                self.search.tell([verdict(p) for p in self.waiting[:4]])
                del self.waiting[:4]


@EACH
def test_a_search_with_constraints_that_was_stopped_goes_on_as_if_it_had_not_been(sampler):
    unbroken = Screened(Search(SPACE, sampler, seed=1))
    unbroken.go_on(10)
    assert any(not trial.user_attrs["feasible"] for trial in unbroken.search.trials if trial.values)
    for stop in (1, 3, 6, 9):
        first = Screened(Search(SPACE, sampler, seed=1))
        first.go_on(stop)
        search = Search(SPACE, sampler, seed=1)
        search.restore(first.search.trials)
        search.reopen(first.waiting)
        resumed = Screened(search, first.waiting)
        resumed.go_on(10 - stop)
        assert parameters(resumed.asked) == parameters(unbroken.asked)[4 * stop :]
        assert [t.params for t in resumed.search.trials] == [t.params for t in unbroken.search.trials]


@EACH
def test_another_seed_asks_something_else(sampler):
    one, other = (Screened(Search(SPACE, sampler, seed=seed)) for seed in (1, 2))
    one.go_on(5)
    other.go_on(5)
    assert all(a != b for a, b in zip(parameters(one.asked), parameters(other.asked), strict=True))


@EACH
def test_infeasible_trials_are_never_the_best_whatever_their_loss(sampler):
    search = Search(SPACE, sampler, seed=1)
    proposals = search.ask(6)
    search.tell([Answer(proposal=p, loss=0.0, constraints={"x": 0.1}) for p in proposals[:3]])
    assert search.best is None
    assert search.front == []
    search.tell([Answer(proposal=p, loss=5.0, constraints={"x": 0.0}) for p in proposals[3:]])
    assert search.best is not None
    assert search.best.number == 3
    assert [trial.number for trial in search.front] == [3, 4, 5]
    restored = Search(SPACE, sampler, seed=1)
    restored.restore(search.trials)
    assert restored.best is not None
    assert restored.best.number == 3


@EACH
def test_a_search_in_which_nothing_is_feasible_goes_on(sampler):
    search = Search(SPACE, sampler, seed=1)
    for _ in range(6):
        proposals = search.ask(4)
        search.tell([Answer(proposal=p, loss=2000.0, constraints={"x": 0.5}) for p in proposals])
    assert len(search.trials) == 24
    # A genetic algorithm may repeat a parent.
    assert len({tuple(trial.params.values()) for trial in search.trials}) > (
        16 if sampler.name == "nsga2" else 23
    )


@EACH
def test_a_large_batch_is_asked_while_others_wait(sampler):
    search = Screened(Search(SPACE, sampler, seed=1))
    search.go_on(4)
    waiting = search.search.ask(7)
    proposals = search.search.ask(40)
    indices = [proposal.index for proposal in (*search.asked, *waiting, *proposals)]
    assert indices == list(range(16 + 7 + 40))
    assert all(SPACE[name].contains(p.parameters[name]) for p in proposals for name in SPACE)
    points = {tuple(p.parameters.values()) for p in (*waiting, *proposals)}
    assert len(points) > (30 if sampler.name == "nsga2" else 46)  # a genetic algorithm may repeat a parent
    search.search.tell([verdict(p) for p in (*proposals[::-1], *waiting)])
    assert len(search.search.trials) + len(search.waiting) == 63
    assert [trial.number for trial in search.search.trials] == list(range(len(search.search.trials)))


@EACH
def test_the_sampler_looks_for_feasible_points(sampler):
    search = Screened(Search(SPACE, sampler, seed=1))
    search.go_on(30)
    late = [proposal.parameters["x"] <= 0.6 for proposal in search.asked[60:]]
    assert sum(late) > 0.75 * len(late)


def test_points_are_asked_first_and_what_they_do_not_name_fills_the_space():
    search, plain = (Search(WITH_CHOICE, Tpe(startup=6), seed=1) for _ in range(2))
    points = [{"x": 0.25, "y": 2.0, "n": 3, "c": "b"}, {"x": 0.5}]
    search.enqueue(points)
    asked, others = parameters(search.ask(4)), parameters(plain.ask(4))
    assert asked[0] == points[0]
    assert asked[1] == {**others[1], "x": 0.5}
    assert asked[2:] == others[2:]


@pytest.mark.parametrize("sampler", [Tpe(startup=4), Cmaes(), Random()], ids=lambda sampler: sampler.name)
def test_a_point_with_the_digits_of_an_older_trial_is_asked_once(sampler):
    """0.1 x 3 is 0.30000000000000004: a parameter with steps has 0.3."""
    space = {"x": Range(low=0.0, high=2.0, step=0.1), "y": Range(low=0.0, high=1.0)}
    search = Search(space, sampler, seed=1)
    search.enqueue([{"x": 0.1 * 3, "y": 0.5}])
    found = []
    for _ in range(5):
        (proposal,) = search.ask(1)
        found.append(proposal.parameters)
        search.tell([Answer(proposal=proposal, loss=1.0)])
    assert found[0] == {"x": 0.3, "y": 0.5}
    assert found.count(found[0]) == 1


@EACH
def test_points_are_asked_once_however_often_a_search_is_resumed(sampler):
    points = [{"x": 0.25, "y": 2.0, "n": 3}, {"x": 0.25}, {"n": 5}, {"n": 5, "x": 0.125}, {"y": 7.0}]
    unbroken = Search(SPACE, sampler, seed=1)
    unbroken.enqueue(points)
    expected = parameters([p for _ in range(8) for p in unbroken.ask(1)])
    assert all(point.items() <= asked.items() for point, asked in zip(points, expected, strict=False))
    asked: list[Proposal] = []
    told: list[FrozenTrial] = []
    for number in range(8):
        search = Search(SPACE, sampler, seed=1)
        search.restore(told)
        search.reopen([p for p in asked if p.index not in {trial.user_attrs["index"] for trial in told}])
        search.enqueue(points)
        asked += search.ask(1)
        if number % 2:
            told += search.tell([Answer(proposal=asked[-1], loss=1.0)])
    assert parameters(asked)[:5] == expected[:5]
    assert not any(point.items() <= found.items() for point in points[:1] for found in parameters(asked)[5:])


@pytest.mark.parametrize("sampler", [Random(), Qmc()], ids=lambda sampler: sampler.name)
def test_points_that_are_added_later_are_asked_next(sampler):
    search = Search(SPACE, sampler, seed=1)
    search.tell([verdict(p) for p in search.ask(3)])
    search.enqueue([{"x": 0.875}])
    proposals = search.ask(2)
    assert [p.index for p in proposals] == [3, 4]
    assert proposals[0].parameters["x"] == 0.875 != proposals[1].parameters["x"]


def test_trials_of_several_values_carry_their_loss_and_are_restored_with_it():
    search = Search(SPACE, Nsga2(population=4), seed=1, n_values=2)
    for _ in range(4):
        search.tell(
            [
                Answer(proposal=p, loss=p.parameters["x"], values=(p.parameters["x"], 1 - p.parameters["x"]))
                for p in search.ask(4)
            ]
        )
    assert search.best is not None
    assert search.best.params["x"] == min(trial.params["x"] for trial in search.trials)
    assert len(search.front) == 16  # each is better than any other in one value
    restored = Search(SPACE, Nsga2(population=4), seed=1, n_values=2)
    restored.restore(search.trials)
    assert restored.best == search.best
    assert parameters(restored.ask(4)) == parameters(search.ask(4))
