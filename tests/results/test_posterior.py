"""The posterior against closed forms, and what is said of how far it can be trusted."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import replace

import numpy as np
import pytest

from calibrate import StudyError, check_posterior, find_statistic, posterior, read_results, run_study
from calibrate.calibration.emulator.cube import Cube
from calibrate.calibration.emulator.models import Model, Trial
from calibrate.cli.commands import execute
from calibrate.objective import Constraint, Estimate, Interval, Objective, Value
from calibrate.report.posterior import posterior_section
from calibrate.results.posterior.diagnostics import coverage_of
from calibrate.results.posterior.evidence import Evidence, basis_in_words
from calibrate.results.posterior.gaussian_processes import GaussianProcesses
from calibrate.results.posterior.reach import out_of_reach
from calibrate.results.results import Results
from calibrate.study.from_files import FromFiles
from calibrate.study.space import Choice, Domain, Range
from tests.helpers.studies import small_study

pytestmark = pytest.mark.usefixtures("in_tmp_path")

SPACE: dict[str, Domain] = {"a": Range(low=0.0, high=1.0), "b": Range(low=0.0, high=1.0)}
NOISE = 0.02


def objective(name: str, target: Value | Interval) -> Objective:
    return Objective(statistic=replace(find_statistic("rate_E"), name=name, scale="linear"), target=target)


class Toy:
    """Trials of functions of the quantiles, with normal errors, and the engine that knows them."""

    def __init__(self, functions, judged, *, space=SPACE, n=60, undefined=lambda *_: False, points=None):
        random, self.space, self.cube = np.random.default_rng(2), space, Cube(space)
        at = self.cube.at(random.random((n, len(space))) if points is None else points)
        self.trials = [
            Trial(
                point=point,
                estimates={
                    name: Estimate(math.nan, shortfall=0.5)
                    if undefined(name, u)
                    else Estimate(float(function(u) + NOISE * random.standard_normal()))
                    for name, function in functions.items()
                },
            )
            for point, u in zip(at, self.cube.quantiles(at), strict=True)
        ]
        self.evidence = [Evidence.of(one) for one in judged]
        self.models = {one.name: Model.of(one.name, one.scale, self.trials) for one in self.evidence}
        self.engine = GaussianProcesses(self.cube, self.models)

    def sample(self, *, n=2000, seed=0, temperature=1.0):
        fitted = self.engine.fit(self.trials, seed=seed)
        data = [one.datum for one in self.evidence]
        return fitted.sample(data, n=n, seed=seed, temperature=temperature)

    def coverage(self):
        return coverage_of(self.engine, self.space, self.trials, self.evidence, self.models, seed=0)


SUM_AND_DIFFERENCE = {"s": lambda u: u[0] + u[1], "d": lambda u: u[0] - u[1]}
TARGETS = [objective("s", Value(1.0, 0.2)), objective("d", Value(0.1, 0.1))]


@pytest.fixture(scope="module")
def linear() -> Toy:
    return Toy(SUM_AND_DIFFERENCE, TARGETS)


def test_a_linear_network_with_normal_errors_has_the_posterior_of_the_closed_form(linear):
    found = linear.sample()
    # a = (s + d) / 2 and b = (s - d) / 2, with half the tolerances and the errors of a trial.
    of_s, of_d = 0.1**2 + NOISE**2, 0.05**2 + NOISE**2
    assert found.mean(axis=0) == pytest.approx([0.55, 0.45], abs=0.01)
    assert found.std(axis=0) == pytest.approx([math.sqrt(of_s + of_d) / 2] * 2, rel=0.15)
    assert np.corrcoef(found.T)[0, 1] == pytest.approx((of_s - of_d) / (of_s + of_d), abs=0.12)


def test_a_temperature_widens_it_by_its_root(linear):
    cool, warm = linear.sample(), linear.sample(temperature=2.0)
    assert warm.std(axis=0) / cool.std(axis=0) == pytest.approx([math.sqrt(2)] * 2, rel=0.15)


def test_the_same_seed_gives_the_same_samples(linear):
    assert np.array_equal(linear.sample(seed=3), linear.sample(seed=3))
    assert not np.array_equal(linear.sample(seed=3), linear.sample(seed=4))


def test_intervals_of_trials_that_were_left_out_cover_their_parameters(linear):
    found = linear.coverage()
    assert found.temperature <= 2.0
    assert all(0.8 <= share <= 1.0 for share in found.parameters.values())
    assert all(p > 0.01 for p in found.ranks.values())
    assert not found.warnings


def test_trials_that_crowd_count_as_no_more_than_their_place():
    random = np.random.default_rng(0)
    crowd = np.clip([0.55, 0.45] + 0.01 * random.standard_normal((150, 2)), 0, 1)
    crowded = Toy(SUM_AND_DIFFERENCE, TARGETS, points=np.vstack([random.random((10, 2)), crowd]))
    found = crowded.coverage()
    assert found.trials < 40
    assert found.trials == 0 or all(share > 0.6 for share in found.parameters.values())


def test_too_few_trials_are_not_trusted():
    found = Toy(SUM_AND_DIFFERENCE, TARGETS, n=12).coverage()
    assert (found.trials, found.parameters, found.temperature) == (0, {}, 4.0)
    assert "the intervals could not be checked" in found.warnings[0]


def test_a_network_whose_statistic_is_undefined_is_improbable():
    toy = Toy({"s": lambda u: u[1]}, [objective("s", Value(0.5, 0.2))], undefined=lambda _, u: u[0] > 0.5)
    a, b = toy.sample().T
    assert (a > 0.6).mean() < 0.1
    assert np.quantile(a, [0.1, 0.5]) == pytest.approx([0.05, 0.25], abs=0.07)
    assert b.mean() == pytest.approx(0.5, abs=0.03)


def test_all_values_in_an_interval_are_as_good():
    (a, _) = Toy({"s": lambda u: u[0]}, [objective("s", Interval(0.3, 0.7, 0.02))]).sample().T
    assert np.quantile(a, [0.05, 0.5, 0.95]) == pytest.approx([0.32, 0.5, 0.68], abs=0.04)


def test_constraints_are_kept():
    kept = Constraint(statistic=replace(find_statistic("rate_E"), name="d"), high=0.0)
    a, b = Toy(SUM_AND_DIFFERENCE, [TARGETS[0], kept]).sample().T
    assert (a - b > 0.1).mean() < 0.03
    assert (a - b < -0.2).mean() > 0.4


def test_choices_and_whole_numbers_have_their_share():
    space: dict[str, Domain] = {"c": Choice(values=("x", "y", "z")), "k": Range(low=1, high=8, integer=True)}
    functions = {"s": lambda u: float(u[0] > 0.4), "t": lambda u: u[1]}
    judged = [objective("s", Value(1.0, 0.2)), objective("t", Value(0.5, 0.3))]
    toy = Toy(functions, judged, space=space, n=80)
    points = toy.cube.at(toy.sample())
    drawn = [toy.cube.parameters(point) for point in points]
    assert sum(one["c"] == "x" for one in drawn) < 0.05 * len(drawn)
    assert sum(one["c"] == "y" for one in drawn) == pytest.approx(len(drawn) / 2, rel=0.2)
    assert np.mean([one["k"] for one in drawn]) == pytest.approx(4.5, abs=0.4)
    assert set(toy.coverage().parameters) == {"k"}


class Judged:
    """The part of a study that says what is aimed at."""

    def __init__(self, judged):
        self.judged = judged


@pytest.mark.parametrize(
    ("judged", "message"),
    [
        ([objective("s", Value(3.0, 0.2))], "s is out of reach: with these ranges it goes from"),
        (
            [objective("s", Value(1.5, 0.1)), objective("r", Value(0.5, 0.1))],
            "s is out of reach together with the other targets: it is then about",
        ),
        (TARGETS, None),
    ],
)
def test_a_target_out_of_reach_is_named(judged, message):
    toy = Toy({**SUM_AND_DIFFERENCE, "r": lambda u: u[0] + u[1]}, judged)
    points = toy.cube.at(toy.sample())
    lines = list(out_of_reach(toy.evidence, Judged(judged), toy.models, toy.cube, points))
    assert (message is None and not lines) or message in lines[0]


def test_a_target_in_the_middle_of_a_wide_posterior_is_within_reach():
    judged = [objective("s", Value(1.0, 0.02)), objective("d", Value(0.1, 0.02))]
    toy = Toy(SUM_AND_DIFFERENCE, judged)
    anywhere = toy.cube.at(np.random.default_rng(0).random((500, 2)))
    assert not list(out_of_reach(toy.evidence, Judged(judged), toy.models, toy.cube, anywhere))


def test_the_error_of_a_recording_is_used_where_it_is_known():
    recorded = Evidence.of(objective("s", Value(5.0, 1.0, error=0.2)))
    given = Evidence.of(objective("t", Value(5.0, 1.0)))
    assert (recorded.error, given.error) == (0.2, 0.5)
    assert basis_in_words([recorded, given]) == "those of the recording; of t half the tolerance"


def test_the_error_of_a_recording_is_stored_and_older_databases_have_none():
    kept = FromFiles(targets={"s": Value(5.0, 1.0, error=0.2)}).as_json()
    assert FromFiles.from_json(kept).targets["s"].error == 0.2
    del kept["targets"]["s"]["error"]
    assert math.isnan(FromFiles.from_json(kept).targets["s"].error)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compatible")
    made = small_study(folder, {"sampler": {"name": "qmc"}, "budget": {"trials": 40}})
    run_study(made, slots=1, progress=False)
    return made


def test_the_command_prints_parameters_and_coverage(study, tmp_path, capfd):
    assert execute(["posterior", str(study.path), "--json", "--output", str(tmp_path / "out")]) == 0
    found = json.loads(capfd.readouterr().out)
    # Poisson neurons fire at 5 Hz per unit of input: 5 Hz is reached at 1.
    one = found["parameters"]["I_E"]
    assert one["low"] < 1.0 < one["high"]
    assert one["high"] - one["low"] < 1.0
    assert set(found["coverage"]) == {"I_E", "I_I"}
    written = {path.name for path in (tmp_path / "out").iterdir()}
    figures = {f"{name}.{kind}" for name in ("posterior", "predictive") for kind in ("png", "pdf", "svg")}
    assert written == {"samples.csv", "posterior.json", *figures}
    with (tmp_path / "out" / "samples.csv").open() as file:
        assert len(list(csv.DictReader(file))) == found["samples"] == 2000
    assert execute(["posterior", str(study.path)]) == 0
    out = capfd.readouterr().out
    assert "Rests on 40 trials, engine gp" in out
    assert "Standard errors of targets: half the tolerance" in out
    assert "Coverage: how often intervals of 90 %" in out


def test_the_section_of_a_report_has_no_empty_sentence_if_all_parameters_are_choices(study, monkeypatch):
    results = read_results(study)
    found = replace(
        posterior(results, samples=100), study=replace(study, space={"I_E": Choice(values=(1.0,))})
    )
    monkeypatch.setattr("calibrate.report.posterior.posterior", lambda *_, **__: found)
    monkeypatch.setattr("calibrate.report.posterior._pictures", lambda _: [])
    assert "." not in posterior_section(results).text


def test_simulations_are_as_predicted(study):
    results = read_results(study)
    check = check_posterior(results, posterior(results, samples=200), networks=10)
    assert (check.networks, check.failed) == (10, 0)
    assert check.agrees
    assert sum(check.met) >= 0.4 * 10 * len(results.study.objectives)


def test_what_cannot_be_asked_is_refused_in_one_line(study):
    results = read_results(study)
    with pytest.raises(StudyError, match=r"^there is no engine 'gpp' \(did you mean 'gp'\?\)"):
        posterior(results, engine="gpp")
    with pytest.raises(StudyError, match="needs at least 100 samples, not 5"):
        posterior(results, samples=5)
    unknown = replace(results.study, objectives=(objective("never", Value(1.0, 0.1)),))
    with pytest.raises(StudyError, match="never"):
        posterior(Results(unknown, results.storage))
