"""Scores: losses over graphs, and what breaking a constraint costs, by hand."""

from __future__ import annotations

import itertools
import math
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from calibrate.calibration.trials.averages import Summary, average, combine, mean_over
from calibrate.calibration.trials.score import INFEASIBLE, score, weighted_mean
from calibrate.calibration.trials.simulation import Simulation
from calibrate.objective import Constraint, Estimate, Objective, Value, find_statistic
from calibrate.study import Study
from tests.helpers.studies import RATE_E, RATE_I, small_study

RATE = find_statistic("rate_E")


def study(folder: Path) -> Study:
    return small_study(
        folder,
        objectives=[RATE_E, RATE_I | {"weight": 3.0}],
        constraints=[{"statistic": "rate_E", "max": 10.0}, {"statistic": "dwell_time", "min": 100.0}],
        stages=[{"duration_ms": 500}],
        replicates={"graphs": 5},
    )


def shown(e: float, i: float = 10.0, dwell: float = 100.0, *, stage: int = 2, graph: int = 0) -> Simulation:
    values = {"rate_E": e, "rate_I": i, "dwell_time": dwell}
    return Simulation(
        uuid="a", index=0, parameters={}, seed=1, stage=stage, realisation=graph, backend={},
        duration_ms=2000.0, wall_s=0.0, host="", finished=datetime.now(UTC),
        estimates={name: Estimate(value) for name, value in values.items()},
    )  # fmt: skip


def test_a_loss_is_that_of_the_mean_over_graphs_and_the_weighted_mean_over_objectives(tmp_path):
    # rate_E: target 5, tolerance 1; rate_I: 9 to 11, tolerance 2.
    found = score(study(tmp_path), [shown(6.0, 13.0), shown(8.0, 10.0, graph=1)])
    # Means: 7, two above 5; 11.5, half a hertz above 11.
    assert found.losses == pytest.approx((4, 0.25**2))
    assert found.loss == pytest.approx((1 * 4 + 3 * 0.25**2) / 4)
    assert found.violations == {"rate_E": 0.0, "dwell_time": 0.0}
    assert found.feasible


def test_losses_are_of_the_last_stage_only(tmp_path):
    found = score(study(tmp_path), [shown(9.0, stage=1), shown(5.0)])
    assert found.losses == (0.0, 0.0)


def test_a_broken_constraint_is_all_that_counts_and_it_is_that_of_the_mean(tmp_path):
    # The mean is 40 / 3, a third of 10 above it: (1/3) / (4/3).
    found = score(study(tmp_path), [shown(15.0), shown(20.0, graph=1), shown(5.0, graph=2)])
    assert found.violations == pytest.approx({"rate_E": 0.25, "dwell_time": 0.0})
    assert not found.feasible
    assert found.loss == pytest.approx(INFEASIBLE * (1 + 0.25 / 1.25))
    assert found.losses == (found.loss, found.loss)


def test_violations_of_several_constraints_add_up(tmp_path):
    # 50 is half of 100 below it: (1/2) / (3/2).
    found = score(study(tmp_path), [shown(20.0, dwell=50.0)])
    total = 1 / 2 + 1 / 3
    assert found.loss == pytest.approx(INFEASIBLE * (1 + total / (1 + total)))


def test_a_short_stage_judges_only_what_it_can(tmp_path):
    assert score(study(tmp_path), [shown(5.0, dwell=1.0, stage=1), shown(5.0)]).feasible
    early = score(study(tmp_path), [shown(20.0, dwell=1.0, stage=1)])
    assert early.violations == {"rate_E": 0.5, "dwell_time": 0.0}


def test_the_worst_that_is_feasible_is_better_than_the_best_that_is_not(tmp_path):
    undefined = score(study(tmp_path), [shown(10.0, math.nan)])
    barely = score(study(tmp_path), [shown(math.nextafter(10.0, 11.0))])
    assert undefined.feasible
    assert not barely.feasible
    assert max(undefined.losses) <= INFEASIBLE <= barely.loss


@pytest.mark.parametrize(
    ("value", "low", "high", "violation"),
    [
        (5.0, 1.0, 10.0, 0.0),
        (10.0, 1.0, 10.0, 0.0),
        (1.0, 1.0, 10.0, 0.0),
        (15.0, 1.0, 10.0, 1 / 3),
        (0.0, 1.0, 10.0, 1 / 2),
        (1.0, -math.inf, 0.0, 1 / 2),
        (-3.0, -2.0, math.inf, 1 / 3),
        (5.0, -math.inf, 1e-320, 1.0),
        (1e300, -math.inf, 1e-300, 1.0),
    ],
)
def test_a_violation_is_the_distance_to_the_bound_relative_to_it(value, low, high, violation):
    found = Constraint(statistic=RATE, low=low, high=high).violation(Estimate(value))
    assert found == pytest.approx(violation)


