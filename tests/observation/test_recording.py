"""Recordings: read from files, measured with standard errors, sampled, compared with, and made targets of."""

from __future__ import annotations

from pathlib import Path

import neo
import numpy as np
import pandas as pd
import pytest
import quantities as pq

from calibrate import (
    Estimate,
    Recording,
    RecordingError,
    StudyError,
    find_statistic,
    measure_recording,
    observe_trains,
    read_recording,
    run_study,
)
from calibrate.errors import ObjectiveError, ObservationError
from calibrate.objective.derived import distance_to, subsampled
from tests.helpers.recordings import trains, written
from tests.helpers.spike_trains import poisson_trains
from tests.helpers.studies import RATE_E, RATE_I, Tables, small_study

RATE, CV2 = find_statistic("rate_E"), find_statistic("cv2_E")


def same(one: Recording, other: Recording) -> bool:
    if one.trains.keys() != other.trains.keys() or one.clusters != other.clusters:
        return False
    pairs = [(a, b) for name in one.trains for a, b in zip(one.trains[name], other.trains[name], strict=True)]
    return all(np.allclose(a, b, atol=1e-6) for a, b in pairs)


def test_one_recording_reads_the_same_from_every_kind_of_file(tmp_path):
    found = trains(6, duration_ms=2000)
    csv = read_recording(written(tmp_path / "a.csv", found), duration_ms=2000)
    assert (csv.units, csv.start_ms, csv.stop_ms) == (6, 0.0, 2000.0)
    assert np.allclose(csv.trains["E"][3], found[3])
    times, unit = np.concatenate(found), np.repeat(np.arange(6), [t.size for t in found])
    np.savez(tmp_path / "a.npz", time_s=times / 1000, unit=unit, stop_ms=2000.0)
    npz = read_recording(tmp_path / "a.npz")
    assert same(npz, csv)
    assert npz.stop_ms == 2000.0
    segment = neo.Segment()
    for train in found:
        segment.spiketrains.append(neo.SpikeTrain(train * pq.ms, t_start=0 * pq.ms, t_stop=2000 * pq.ms))
    block = neo.Block()
    block.segments.append(segment)
    neo.io.NeoMatlabIO(str(tmp_path / "a.mat")).write_block(block)
    mat = read_recording(tmp_path / "a.mat")
    assert same(mat, csv)
    assert mat.stop_ms == 2000.0


