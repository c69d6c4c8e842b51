"""[[recordings]]: several sessions in a study."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calibrate import (
    RecordingError,
    StudyError,
    find_statistic,
    make_study,
    measure_recordings,
    predict,
    read_recording,
    read_results,
    read_study,
    run_study,
)
from calibrate.cli.commands import execute
from calibrate.observation import recorded_file
from calibrate.observation.recording import Recording
from calibrate.report.targets_in_words import origins
from calibrate.study.file.problems import Problems
from calibrate.study.file.sections import ModelSection, StudyFile
from calibrate.study.file.targets import ObjectiveSection, RecordingsSection
from calibrate.study.rules import recorded_targets
from tests.helpers.recordings import trains, written
from tests.helpers.studies import RATE_E, RATE_I, write_study

RATE: dict[str, Any] = {"statistic": "rate_E", "target": "recording"}
CV2: dict[str, Any] = {"statistic": "cv2_E", "distribution": "recording", "tolerance": 0.2}
RATES = {"slow": 4.0, "middle": 6.0, "fast": 9.0}


@pytest.fixture(autouse=True)
def _few_halves(monkeypatch) -> None:
    """Errors are less precise, and soon there."""
    few = partial(measure_recordings, repeats=2)
    monkeypatch.setattr(recorded_targets, "measure_recordings", few)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three sessions of ten units."""
    folder = tmp_path_factory.mktemp("sessions")
    for seed, (name, rate) in enumerate(RATES.items()):
        written(folder / f"{name}.csv", trains(10, rate_hz=rate, duration_ms=4000, seed=seed))
    return folder


