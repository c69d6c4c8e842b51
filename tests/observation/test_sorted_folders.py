"""Folders of spike sorters: what is read is what was written, or one clear line says what to do."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from calibrate import Recording, RecordingError, StudyError, read_recording, read_study
from calibrate.cli.commands import execute
from calibrate.study.identity import differences
from tests.helpers.sorted_folders import (
    write_alf,
    write_kwik,
    write_phy,
    write_shank,
    write_sorting,
    write_table,
)
from tests.helpers.studies import write_study

# Samples at 10 kHz, and the same in ms.
SPIKES = {0: [100, 2000, 9000], 3: [500, 700], 7: [15, 4000, 4050, 9990]}
MS = {0: [10.0, 200.0, 900.0], 3: [50.0, 70.0], 7: [1.5, 400.0, 405.0, 999.0]}


def times(recording: Recording) -> list[list[float]]:
    return [train.tolist() for train in recording.trains["E"]]


@pytest.fixture
def phy(tmp_path: Path) -> Path:
    return write_phy(tmp_path / "sorted", SPIKES)


def test_the_clusters_with_spikes_are_the_units_of_a_phy_folder(phy):
    # A merge takes clusters out of the spikes, but Kilosort's tables keep them.
    write_table(phy, "KSLabel", dict.fromkeys(range(9), "good"))
    recording = read_recording(phy)
    assert times(recording) == list(MS.values())
    assert recording.start_ms == 0
    assert recording.stop_ms == 999.0
    assert recording.understood == (
        "a folder of Phy or Kilosort, times in samples at 10 kHz: 3 units, 0.999 s up to the last spike"
    )


def test_templates_stand_for_clusters_that_were_never_curated(phy):
    (phy / "spike_clusters.npy").unlink()
    assert times(read_recording(phy)) == list(MS.values())


def test_what_was_curated_counts_more_than_what_kilosort_says(phy):
    write_table(phy, "KSLabel", {0: "good", 3: "good", 7: "mua"})
    assert times(read_recording(phy, units={"quality": "good"})) == [MS[0], MS[3]]
    write_table(phy, "group", {3: "mua", 7: "good"})
    assert times(read_recording(phy, units={"quality": "good"})) == [MS[7]]
    assert times(read_recording(phy, units={"quality": "unsorted"})) == [MS[0]]
    assert times(read_recording(phy, units={"KSLabel": "good"})) == [MS[0], MS[3]]
    recording = read_recording(phy)
    (note,) = recording.notes
    assert note.startswith("units are used whatever their quality: 1 unsorted, 1 mua, 1 good; choose some")


def test_noise_is_no_neuron_unless_it_is_asked_for(phy):
    write_table(phy, "group", {0: "good", 3: "noise"})
    recording = read_recording(phy)
    assert times(recording) == [MS[0], MS[7]]
    assert recording.understood.endswith(": 2 of 3 units (1 left out: noise), 0.999 s up to the last spike")
    assert times(read_recording(phy, units={"quality": ["noise", "unsorted"]})) == [MS[3], MS[7]]
    write_table(phy, "group", dict.fromkeys(SPIKES, "noise"))
    with pytest.raises(RecordingError, match="contains no neuron: all 3 units are called noise"):
        read_recording(phy)


def test_what_phy_saved_last_says_where_units_are(phy):
    (phy / "cluster_info.tsv").write_text(
        "cluster_id\tamp\tch\tdepth\tgroup\tsh\n0\t51.5\t4\t80.0\tmua\t0\n3\t20\t5\t100.0\t\t0\n7\t33\t9\t180\tgood\t1\n"
    )
    write_table(phy, "group", {0: "good", 7: "good"})
    for chosen, expected in (
        ({"depth": 80.0}, [0]),
        ({"shank": 0}, [0, 3]),
        ({"amplitude": 51.5}, [0]),
        ({"channel": 9}, [7]),
        ({"quality": "good"}, [0, 7]),
        ({"n_spikes": 2}, [3]),
    ):
        assert times(read_recording(phy, units=chosen)) == [MS[one] for one in expected]


def test_without_that_a_unit_is_where_its_template_is_largest(phy):
    random = np.random.default_rng(1)
    waves = np.zeros((8, 5, 4))
    waves[[0, 3, 7], 2, [1, 3, 0]] = -9.0
    whitening = np.eye(4) + 0.4 * random.standard_normal((4, 4))
    np.save(phy / "templates.npy", (waves @ whitening).astype(np.float32))
    np.save(phy / "whitening_mat_inv.npy", np.linalg.inv(whitening))
    np.save(phy / "channel_positions.npy", np.array([[0, 10], [0, 20], [0, 30], [0, 40]]))
    np.save(phy / "channel_shanks.npy", np.array([0, 0, 1, 1]))
    np.save(phy / "amplitudes.npy", np.repeat(2.5, 9))
    # Cluster 11 was made of the whole of cluster 3.
    clusters = np.load(phy / "spike_clusters.npy")
    np.save(phy / "spike_clusters.npy", np.where(clusters == 3, 11, clusters))
    assert times(read_recording(phy, units={"depth": 40.0, "shank": 1, "amplitude": 2.5})) == [MS[3]]
    assert times(read_recording(phy, units={"depth": [20.0, 10.0], "shank": 0})) == [MS[0], MS[7]]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (None, "has no params.py, so its sampling rate is not known: write the sampling rate there"),
        ("dat_path = 'a.dat'\n", "params.py has no sample_rate that is a number"),
        ("sample_rate = rate()\n", "params.py has no sample_rate that is a number"),
        ("sample_rate = 0\n", "sample_rate in params.py is 0, which is not a sampling rate in Hz"),
        ("sample_rate = '30 kHz'\n", "sample_rate in params.py is 30 kHz, which is not"),
    ],
)
def test_the_sampling_rate_is_never_guessed(phy, params, message):
    (phy / "params.py").unlink()
    if params:
        (phy / "params.py").write_text(params)
    with pytest.raises(RecordingError, match=message) as caught:
        read_recording(phy)
    assert "\n" not in str(caught.value)


def test_nothing_in_params_is_executed(tmp_path):
    made = tmp_path / "made"
    params = f"import pathlib\npathlib.Path({str(made)!r}).touch()\nsample_rate = 10000\n"
    read_recording(write_phy(tmp_path / "sorted", SPIKES, params))
    assert not made.exists()


def test_a_path_of_windows_spoils_only_its_own_line(tmp_path):
    folder = write_phy(tmp_path / "sorted", SPIKES, "dat_path = 'C:\\Users\\a.dat'\nsample_rate = 10000\n")
    assert times(read_recording(folder)) == list(MS.values())


@pytest.mark.parametrize(
    ("dat_path", "stop_ms", "end"),
    [
        ("['a.dat', 'b.bin']", 1500.0, "1.5 s from a.dat and b.bin"),
        ("'a.dat'", 1200.0, "1.2 s from a.dat"),
        ("'c.cbin'", 1300.0, "1.3 s from c.cbin"),
        ("'missing.dat'", 999.0, "0.999 s up to the last spike"),
        ("None", 999.0, "0.999 s up to the last spike"),
    ],
)
def test_the_traces_say_how_long_the_recording_is(tmp_path, dat_path, stop_ms, end):
    params = f"sample_rate = 10000\ndtype = 'int16'\nn_channels_dat = 4\noffset = 8\ndat_path = {dat_path}\n"
    folder = write_phy(tmp_path / "sorted", SPIKES, params)
    for name, samples in (("a.dat", 12_000), ("b.bin", 3_000)):
        (folder / name).write_bytes(bytes(8 + 2 * 4 * samples))
    (folder / "c.cbin").write_bytes(b"compressed")
    (folder / "c.ch").write_text(json.dumps({"chunk_bounds": [0, 10_000, 13_000]}))
    recording = read_recording(folder)
    assert (recording.start_ms, recording.stop_ms) == (0, stop_ms)
    assert recording.understood.endswith(end)


@pytest.mark.parametrize(
    ("size", "note"),
    [
        (2 * 4 * 9_990, "a.dat ends before the last spike, so its length is not used"),
        (2 * 4 * 12_000 + 3, "a.dat does not fit n_channels_dat and dtype in params.py"),
    ],
)
def test_traces_that_cannot_be_those_of_the_spikes_are_not_believed(tmp_path, size, note):
    params = "sample_rate = 10000\ndtype = 'int16'\nn_channels_dat = 4\ndat_path = 'a.dat'\n"
    folder = write_phy(tmp_path / "sorted", SPIKES, params)
    (folder / "a.dat").write_bytes(bytes(size))
    recording = read_recording(folder)
    assert recording.stop_ms == 999.0
    assert any(one.startswith(note) for one in recording.notes)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("spike_clusters.npy", np.zeros(4, np.int32), "do not hold the same number of spikes"),
        ("spike_times.npy", np.linspace(0, 1, 9), "spike_times.npy contains fractions"),
        ("spike_times.npy", np.array([["a"]]), "spike_times.npy does not hold one number for each spike"),
        ("spike_times.npy", np.array([{}]), "spike_times.npy cannot be read: it is damaged, or holds Python"),
    ],
)
def test_arrays_that_are_not_of_one_sorting_are_refused(phy, name, content, message):
    np.save(phy / name, content)
    with pytest.raises(RecordingError, match=message):
        read_recording(phy)


def test_a_folder_is_found_by_its_parent_and_by_a_file_in_it(phy):
    expected = read_recording(phy)
    write_table(phy, "group", dict.fromkeys(SPIKES, "good"))
    for path in (phy.parent, phy / "spike_times.npy", phy / "params.py", phy / "cluster_group.tsv"):
        assert times(read_recording(path)) == times(expected)
    write_phy(phy.parent / "again", SPIKES)
    with pytest.raises(RecordingError, match=r"2 folders with spikes \(again, sorted\): name one"):
        read_recording(phy.parent)


# ONE-api 3.6.1 (one.alf.spec.to_alf) turns names with underscores into camel case, in which capitals become
# small: its save_object_npy writes the first name, that of the datasets of the IBL, as the second one.
@pytest.mark.parametrize("areas", ["brainLocationIds_ccf_2017", "brainlocationidsCcf2017"])
def test_alf_gives_seconds_verdicts_areas_and_trials(tmp_path, areas):
    probe = write_alf(tmp_path / "alf" / "probe00", SPIKES, ".d2a1b0c4-5a49-4b8e-9a5d-0e6f2f6b7c11")
    np.save(probe / "clusters.channels.npy", np.array([2, 0, 0, 1, 0, 0, 0, 1]))
    np.save(probe / "channels.localCoordinates.npy", np.array([[0, 20], [0, 40], [0, 60]]))
    np.save(probe / f"channels.{areas}.npy", np.array([997, 8, 567]))
    (probe / "clusters.metrics.csv").write_text(
        "cluster_id,label,ks2_label\n0,1.0,good\n3,0.5,good\n7,1,mua\n"
    )
    np.save(probe.parent / "_ibl_trials.intervals.npy", np.array([[0.1, 0.3], [0.5, np.nan], [0.6, 0.8]]))
    recording = read_recording(tmp_path)
    assert times(recording) == list(MS.values())
    assert recording.understood == "ALF, times in s: 3 units, 0.999 s up to the last spike"
    assert recording.periods["trials"].tolist() == [[100.0, 300.0], [600.0, 800.0]]
    assert recording.notes[0].startswith("units are used whatever their quality: 2 good, 1 not good;")
    for chosen, expected in (
        ({"quality": "good"}, [0, 7]),
        ({"KSLabel": "mua"}, [7]),
        ({"area": 8}, [3, 7]),
        ({"depth": 60}, [0]),
    ):
        assert times(read_recording(probe, units=chosen)) == [MS[one] for one in expected]
    np.save(probe / "channels.acronym.npy", np.array(["root", "VISp", "CA1"]))
    assert times(read_recording(probe, units={"area": "VISp"})) == [MS[3], MS[7]]


def test_files_of_spikes_beside_a_table_do_not_matter_to_it(tmp_path):
    write_alf(tmp_path, SPIKES, ".one")
    write_alf(tmp_path, SPIKES, ".two")
    (tmp_path / "a.csv").write_text("time_ms,unit\n5,1\n9,1\n")
    assert times(read_recording(tmp_path / "a.csv")) == [[5.0, 9.0]]
    with pytest.raises(RecordingError, match=r"has spikes.times.one.npy and spikes.times.two.npy: keep one"):
        read_recording(tmp_path)


def test_probes_of_one_session_are_read_together(tmp_path):
    write_alf(tmp_path / "alf" / "probe00", {0: [100, 9000]})
    write_alf(tmp_path / "alf" / "probe01" / "pykilosort", {0: [50], 4: [2000]})
    recording = read_recording(tmp_path)
    assert times(recording) == [[10.0, 900.0], [5.0], [200.0]]
    assert recording.understood.startswith("ALF (2 probes), times in s: 3 units")
    assert times(read_recording(tmp_path / "alf", units={"probe": "probe01"})) == [[5.0], [200.0]]
    write_alf(tmp_path / "alf" / "probe01", {0: [50]})
    with pytest.raises(RecordingError, match=r"several sortings of probe01 \(probe01, probe01/pykilosort\)"):
        read_recording(tmp_path / "alf")


def test_segments_follow_one_another_with_a_gap_that_nobody_observed(tmp_path):
    segments = [{0: [100, 5000], 1: [2000]}, {0: [300], 1: [400, 8000]}]
    recording = read_recording(write_sorting(tmp_path / "two", segments, ["a", "b"]))
    gap = 1000.0
    second = 500.1 + gap  # up to the sample after the last spike
    np.testing.assert_allclose(recording.trains["E"][0], [10.0, 500.0, second + 30.0])
    np.testing.assert_allclose(recording.trains["E"][1], [200.0, second + 40.0, second + 800.0])
    for observed in recording.observed["E"]:
        np.testing.assert_allclose(observed, [[0, 500.1], [second, second + 800.1]])
    np.testing.assert_allclose(recording.periods["segment_1"], [[second, second + 800.1]])
    assert "2 segments one after another with gaps of 1 s between them: 2 units" in recording.understood
    assert recording.understood.endswith("from the last spike of each segment")
    assert [piece.stop_ms for piece in recording.pieces()] == pytest.approx([500.1, second + 800.1])


def test_a_unit_that_spikeinterface_saved_without_spikes_is_silent(tmp_path):
    folder = write_sorting(tmp_path / "one", [{0: [100], 2: [5, 600]}], ["a", "b", "c"])
    (folder / "properties").mkdir()
    np.save(folder / "properties" / "quality.npy", np.array(["good", "good", "mua"]))
    np.save(folder / "properties" / "brain_area.npy", np.array(["V1", "V2", "V1"]))
    recording = read_recording(folder)
    assert times(recording) == [[10.0], [], [0.5, 60.0]]
    assert any(note.startswith("1 of 3 units have no spikes and count as silent") for note in recording.notes)
    assert times(read_recording(folder, units={"quality": "good", "area": "V1"})) == [[10.0]]


def test_an_analyzer_knows_the_end_of_the_recording_and_the_metrics(tmp_path):
    write_sorting(tmp_path / "a" / "sorting", [{0: [100], 1: [5, 600]}], [10, 11])
    info = tmp_path / "a" / "recording_info"
    info.mkdir()
    (info / "recording_attributes.json").write_text('{"sampling_frequency": 10000.0, "num_samples": [20000]}')
    metrics = tmp_path / "a" / "extensions" / "quality_metrics"
    metrics.mkdir(parents=True)
    (metrics / "metrics.csv").write_text(",snr\n11,3.0\n10,8.5\n")
    locations = tmp_path / "a" / "extensions" / "unit_locations"
    locations.mkdir()
    np.save(locations / "unit_locations.npy", np.array([[1.0, 20.0, 0], [2.0, 40.0, 0]]))
    recording = read_recording(tmp_path / "a")
    assert recording.stop_ms == 2000.0
    assert times(read_recording(tmp_path / "a", units={"snr": 8.5})) == [[10.0]]
    assert times(read_recording(tmp_path / "a", units={"depth": 40})) == [[0.5, 60.0]]


def test_kwik_counts_samples_from_the_start_of_each_recording(tmp_path):
    recordings = [{2: [100, 5000], 3: [700]}, {2: [100], 4: [9000], 5: [10]}]
    path = write_kwik(tmp_path / "a.kwik", recordings, {1: 2, 2: 2, 3: 1, 4: 0}, 10_000)
    recording = read_recording(path)
    assert times(recording) == [[10.0, 500.0, 2010.0], [70.0], [2001.0]]
    assert recording.observed["E"][0].tolist() == [[0, 1000], [2000, 2900]]
    assert recording.understood.startswith(
        "Kwik, times in samples at 10 kHz, 2 segments one after another with gaps of 1 s between them: "
        "3 of 4 units (1 left out: noise), 2.9 s"
    )
    assert times(read_recording(tmp_path, units={"quality": "good"})) == [[10.0, 500.0, 2010.0]]


def test_the_shanks_of_neuroscope_are_one_recording(tmp_path):
    write_shank(tmp_path / "day1", 1, {0: [50], 1: [100], 2: [300, 900]})
    write_shank(tmp_path / "day1", 2, {2: [70, 80]})
    recording = read_recording(tmp_path / "day1")
    assert times(recording) == [[10.0], [30.0, 90.0], [7.0, 8.0]]
    assert recording.understood == (
        "files of NeuroScope (2 shanks), times in samples at 10 kHz: 3 of 4 units (1 left out: noise), "
        "0.09 s up to the last spike"
    )
    (tmp_path / "day1" / "day1.dat").write_bytes(bytes(2 * 4 * 1000))
    assert read_recording(tmp_path / "day1" / "day1.res.1").stop_ms == 100.0
    assert times(read_recording(tmp_path / "day1", units={"quality": "sorted", "shank": 2})) == [[7.0, 8.0]]
    for end in ("res.3", "clu.3"):  # nobody spiked there
        (tmp_path / "day1" / f"day1.{end}").touch()
    assert read_recording(tmp_path / "day1").units == 3
    (tmp_path / "day1" / "day1.clu.2").write_text("1\n2\nnoise\n")
    with pytest.raises(RecordingError, match=r"day1.clu.2 does not contain one whole number per line"):
        read_recording(tmp_path / "day1")
    (tmp_path / "day1" / "day1.xml").unlink()
    with pytest.raises(RecordingError, match=r"has no day1.xml, which says its sampling rate"):
        read_recording(tmp_path / "day1")


def test_firings_of_mountainsort_are_samples_too(tmp_path):
    path = tmp_path / "firings.mda"
    firings = np.array([[2.0, 1, 2, 1], [30, 100, 700, 2000], [5, 9, 5, 9]])

    def write(rows: np.ndarray) -> None:
        head = np.array([-7, 8, 2, *rows.shape], dtype="<i4")  # 8 bytes each, 2 dimensions
        path.write_bytes(head.tobytes() + rows.astype("<f8").tobytes(order="F"))

    write(firings)
    with pytest.raises(RecordingError, match=r'write it in params.json beside it, as {"samplerate": 30000}'):
        read_recording(path)
    (tmp_path / "params.json").write_text('{"samplerate": 10000}')
    for name in (path, tmp_path):
        assert times(read_recording(name)) == [[3.0, 70.0], [10.0, 200.0]]
    assert times(read_recording(path, units={"channel": 1})) == [[10.0, 200.0]]
    write(-firings)
    with pytest.raises(RecordingError, match=r"firings.mda holds traces or something else, not firings"):
        read_recording(path)


def test_sonata_names_the_unit_of_its_times_and_the_populations(tmp_path):
    with h5py.File(tmp_path / "spikes.h5", "w") as file:
        for name, unit, scale in (("cortex", "milliseconds", 1.0), ("thalamus", "s", 0.001)):
            one = file.create_group(f"spikes/{name}")
            one["timestamps"] = np.array([1.0, 4.0, 9.0]) * scale
            one["timestamps"].attrs["units"] = unit
            one["node_ids"] = np.array([0, 1, 0], dtype=np.uint64)
    recording = read_recording(tmp_path / "spikes.h5")
    assert recording.understood == "SONATA, times in ms and s: 4 units, 0.009 s up to the last spike"
    for name in ("cortex", "thalamus"):
        np.testing.assert_allclose(recording.trains[name][0], [1.0, 9.0])
        np.testing.assert_allclose(recording.trains[name][1], [4.0])


def test_a_study_knows_a_folder_by_what_is_read_of_it(phy, tmp_path):
    write_table(phy, "group", dict.fromkeys(SPIKES, "good"))

    def content(file: str) -> dict[str, object]:
        aims = [{"statistic": "rate_E", "target": "recording"}]
        return read_study(write_study(tmp_path, recording={"file": file}, objectives=aims)).content

    before = content("sorted/")
    (phy / "traces.dat").write_bytes(b"more")  # traces are not read
    assert not differences(before, content("sorted"))
    shutil.move(phy, tmp_path / "moved")
    assert not differences(before, content("moved"))
    assert not differences(before, content("moved/params.py"))
    write_table(tmp_path / "moved", "group", {0: "noise"})
    shutil.move(tmp_path / "moved", phy)
    assert differences(before, content("sorted/")) == ["the file sorted/ was changed"]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "sorted: is a folder, but not of Phy, Kilosort, ALF"),
        (["a", "b"], "sorted: contains 2 folders with spikes"),
    ],
)
def test_a_study_says_what_became_of_its_folder(tmp_path, names, message):
    (tmp_path / "sorted").mkdir()
    for name in names:
        write_phy(tmp_path / "sorted" / name, SPIKES)
    aims = [{"statistic": "rate_E", "target": "recording"}]
    path = write_study(tmp_path, recording={"file": "sorted"}, objectives=aims)
    with pytest.raises(StudyError, match=message):
        read_study(path)


def test_stats_says_how_a_folder_was_understood(phy, capsys):
    assert execute(["stats", str(phy), "--statistic", "rate"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "Read as a folder of Phy or Kilosort, times in samples at 10 kHz: 3 units" in printed
