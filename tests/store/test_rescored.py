"""A study that an older version scored by another rule has the scores of this version wherever it is read."""

from __future__ import annotations

import sqlite3

import pytest

from calibrate import read_results, run_study
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
