"""The self-test: a study searches for a network that is known."""

from __future__ import annotations

import json

import pytest

from calibrate import StudyError, read_results, selftest
from calibrate.cli.commands import execute
from calibrate.objective import Objective, Value, find_statistic
from calibrate.tasks.selftest import make_target
from tests.helpers.studies import RATE_E, RATE_I, small_study, write_study

pytestmark = pytest.mark.usefixtures("in_tmp_path")

WITH_FRESH = {"replicates": {"fresh": 3}}
MANY = {"budget": {"trials": 60}}
TPE = {"sampler": {"name": "tpe"}}
LOSS = {"budget": {"loss": 50.0}}


def test_it_finds_a_network_that_is_there_and_its_parameters(tmp_path):
    study = small_study(tmp_path, WITH_FRESH, MANY, TPE, LOSS)
    said: list[str] = []
    found = selftest(study, slots=2, progress=False, say=said.append)
    assert found.met
    assert found.trials == 60  # a loss that is low enough does not end it: how loose it is must be seen
    assert said == [f"Known network: I_E = {found.truth['I_E']:.6g}, I_I = {found.truth['I_I']:.6g}"]
    # A rate for each of two currents: nothing is loose.
    for one in found.parameters:
        assert one.truth == found.truth[one.name]
        assert 0.1 + 0.2 * 3.9 <= one.truth <= 4.0 - 0.2 * 3.9
        assert one.off == pytest.approx(abs(one.found - one.truth) / 3.9)
        assert one.off < 0.15
        assert one.low < one.truth < one.high
    assert found.looseness.explained > 0.8
    assert all(target.fresh_met for target in found.best.targets)


def test_it_is_another_study_in_the_same_database_that_goes_on(tmp_path):
    study = small_study(tmp_path)
    first = selftest(study, slots=1, progress=False)
    again = selftest(study, slots=1, progress=False)
    assert again == first
    assert first.name.startswith("small-selftest-")
    assert [path.name for path in tmp_path.glob("*.db")] == ["small.db"]
    with pytest.raises(Exception, match="run it first"):
        read_results(study)


def test_a_network_can_be_named(tmp_path, capsys):
    write_study(tmp_path, MANY, TPE)
    assert execute(["selftest", "small.toml", "--set", "I_E=1.5", "--json", "--quiet", "--slots", "2"]) == 0
    found = json.loads(capsys.readouterr().out.replace("models may print\n", ""))
    assert (found["truth"]["I_E"], found["met"], found["trials"]) == (1.5, True, 60)
    rate = found["statistics"][0]
    assert (rate["name"], rate["tolerance"], rate["met"]) == ("rate_E", 1.0, True)
    assert abs(rate["reached"] - rate["truth"]) <= 1.0
    assert [one["name"] for one in found["parameters"]] == ["I_E", "I_I"]


def test_people_get_tables_and_exit_code_1_where_it_is_not_found(tmp_path, capsys):
    write_study(tmp_path, budget={"trials": 1})
    assert execute(["selftest", "small.toml", "--slots", "1"]) == 1
    out, err = capsys.readouterr()
    assert "Parameters" in out
    assert "Results: study small-selftest-" in out
    assert "error: the known network was not found" in err


@pytest.mark.parametrize(
    ("given", "message"),
    [({"I_X": 1.0}, "I_X is not free"), ({"I_E": 9.0}, "I_E = 9.0 is outside its range")],
)
def test_a_network_outside_of_the_space_is_refused(tmp_path, given, message):
    with pytest.raises(StudyError, match=message):
        selftest(small_study(tmp_path), given, slots=1, progress=False)


def test_ranges_without_a_usable_network_are_refused(tmp_path):
    study = small_study(tmp_path, constraints=[{"statistic": "rate_E", "min": 500.0}])
    with pytest.raises(StudyError, match="none of 20 networks drawn from the ranges"):
        selftest(study, slots=1, progress=False)


def test_durations_keep_their_relative_tolerance(tmp_path):
    isi = {"statistic": "isi_E", "target": 100.0, "tolerance": 50.0}
    study = small_study(tmp_path, objectives=[RATE_E, RATE_I, isi])
    found = selftest(study, slots=2, progress=False)
    target = next(one for one in found.best.targets if one.name == "isi_E")
    assert target.tolerance == pytest.approx(0.5 * target.target, rel=1e-3)


@pytest.mark.parametrize(("value", "tolerance"), [(204.3, 30.65), (192.1, 28.82)])
def test_a_self_test_has_the_tolerances_and_so_the_name_that_it_always_had(value, tolerance):
    """As version 0.1 wrote them: a last digit more or less would begin another study."""
    objective = Objective(statistic=find_statistic("dwell_time"), target=Value(200.0, 30.0))
    assert make_target(objective, value) == Value(value, tolerance, source="a known network")
