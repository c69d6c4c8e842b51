"""The batch size on a GPU: as large as pays and fits, found once, and always overridden by the study."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from calibrate import simulators
from calibrate.calibration.resources import batch_size
from calibrate.calibration.resources.batch_size import find_fastest, first_size, with_batch_size
from calibrate.calibration.study_pool import footprint_of
from calibrate.errors import SimulatorError
from calibrate.simulation.slot import Slot
from calibrate.simulators.genn import cuda
from calibrate.simulators.genn.footprint import CONTEXT_BYTES, SHARE, Footprint
from calibrate.study import Study
from tests.helpers.cuda_driver import H100, install
from tests.helpers.studies import small_study


def saturating(at: int):
    """Networks per second of a device that is full at so many."""
    return lambda size: float(min(size, at))


@pytest.mark.parametrize(("at", "expected"), [(30, 40), (60, 80), (100, 160), (300, 320), (10_000, 640)])
def test_it_is_doubled_while_that_pays(at, expected):
    assert find_fastest(saturating(at), first=40, most=1000) == expected


def test_it_never_exceeds_what_fits_and_then_nothing_is_tried():
    tried: list[int] = []

    def throughput(size: int) -> float:
        tried.append(size)
        return float(size)

    assert find_fastest(throughput, first=40, most=25) == 25
    assert find_fastest(throughput, first=40, most=79) == 40
    assert tried == []
    assert find_fastest(throughput, first=40, most=200) == 160
    assert tried == [40, 80, 160]


def test_a_size_that_does_not_work_ends_the_search():
    tried: list[int] = []
    assert find_fastest(lambda size: tried.append(size) or 0.0, first=40, most=1000) == 40
    assert tried == [40]
    assert find_fastest(lambda size: size if size < 100 else 0.0, first=40, most=1000) == 80
    assert find_fastest(lambda _: 0.0, first=40, most=1000) == 40


def test_a_size_is_tried_only_where_that_is_worth_it():
    tried: list[int] = []

    def throughput(size: int) -> float:
        tried.append(size)
        return float(size)

    assert find_fastest(throughput, first=40, most=1000, worth=lambda reached: reached < 80) == 80
    assert tried == [40, 80]


def test_the_first_size_is_what_fits_into_the_cache():
    needs = Footprint(shared_bytes=0.0, member_bytes=2e6, hot_bytes=9e5, host_bytes=2e7)
    assert first_size(needs, l2_bytes=50 * 2**20, most=1000) == 40
    assert first_size(needs, l2_bytes=50 * 2**20, most=30) == 30
    assert first_size(needs, l2_bytes=4 * 2**20, most=1000) == 3
    assert first_size(needs, l2_bytes=2**19, most=1000) == 1
    assert first_size(needs, l2_bytes=0, most=1000) == 40  # a driver that does not say


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[int]:
    """A device that is full with 100 networks, 40 of which fit into its cache; the sizes that were tried."""
    tried: list[int] = []

    def throughput(_: object, size: int) -> batch_size._Measured:
        tried.append(size)
        return batch_size._Measured(saturating(100)(size), 5.0)

    hot = footprint_of(small_study(tmp_path)).hot_bytes
    monkeypatch.setenv("CALIBRATE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(simulators, "on_gpu", lambda _: True)
    install(monkeypatch, replace(H100, l2_bytes=int(40.5 * hot / batch_size.CACHE_SHARE)))
    monkeypatch.setattr(batch_size, "_measure_throughput", throughput)
    return tried


def long_study(folder: Path, *, trials: int = 1_000_000, sampler: str = "random") -> Study:
    return small_study(folder, budget={"trials": trials}, sampler={"name": sampler})


def test_it_is_found_once_for_a_network_and_a_device(gpu, tmp_path, monkeypatch):
    study, said = long_study(tmp_path), []
    assert with_batch_size(study, said.append).simulation.batch_size == 160
    assert gpu == [40, 80, 160, 320]
    assert "H100" in said[-1]
    assert with_batch_size(study).simulation.batch_size == 160
    assert len(gpu) == 4
    install(monkeypatch, replace(cuda.devices()[0], name="another"))
    with_batch_size(study)
    assert len(gpu) == 8
    for damaged in ("[", "[]", '{"a": 3}', '{"a": {"b": "c"}}'):
        (tmp_path / "cache/batch_sizes.json").write_text(damaged)
        assert with_batch_size(study).simulation.batch_size == 160
        assert len(json.loads((tmp_path / "cache/batch_sizes.json").read_text())) == 1


def test_a_study_that_cannot_gain_by_it_searches_nothing(gpu, tmp_path):
    assert with_batch_size(small_study(tmp_path)).simulation.batch_size == 4  # 8 trials, two processes
    assert with_batch_size(long_study(tmp_path, trials=150)).simulation.batch_size == 40
    assert gpu == []
    # At 40 networks of 200 ms a second, 200 of 2 s take 50 s, of which a tenth is less than the 5 s of a try.
    assert with_batch_size(long_study(tmp_path, trials=200)).simulation.batch_size == 40
    assert gpu == [40]
    # What was measured then serves a longer one.
    assert with_batch_size(long_study(tmp_path)).simulation.batch_size == 160
    assert gpu == [40, 80, 160, 320]


@pytest.mark.parametrize(("trials", "size"), [(10, 1), (100, 6), (400, 25), (700, 40)])
def test_a_sampler_that_learns_gets_to_see_results_eight_times(gpu, tmp_path, trials, size):
    assert with_batch_size(long_study(tmp_path, trials=trials, sampler="tpe")).simulation.batch_size == size
    assert trials / (2 * size) >= 5  # two processes; a tenth of a study of ten
    assert gpu == []


def test_it_gets_larger_batches_in_longer_studies(gpu, tmp_path):
    assert with_batch_size(long_study(tmp_path, trials=1600, sampler="tpe")).simulation.batch_size == 80
    assert gpu == [40, 80]  # no more than 100


def test_a_size_that_fails_is_tried_again_another_time_and_no_larger_one_before(gpu, tmp_path, monkeypatch):
    works = batch_size._measure_throughput
    monkeypatch.setattr(batch_size, "_measure_throughput", lambda *_: batch_size._Measured(0.0, 1.0))
    assert with_batch_size(long_study(tmp_path)).simulation.batch_size == 40
    monkeypatch.setattr(batch_size, "_measure_throughput", works)
    assert with_batch_size(long_study(tmp_path)).simulation.batch_size == 160
    assert gpu == [40, 80, 160, 320]


@pytest.mark.usefixtures("gpu")
def test_less_free_memory_later_makes_it_smaller(tmp_path, monkeypatch):
    study = long_study(tmp_path)
    assert with_batch_size(study).simulation.batch_size == 160
    install(monkeypatch, replace(cuda.devices()[0], free_bytes=2**29))
    with pytest.raises(SimulatorError, match="one network needs"):
        with_batch_size(study)
    needs = footprint_of(study)
    free_bytes = 2 * (CONTEXT_BYTES + needs.shared_bytes + 60 * needs.member_bytes) / SHARE
    install(monkeypatch, replace(cuda.devices()[0], free_bytes=int(free_bytes)))
    assert with_batch_size(study).simulation.batch_size == 40


def test_the_study_has_the_last_word_and_a_cpu_needs_none(gpu, tmp_path, monkeypatch):
    asked = small_study(tmp_path, simulation={"batch_size": 7})
    assert with_batch_size(asked).simulation.batch_size == 7
    monkeypatch.setattr(simulators, "on_gpu", lambda _: False)
    assert with_batch_size(small_study(tmp_path)).simulation.batch_size is None
    assert gpu == []


def test_throughput_is_measured_in_a_process_of_its_own_and_is_0_where_nothing_runs(tmp_path):
    found = batch_size._measure_throughput(small_study(tmp_path), 3)
    assert found.networks_per_s > 0
    assert found.took_s > 0
    broken = small_study(tmp_path, parameters={"wrong_above": 0.0})
    assert batch_size._measure_throughput(broken, 3).networks_per_s == 0.0


def test_a_size_that_the_back_end_dies_of_is_one_process_and_one_answer(tmp_path, monkeypatch):
    study, started, spawn = small_study(tmp_path), [], Slot._spawn
    dying = """
if "calibrate.simulation.local_pool" not in sys.modules:
    from calibrate.simulators import poisson
    poisson.Poisson.prepare = lambda *_, **__: os._exit(1)
"""
    with (tmp_path / "tiny.py").open("a") as model:
        model.write(dying)

    def counted(slot: Slot) -> None:
        started.append(slot)
        spawn(slot)

    monkeypatch.setattr(Slot, "_spawn", counted)
    assert batch_size._measure_throughput(study, 32).networks_per_s == 0.0
    assert len(started) == 2  # the one that died, and the one in its place
