"""The noise of a trial is measured with the study's own network, and tolerances are compared with it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from calibrate import make_study
from calibrate.calibration.resources.estimate import estimate
from calibrate.calibration.resources.noise import Noise, noise_of, noise_warnings
from calibrate.objective import Estimate
from tests.helpers.studies import RATE_E, RATE_I, small_study

TIGHT = {"objectives": [RATE_E | {"tolerance": 0.1}, RATE_I]}


def of_rate(sd: float, *, graphs: int = 8, mean: float = 5.0) -> tuple[Noise, ...]:
    return (Noise(name="rate_E", mean=mean, sd=sd, graphs=graphs),)


def test_the_noise_of_poisson_neurons_is_that_of_their_counts(tmp_path):
    """The rate of N neurons at r Hz for T s has a standard deviation of sqrt(r / (N T))."""
    study = small_study(tmp_path, parameters={"I_E": {"low": 1.0, "high": 1.2}})
    (of_e, of_i) = estimate(study, graphs=24).noise
    for found, neurons in ((of_e, 40), (of_i, 10)):
        assert found.graphs == 24
        assert found.sd == pytest.approx(math.sqrt(found.mean / (neurons * 2.0)), rel=0.45)  # 3 SD


def test_it_is_measured_at_the_first_point_that_is_known_or_in_the_middle(tmp_path):
    point = {"prior": {"points": [{"I_E": 4.0, "I_I": 4.0}]}}
    (middle, _), (known, _) = (
        estimate(small_study(tmp_path)).noise,
        estimate(small_study(tmp_path, point)).noise,
    )
    assert middle.mean == pytest.approx(5 * 2.05, abs=1)
    assert known.mean == pytest.approx(5 * 4.0, abs=1)


def test_a_standard_deviation_has_the_confidence_bound_of_a_normal_sample():
    random = np.random.default_rng(0)
    sds = random.normal(0.0, 3.0, (4000, 5)).std(axis=1, ddof=1)
    below = [Noise(name="x", mean=0.0, sd=float(sd), graphs=5).at_least < 3.0 for sd in sds]
    assert np.mean(below) == pytest.approx(0.95, abs=0.015)


def test_a_statistic_that_is_undefined_on_all_graphs_but_one_has_no_noise(tmp_path):
    study = small_study(tmp_path)
    seen = [{"rate_E": Estimate(float(k)), "rate_I": Estimate(1.0 if k == 0 else math.nan)} for k in range(3)]
    (noise,) = noise_of(study.objectives, seen)
    assert (noise.name, noise.mean, noise.sd, noise.graphs) == ("rate_E", 1.0, 1.0, 3)
    undefined = small_study(
        tmp_path, objectives=[RATE_E, {"statistic": "statistics.py:undefined", "target": 1, "tolerance": 1}]
    )
    assert estimate(undefined).noise_note.startswith(
        "undefined on all but one of 8 graphs, or on all: undefined"
    )


def test_a_tolerance_below_the_noise_is_a_warning_with_the_graphs_that_it_needs(tmp_path):
    study = small_study(tmp_path, TIGHT)
    (warning,) = noise_warnings(study, of_rate(0.25))
    assert "a tolerance of 0.1 is below the noise of a trial, 0.25" in warning
    assert "graphs = 7" in warning  # (.25 / .1)^2 = 6.25
    on_7 = small_study(tmp_path, TIGHT, replicates={"graphs": 7})
    assert noise_warnings(on_7, of_rate(0.25)) == []
    (hopeless,) = noise_warnings(study, of_rate(1.0))
    assert "graphs =" not in hopeless


def test_a_tolerance_that_may_be_above_the_noise_is_no_warning(tmp_path):
    study = small_study(tmp_path, TIGHT)
    assert noise_warnings(study, of_rate(0.11, graphs=4)) == []
    assert noise_warnings(study, of_rate(0.11, graphs=1000)) != []


def test_an_error_that_the_study_gives_takes_the_place_of_the_measured_one(tmp_path):
    given = small_study(tmp_path, objectives=[RATE_E | {"tolerance": 0.1, "standard_error": 0.05}, RATE_I])
    assert noise_warnings(given, of_rate(0.25)) == []


def test_the_width_of_an_interval_counts(tmp_path):
    # 9 to 11 Hz reach 1 Hz to either side of their middle.
    study = small_study(tmp_path, objectives=[RATE_E, RATE_I | {"tolerance": 0.001}])
    assert noise_warnings(study, (Noise(name="rate_I", mean=10.0, sd=0.9, graphs=8),)) == []


@pytest.mark.genn
@pytest.mark.slow
def test_an_unclustered_random_network_is_not_judged_by_the_noise_of_a_clustered_one():
    """`balanced`: a Fano factor of .6 +- .2 in 4 s was refused for a noise of .26, that of clusters."""
    study = make_study(
        "unclustered",
        model="balanced",
        parameters={"N_E": 1200, "N_I": 300, "I_th_E": {"low": 2.0, "high": 2.2}},
        simulation={"backend": "genn", "duration_ms": 4000.0, "warmup_ms": 500.0},
        objectives=[{"statistic": "fano_E", "target": 0.6, "tolerance": 0.2}],
        budget={"trials": 10},
    )
    cost = estimate(study)
    (noise,) = cost.noise
    assert noise.sd < 0.05
    assert noise_warnings(study, cost.noise) == []


def test_numbers_for_a_reader_have_no_exponent(tmp_path):
    dwell = {"statistic": "rate_E", "target": 900.0, "tolerance": 10.0}
    study = small_study(tmp_path, objectives=[dwell, RATE_I])
    (warning,) = noise_warnings(study, of_rate(126.4, mean=1234.0))
    assert "130 (over 8 graphs: mean 1230, standard deviation 130)" in warning
