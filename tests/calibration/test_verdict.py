"""The verdict on a trial, from statistics that are made up: what is confirmed, what not, what is open."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from calibrate import Estimate, Study, TargetResult, TrialSummary
from calibrate.calibration.trials.simulation import Simulation
from calibrate.calibration.validation.validate import number_of_look
from calibrate.calibration.validation.verdict import (
    SpikesCompared,
    Verdict,
    as_json,
    from_json,
    judge,
    judge_spikes,
)
from tests.helpers.studies import RATE_E, RATE_I, small_study

NAMES = ("NEST 3", "GeNN 5")
Values = Sequence[float | Estimate]


@pytest.fixture
def study(tmp_path: Path) -> Study:
    """rate_E 5 ± 1 Hz; rate_I 9 to 11, tolerance 2 Hz; dwell_time 100 ± 25 ms, compared by ratios."""
    changed = small_study(
        tmp_path,
        objectives=[
            RATE_E,
            RATE_I,
            {"statistic": "dwell_time", "target": 100.0, "tolerance": 25.0, "standard_error": 1.0},
        ],
        constraints=[{"statistic": "silent_fraction_E", "max": 0.5}],
    )
    names = ("rate_E", "rate_I", "dwell_time", "silent_fraction_E", "cv_E")
    return replace(changed, statistics=tuple(one for one in changed.statistics if one.name in names))


def trial(study: Study, *, missed: Sequence[str] = ()) -> TrialSummary:
    targets = [
        TargetResult(
            name=one.name,
            target=getattr(one.target, "value", 0.0),
            tolerance=one.target.tolerance,
            reached=1.0,
            met=one.name not in missed,
            unit="",
            note="",
        )
        for one in study.objectives
    ]
    return TrialSummary(
        number=7, params={}, parameters={}, loss=0.1, graphs=1, statistics={}, targets=targets
    )


def side(n: int, **values: Values) -> list[Simulation]:
    """Simulations of n graphs; what is not given is as the targets want it, the same on every graph."""
    usual = {"rate_E": 5.0, "rate_I": 10.0, "dwell_time": 100.0, "silent_fraction_E": 0.1, "cv_E": 1.0}
    made = []
    for k in range(n):
        found = {name: values[name][k] if name in values else value for name, value in usual.items()}
        made.append(
            Simulation(
                uuid="u",
                index=0,
                parameters={},
                seed=k,
                stage=2,
                realisation=1000 + k,
                backend={"name": "nest"},
                duration_ms=2000.0,
                wall_s=1.0,
                host="h",
                finished=datetime.now(UTC),
                estimates={
                    name: one if isinstance(one, Estimate) else Estimate(float(one))
                    for name, one in found.items()
                },
            )
        )
    return made


def verdict(
    study: Study, a: list[Simulation], b: list[Simulation] | None, *, missed: Sequence[str] = ()
) -> Verdict:
    names = NAMES if b is not None else NAMES[:1]
    return judge(study, trial(study, missed=missed), a, b, simulators=names, finished="2026-01-01")


def row(found: Verdict, name: str):
    return next(one for one in found.statistics if one.name == name)


def noise(n: int, sd: float, seed: int) -> np.ndarray:
    """n numbers with a mean of 0 and exactly this standard deviation."""
    values = np.random.default_rng(seed).normal(size=n)
    return sd * (values - values.mean()) / values.std(ddof=1)


def test_two_that_agree_are_confirmed(study):
    graphs = noise(12, 1.0, 1)  # graphs may differ as they like
    a = side(12, rate_E=5 + graphs + noise(12, 0.2, 2))
    found = verdict(study, a, side(12, rate_E=5.1 + graphs))
    assert (found.verdict, found.good, found.reasons) == ("confirmed", True, ())
    assert str(found) == "trial 7: confirmed on 12 fresh graphs"
    rate = row(found, "rate_E")
    assert (rate.decision, rate.met, rate.claimed, rate.margin) == ("equivalent", True, True, 1.0)
    assert rate.difference == pytest.approx(-0.1)
    assert rate.reference.mean == pytest.approx(5.0)
    assert rate.reference.sd == pytest.approx(1.0, abs=0.25)
    half = stats.t.ppf(0.96, 11) * 0.2 / math.sqrt(12)  # the first look is at 4 %
    assert (rate.low, rate.high) == pytest.approx((-0.1 - half, -0.1 + half), rel=1e-5)
    assert found.replicates == 12
    assert 0.99 < found.power <= 1


def test_a_difference_beyond_the_tolerance_is_named_with_its_size(study):
    a = side(12, rate_E=5 + noise(12, 0.3, 1))
    found = verdict(study, a, side(12, rate_E=[7.0] * 12))
    assert found.verdict == "not_confirmed"
    assert found.reasons == ("rate_E differs by -2 Hz, tolerance 1",)
    assert row(found, "rate_E").decision == "different"
    assert row(found, "rate_E").differs
    assert row(found, "rate_I").decision == "equivalent"


def test_a_difference_within_the_tolerance_does_not_matter_and_is_marked(study):
    found = verdict(study, side(12, rate_E=5 + noise(12, 0.1, 1)), side(12, rate_E=[5.5] * 12))
    assert found.verdict == "confirmed"
    assert found.differing == ["rate_E"]


def test_a_statistic_without_an_objective_is_shown_and_decides_nothing(study):
    found = verdict(study, side(12, cv_E=1 + noise(12, 0.1, 1)), side(12, cv_E=[3.0] * 12))
    assert found.verdict == "confirmed"
    cv = row(found, "cv_E")
    assert (cv.decision, cv.margin, cv.power, cv.differs) == (None, None, None, True)
    assert cv.difference == pytest.approx(-2.0)


def test_too_much_noise_leaves_it_open_and_says_how_many_would_decide(study):
    a = side(4, rate_E=5.2 + noise(4, 1.0, 1))
    found = verdict(study, a, side(4, rate_E=[5.0] * 4))
    assert found.verdict == "undecided"
    assert found.needed == row(found, "rate_E").needed == 25
    assert found.reasons == (
        "rate_E may differ by its tolerance (25 replicates would decide in look 2, at 0.8 %)",
    )
    assert found.power < 0.5


def test_a_difference_at_the_tolerance_stays_open(study):
    a = side(8, rate_E=6.0 + noise(8, 0.5, 1))
    found = verdict(study, a, side(8, rate_E=[5.0] * 8))
    assert (found.verdict, found.needed) == ("undecided", None)
    assert "more than 10,000 replicates" in found.reasons[0]


def test_durations_are_compared_by_ratios(study):
    a = side(12, dwell_time=100 * np.exp(noise(12, 0.1, 1)))
    dwell = row(verdict(study, a, side(12, dwell_time=[90.0] * 12)), "dwell_time")
    assert (dwell.scale, dwell.decision) == ("log", "equivalent")
    assert dwell.difference == pytest.approx(100 / 90)
    assert dwell.margin == pytest.approx(1.25)
    assert dwell.low < dwell.difference < dwell.high
    apart = verdict(study, a, side(12, dwell_time=[60.0] * 12))
    assert apart.reasons == ("dwell_time differs by a factor of 1.67, tolerance 1.25",)


def test_a_target_that_the_trial_met_must_be_met_in_the_reference(study):
    a, b = side(12, rate_E=[6.5] * 12), side(12, rate_E=[6.5] * 12)
    found = verdict(study, a, b)
    assert (found.verdict, found.reasons) == ("not_confirmed", ("rate_E is 6.5 Hz, target 5 ± 1",))
    # One that it missed itself is no claim to confirm.
    unclaimed = verdict(study, a, b, missed=["rate_E"])
    assert (unclaimed.verdict, unclaimed.good) == ("confirmed", True)
    assert str(unclaimed) == "trial 7: the simulators agree, but rate_E misses its target on 12 fresh graphs"


def test_a_constraint_that_is_broken_is_not_confirmed(study):
    a = side(12, silent_fraction_E=[0.8] * 12)
    found = verdict(study, a, a)
    assert found.reasons == ("silent_fraction_E is 0.8, which breaks its constraint",)
    assert found.verdict == "not_confirmed"


def test_one_simulator_says_only_whether_the_targets_are_met(study):
    found = verdict(study, side(6, rate_E=5.9 + noise(6, 0.5, 1)), None)
    assert (found.verdict, found.good, found.power) == ("targets_met", True, None)
    assert str(found) == f"trial 7: targets met on {found.replicates} fresh graphs"
    assert row(found, "rate_E").other is row(found, "rate_E").decision is None
    missed = verdict(study, side(6, rate_I=[12.0] * 6), None, missed=["rate_I"])
    assert (missed.verdict, missed.good) == ("targets_not_met", False)
    assert missed.reasons == ("rate_I is 12 Hz, target 0 ± 2",)  # as the trial describes it


def test_undefined_in_both_is_the_same_and_meets_no_target(study):
    nothing = side(6, dwell_time=[math.nan] * 6)
    found = verdict(study, nothing, nothing, missed=["dwell_time"])
    assert found.verdict == "confirmed"
    assert row(found, "dwell_time").note == "undefined in both"
    assert row(found, "dwell_time").met is False
    assert verdict(study, nothing, nothing).verdict == "not_confirmed"


def test_defined_in_one_only_is_a_difference(study):
    found = verdict(study, side(12), side(12, dwell_time=[math.nan] * 12))
    assert found.verdict == "not_confirmed"
    assert found.reasons == ("dwell_time is defined on 12 graphs in one simulator, 0 in the other",)
    assert row(found, "dwell_time").decision == "different"


def test_a_lower_bound_is_no_value_to_compare(study):
    bounds = [Estimate(100.0, lower_bound=k < 2) for k in range(12)]
    assert verdict(study, side(12, dwell_time=bounds), side(12)).verdict == "not_confirmed"
    found = verdict(study, side(12, dwell_time=bounds), side(12), missed=["dwell_time"])
    assert found.verdict == "confirmed"
    assert row(found, "dwell_time").reference.lower_bound
    assert row(found, "dwell_time").note == "defined in both on 10 of 12 graphs"
    assert row(found, "dwell_time").reference.defined == 10


def test_pairs_of_which_one_failed_are_left_out(study):
    a, b = side(12, rate_E=[50.0, *[5.0] * 11]), side(12)
    b[0] = replace(b[0], reason="it died", estimates={})
    found = verdict(study, a, b)
    assert (found.verdict, found.failures) == ("confirmed", {"it died": 1})
    assert row(found, "rate_E").reference.defined == 11
    few = verdict(study, a[:3], [b[0], *b[1:3]])
    assert few.verdict == "undecided"
    assert few.reasons == ("2 pairs of simulations completed, but 3 are needed",)


def test_identical_simulators_are_confirmed_at_the_stated_rate(study):
    random = np.random.default_rng(8)
    words, powers = [], []
    for _ in range(300):
        a, b = (
            side(
                10,
                rate_E=random.normal(5, 0.55, 10),
                rate_I=random.normal(10, 1.0, 10),
                dwell_time=100 * np.exp(random.normal(0, 0.12, 10)),
            )
            for _ in range(2)
        )
        found = verdict(study, a, b)
        words.append(found.verdict)
        powers.append(found.power)
    rate = words.count("confirmed") / 300
    assert 0.5 < rate < 0.95  # the test is one: neither none nor all
    assert rate > np.mean(powers) - 4 * math.sqrt(0.25 / 300)  # at least what is said
    assert words.count("not_confirmed") / 300 < 0.05


def test_a_verdict_comes_back_from_json_as_it_was(study):
    samples = [[{"cv_E": Estimate(1.0, sample=np.array([0.9, 1.1 + k]))} for k in range(6)] for _ in range(2)]
    some = replace(study, statistics=tuple(one for one in study.statistics if one.name == "cv_E"))
    some = replace(some, objectives=(), constraints=())
    found = judge(
        some,
        trial(some),
        side(6, cv_E=[1.0, math.nan, 1.0, 1.0, 1.0, 1.0]),
        side(6),
        simulators=NAMES,
        finished="2026-01-01",
        samples=(samples[0], samples[1]),
    )
    assert [shift.name for shift in found.distributions] == ["cv_E"]
    assert found.distributions[0].of == "CV of each neuron"
    assert not found.distributions[0].differs
    assert from_json(json.loads(json.dumps(as_json(found), allow_nan=False))) == found


def test_spike_trains_confirm_where_all_are_identical(study):
    same = SpikesCompared(graph=1000, identical_ms=2500.0, duration_ms=2500.0, spikes=99, first=None)
    found = judge_spikes(trial(study), [same], simulators=NAMES, finished="2026-01-01")
    assert (found.verdict, found.exact, found.reasons) == ("confirmed", True, ())
    apart = replace(same, identical_ms=12.3, first="a spike of E neuron 3 at 12.4 ms in NEST only")
    found = judge_spikes(trial(study), [same, apart], simulators=NAMES, finished="2026-01-01")
    assert found.verdict == "not_confirmed"
    assert found.reasons == (
        "graph 1000: identical for 12.3 ms, then a spike of E neuron 3 at 12.4 ms in NEST only",
    )
    assert from_json(json.loads(json.dumps(as_json(found)))) == found


def test_a_target_of_a_statistic_that_is_undefined_on_one_graph_is_missed_and_the_reason_says_so(study):
    some = side(5, dwell_time=[100.0, 102.0, 98.0, 100.0, math.nan])
    found = verdict(study, some, None)
    assert found.reasons == (
        "dwell_time is 100 ms where it is defined, but undefined on 1 graph, target 100 ± 25",
    )


def test_a_look_at_the_same_replicates_is_no_new_one(study):
    a = side(4, rate_E=5.2 + noise(4, 1.0, 1))
    first = verdict(study, a, side(4))
    more = replace(first, replicates=25)
    look = partial(number_of_look, duration_ms=first.duration_ms)
    assert look([], replicates=4) == 1
    assert look([first, first], replicates=4) == 1
    assert look([first], replicates=25) == 2
    assert look([first, more], replicates=60) == 3
    assert look([replace(first, simulators=NAMES[:1])], replicates=25) == 1
