"""What is known before a study: other studies, and points to try first."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from calibrate.cli.commands import execute
from calibrate.store import check_origins, resolve_name
from tests.helpers.new_studies import TARGET, names, refused, rows, taken, trials, uuids, went
from tests.helpers.studies import small_study, write_study

pytestmark = pytest.mark.usefixtures("in_tmp_path")


def test_a_study_that_the_file_names_is_taken_over_at_every_run(tmp_path, capfd):
    went(small_study(tmp_path))
    storage = {"url": "sqlite:///small.db"}
    path = write_study(tmp_path, TARGET, prior={"study": "small"}, storage=storage, name="other")
    command = ["run", str(path), "--slots", "1"]
    assert execute(command) == 0
    assert "8 trials imported from study 'small'" in capfd.readouterr().err
    assert uuids(taken("other")) == uuids(trials("small"))
    assert len(trials("other")) == 16
    assert execute([*command, "--trials", "9", "--json"]) == 0
    printed = json.loads(capfd.readouterr().out)["trials"]
    assert (printed["complete"], printed["added"]) == (17, 1)
    assert len(uuids(trials("other"))) == 17


@pytest.mark.parametrize("name", ["smal", "other"])
def test_a_prior_study_that_is_not_there_is_refused_and_nothing_is_begun(tmp_path, capfd, name):
    went(small_study(tmp_path))
    storage = {"url": "sqlite:///small.db"}
    path = write_study(tmp_path, prior={"study": name}, storage=storage, name="other")
    line = refused(capfd, "run", str(path), "--slots", "1", "--quiet")
    assert f"has no other study '{name}'" in line
    assert "small" in line
    assert names() == ["small"]
    assert rows("select study_name from studies") == [("small",)]


def test_a_prior_study_where_there_is_no_database_creates_none(tmp_path, capfd):
    path = write_study(tmp_path, prior={"study": "small-1"})
    line = refused(capfd, "run", str(path), "--slots", "1", "--quiet")
    assert line.endswith("has no other study 'small-1'; other studies: none")
    assert not Path("small.db").exists()


def test_a_database_that_is_given_as_a_uri_is_asked_too(tmp_path):
    went(small_study(tmp_path))
    changed, url = small_study(tmp_path, TARGET), f"sqlite:///file:{tmp_path}/small.db?uri=true"
    place = resolve_name(changed, url, new=True)
    assert place.predecessor == "small"
    check_origins(place.study, url, ["small"])


def test_points_are_tried_first_and_once(tmp_path):
    points = [{"I_E": 1.0, "I_I": 2.0}, {"I_E": 3.0}]
    command = ["run", str(write_study(tmp_path, prior={"points": points})), "--slots", "1", "--quiet"]
    assert execute([*command, "--trials", "1"]) == 0
    assert execute([*command, "--trials", "3"]) == 0
    assert execute([*command, "--trials", "5"]) == 0
    found = [trial.params for trial in trials("small")]
    assert len(found) == 5
    assert found[0] == {"I_E": 1.0, "I_I": 2.0}
    assert found[1]["I_E"] == 3.0
    assert all(params["I_E"] not in (1.0, 3.0) for params in found[2:])


def test_points_may_be_added_while_a_study_goes_on(tmp_path):
    went(small_study(tmp_path))
    study = small_study(tmp_path, budget={"trials": 12}, prior={"points": [{"I_E": 1.5, "I_I": 2.5}]})
    result, _, name = went(study)
    assert name == "small"
    assert result.added == 4
    assert trials("small")[8].params == {"I_E": 1.5, "I_I": 2.5}
