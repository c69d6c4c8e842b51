"""The samplers, held to the same promises: they learn, keep to the ranges, repeat and resume exactly."""

from __future__ import annotations

import importlib.util
import re
import statistics
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from calibrate.calibration.search.optuna_trials import ESTIMATES, Answer, Proposal, packed
from calibrate.calibration.search.search import Search, distribution
from calibrate.errors import StudyError
from calibrate.objective import Estimate, Objective, Value, find_statistic
from calibrate.study import Bo, Cmaes, Gp, Nsga2, Qmc, Random, Tpe
from calibrate.study.space import Choice, Domain, Range
from tests.helpers.studies import small_study

NUMBERS: dict[str, Domain] = {
    "x": Range(low=0.0, high=1.0),
    "y": Range(low=0.01, high=100.0, log=True),
    "n": Range(low=1, high=9, integer=True),
    "m": Range(low=1, high=64, integer=True, log=True),
    "s": Range(low=0.5, high=2.6, step=0.25),
}
SPACE = NUMBERS | {"c": Choice(values=("a", "b", "c"))}
SQUARE: dict[str, Domain] = {f"x{k}": Range(low=0.0, high=1.0) for k in range(4)}

TORCH = importlib.util.find_spec("torch") is not None
SAMPLERS = [
    Bo(startup=8),
    Qmc(),
    Nsga2(population=8),
    Cmaes(startup=8),
    pytest.param(Gp(startup=8), marks=pytest.mark.skipif(not TORCH, reason="needs PyTorch")),
]
every = pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda sampler: sampler.name)


def space_of(sampler: Any) -> Mapping[str, Domain]:
    return NUMBERS if isinstance(sampler, Cmaes) else SPACE


def search_of(space: Mapping[str, Domain], sampler: Any, seed: int) -> Search:
    """A search for numbers of .3; each is a statistic that a sampler can model."""
    rate = find_statistic("rate_E")
    objectives = [
        Objective(statistic=replace(rate, name=name), target=Value(0.3, tolerance=1.0))
        for name, domain in space.items()
        if isinstance(domain, Range)
    ]
    return Search(space, sampler, seed=seed, objectives=objectives)


def answer(proposal: Proposal) -> Answer:
    numbers = {name: value for name, value in proposal.parameters.items() if not isinstance(value, str)}
    estimates = {name: Estimate(value, error=0.05 * abs(value)) for name, value in numbers.items()}
    return Answer(proposal=proposal, loss=loss(proposal), attributes={ESTIMATES: packed(estimates)})


def loss(proposal: Proposal) -> float | None:
    """A quadratic with 5 % noise; every ninth candidate fails, those of the first batch excepted."""
    if proposal.index > 8 and proposal.index % 9 == 0:
        return None
    noise = np.random.default_rng(proposal.index).normal()
    numbers = [value for value in proposal.parameters.values() if not isinstance(value, str)]
    return sum((value - 0.3) ** 2 for value in numbers) * (1 + 0.05 * abs(noise))


def go_on(search: Search, batches: int, size: int) -> list[Mapping[str, Any]]:
    asked = []
    for _ in range(batches):
        proposals = search.ask(size)
        search.tell([answer(p) for p in proposals])
        asked += [p.parameters for p in proposals]
    return asked


@every
@pytest.mark.parametrize("size", [3, 8])
def test_the_same_seed_asks_the_same_and_another_seed_something_else(sampler, size):
    one, same, other = (go_on(search_of(space_of(sampler), sampler, seed), 6, size) for seed in (1, 1, 2))
    assert one == same
    assert all(a != b for a, b in zip(one, other, strict=True))


@every
@pytest.mark.parametrize("size", [3, 8])
def test_a_stopped_search_goes_on_as_if_it_had_not_been(sampler, size):
    space = space_of(sampler)
    unbroken = go_on(search_of(space, sampler, 1), 9, size)
    for batches in (1, 4, 6):
        first, resumed = (search_of(space, sampler, 1) for _ in range(2))
        go_on(first, batches, size)
        resumed.restore(first.trials)
        assert go_on(resumed, 9 - batches, size) == unbroken[batches * size :]