def test_populations_clusters_and_silent_units_come_from_the_columns(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(
        "time_ms, unit, population, cluster\n5,a,E,1\n1,b,I,0\n2,a,E,1\n3,c,E,0\n,d,E,0\n4,e,E,1\n"
    )
    found = read_recording(path)
    assert {name: [t.tolist() for t in units] for name, units in found.trains.items()} == {
        "E": [[3.0], [], [2.0, 5.0], [4.0]],
        "I": [[1.0]],
    }
    assert found.clusters == {"E": [2, 2], "I": [1]}
    assert found.stop_ms == 5.0
    assert found.observe().size("E") == 4


ANEW = {"time_ms": [10, 500, 900, 20, 40, 7], "unit": [0, 0, 0, 0, 0, 0], "cluster": [0, 0, 0, 0, 0, 1]}


@pytest.mark.parametrize("suffix", [".csv", ".npz", ".mat"])
def test_units_that_are_numbered_anew_in_each_population_and_cluster_stay_apart(tmp_path, suffix):
    population = np.array(["E", "E", "E", "I", "I", "I"])
    path = tmp_path / f"a{suffix}"
    if suffix == ".csv":
        pd.DataFrame(ANEW | {"population": population}).to_csv(path, index=False)
    elif suffix == ".npz":
        np.savez(path, **ANEW, population=population)
    else:
        segment = neo.Segment()
        for name, cluster, times in (("E", 0, [10, 500, 900]), ("I", 0, [20, 40]), ("I", 1, [7])):
            labels = {"population": name, "cluster": cluster}
            segment.spiketrains.append(neo.SpikeTrain(times * pq.ms, t_stop=900 * pq.ms, **labels))
        block = neo.Block()
        block.segments.append(segment)
        neo.io.NeoMatlabIO(str(path)).write_block(block)
    found = read_recording(path)
    assert {name: [t.tolist() for t in units] for name, units in found.trains.items()} == {
        "E": [[10, 500, 900]],
        "I": [[20, 40], [7]],
    }
    assert found.clusters == {"E": [1], "I": [1, 1]}
    assert found.observe().totals("I").tolist() == [2, 1]


@pytest.mark.parametrize("decimals", [None, 3])
def test_recorded_spikes_need_no_grid(tmp_path, decimals):
    """20 Poisson units: some of their intervals are far below any step; all count as NumPy counts them."""
    random = np.random.default_rng(1)
    found = [np.sort(100_000 * random.random(1000)) for _ in range(20)]
    found = found if decimals is None else [np.unique(train.round(decimals)) for train in found]
    assert min(np.diff(train).min() for train in found) < 0.01
    frame = pd.DataFrame({"time_ms": np.concatenate(found), "unit": np.repeat(range(20), [*map(len, found)])})
    frame.to_csv(tmp_path / "a.csv", index=False)
    recording = read_recording(tmp_path / "a.csv", duration_ms=100_000)
    seen = recording.observe()
    assert seen.totals("E").tolist() == [*map(len, found)]
    intervals = [np.diff(train) for train in found]
    np.testing.assert_allclose(seen.all_intervals("E"), np.concatenate(intervals), atol=2e-6)
    assert find_statistic("cv_E")(seen).value == pytest.approx(
        np.mean([i.std() / i.mean() for i in intervals])
    )
    cv2s = [np.mean(2 * np.abs(np.diff(i)) / (i[1:] + i[:-1])) for i in intervals]
    assert CV2(seen).value == pytest.approx(np.mean(cv2s), abs=1e-4)
    (rate,) = measure_recording(recording, [RATE], repeats=5)
    assert rate.estimate.value == pytest.approx(np.mean([*map(len, found)]) / 100)


def test_several_spikes_in_one_step_all_count_with_intervals_of_zero():
    seen = observe_trains([[1.01, 1.02, 3.0, 5.0]], duration_ms=10, dt_ms=0.1, window_ms=5)
    assert seen.totals("E").tolist() == [4]
    assert seen.all_intervals("E") == pytest.approx([0, 1.9, 2.0])
    assert seen.interval_moments("E").cv2 == pytest.approx([2 + 2 * 0.1 / 3.9])


def test_a_part_of_a_recording_may_be_looked_at(tmp_path):
    path = written(tmp_path / "a.csv", trains(5))
    part = read_recording(path, start_ms=5000, duration_ms=10_000, population="X").observe()
    whole = observe_trains({"X": trains(5)}, start_ms=5000, duration_ms=10_000)
    assert (part.neuron_totals == whole.neuron_totals).all()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "onset,unit\n1,2\n", "needs times and units, but its columns are onset, unit"),
        ("a.csv", "", "is empty: it needs the columns time_ms"),
        (
            "a.csv",
            "time_ms,unit\nx,1\n",
            "time_ms contains 'x', which is not a number",
        ),
        ("a.csv", "time_ms,unit\ninf,1\n", "contains an infinite spike time"),
        ("a.csv", "time_ms,unit\n,1\n", "the interval from 0 to 0 ms is empty"),
        (
            "a.csv",
            "time_ms,unit\n5,7\n2,7\n5,7\n",
            "1 of 3 spikes have the unit and the time of another .first: unit 7 of E at 5 ms.: remove",
        ),
        ("a.csv", "time_ms,unit,population\n1,1,E\n2,1,\n", "the column population has empty cells"),
        ("a.csv", "time_ms,unit,cluster\n1,1,0\n2,1,\n", "the column cluster has empty cells"),
        ("a.npz", "nonsense", "cannot be read as a recording"),
        ("a.pkl", "nonsense", "can run any code when it is read, so it is not"),
        ("a.xyz", "nonsense", "files named .xyz are not read: save"),
    ],
)
def test_files_that_are_no_recordings_are_refused_in_one_line(tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(RecordingError, match=f"{name}: .*{message}") as caught:
        read_recording(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_a_missing_recording_is_said():
    with pytest.raises(RecordingError, match="the file does not exist"):
        read_recording("none.csv")


def test_standard_errors_are_those_of_repeated_recordings():
    """Against the spread over 60 recordings of the same process, and its closed form for the rate."""

    def recording(seed: int) -> Recording:
        return Recording(trains={"E": trains(20, seed=seed)}, start_ms=0, stop_ms=20_000)

    spread = {
        one.name: np.std([one(recording(seed).observe()).value for seed in range(2, 62)], ddof=1)
        for one in (RATE, CV2)
    }
    rows = [measure_recording(recording(seed), [RATE, CV2], repeats=20) for seed in range(4)]
    found = {of[0].statistic.name: np.mean([one.error for one in of]) for of in zip(*rows, strict=True)}
    closed_form = np.sqrt(8.0 / (20 * 20))  # of a Poisson process: rate / (N T)
    assert spread["rate_E"] == pytest.approx(closed_form, rel=0.3)
    assert found["rate_E"] == pytest.approx(closed_form, rel=0.3)
    assert found["cv2_E"] == pytest.approx(spread["cv2_E"], rel=0.3)
    assert rows[1][0].error == measure_recording(recording(1), [RATE], repeats=20)[0].error


def test_standard_errors_see_what_all_neurons_share():
    """Rates that switch together every second: the variance is that of 20 independent seconds."""
    random = np.random.default_rng(4)
    rates = random.choice([2.0, 14.0], size=20)
    edges = 1000.0 * np.arange(21)
    units = [
        np.unique(
            np.concatenate(
                [a + 999 * random.random(n) for a, n in zip(edges[:-1], random.poisson(rates), strict=True)]
            )
            // 1
        )
        for _ in range(50)
    ]
    (found,) = measure_recording(Recording(trains={"E": units}, start_ms=0, stop_ms=20_000), [RATE])
    assert found.error == pytest.approx(np.std(rates) / np.sqrt(20), rel=0.2)


def test_a_sample_of_the_neurons_has_on_average_what_all_have():
    found = observe_trains(trains(200, shape=2.0), duration_ms=20_000)
    few = subsampled(CV2, neurons=10, samples=60)(found)
    assert few.value == pytest.approx(CV2(found).value, rel=0.03)
    of_ten = np.std(CV2(found).sample) / np.sqrt(10)
    assert few.error == pytest.approx(of_ten, rel=0.35)
    everyone = subsampled(CV2, neurons=500, samples=2)(found)
    assert everyone.value == pytest.approx(CV2(found).value)


def test_a_sample_of_the_neurons_needs_the_spikes():
    counts = observe_trains(trains(5), duration_ms=20_000)
    object.__setattr__(counts, "spikes", None)
    with pytest.raises(ObservationError, match="needs the spikes"):
        subsampled(RATE, neurons=2)(counts)


def test_distances_between_distributions_have_their_closed_forms():
    random = np.random.default_rng(3)
    found = observe_trains(
        [0.1 * (t + 1) for t in poisson_trains(random, 50, rate_hz=10, duration_ms=20_000)],
        duration_ms=20_000,
    )
    rates = RATE(found).sample
    assert distance_to(RATE, rates)(found).value == 0
    assert distance_to(RATE, rates + 3.0)(found).value == pytest.approx(3.0)  # W_1 of a shift
    assert distance_to(RATE, rates + 1000.0, "ks")(found).value == 1.0
    assert distance_to(RATE, rates, "ks")(found).value == 0
    with pytest.raises(ObjectiveError, match="at least 2 numbers"):
        distance_to(RATE, [1.0])
    with pytest.raises(ObjectiveError, match="is not a mean over neurons or episodes"):
        distance_to(find_statistic("locking_E"), [1.0, 2.0])


AS_RECORDED = {"target": "recording", "tolerance": None}
RECORDED = {"recording": {"file": "units.csv", "duration_ms": 20000}}


def recorded(folder: Path, objective: Tables, **more: Tables):
    written(folder / "units.csv", trains(30, rate_hz=6.0))
    return small_study(folder, RECORDED, objectives=[RATE_E | objective, RATE_I], **more)


def test_a_target_may_be_the_value_in_a_recording(tmp_path):
    given = AS_RECORDED | {"standard_error": 0.1}
    study = recorded(tmp_path, given)
    recording = read_recording(tmp_path / "units.csv", duration_ms=20_000)
    (found,) = measure_recording(recording, [RATE], piece_ms=study.simulation.duration_ms)
    target = study.objectives[0].target
    assert target.value == pytest.approx(6.0, rel=0.1)
    assert (target.value, target.tolerance) == (found.estimate.value, float(f"{2 * found.error:.2g}"))
    loose = recorded(tmp_path, {"target": "recording", "tolerance": 0.7})
    assert loose.objectives[0].target.tolerance == 0.7
    first = study.digest
    written(tmp_path / "units.csv", trains(30, rate_hz=6.0, seed=5))
    assert small_study(tmp_path, RECORDED, objectives=[RATE_E | given, RATE_I]).digest != first


def test_a_study_finds_a_distribution_and_a_sample_of_neurons(tmp_path):
    study = recorded(
        tmp_path,
        {"target": None, "distribution": "recording", "neurons": 10, "samples": 5},
        budget={"trials": 30},
        sampler={"name": "tpe"},
    )
    assert study.needs.spikes
    result = run_study(study, slots=2, progress=False)
    assert result.best is not None
    assert result.best.params["I_E"] == pytest.approx(1.2, abs=0.25)  # 5 Hz each
    assert result.best.targets[0].target == 0


def test_a_distribution_may_be_a_file_or_a_list(tmp_path):
    (tmp_path / "rates.csv").write_text("rate\n4.0\n5.0\n\n6.0\n")
    for given in ("rates.csv", [4.0, 5, 6.0]):
        compared = {"target": None, "distribution": given, "distance": "ks", "tolerance": 0.2}
        study = small_study(tmp_path, objectives=[RATE_E | compared, RATE_I])
        assert study.objectives[0].statistic.unit == ""
        assert study.objectives[0].target.value == 0


@pytest.mark.parametrize(
    ("objective", "message"),
    [
        (
            AS_RECORDED | {"target": "recordin"},
            r':20: \[objectives 1\] target must be a number or "recording": "recordin"',
        ),
        (AS_RECORDED | {"interval": [1, 2]}, "has a target and an interval"),
        ({"target": None, "distribution": 3}, "distribution must be the name of a file, a list of numbers"),
        ({"target": None, "distribution": "none.csv"}, "none.csv cannot be read: No such file"),
        ({"target": None, "distribution": "bad.csv"}, r"bad.csv:3: 'x' is not a number"),
        ({"target": None, "distribution": [1.0]}, "needs at least 2 numbers"),
        ({"target": None, "tolerance": None, "distribution": "recording"}, "tolerance is missing"),
        ({"neurons": 1}, "neurons must be at least 2: 1"),
        ({"loss": "robus"}, "did you mean 'robust'"),
    ],
)
def test_what_cannot_be_compared_with_is_one_line(tmp_path, objective, message):
    (tmp_path / "bad.csv").write_text("rate\n1\nx\n")
    with pytest.raises(StudyError, match=message) as caught:
        recorded(tmp_path, objective)
    assert "\n" not in str(caught.value)


def test_what_the_recording_does_not_have_is_one_line(tmp_path):
    written(tmp_path / "units.csv", trains(5))
    second = RATE_I | {"interval": None, "target": "recording"}
    with pytest.raises(StudyError, match="population I, which the recording does not contain; it contains E"):
        small_study(tmp_path, RECORDED, objectives=[RATE_E, second])
    with pytest.raises(StudyError, match=r"there is no \[recording\] to compare with"):
        small_study(tmp_path, objectives=[RATE_E | AS_RECORDED, RATE_I])
    with pytest.raises(StudyError, match=r"\[recording\] file: .*the file does not exist"):
        small_study(tmp_path, recording={"file": "none.csv"})


def test_a_robust_loss_grows_linearly_beyond_the_tolerance(tmp_path):
    objective = recorded(tmp_path, {"loss": "robust"}).objectives[0]
    losses = [objective.loss(Estimate(value)) for value in (5.0, 5.5, 6.0, 7.0, 15.0)]
    assert losses == pytest.approx([0.0, 0.25, 1.0, 3.0, 19.0])
    far = [objective.loss(Estimate(5.0 + z)) for z in (49, 50.5, 51, 100, 1e9)]
    assert far == sorted(far)
    assert far[1] == pytest.approx(100)
    assert far[-1] < objective.loss(Estimate(float("nan"), shortfall=0.0))
