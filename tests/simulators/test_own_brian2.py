"""The Brian2 model of the documentation, if Brian2 can be imported here."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from calibrate import make_study, simulate

PAGE = Path(__file__).parents[2] / "docs" / "own-simulation.md"


@pytest.mark.slow
def test_the_brian2_model_of_the_page_fires_as_its_equation_says(tmp_path):
    try:
        import brian2  # noqa: F401
    except Exception as error:  # an AttributeError, where numpy is too new for it
        pytest.skip(f"Brian2 cannot be imported: {error}")
    code = PAGE.read_text().partition("<!-- file: brian_network.py -->\n```python\n")[2].partition("```")[0]
    (tmp_path / "brian_network.py").write_text(code)
    study = make_study(
        "brian",
        model={"name": "brian_network.py:simulate", "populations": {"cells": 100}},
        parameters={"drive": {"low": 22.0, "high": 26.0}, "w": 0.0},
        objectives=[{"statistic": "rate_cells", "target": 40.0, "tolerance": 5.0}],
        simulation={"warmup_ms": 100.0, "duration_ms": 300.0},
        budget={"trials": 3},
        folder=tmp_path,
    )
    found = simulate(study, {"drive": 24.0})
    period_ms = 2.0 + 20.0 * math.log((24.0 - 10.0) / (24.0 - 20.0))  # of a free-running membrane
    assert found.simulator["name"] == "brian_network.py:simulate"
    intervals = found.observation.all_intervals("cells")
    assert intervals.size > 900
    assert np.abs(intervals - period_ms).max() <= 0.1 + 1e-6  # its time step
    assert simulate(study, {"w": 2.0}).statistics["rate_cells"] < found.statistics["rate_cells"]
