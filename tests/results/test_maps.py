"""Maps of statistics over two parameters, and the regimes that are drawn into them."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from calibrate import StudyError, read_results, run_study
from calibrate.calibration.trials.regimes import REGIMES, regime
from calibrate.cli.commands import execute
from calibrate.figures import map_figure
from calibrate.results.maps import parameter_map
from tests.helpers.studies import Tables, small_study

pytestmark = pytest.mark.usefixtures("in_tmp_path")

GRID = {
    "parameters": {
        "I_E": {"low": 0.1, "high": 4.0, "points": 4},
        "I_I": {"low": 0.1, "high": 4.0, "points": 3},
    },
    "sampler": {"name": "grid"},
    "budget": {"trials": 12},
}
MANY = {"budget": {"trials": 40}}


def ran(folder: Path, *changes: Tables):
    study = small_study(folder, *changes)
    run_study(study, slots=2, progress=False)
    return read_results(study)


def test_a_grid_is_drawn_exactly(tmp_path):
    results = ran(tmp_path, GRID)
    found = parameter_map(results, "I_E", "I_I", "rate_E")
    assert found.exact
    assert (found.unit, found.values.shape) == ("Hz", (3, 4))
    np.testing.assert_allclose(found.x, [0.1, 1.4, 2.7, 4.0])
    for _, trial in results.trials.iterrows():
        row, column = np.argmin(abs(found.y - trial.I_I)), np.argmin(abs(found.x - trial.I_E))
        assert found.values[row, column] == trial.rate_E
    swapped = parameter_map(results, "I_I", "I_E", "rate_E")
    np.testing.assert_array_equal(swapped.values, found.values.T)


def test_a_grid_that_is_not_complete_has_holes(tmp_path):
    found = parameter_map(ran(tmp_path, GRID, {"budget": {"trials": 5}}), "I_E", "I_I", "loss")
    assert np.isfinite(found.values).sum() <= 5
    assert np.isnan(found.values).any()


def test_other_studies_are_interpolated_where_they_have_trials(tmp_path):
    results = ran(tmp_path, MANY)
    found = parameter_map(results, "I_E", "I_I", "rate_E")
    assert not found.exact
    assert found.points.shape == (40, 2)
    known = np.isfinite(found.values)
    assert 0.3 < known.mean() <= 1
    trials = results.trials
    assert np.nanmin(found.values) >= trials.rate_E.min() - 1e-9  # a mean of what is there
    assert np.nanmax(found.values) <= trials.rate_E.max() + 1e-9
    # The rate follows I_E, not I_I.
    x = np.broadcast_to(found.x, found.values.shape)[known]
    assert np.corrcoef(x, found.values[known])[0, 1] > 0.9


def test_nothing_is_drawn_far_from_all_trials(tmp_path):
    found = parameter_map(ran(tmp_path, {"budget": {"trials": 2}}), "I_E", "I_I", "rate_E")
    spans = np.ptp(found.x), np.ptp(found.y)
    for row, column in np.argwhere(np.isfinite(found.values)):
        away = (found.points - [found.x[column], found.y[row]]) / spans
        assert np.hypot(*away.T).min() < 2 * 0.2 * 1.05


@pytest.mark.parametrize(
    ("x", "y", "statistic", "message"),
    [
        ("I_X", "I_I", "rate_E", "I_X has no range in this study"),
        ("J+", "I_I", "rate_E", r"J\+ has no range"),
        ("I_E", "I_E", "rate_E", "not I_E twice"),
        ("I_E", "I_I", "rate_X", "no statistic 'rate_X' was computed .did you mean 'rate_"),
    ],
)
def test_what_cannot_be_drawn_is_said(tmp_path, x, y, statistic, message):
    with pytest.raises(StudyError, match=message):
        parameter_map(ran(tmp_path), x, y, statistic)


def test_the_command_writes_a_figure(tmp_path, capsys):
    ran(tmp_path, GRID)
    both = ["--statistic", "rate_E", "--statistic", "loss"]
    assert execute(["map", "small.toml", "--x", "I_E", "--y", "I_I", *both]) == 0
    assert (tmp_path / "small_map.png").read_bytes().startswith(b"\x89PNG")
    assert "Map: small_map.png" in capsys.readouterr().out
    assert execute(["map", "small.toml", "--x", "I_E", "--y", "I_I", "-o", "map.xyz"]) == 2
    assert execute(["map", "small.toml", "--x", "I_E", "--y", "I_I", "-o", "map.svg", "--json"]) == 0


def test_a_figure_has_a_panel_for_each_statistic(tmp_path):
    figure = map_figure(ran(tmp_path, GRID), "I_E", "I_I", ["rate_E", "rate_I", "loss", "cv2_E"])
    titles = [axes.get_title(loc="left") for axes in figure.axes if axes.get_title(loc="left")]
    assert titles == ["rate_E (Hz)", "rate_I (Hz)", "loss", "cv2_E"]


def told(**statistics: float | None) -> str | None:
    return regime(statistics, population="E", duration_ms=4000.0)


def test_regimes_follow_from_the_statistics():
    metastable = {"active_clusters": 0.5, "dwell_time": 120.0, "switching_rate": 0.7}
    assert told(rate_E=6.0, **metastable) == "metastable"
    assert told(rate_E=0.05, **metastable) == "silent"
    stuck = {"active_clusters": 1.0, "dwell_time": 4000.0, "switching_rate": 0.0}
    assert told(rate_E=20.0, **stuck) == "winner-take-all"
    quiet = {"active_clusters": 0.0, "dwell_time": None, "switching_rate": 0.0}
    assert told(rate_E=3.0, **quiet) == "asynchronous"
    rare = {"active_clusters": 0.05, "dwell_time": 80.0, "switching_rate": 0.05}
    assert told(rate_E=3.0, **rare) == "asynchronous"
    assert told(rate_E=3.0) is None  # no clusters
    assert told(rate_E=None, **metastable) is None
    assert told(rate_E=math.nan) is None
    of_population = {f"{name}_E": value for name, value in metastable.items()}
    assert told(rate_E=6.0, **of_population) == "metastable"
    assert set(REGIMES) == {"silent", "asynchronous", "metastable", "winner-take-all"}
