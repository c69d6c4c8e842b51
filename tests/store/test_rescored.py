"""A study that an older version scored by another rule has the scores of this version wherever it is read."""

from __future__ import annotations

import sqlite3

import pytest

from calibrate import read_results, read_study, run_study
from calibrate.calibration.trials.rescored import other_input
from tests.helpers.studies import small_study


def test_an_older_study_is_shown_and_gone_on_with_on_one_scale(tmp_path):
    graphs = {"replicates": {"graphs": 2}}
    run_study(small_study(tmp_path, graphs), slots=1, progress=False)
    new = read_results(small_study(tmp_path, graphs)).trials["loss"]
    with sqlite3.connect(tmp_path / "small.db") as connection:
        assert connection.execute(
            "DELETE FROM study_system_attributes WHERE key = 'calibrate:scoring'"
        ).rowcount
        connection.execute("UPDATE trial_values SET value = 1000 - value")
    shown = read_results(small_study(tmp_path, graphs))
    assert list(shown.trials["loss"]) == pytest.approx(list(new))
    assert shown.best is not None
    assert shown.best.number == new.idxmin()
    more = small_study(tmp_path, graphs, budget={"trials": 10})
    result = run_study(more, slots=1, progress=False)
    assert (result.complete, result.added) == (10, 2)
    assert list(read_results(more).trials["loss"])[:8] == pytest.approx(list(new))
    assert result.best is not None
    assert result.best.loss <= new.min()


@pytest.mark.parametrize(
    ("backend", "rate_hz", "warned"), [("nest", 1000.0, True), ("genn", 1000.0, False), ("nest", None, False)]
)
def test_older_trials_of_nest_with_random_input_are_warned_of(tmp_path, backend, rate_hz, warned):
    noise = {} if rate_hz is None else {"noise_rate_E": rate_hz, "noise_weight_E": 0.3}
    (tmp_path / "noisy.toml").write_text(
        "[model]\nname = 'balanced'\n[parameters]\nN_E = 40\nN_I = 10\nI_th_E = {low = 1.0, high = 2.0}\n"
        + "".join(f"{name} = {value}\n" for name, value in noise.items())
        + f"[simulation]\nbackend = '{backend}'\nduration_ms = 100.0\n"
        "[[objectives]]\nstatistic = 'rate_E'\ntarget = 5.0\ntolerance = 3.0\n[budget]\ntrials = 1\n"
    )
    warning = other_input(read_study(tmp_path / "noisy.toml"))
    assert (warning is not None) == warned
