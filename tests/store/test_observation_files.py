"""Observations are kept in files beside the database, and come back as they were."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from calibrate.errors import StoreError
from calibrate.objective import find_statistic
from calibrate.store import Store, archive, storage_url
from tests.helpers.stored import observation, simulation
from tests.helpers.studies import small_study

pytestmark = pytest.mark.usefixtures("in_tmp_path")


def test_observations_are_kept_beside_the_database_and_come_back_as_they_were(store, tmp_path):
    shown = observation()
    store.record(simulation("a", observation=shown))
    assert [path.name for path in (tmp_path / "small.observations").iterdir()] == ["a-1-0.npz"]
    found = store.observation("a", stage=1)
    assert found.layout == shown.layout
    for name in ("group_bins", "neuron_windows", "neuron_totals", "depolarisation"):
        one, other = getattr(found, name), getattr(shown, name)
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(found.intervals.cv2, shown.intervals.cv2)
    np.testing.assert_array_equal(found.spikes.step, shown.spikes.step)


def test_an_observation_stored_without_blocks_of_time_has_the_errors_of_independent_neurons(store, tmp_path):
    shown = observation()
    store.record(simulation("a", observation=shown))
    path = tmp_path / "small.observations" / "a-1-0.npz"
    np.testing.assert_allclose(archive.load(path).interval_blocks.cv2, shown.interval_blocks.cv2, rtol=1e-6)
    with np.load(path) as arrays:
        before = {name: array for name, array in arrays.items() if not name.startswith("blocks_")}
    np.savez_compressed(path, **before)
    found = archive.load(path)
    assert found.interval_blocks is None
    lv = find_statistic(f"lv_{found.layout.populations[0]}")
    assert lv(found).value == lv(shown).value
    assert lv(found).error == pytest.approx(lv(found).sample.std(ddof=1) / np.sqrt(lv(found).support))


def test_an_observation_stored_before_there_was_lvr_is_read_and_has_none(store, tmp_path):
    store.record(simulation("a", observation=observation()))
    path = tmp_path / "small.observations" / "a-1-0.npz"
    with np.load(path) as arrays:
        before = {name: array for name, array in arrays.items() if name != "intervals_lvr"}
    np.savez_compressed(path, **before)
    found = archive.load(path)
    np.testing.assert_array_equal(found.intervals.lv, observation().intervals.lv)
    population = found.layout.populations[0]
    estimate = find_statistic(f"lvr_{population}")(found)
    assert (estimate.defined, estimate.shortfall) == (False, 1.0)
    assert estimate.note == "the observation was stored without LvR"
    assert find_statistic(f"lv_{population}")(found).defined


def test_a_changed_or_missing_observation_is_refused(store, tmp_path):
    store.record(simulation("a", observation=observation()))
    path = tmp_path / "small.observations" / "a-1-0.npz"
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(StoreError, match="has changed since it was written"):
        store.observation("a", stage=1)
    path.unlink()
    with pytest.raises(StoreError, match="cannot read the observation"):
        store.observation("a", stage=1)
    with pytest.raises(StoreError, match="no observation of candidate b is stored"):
        store.observation("b", stage=1)


def test_a_file_that_is_no_observation_is_refused(tmp_path):
    (tmp_path / "x.npz").write_text("no")
    with pytest.raises(StoreError, match="is not an observation"):
        archive.load(tmp_path / "x.npz")


def test_an_observation_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    def full(*_: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(StoreError, match=r"cannot write the observation .*No space left on device"):
        archive.save(observation(), tmp_path / "x.npz")
    assert list(tmp_path.glob(".x*")) == []


def test_observations_are_not_kept_where_the_study_says_so(tmp_path):
    study = small_study(tmp_path, storage={"observations": False})
    with Store(study, storage_url(study)) as store:
        store.record(simulation("a", observation=observation()))
    assert not (tmp_path / "small.observations").exists()
