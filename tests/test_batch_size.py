"""The batch size on a GPU: as large as pays and fits, found once, and always overridden by the study."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from calibrate import batch_size, simulators
from calibrate.batch_size import Footprint, fastest, footprint, sized
from calibrate.models.ei_clustered import ei_clustered
from calibrate.network import Network
from calibrate.simulators import cuda
from small_study import small_study


def network(**changes: object) -> Network:
    defaults = {parameter.name: parameter.default for parameter in ei_clustered.parameters}
    return ei_clustered.network({**defaults, **changes})


def saturating(at: int):
    """Networks per second of a device that is full at so many."""
    return lambda size: float(min(size, at))


@pytest.mark.parametrize(("at", "expected"), [(30, 40), (60, 80), (100, 160), (300, 320), (10_000, 640)])
def test_it_is_doubled_while_that_pays(at, expected):
    assert fastest(saturating(at), first=40, most=1000) == expected


def test_it_never_exceeds_what_fits_and_then_nothing_is_tried():
    tried: list[int] = []

    def throughput(size: int) -> float:
        tried.append(size)
        return float(size)

    assert fastest(throughput, first=40, most=25) == 25
    assert fastest(throughput, first=40, most=79) == 40
    assert tried == []
    assert fastest(throughput, first=40, most=200) == 160
    assert tried == [40, 80, 160]


def test_a_size_that_does_not_work_ends_the_search():
    assert fastest(lambda size: size if size < 100 else 0.0, first=40, most=1000) == 80
    assert fastest(lambda _: 0.0, first=40, most=1000) == 40


def test_what_fits_follows_from_shared_and_own_memory():
    needs = Footprint(shared_bytes=4e9, member_bytes=1e7)
    assert needs.most(free_bytes=10e9, host_free_bytes=1e9) == 400
    assert needs.most(free_bytes=1e9, host_free_bytes=1e9) == 1
    on_host = Footprint(shared_bytes=4e9, member_bytes=1e7, host_bytes=1e8)
    assert on_host.most(free_bytes=10e9, host_free_bytes=10e9) == 80


def test_a_large_network_shares_its_connectivity_and_hundreds_of_members_fit_a_large_gpu():
    needs = footprint(network(N_E=20_000, N_I=5_000, N_Q=50), dt_ms=0.1)
    assert needs.shared_bytes > 2 * 25_000**2 * 0.2
    assert 2e6 < needs.member_bytes < 5e7
    assert needs.most(free_bytes=80e9, host_free_bytes=1e12) > 400
    double = footprint(network(N_E=20_000, N_I=5_000, N_Q=50), dt_ms=0.1, scalar_bytes=8)
    assert needs.member_bytes < double.member_bytes < 2 * needs.member_bytes


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[int]:
    """A device that is full with 100 networks; the sizes that were tried on it."""
    tried: list[int] = []

    def throughput(_: object, size: int) -> float:
        tried.append(size)
        return saturating(100)(size)

    monkeypatch.setenv("CALIBRATE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(simulators, "on_gpu", lambda _: True)
    monkeypatch.setattr(cuda, "device", lambda: cuda.Device("a GPU", 80 * 2**30))
    monkeypatch.setattr(batch_size, "_throughput", throughput)
    return tried


def test_it_is_found_once_for_a_network_and_a_device(gpu, tmp_path, monkeypatch):
    study, said = small_study(tmp_path), []
    assert sized(study, said.append).simulation.batch_size == 160
    assert gpu == [40, 80, 160, 320]
    assert "a GPU" in said[-1]
    assert sized(study).simulation.batch_size == 160
    assert len(gpu) == 4
    monkeypatch.setattr(cuda, "device", lambda: cuda.Device("another", 80 * 2**30))
    sized(study)
    assert len(gpu) == 8
    (tmp_path / "cache/batch_sizes.json").write_text("[")
    assert sized(study).simulation.batch_size == 160
    assert len(json.loads((tmp_path / "cache/batch_sizes.json").read_text())) == 1


@pytest.mark.usefixtures("gpu")
def test_less_free_memory_later_makes_it_smaller(tmp_path, monkeypatch):
    study = small_study(tmp_path)
    sized(study)
    monkeypatch.setattr(cuda, "device", lambda: cuda.Device("a GPU", 2**19))
    assert sized(study).simulation.batch_size < 160


def test_the_study_has_the_last_word_and_a_cpu_needs_none(gpu, tmp_path, monkeypatch):
    asked = small_study(tmp_path, ('backend = "poisson"', 'backend = "poisson"\nbatch_size = 7'))
    assert sized(asked).simulation.batch_size == 7
    monkeypatch.setattr(simulators, "on_gpu", lambda _: False)
    assert sized(small_study(tmp_path)).simulation.batch_size is None
    assert gpu == []


def test_throughput_is_measured_in_a_process_of_its_own_and_is_0_where_nothing_runs(tmp_path):
    assert batch_size._throughput(small_study(tmp_path), 3) > 0
    broken = small_study(tmp_path, ('"J+" = 2', '"J+" = 2\nwrong_above = 0.0'))
    assert batch_size._throughput(broken, 3) == 0.0


def test_without_a_driver_there_is_no_device(monkeypatch):
    def missing(_: str) -> None:
        raise OSError

    monkeypatch.setattr("calibrate.simulators.cuda.ctypes.CDLL", missing)
    assert cuda.device() is None
