"""What SpikeInterface itself wrote is read as it reads it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from calibrate import read_recording

core = pytest.importorskip("spikeinterface.core", reason="needs SpikeInterface: pip install .[test]")

RATE = 20_000.0


@pytest.fixture(scope="module")
def sorting():
    """Units of two segments, one of which has no spikes."""
    random = np.random.default_rng(4)
    segments = [
        {
            name: np.sort(random.choice(length, size, replace=False))
            for name, size in zip("abc", sizes, strict=True)
        }
        for length, sizes in ((9_000, (30, 0, 7)), (14_000, (12, 0, 50)))
    ]
    made = core.NumpySorting.from_unit_dict(segments, sampling_frequency=RATE)
    made.set_property("quality", ["good", "mua", "good"])
    return made


def expected(sorting, starts_ms: list[float]) -> list[np.ndarray]:
    return [
        np.concatenate(
            [
                sorting.get_unit_spike_train(unit, segment_index=k) * 1000 / RATE + start
                for k, start in enumerate(starts_ms)
            ]
        )
        for unit in sorting.unit_ids
    ]


def write(sorting, form: str, folder: Path) -> Path:
    if form == "npz":
        core.NpzSortingExtractor.write_sorting(sorting, folder / "sorting.npz")
        return folder / "sorting.npz"
    sorting.save(folder=folder / "saved", format=form)
    return folder / "saved"


@pytest.mark.parametrize("form", ["numpy_folder", "npz_folder", "npz"])
def test_a_saved_sorting_is_read_as_spikeinterface_reads_it(tmp_path, sorting, form):
    recording = read_recording(write(sorting, form, tmp_path))
    first = max(
        sorting.get_unit_spike_train(unit, segment_index=0).max(initial=0) for unit in sorting.unit_ids
    )
    second_ms = (first + 1) * 1000 / RATE + 1000
    for train, times in zip(recording.trains["E"], expected(sorting, [0, second_ms]), strict=True):
        np.testing.assert_allclose(train, times)
    assert "times in samples at 20 kHz, 2 segments one after another" in recording.understood
    if form != "npz":  # which keeps no properties
        assert read_recording(tmp_path / "saved", units={"quality": "good"}).units == 2


def test_an_analyzer_says_how_long_its_segments_are(tmp_path, sorting):
    traces = [np.zeros((length, 2), dtype=np.float32) for length in (10_000, 16_000)]
    recorded = core.NumpyRecording(traces, sampling_frequency=RATE)
    recorded.set_dummy_probe_from_locations(np.array([[0.0, 0.0], [0.0, 20.0]]))
    core.create_sorting_analyzer(
        sorting, recorded, format="binary_folder", folder=tmp_path / "analyzer", sparse=False
    )
    recording = read_recording(tmp_path / "analyzer")
    for train, times in zip(recording.trains["E"], expected(sorting, [0, 1500]), strict=True):
        np.testing.assert_allclose(train, times)
    assert {name: one.tolist() for name, one in recording.periods.items()} == {
        "segment_0": [[0, 500]],
        "segment_1": [[1500, 2300]],
    }
