"""Predictions of networks that were not simulated, against networks that then are."""

from __future__ import annotations

import json

import numpy as np
import pytest

from calibrate import StudyError, predict, read_results, run_study
from calibrate.cli.commands import execute
from tests.helpers.studies import small_study

pytestmark = pytest.mark.usefixtures("in_tmp_path")

STATISTICS = ("rate_E", "rate_I", "cv_E", "fano_E")


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("predicted")
    return small_study(folder, {"sampler": {"name": "qmc"}, "budget": {"trials": 40}})


@pytest.fixture(scope="module")
def results(study):
    run_study(study, slots=1, progress=False)
    return read_results(study)


def test_nine_of_ten_simulations_lie_within_the_intervals(tmp_path, results):
    others = small_study(tmp_path, {"study": {"seed": 4}, "budget": {"trials": 80}})
    run_study(others, slots=1, progress=False)
    trials = read_results(others).trials
    inside = {name: [] for name in STATISTICS}
    for _, trial in trials.iterrows():
        parameters = {"I_E": trial["I_E"], "I_I": trial["I_I"]}
        for one in predict(results, parameters, statistics=STATISTICS).statistics:
            if np.isfinite(trial[one.name]):
                inside[one.name].append(one.low <= trial[one.name] <= one.high)
    # The standard error of each share is 3 %.
    for name, found in inside.items():
        assert np.mean(found) == pytest.approx(0.9, abs=0.1), name
    assert np.mean([share for found in inside.values() for share in found]) == pytest.approx(0.9, abs=0.05)


def test_the_target_is_met_where_the_prediction_says_so(results):
    # Poisson neurons fire at 5 Hz per unit of input: 5 +- 1 Hz is reached at 1, and hardly at 2.
    near, beyond, edge = (predict(results, {"I_E": I_E, "I_I": 2.0}).statistics[0] for I_E in (1.0, 2.0, 1.2))
    assert near.median == pytest.approx(5.0, abs=0.4)
    assert near.met > 0.95
    assert beyond.median == pytest.approx(10.0, abs=0.6)
    assert beyond.met < 0.01
    assert 0.2 < edge.met < 0.8


def test_it_says_how_far_the_nearest_trial_is(results):
    best = results.best
    at = predict(results, best.params)
    assert (at.nearest, at.distance, at.is_far) == (best.number, 0.0, False)
    assert predict(results, {**best.params, "I_I": 2.0}).distance > 0


@pytest.mark.parametrize(
    ("parameters", "statistics", "message"),
    [
        ({"I_E": 1.0}, None, "a prediction needs all free parameters: I_I is missing"),
        ({"I_E": 9.0, "I_I": 1.0}, None, "I_E = 9.0 is outside of what was searched: it is from 0.1 to 4"),
        ({"I_E": 1.0, "I_I": 1.0, "J+": 2.0}, None, "'J+' is not a free parameter of study 'small'"),
        (
            {"I_E": 1.0, "I_I": 1.0},
            ["rate_e"],
            "the trials have no statistic 'rate_e' (did you mean 'rate_E'",
        ),
    ],
)
def test_what_cannot_be_predicted_is_refused_in_one_line(results, parameters, statistics, message):
    with pytest.raises(StudyError, match=r"^[^\n]*$") as refused:
        predict(results, parameters, statistics=statistics)
    assert message in str(refused.value)


def test_too_few_trials_say_nothing(tmp_path):
    run_study(small := small_study(tmp_path), slots=1, progress=False)
    with pytest.raises(StudyError, match="has 8 complete trials; predictions need at least 10"):
        predict(read_results(small), {"I_E": 1.0, "I_I": 1.0})


def test_the_command_starts_from_the_best_trial(study, results, capfd):
    assert execute(["predict", str(study.path), "--set", "I_I=3.0", "--json"]) == 0
    found = json.loads(capfd.readouterr().out)
    best = results.best
    assert found["parameters"] == {"I_E": best.params["I_E"], "I_I": 3.0}
    assert found["statistics"]["rate_I"]["median"] == pytest.approx(15.0, abs=2.0)
    assert set(found["statistics"]["rate_E"]) == {"unit", "median", "low", "high", "defined", "met"}
    assert execute(["predict", str(study.path), "--trial", "3", "--statistic", "cv_E"]) == 0
    out = capfd.readouterr().out
    assert "As in trial 3: I_E = " in out
    assert "The nearest trial is 3, 0 % of a range away" in out
    assert execute(["predict", str(study.path), "--set", "I_E=9"]) == 2
    assert "is outside of what was searched" in capfd.readouterr().err
