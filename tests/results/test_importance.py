"""Importance of parameters: against closed forms, and nothing where there is nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import optuna
import pytest
from numpy.typing import NDArray
from optuna.distributions import FloatDistribution
from optuna.trial import FrozenTrial, TrialState

from calibrate.results.importance import importance_by_chance, importances
from calibrate.study import Study
from tests.helpers.studies import small_study

Uniform = NDArray[np.float64]


def trials(n: int, log_loss: Callable[[Uniform], Uniform], seed: int = 1) -> list[FrozenTrial]:
    random = np.random.default_rng(seed)
    at = random.random((n, 2))
    ranges = dict.fromkeys(("I_E", "I_I"), FloatDistribution(0, 1))
    return [
        optuna.trial.create_trial(
            params=dict(zip(ranges, map(float, row), strict=True)), distributions=ranges, value=float(value)
        )
        for row, value in zip(at, np.exp(log_loss(at)), strict=True)
    ]


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return small_study(tmp_path)


def test_shares_of_an_additive_loss_are_those_of_its_variance(study):
    """Var(2 u) and Var(v) of uniform u and v are 4 : 1."""
    told = trials(150, lambda at: 2 * at[:, 0] + at[:, 1])
    found = importances(study, told)
    assert found["I_E"] == pytest.approx(0.8, abs=0.07)
    assert found["I_I"] == pytest.approx(0.2, abs=0.07)
    assert sum(found.values()) <= 1
    assert importance_by_chance(study, told) < found["I_E"]


def test_shares_of_an_interaction_leave_out_what_no_parameter_explains_by_itself(study):
    found = importances(study, trials(200, lambda at: 4 * (at[:, 0] - 0.5) * (at[:, 1] - 0.5)))
    assert sum(found.values()) < 0.5


def test_noise_exceeds_chance_in_few_studies(study):
    """The rate is 1 in 20; 3 or more of 8 have a probability of .006."""
    above = 0
    for seed in range(8):
        told = trials(25, lambda at, seed=seed: np.random.default_rng(100 + seed).normal(size=len(at)), seed)
        above += max(importances(study, told).values()) > importance_by_chance(study, told)
    assert above < 3


def test_equal_losses_few_trials_and_one_point_tell_nothing(study):
    assert importances(study, trials(30, lambda at: np.zeros(len(at)))) == {}
    assert importances(study, trials(9, lambda at: at[:, 0])) == {}
    one = trials(1, lambda at: at[:, 0])[0]
    same = [
        optuna.trial.create_trial(params=one.params, distributions=one.distributions, value=1.0 + k)
        for k in range(12)
    ]
    assert importances(study, same) == {}
    assert np.isnan(importance_by_chance(study, trials(30, lambda at: np.zeros(len(at)))))


def test_failed_trials_do_not_count(study):
    told = trials(40, lambda at: 2 * at[:, 0])
    failed = optuna.trial.create_trial(
        state=TrialState.FAIL, params=told[0].params, distributions=told[0].distributions
    )
    assert importances(study, [*told, failed]) == importances(study, told)