@pytest.mark.parametrize(
    ("shortfall", "violation"),
    [(0.0, 1.0), (0.25, 1.25), (1.0, 2.0), (9.0, 2.0), (-1.0, 1.0), (math.nan, 2.0)],
)
def test_an_undefined_statistic_breaks_a_constraint_by_its_shortfall(shortfall, violation):
    undefined = Estimate(math.nan, shortfall=shortfall)
    assert Constraint(statistic=RATE, low=0.0).violation(undefined) == violation


def test_the_weighted_mean_is_that_of_the_objectives_weights(tmp_path):
    assert weighted_mean(study(tmp_path).objectives, [4.0, 8.0]) == pytest.approx((4 + 3 * 8) / 4)


def test_a_summary_is_of_the_graphs_where_the_statistic_is_defined():
    assert average([Estimate(1.0), Estimate(math.nan), Estimate(3.0)]) == Summary(
        mean=2.0, sd=pytest.approx(math.sqrt(2)), graphs=3, undefined=1
    )
    alone = average([Estimate(1.0)])
    assert (alone.mean, alone.graphs) == (1.0, 1)
    assert math.isnan(alone.sd)
    assert math.isnan(average([Estimate(math.nan)]).mean)


def test_an_estimate_over_graphs_is_that_of_the_defined_ones_and_a_lower_bound_where_one_is():
    one, other = Estimate(1.0, support=2.0), Estimate(3.0, support=4.0, lower_bound=True, note="cut")
    both = combine([{"a": one}, {"a": other}])["a"]
    assert (both.value, both.support, both.lower_bound, both.note) == (2.0, 6.0, True, "cut")
    undefined = Estimate(math.nan, shortfall=0.5)
    some = combine([{"a": one}, {"a": undefined}])["a"]
    assert (some.value, some.undefined, some.shortfall) == (1.0, 0.5, 0.5)
    assert some.note == "undefined on 1 of 2 graphs"
    assert not combine([{"a": undefined}, {"a": undefined}])["a"].defined
    assert combine([{"a": one}])["a"] is one


DWELL = Objective(statistic=find_statistic("dwell_time"), target=Value(126.0, 45.0))


def over(*values: float | Estimate) -> Estimate:
    return mean_over([one if isinstance(one, Estimate) else Estimate(one) for one in values])


def test_graphs_that_scatter_around_the_target_have_no_loss():
    assert DWELL.loss(over(80.0, 172.0)) == pytest.approx(0)
    # The mean of the losses would approach (SD / tolerance)^2 = 1; that of the mean falls as 1 / graphs.
    random = np.random.default_rng(1)
    rate = Objective(statistic=RATE, target=Value(50.0, 1.0))
    losses = [rate.loss(over(*random.normal(50.0, 1.0, size=9))) for _ in range(500)]
    assert np.mean(losses) == pytest.approx(1 / 9, rel=0.2)


def test_each_graph_where_it_is_undefined_counts_as_it_does_alone():
    nothing = Estimate(math.nan, shortfall=0.25)
    alone = DWELL.loss(nothing)
    losses = [DWELL.loss(over(*[nothing] * k, *[171.0] * (5 - k))) for k in range(6)]
    assert losses == pytest.approx([k / 5 * alone + (5 - k) / 5 * 1 for k in range(6)])
    # Being undefined on all graphs but one is no way out for a network that misses the target.
    assert losses[4] > DWELL.loss(over(*[1000.0] * 5))


def test_a_target_is_met_only_if_the_statistic_is_defined_on_every_graph():
    nothing = Estimate(math.nan)
    assert DWELL.met(over(120.0, 130.0, 125.0, 128.0))
    assert not DWELL.met(over(120.0, 130.0, 125.0, 128.0, nothing))


def test_a_lower_bound_is_never_a_hit_and_has_at_least_the_loss_at_the_tolerance():
    for value in (126.0, 150.0, 80.0, 4000.0):
        bound, exact = Estimate(value, lower_bound=True), Estimate(value)
        assert not DWELL.met(bound)
        assert DWELL.loss(bound) == max(DWELL.loss(exact), 1.0)
    assert not DWELL.met(over(126.0, Estimate(126.0, lower_bound=True)))


def test_the_score_is_the_same_to_the_last_digit_in_whatever_order_the_graphs_end(tmp_path):
    values = [5.1, 7.3, 6.7, 0.1, 9.9]
    graphs = [shown(value, value + 4, graph=k) for k, value in enumerate(values)]
    scores = {
        score(study(tmp_path), [graphs[k] for k in order]).loss for order in itertools.permutations(range(5))
    }
    assert len(scores) == 1


def test_a_constraint_counts_undefined_graphs_as_the_loss_does():
    constraint = Constraint(statistic=RATE, high=10.0)
    assert constraint.violation(over(5.0, Estimate(math.nan, shortfall=0.5))) == pytest.approx(0.75)
