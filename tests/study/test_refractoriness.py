"""Neurons that could fire more than once in a step are warned of."""

from __future__ import annotations

from pathlib import Path

import pytest

from calibrate.study import read_study

MODEL = """\
from calibrate.network import Model, Network, Parameter, Population, UniformPotential, Values

def network(p):
    return Network(populations=(Population(name="cells", size=10, neuron="{neuron}"),), projections=())

def values(network, p):
    neurons = {{"I_e": p["drive"], **{given}}}
    start = {{"cells": UniformPotential(-70.0, -60.0)}}
    return Values(neurons={{"cells": neurons}}, weights={{}}, initial=start)

lone = Model(
    name="lone",
    parameters=(Parameter(name="drive", default=800.0, unit="pA", doc="constant current"),),
    make_network=network,
    make_values=values,
    doc="Neurons without connections",
)
"""
STUDY = """\
[model]
name = "lone.py:lone"
[parameters]
drive = {low = 700.0, high = 900.0}
[simulation]
dt_ms = 0.2
[[objectives]]
statistic = "rate_cells"
target = 10.0
tolerance = 1.0
[budget]
trials = 3
"""


def warnings(folder: Path, neuron: str, given: dict[str, float]) -> tuple[str, ...]:
    (folder / "lone.py").write_text(MODEL.format(neuron=neuron, given=given))
    (folder / "study.toml").write_text(STUDY)
    return read_study(folder / "study.toml").warnings


def test_an_adaptive_exponential_neuron_without_refractory_time_is_warned_of(tmp_path):
    assert warnings(tmp_path, "aeif_cond_exp", {}) == (
        "cells (aeif_cond_exp) has no refractory time: a trial fails if a neuron fires more than once in a "
        "step; a t_ref of 0.2 ms prevents that",
    )


def test_neurons_whose_refractory_times_differ_are_warned_of_if_some_have_none(tmp_path):
    model = MODEL.format(neuron="aeif_cond_exp", given={})
    model = model.replace('{"I_e"', '{"t_ref": Uniform(0.0, 2.0), "I_e"')
    model = model.replace('aeif_cond_exp"', 'aeif_cond_exp", distributed=frozenset({"t_ref"})')
    (tmp_path / "lone.py").write_text(model.replace("Potential, Values", "Potential, Uniform, Values"))
    (tmp_path / "study.toml").write_text(STUDY)
    (warning,) = read_study(tmp_path / "study.toml").warnings
    assert "cells (aeif_cond_exp) has no refractory time" in warning


@pytest.mark.parametrize(
    ("neuron", "given"), [("aeif_cond_exp", {"t_ref": 0.1}), ("iaf_cond_exp", {"t_ref": 0.0})]
)
def test_neurons_that_fire_at_most_once_in_a_step_are_not_warned_of(tmp_path, neuron, given):
    assert not any("has no refractory time" in warning for warning in warnings(tmp_path, neuron, given))
