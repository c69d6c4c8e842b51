"""Exact symmetries: free parameters that change no spike are warned of, others are not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from calibrate.models.ei_clustered import ei_clustered
from calibrate.observation import Observation
from calibrate.simulation.jobs import Job, Setup, Timing
from calibrate.simulation.local_pool import Pool
from calibrate.study import read_study
from tests.helpers.networks import SMALL
from tests.helpers.studies import write_study

STUDIES = Path(__file__).parents[2] / "studies"
WEIGHTS = "J_EE = 0.3\nJ_EI = -0.9\nJ_IE = 0.25\nJ_II = -1.3\n"


def warnings_of(folder: Path, parameters: str) -> list[str]:
    path = folder / "study.toml"
    path.write_text(
        f"""[model]
name = "ei_clustered"
[parameters]
{parameters}
[[objectives]]
statistic = "rate_E"
target = 5.0
tolerance = 0.5
[budget]
trials = 3
"""
    )
    return list(read_study(path).warnings)


def free(name: str, low: float, high: float) -> str:
    return f'"{name}" = {{ low = {low}, high = {high} }}\n'


def test_a_capacitance_changes_nothing_where_all_else_is_relative(tmp_path):
    (warning,) = warnings_of(tmp_path, free("C", 0.5, 2.0) + free("J_E+", 1.0, 3.0))
    assert warning == "C is free, but no spike depends on it: an exact symmetry of the model; fix it"


def test_a_capacitance_matters_where_weights_are_absolute(tmp_path):
    assert warnings_of(tmp_path, free("C", 0.5, 2.0) + WEIGHTS) == []
    stimulus = "I_stim = 1.0\nstim_clusters = [0]\nstim_intervals = [[100.0, 200.0]]\n"
    assert warnings_of(tmp_path, free("C", 0.5, 2.0) + stimulus) == []


def test_all_voltages_together_have_a_shift_and_a_scale(tmp_path):
    (warning,) = warnings_of(
        tmp_path, free("E_L", -5.0, 5.0) + free("V_r", -5.0, 5.0) + free("V_th", 15.0, 25.0)
    )
    assert warning.startswith("E_L, V_r, V_th can be moved together")
    assert "fix 2 of them" in warning


def test_a_factor_on_all_weights_and_the_weights_are_one_too_many(tmp_path):
    weights = free("J_EE", 0.2, 0.4) + free("J_EI", -1.0, -0.8) + free("J_IE", 0.2, 0.3)
    (warning,) = warnings_of(tmp_path, free("s", 0.5, 2.0) + weights + free("J_II", -1.5, -1.0))
    assert warning.startswith("J_EE, J_EI, J_IE, J_II, s can be moved together")
    assert "fix one of them" in warning
    assert warnings_of(tmp_path, free("s", 0.5, 2.0) + weights + "J_II = -1.2\n") == []


@pytest.mark.parametrize("path", sorted(STUDIES.glob("*.toml")), ids=lambda path: path.stem)
def test_the_studies_that_come_along_have_none(path):
    assert read_study(path).warnings == ()


def test_along_a_symmetry_the_spikes_are_the_same():
    points = [{}, {"C": 4.0}, {"E_L": -64.0, "V_r": -64.0, "V_th": -32.0}]
    asked = [
        Job(uuid=str(k), parameters={**SMALL, "V_th": 16.0, **point}, seed=1)
        for k, point in enumerate(points)
    ]
    with Pool(
        Setup(model=ei_clustered.name, backend="nest"), Timing(warmup_ms=0.0, duration_ms=100.0)
    ) as pool:
        found = [outcome.result for outcome in pool.run(asked)]
    assert all(isinstance(result, Observation) for result in found)
    assert found[0].neuron_totals.sum() > 50
    for other in found[1:]:
        assert (other.neuron_totals == found[0].neuron_totals).all()
        assert np.array_equal(other.group_bins, found[0].group_bins)


def own_warnings(folder: Path, old: str, new: str) -> tuple[str, ...]:
    """Those of the small study whose J+ is free too, and its model changed."""
    path = write_study(folder, parameters={"J+": {"low": 1.0, "high": 4.0}})
    model = (folder / "tiny.py").read_text()
    assert model.count(old) == 1
    (folder / "tiny.py").write_text(model.replace(old, new))
    return read_study(path).warnings


def test_a_parameter_that_acts_in_steps_is_no_symmetry(tmp_path):
    idle = own_warnings(tmp_path, "size=10", "size=10")
    assert idle == ("J+ is free, but no spike depends on it: an exact symmetry of the model; fix it",)
    assert own_warnings(tmp_path, "size=10", 'size=10 + int(p["J+"])') == ()
    steps = '"tau_m": 20.0 if p["J+"] < 2 else 10.0'
    assert own_warnings(tmp_path, '"tau_m": 20.0', steps) == ()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"V_th": 20.0', '"V_th": 0.0, "V_reset": -1.0'),
        ('"C_m": 1.0', '"C_m": 1e-310'),
        ("    neuron = {", '    1 / (p["J+"] in (1.0, 2.5, 4.0))\n    neuron = {'),
    ],
    ids=["no gap to the threshold", "hardly a capacitance", "code that breaks between the ends"],
)
def test_where_symmetries_cannot_be_found_none_is_claimed(tmp_path, old, new):
    assert own_warnings(tmp_path, old, new) == ()
