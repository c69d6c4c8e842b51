"""Tables of results: what is a whole number stays one, also where some are missing."""

from __future__ import annotations

import pandas as pd

from calibrate import read_results, read_study, run_study
from tests.helpers.studies import RATE_E, small_study, write_study


def test_numbers_of_graphs_and_trials_are_whole_numbers_where_some_trials_failed(tmp_path):
    study = small_study(tmp_path, {"parameters": {"wrong_above": 2.0}, "replicates": {"graphs": 2}})
    run_study(study, slots=1, progress=False)
    results = read_results(study)
    assert set(results.trials["state"]) == {"complete", "failed"}
    assert results.trials["graphs"].dtype == pd.Int64Dtype()
    assert results.simulations["trial"].dtype == pd.Int64Dtype()
    assert results.statistics["trial"].dtype == pd.Int64Dtype()
    assert ",2," in results.trials.to_csv()
    assert ",2.0," not in results.trials.to_csv(columns=["graphs", "state"])


def test_a_row_of_trials_names_the_values_that_are_lower_bounds(tmp_path):
    path = write_study(
        tmp_path,
        parameters={"wrong_above": 3.5},
        objectives=[RATE_E, {"statistic": "statistics.py:least", "interval": [2, 4], "tolerance": 1}],
    )
    with (tmp_path / "statistics.py").open("a") as file:
        file.write(
            "\n@statistic(needs=Needs())\ndef least(observation):\n"
            "    'At least three.'\n    return Estimate(3.0, lower_bound=True)\n"
        )
    study = read_study(path)
    run_study(study, slots=1, progress=False)
    trials = read_results(study).trials
    assert set(trials["lower_bounds"][trials["state"] == "complete"]) == {"least"}
    assert set(trials["lower_bounds"][trials["state"] == "failed"]) == {""}
    assert trials.columns[-1] == "lower_bounds"
