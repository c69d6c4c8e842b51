"""A study that was changed is refused, or begun anew under a name of its own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from calibrate.errors import StoreError
from calibrate.store import Store, resolve_name, storage_url
from tests.helpers.new_studies import NARROW, TARGET, names, refused, went
from tests.helpers.studies import RATE_E, RATE_I, small_study, write_study

pytestmark = pytest.mark.usefixtures("in_tmp_path")


def test_a_changed_study_is_refused_with_the_difference_and_the_way_on(tmp_path, capfd):
    went(small_study(tmp_path))
    before = Path("small.db").read_bytes()
    path = write_study(tmp_path, TARGET, NARROW)
    line = refused(capfd, "run", str(path))
    assert "rate_E.target was 5.0, is 7.0" in line
    assert "I_E.low was 0.1, is 1.0" in line
    assert "--new" in line
    assert "--import" in line
    assert Path("small.db").read_bytes() == before


def test_a_new_study_has_the_name_and_eight_digits_and_a_plain_run_goes_on_with_it(tmp_path):
    first, _, _ = went(small_study(tmp_path))
    changed = small_study(tmp_path, TARGET)
    result, _, name = went(changed, new=True)
    assert re.fullmatch(r"small-[0-9a-f]{8}", name)
    assert name == f"small-{changed.digest[:8]}"
    assert (result.complete, result.added) == (8, 8)
    more = small_study(tmp_path, TARGET, budget={"trials": 10})
    result, _, again = went(more)
    assert again == name
    assert (result.complete, result.added) == (10, 2)
    assert names() == ["small", name]
    back, _, original = went(small_study(tmp_path))
    assert original == "small"
    assert back.best == first.best


def test_each_change_is_a_study_of_its_own_and_comes_after_the_last(tmp_path):
    went(small_study(tmp_path))
    _, _, second = went(small_study(tmp_path, TARGET), new=True)
    third = small_study(tmp_path, objectives=[RATE_E | {"target": 8.0}, RATE_I])
    place = resolve_name(third, storage_url(third), new=True)
    assert place.predecessor == second
    with pytest.raises(StoreError, match=f"differs from study '{second}'.*target was 7.0, is 8.0"):
        resolve_name(third, storage_url(third))
    went(third, new=True)
    assert len(set(names())) == 3


def test_observations_of_a_new_study_lie_in_a_folder_of_its_own(tmp_path):
    went(small_study(tmp_path))
    _, _, name = went(small_study(tmp_path, TARGET), new=True)
    assert len(list((tmp_path / "small.observations").iterdir())) == 8
    assert len(list((tmp_path / f"{name}.observations").iterdir())) == 8


def test_a_new_study_that_has_not_changed_is_refused(tmp_path, capfd):
    study = small_study(tmp_path)
    went(study)
    line = refused(capfd, "run", str(study.path), "--new")
    assert "has not changed" in line
    assert names() == ["small"]


def test_a_new_study_where_there_is_none_is_the_first(tmp_path):
    result, _, name = went(small_study(tmp_path), new=True)
    assert (name, result.added) == ("small", 8)


def test_studies_whose_names_only_begin_alike_are_left_alone(tmp_path):
    for name in ("small-one", "small-0123456789", "smaller"):
        study = small_study(tmp_path, study={"seed": 4, "name": name})
        with Store(study, "sqlite:///small.db"):
            pass
    study = small_study(tmp_path)
    assert resolve_name(study, "sqlite:///small.db").study.name == "small"
    assert resolve_name(study, "sqlite:///small.db").predecessor is None


def test_taking_over_belongs_to_a_new_study(tmp_path, capfd):
    path = write_study(tmp_path)
    assert "requires --new" in refused(capfd, "run", str(path), "--import")
    assert not Path("small.db").exists()