@pytest.fixture
def folder(files: Path, tmp_path: Path) -> Path:
    for path in files.glob("*.csv"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


def sessions(*names: str, **keys: Any) -> list[dict[str, Any]]:
    return [{"name": name, "file": f"{name}.csv", **keys} for name in names or RATES]


def aimed(folder: Path, recordings: list[dict[str, Any]], *objectives: dict[str, Any], **more: Any) -> Path:
    aims = list(objectives or (RATE,))
    return write_study(folder, recordings=recordings, objectives=[*aims, RATE_I], **more)


def test_a_target_is_the_mean_over_sessions_with_their_spread_as_tolerance(folder):
    study = read_study(aimed(folder, sessions(), RATE, CV2))
    target = study.objectives[0].target
    read = {name: read_recording(folder / f"{name}.csv") for name in RATES}
    (row,) = measure_recordings(read, [find_statistic("rate_E")], piece_ms=2000.0, repeats=2)
    assert target.value == pytest.approx(row.estimate.value)
    assert target.tolerance == pytest.approx(2 * math.hypot(row.error, row.between), rel=0.01)
    assert target.source == "recordings slow, middle, fast"
    assert target.note.startswith("the tolerance is 2 standard errors of one more session: SD between the 3")
    values = study.objectives[1].statistic.compares.reference
    assert values.size == 10 * sum(len(one.pieces(2000.0)) for one in read.values())


def test_one_session_is_what_a_recording_is(folder):
    one = read_study(aimed(folder, sessions("slow"), RATE, CV2)).objectives
    other = read_study(
        write_study(folder, recording={"file": "slow.csv"}, objectives=[RATE, CV2, RATE_I])
    ).objectives
    assert (one[0].target.value, one[0].target.tolerance) == (
        other[0].target.value,
        other[0].target.tolerance,
    )
    assert (one[0].target.source, other[0].target.source) == ("recording slow", "recording")
    assert np.array_equal(*(each[1].statistic.compares.reference for each in (one, other)))


def test_names_are_those_of_files_by_default_and_order_does_not_matter(folder):
    unnamed = [{"file": f"{name}.csv"} for name in RATES]
    study = read_study(aimed(folder, unnamed))
    assert list(study.recordings) == list(RATES)
    assert study.digest == read_study(aimed(folder, unnamed[::-1])).digest
    assert study.digest == read_study(aimed(folder, sessions())).digest
    assert study.digest != read_study(aimed(folder, sessions("slow", "fast"))).digest
    assert study.recording is None


def test_the_same_study_is_made_in_python(folder):
    keys = {"statistic": "rate_E", "target": "recording"}
    given = {"model": "tiny.py:tiny", "folder": folder, "budget": {"trials": 1}}
    from_file = read_study(aimed(folder, sessions()))
    made = make_study(
        "made",
        **given,
        parameters={"I_E": {"low": 0.1, "high": 4.0}},
        objectives=[keys],
        recordings=sessions(),
        simulation={"backend": "poisson", "dt_ms": 1.0, "warmup_ms": 0.0, "duration_ms": 2000.0},
    )
    assert made.objectives[0].target == from_file.objectives[0].target
    assert list(made.recordings) == list(RATES)


@pytest.mark.parametrize(
    ("recordings", "message"),
    [
        (sessions("slow", "slow"), "[recordings 2] has the same name as an earlier one"),
        (sessions("slow", condition="evoked"), 'condition is not a condition of the study: "evoked"; add [['),
        (sessions("slow", period="evoked"), "has no period 'evoked'; it has no named periods"),
        (sessions("slow", stimuli="flash"), "has no period 'flash'; it has no named periods"),
        (sessions("slow", "none"), "[recordings 2] file : ".replace(" :", ":")),
        (sessions("slow", units={"depth": {"min": 3}}), "says nothing called depth about its units"),
        (sessions("slow", units={"depth": {"least": 3}}), "units must be a table of columns, each with"),
        (sessions("slow", population={"column": "type", "E": "RS"}), "says nothing called type"),
        (sessions("slow", population=3), "population must be a name, or a table of a column and its values"),
        (sessions("slow", stimuli=[3]), "stimuli must be a name of intervals, or a table of names"),
    ],
)
def test_what_is_wrong_is_one_line(folder, recordings, message):
    with pytest.raises(StudyError) as caught:
        read_study(aimed(folder, recordings))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_one_way_of_writing_recordings(folder):
    path = aimed(folder, sessions("slow"), recording={"file": "fast.csv"})
    with pytest.raises(StudyError, match=r"\[recording\] and \[\[recordings\]\] are both there; write all"):
        read_study(path)


def test_sessions_may_lack_a_population(folder):
    rows = ["time_ms,unit,population", *(f"{10 * k + 1},{k % 4},{'EI'[k % 4 > 1]}" for k in range(600))]
    (folder / "both.csv").write_text("\n".join(rows))
    inhibited = {"statistic": "rate_I", "target": "recording", "tolerance": 1.0}
    study = read_study(write_study(folder, recordings=sessions("slow", "both"), objectives=[RATE, inhibited]))
    assert [one.target.source for one in study.objectives] == ["recordings slow, both", "recording both"]
    assert "Of these, rate_I was measured in both only." in list(origins(study))


def test_clusters_and_numbers_of_every_session_are_compared_with_the_network(folder):
    rows = (folder / "slow.csv").read_text().splitlines()
    labelled = [rows[0] + ",cluster", *(f"{row},{int(row.split(',')[1]) // 5}" for row in rows[1:])]
    (folder / "labelled.csv").write_text("\n".join(labelled) + "\n")
    aim = {"statistic": "synchrony_E", "target": "recording", "tolerance": 0.1}
    with pytest.raises(StudyError, match="of which the recording fast has 1 and the network 2"):
        read_study(aimed(folder, sessions("labelled", "fast"), aim))
    whole = {**aim, "options": {"scope": "all"}}
    written(folder / "few.csv", trains(7, duration_ms=4000))
    warnings = read_study(aimed(folder, sessions("fast", "few"), whole)).warnings
    assert any("pieces of the recordings hold 7 to 10 units" in one for one in warnings)


def test_notes_and_short_sessions_are_said_by_name(folder):
    written(folder / "brief.csv", trains(10, duration_ms=1500))
    study = read_study(aimed(folder, sessions("slow", "brief"), {**RATE, "tolerance": 1.0}))
    assert any(one.startswith("the recording brief has at most 1.") for one in study.warnings)


def finished(folder: Path) -> Path:
    path = aimed(folder, sessions(), RATE, CV2, budget={"trials": 2})
    run_study(read_study(path), slots=1, progress=False)
    return path


def test_results_are_the_same_without_the_files_and_name_the_sessions(folder, capsys, monkeypatch):
    path = finished(folder)
    before = read_results(read_study(path))
    monkeypatch.chdir(folder)
    for name in ("slow", "fast"):  # one of them is enough
        (folder / f"{name}.csv").unlink()
    after = read_results(path)
    assert after.trials.equals(before.trials)
    assert after.study.content == before.study.content
    assert [one.target for one in after.study.objectives] == [one.target for one in before.study.objectives]
    assert list(after.study.taken.recordings) == list(RATES)
    assert execute(["show", "small.toml"]) == 0
    said = " ".join(origins(after.study))
    assert "computed from the three recordings slow from slow.csv (ten units, " in said
    assert "the tolerance from 2 standard errors of one more recording" in said
    capsys.readouterr()
    assert execute(["run", "small.toml"]) == 2
    err = capsys.readouterr().err
    assert "new trials need it: put it back" in err


def test_a_session_may_move_but_not_change(folder):
    path = finished(folder)
    (folder / "data").mkdir()
    (folder / "slow.csv").rename(folder / "data" / "slow.csv")
    path.write_text(path.read_text().replace('"slow.csv"', '"data/slow.csv"'))
    assert execute(["show", str(path)]) == 0
    written(folder / "data" / "slow.csv", trains(10, duration_ms=4000, seed=9))
    assert execute(["run", str(path), "--slots", "1", "--quiet"]) == 2


@pytest.fixture
def periods(monkeypatch) -> None:
    """Every file has one second of a stimulus in every two, in which its units fire twice as often."""
    onsets = np.arange(500.0, 4000.0, 2000.0)
    periods = {
        "evoked": np.stack([onsets, onsets + 1000], axis=1),
        "spontaneous": np.stack([onsets + 1000, onsets + 2000], axis=1),
    }

    read = recorded_file.read_table

    def read_with_periods(path, wanted):
        table = read(path, wanted)
        in_stimulus = ((table.time_ms - 500) // 1000 % 2 == 0) & (table.time_ms > 500)
        keep = in_stimulus | (np.arange(table.time_ms.size) % 2 == 0)
        return replace(table, time_ms=table.time_ms[keep], unit=table.unit[keep], periods=periods)

    monkeypatch.setattr(recorded_file, "read_table", read_with_periods)


def file_of(recordings: list[dict[str, Any]]) -> StudyFile:
    """The tables of a study with these recordings, and nothing checked."""
    return StudyFile(
        model=ModelSection(name="tiny"),
        objectives=[ObjectiveSection(**RATE)],
        recordings=[RecordingsSection(**one) for one in recordings],
    )


def target_of(view: recorded_targets.Recorded, name: str = "rate_E", **keys: Any) -> float:
    section = ObjectiveSection(**{"statistic": name, "target": "recording", "tolerance": 1.0, **keys})
    return view.target(find_statistic(name), section).value


@pytest.mark.usefixtures("periods")
def test_a_condition_has_its_own_recordings_and_periods(folder):
    own = [
        *sessions("slow", condition="evoked", period="evoked"),
        {"name": "rest", "file": "slow.csv", "condition": "spontaneous", "period": "spontaneous"},
        *sessions("fast"),
    ]
    file = file_of(own)
    problems = Problems()
    recorded = recorded_targets.recorded(problems, file, folder, conditions=("evoked", "spontaneous"))
    assert not problems.found
    evoked = recorded.serving("evoked", duration_ms=500.0, period="evoked")
    rest = recorded.serving("spontaneous", duration_ms=500.0, period="spontaneous")
    assert list(evoked.recordings) == ["slow", "fast"]
    assert list(rest.recordings) == ["rest", "fast"]
    assert target_of(evoked) / target_of(rest) == pytest.approx(2.0, rel=0.2)
    assert all(piece.duration_ms == 500 for piece in evoked.recordings["fast"].pieces(evoked.piece_ms))
    section = ObjectiveSection(statistic="rate_E", target="recording")
    both = recorded_targets.difference_of(evoked, rest, find_statistic("rate_E"), section)
    rates = [
        [one.pooled(find_statistic("rate_E")).sessions[name].estimate.value for name in names]
        for one, names in ((evoked, ("slow", "fast")), (rest, ("rest", "fast")))
    ]
    changes = np.subtract(*rates)
    assert min(changes) < both.value < max(changes)
    assert both.source == "recordings slow - rest, fast"
    with pytest.raises(RecordingError, match=r"slow\.csv: has no period 'evok' \(did you mean 'evoked'\?\)"):
        recorded_targets.recorded(problems, file_of(sessions()), folder).serving("evoked", period="evok")


@pytest.mark.usefixtures("periods")
def test_pieces_begin_as_long_before_a_stimulus_as_in_the_simulation(folder):
    stimulus = {"clusters": "each", "current_pA": 0.1, "duration_ms": 500.0, "onsets_ms": [300.0]}
    aim = {"statistic": "evoked_rate_E", "target": "recording", "tolerance": 1.0}
    study = read_study(
        aimed(
            folder,
            sessions("slow", "fast", stimuli="evoked"),
            aim,
            stimuli=[stimulus],
            parameters={"N_Q": 1},
            simulation={"duration_ms": 1300.0},
        )
    )
    starts = [piece.start_ms for piece in study.recordings["fast"].pieces(1300.0)]
    assert starts == [200.0, 2200.0]
    assert study.objectives[0].target.value > 0


def test_a_recording_has_the_response_only_if_it_says_when_there_was_a_stimulus(folder):
    aim = {"statistic": "evoked_rate_E", "target": "recording", "tolerance": 1.0}
    with pytest.raises(StudyError, match="evoked_rate_E has no value in the recording: no stimulus begins"):
        read_study(aimed(folder, sessions("slow"), aim))


@pytest.mark.usefixtures("periods")
def test_a_single_recording_can_have_a_period_too(folder):
    both = [
        read_study(
            write_study(
                folder,
                recording={"file": "fast.csv", "period": name},
                objectives=[{**RATE, "tolerance": 1.0}, RATE_I],
                simulation={"duration_ms": 1000},
            )
        )
        .objectives[0]
        .target.value
        for name in ("evoked", "spontaneous")
    ]
    assert both[0] / both[1] == pytest.approx(2.0, rel=0.3)


def test_studies_without_new_keys_keep_their_digest(folder):
    path = write_study(folder, recording={"file": "fast.csv"}, objectives=[RATE, RATE_E | {"name": "own"}])
    assert read_study(path).content["recording"] == {"file": "fast.csv", "population": "E"}
    assert "recordings" not in read_study(path).content
    assert isinstance(read_study(path).recording, Recording)


def test_a_held_out_condition_can_have_a_recorded_target_which_results_then_predict(folder):
    conditions = [{"name": "rest"}, {"name": "drug", "held_out": True, "parameters": {"I_I": {"set": 2.0}}}]
    objectives = [
        RATE | {"condition": "rest"},
        RATE | {"condition": "drug"},
        RATE | {"difference": ["drug", "rest"], "tolerance": 1.0},
        RATE_I | {"condition": "rest"},
    ]
    study = write_study(
        folder,
        recordings=[{"file": "slow.csv"}, {"file": "fast.csv"}],
        conditions=conditions,
        objectives=objectives,
        replicates={"fresh": 2},
        budget={"trials": 12},
    )
    run_study(read_study(study), slots=1, progress=False)
    results = read_results(study)
    assert [one.name for one in results.study.objectives] == ["rest.rate_E", "rest.rate_I"]
    assert [one.name for one in results.study.predicted] == ["drug.rate_E", "drug-rest.rate_E"]
    assert results.study.predicted[1].target.value == 0.0  # the same data in both
    predicted = predict(results, results.best.params).statistics
    assert [one.name for one in predicted] == ["rest.rate_E", "rest.rate_I"]
