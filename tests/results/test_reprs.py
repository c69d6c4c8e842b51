"""What a console or notebook shows of a study and its results: what a reader wants, and no arrays."""

from __future__ import annotations

from calibrate import make_report, observe_trains, read_recording, read_results, run_study, write_spikes
from tests.helpers.studies import RATE_I, Tables, small_study

DISTANCE = {"statistic": "rate_E", "distribution": [4.0, 5.0, 6.0], "tolerance": 1.5}
CHANGES: Tables = {
    "objectives": [DISTANCE, RATE_I],
    "constraints": [{"statistic": "cv_E", "min": 0.1, "max": 2.0}],
    "parameters": {"I_I": {"low": 0.1, "high": 4.0, "log": True}, "rule": {"choices": ["a", "b"]}},
    "budget": {"trials": 4},
}


def test_a_study_shows_its_search_and_its_question(tmp_path):
    assert repr(small_study(tmp_path, CHANGES)).splitlines() == [
        "study small: tiny.py:tiny, 2 s per simulation, simulator poisson; 4 trials, sampler random",
        "  I_E    0.1 to 4",
        "  I_I    0.1 to 4 (log)",
        "  rule   a or b",
        "  rate_E target distance ≤ 1.5 Hz",
        "  rate_I target 9 to 11 Hz",
        "  cv_E   must be ≥ 0.1 and ≤ 2",
    ]


def test_results_show_the_trials_and_the_best(tmp_path):
    study = small_study(tmp_path, CHANGES)
    result = run_study(study, slots=1, progress=False)
    assert repr(result) == (
        f"study small: 4 trials; stopped because the trial budget is used up\n{result.best}"
    )
    results = read_results(study)
    assert repr(results) == f"study small: trials: 4 complete\n{results.best}"
    assert "rate_E" in repr(results)
    simulated = results.simulate(results.best.number)
    assert repr(simulated).startswith("one simulation in Poisson 1 (CPU, double precision)\n  rate_E ")
    assert repr(simulated.observation).startswith("<Observation of 40 E, 10 I neurons in 2000 ms: ")
    report = make_report(results, simulate=False)
    assert repr(report).startswith("<Report on study small: targets, activity, ")


def test_a_study_in_which_all_fails_says_so(tmp_path):
    study = small_study(tmp_path, CHANGES, parameters={"wrong_above": 0.0})
    shown = repr(run_study(study, slots=1, progress=False))
    assert "4 trials, 4 of them failed" in shown
    assert "no trial is the best yet" in shown
    assert repr(read_results(study)).startswith("study small: trials: 0 complete, 4 failed\n")


def test_observations_and_recordings_show_their_size(tmp_path):
    observation = observe_trains({"E": [[12.0, 31.0], []], "I": [[40.0]]}, duration_ms=100.0)
    assert repr(observation) == "<Observation of 2 E, 1 I neurons in 100 ms: 3 spikes>"
    write_spikes(observation, tmp_path / "a.npz")
    assert repr(read_recording(tmp_path / "a.npz")) == "<Recording of 2 E, 1 I units from 0 to 100 ms>"
