"""Tables of results: what is a whole number stays one, also where some are missing."""

from __future__ import annotations

import pandas as pd

from calibrate import read_results, run_study
from tests.helpers.studies import small_study


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
