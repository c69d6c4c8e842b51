"""The order of the lines of a study file changes nothing: neither a new study nor one that goes on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from calibrate.calibration.loop import run
from calibrate.errors import StoreError
from calibrate.objective import Estimate
from calibrate.store import Store, find, resolve_name, storage_url
from calibrate.study import Study
from tests.helpers.in_memory import Bench
from tests.helpers.studies import RATE_E, RATE_I, small_study

I_E = {"low": 0.5, "high": 2.5, "points": 3}
I_I = {"low": 0.5, "high": 3.5, "points": 4}


def file_with(tmp_path, *, swapped: bool, trials: int | None = None, **more: Any) -> Study:
    ranges = {"I_E": I_E, "I_I": I_I} if more.get("sampler", {}).get("name") == "grid" else {}
    ranges = ranges or {name: {"low": 0.5, "high": 3.5} for name in ("I_E", "I_I")}
    names = reversed(ranges) if swapped else ranges
    # Merging keeps the order that the helper's own parameters have, unless they are taken out first.
    emptied = {"parameters": {"I_E": None, "J+": None, "I_I": None}}
    written = {"parameters": {"J+": 2, **{name: ranges[name] for name in names}}}
    return small_study(tmp_path, emptied, written, **{**more, "budget": {"trials": trials}})


def went(study: Study) -> Study:
    """The study as it ran in its database."""
    url = storage_url(study)
    place = resolve_name(study, url)
    with Store(place.study, url) as store:
        run(place.study, pool=Bench(), store=store)
    return place.study


def points(study: Study) -> list[tuple[float, float]]:
    url = storage_url(study)
    with Store(find(study, url), url) as store:
        return [(trial.params["I_E"], trial.params["I_I"]) for trial in store.trials()]


def in_order_of_old_versions(study: Study) -> Study:
    """The study in the order of its file, as older versions searched it."""
    return replace(study, space=dict(reversed(list(study.space.items()))))


def test_a_grid_whose_lines_are_swapped_halfway_has_every_point_once(tmp_path):
    went(file_with(tmp_path, swapped=False, trials=6, sampler={"name": "grid"}))
    went(file_with(tmp_path, swapped=True, sampler={"name": "grid"}))
    found = points(file_with(tmp_path, swapped=True, sampler={"name": "grid"}))
    assert len(found) == len(set(found)) == 12


def test_a_grid_that_an_older_version_began_in_the_order_of_its_file_is_completed_in_that_order(tmp_path):
    old = in_order_of_old_versions(file_with(tmp_path, swapped=True, trials=6, sampler={"name": "grid"}))
    with Store(old, storage_url(old)) as store:
        run(old, pool=Bench(), store=store)
    went(file_with(tmp_path, swapped=False, sampler={"name": "grid"}))
    found = points(file_with(tmp_path, swapped=False, sampler={"name": "grid"}))
    assert len(found) == len(set(found)) == 12
    assert [i_i for _, i_i in found[:3]] == [0.5, 0.5, 0.5]  # I_E varies fastest


@pytest.mark.parametrize("sampler", [{"name": "random"}, {"name": "tpe", "startup": 4}])
def test_a_new_study_asks_the_same_whatever_the_order_of_its_lines(tmp_path, sampler):
    asked = []
    for swapped in (False, True):
        folder = tmp_path / str(swapped)
        folder.mkdir()
        study = file_with(folder, swapped=swapped, trials=8, sampler=sampler)
        went(study)
        asked.append(points(study))
    assert asked[0] == asked[1]


def test_a_study_whose_lines_are_swapped_halfway_goes_on_as_if_they_were_not(tmp_path):
    sampler = {"name": "cmaes", "startup": 4}
    asked = []
    for swapped in (False, True):
        folder = tmp_path / str(swapped)
        folder.mkdir()
        first = in_order_of_old_versions(file_with(folder, swapped=False, trials=4, sampler=sampler))
        with Store(first, storage_url(first)) as store:
            run(first, pool=Bench(), store=store)
        went(file_with(folder, swapped=swapped, trials=8, sampler=sampler))
        asked.append(points(file_with(folder, swapped=swapped, trials=8, sampler=sampler)))
    assert asked[0] == asked[1]


def test_values_of_a_pareto_study_keep_their_places_when_its_objectives_are_swapped(tmp_path):
    pareto = {"study": {"pareto": True}, "sampler": {"name": "nsga2", "population": 4}}
    went(small_study(tmp_path, pareto, budget={"trials": 4}, objectives=[RATE_E, RATE_I]))
    went(small_study(tmp_path, pareto, budget={"trials": 8}, objectives=[RATE_I, RATE_E]))
    study = small_study(tmp_path, pareto, budget={"trials": 8}, objectives=[RATE_I, RATE_E])
    ready = find(study, storage_url(study))
    assert [objective.name for objective in ready.objectives] == ["rate_E", "rate_I"]
    with Store(ready, storage_url(study)) as store:
        for trial in store.trials():
            rates = [trial.user_attrs[name] for name in ("rate_E", "rate_I")]
            losses = [one.loss(Estimate(rate)) for one, rate in zip(ready.objectives, rates, strict=True)]
            assert trial.values == pytest.approx(losses)


def test_a_run_that_begins_at_the_same_moment_with_other_lines_is_told_to_run_again(tmp_path):
    first = file_with(tmp_path, swapped=False, trials=4)
    other = in_order_of_old_versions(first)
    went(first)
    with pytest.raises(StoreError, match="run again"), Store(other, storage_url(other)):
        pass