@every
def test_all_proposals_are_values_of_their_ranges_in_batches_of_40_too(sampler):
    space = space_of(sampler)
    points = go_on(search_of(space, sampler, 3), 3, 40)
    assert len(points) == 120
    for name, domain in space.items():
        known = distribution(domain)
        assert all(known._contains(known.to_internal_repr(point[name])) for point in points)
    assert {type(point["n"]) for point in points} == {type(point["m"]) for point in points} == {int}
    assert {point["s"] for point in points} <= {0.5 + 0.25 * k for k in range(9)}


@every
def test_the_first_points_fill_the_space(sampler):
    points = search_of(SQUARE, sampler, 4).ask(8)
    for name in SQUARE:
        assert sorted(int(8 * point.parameters[name]) for point in points) == list(range(8))


def test_sobol_points_fill_the_space_to_the_end():
    points = go_on(Search(SQUARE, Qmc(), seed=4), 8, 8)
    for name in SQUARE:
        assert sorted(int(64 * point[name]) for point in points) == list(range(64))


def median_best(sampler: Any, batches: int = 20) -> float:
    found = [search_of(SQUARE, sampler, seed) for seed in range(5)]
    for search in found:
        go_on(search, batches, 8)
    return statistics.median(search.best.value for search in found)


# Median of the best of 160 trials over 5 seeds, as a fraction of what random search finds.
@pytest.mark.parametrize(
    ("sampler", "margin"),
    [
        (Qmc(), 0.9),  # fills the space more evenly, and learns nothing
        (Tpe(), 0.2),
        (Nsga2(), 0.6),
        (Cmaes(), 0.1),
        pytest.param(Gp(), 0.2, marks=pytest.mark.skipif(not TORCH, reason="needs PyTorch")),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_each_does_better_than_random_points(sampler, margin):
    assert median_best(sampler) < margin * median_best(Random())


def test_models_of_the_statistics_need_a_fraction_of_the_trials():
    assert median_best(Bo(), batches=4) < 0.05 * median_best(Random())


def test_a_genetic_search_never_falls_back_to_random_points():
    # A failure in the first population leaves it one short: a space-filling point makes it complete.
    search = Search(SQUARE, Nsga2(population=8), seed=1)
    first = search.ask(8)
    search.tell([Answer(proposal=p, loss=loss(p) if p.index else None) for p in first])
    sobol = Search(SQUARE, Qmc(), seed=1).ask(9)
    filled = search.ask(1)
    assert filled[0].parameters == sobol[8].parameters
    search.tell([Answer(proposal=filled[0], loss=loss(filled[0]))])
    known = [trial.params for trial in search.trials if trial.value is not None]
    children = [proposal.parameters for proposal in search.ask(40)]
    shared = [sum(child[name] in [p[name] for p in known] for name in SQUARE) for child in children]
    assert statistics.mean(shared) > 2  # of 4 values, from a parent; a random point has none


@pytest.mark.parametrize("name", sorted(NUMBERS))
def test_a_value_has_the_quantile_that_gives_it(name):
    domain = NUMBERS[name]
    assert isinstance(domain, Range)
    for u in (0.0, 0.1, 0.37, 0.5, 0.93, 0.999):
        value = domain.at(u)
        assert domain.at(min(domain.quantile(value), 1 - 1e-9)) == pytest.approx(value)


def test_cmaes_refuses_choices_in_one_line(tmp_path):
    choices = {"J+": None, "rule": {"choices": ["a", "b"]}}
    with pytest.raises(StudyError) as error:
        small_study(tmp_path, parameters=choices, sampler={"name": "cmaes"})
    message = str(error.value)
    assert re.search(r":10: \[parameters\] rule has choices, which cmaes cannot search; ", message), message
    assert "\n" not in message


def test_a_gaussian_process_without_pytorch_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr("calibrate.study.rules.common.importlib.util.find_spec", lambda name: None)  # noqa: ARG005
    with pytest.raises(StudyError) as error:
        small_study(tmp_path, sampler={"name": "gp"})
    message = str(error.value)
    assert 'needs PyTorch: "gp"; run pip install "calibrate-snn[gp]"' in message
    assert "\n" not in message


def test_a_name_that_is_nearly_a_sampler_gets_a_hint(tmp_path):
    with pytest.raises(StudyError, match="did you mean 'cmaes'"):
        small_study(tmp_path, sampler={"name": "cma-es"})


@pytest.mark.parametrize("name", ["qmc", "nsga2", "cmaes"])
def test_study_files_name_them(tmp_path, name):
    assert small_study(tmp_path, sampler={"name": name}).sampler.name == name
