"""Networks of neuron models without GeNN code: NEST simulates them, and everything else knows that."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from calibrate import SimulatorError, StudyError, make_study, simulate, simulators
from calibrate.calibration.resources.scaling import scale
from calibrate.calibration.validation.validate import simulators_for
from calibrate.errors import ModelError
from calibrate.network import UniformDelay
from calibrate.observation import Observation
from calibrate.simulators import backends
from calibrate.simulators.base import Member, RecordingPlan
from calibrate.simulators.base import simulate as simulate_batch
from tests.helpers.nest_only import IAF_PSC_ALPHA, alpha

REFUSED = r"GeNN has no code for the neurons of cells \(iaf_psc_alpha\)"


def study(backend: str = "auto") -> Any:
    return make_study(
        "alpha",
        model=alpha,
        parameters={"drive": {"low": 400.0, "high": 600.0}},
        objectives=[{"statistic": "rate_cells", "target": 12.0, "tolerance": 1.0}],
        simulation={"backend": backend, "warmup_ms": 0.0, "duration_ms": 200.0},
        budget={"trials": 2},
    )


@pytest.fixture
def both_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends.Backend, "is_installed", property(lambda _: True))


@pytest.mark.usefixtures("both_installed")
def test_auto_is_nest_and_genn_is_refused_in_one_line():
    network = alpha.network({})
    assert simulators.choose("auto") == "genn"
    assert simulators.choose("auto", network) == "nest"
    with pytest.raises(SimulatorError, match=f"^{REFUSED}: use --backend nest$"):
        simulators.choose("genn", network)
    with pytest.raises(ModelError, match="iaf_psc_alpha has no GeNN code"):
        _ = IAF_PSC_ALPHA.genn_code


@pytest.mark.usefixtures("both_installed")
def test_limits_of_genn_do_not_matter_where_auto_is_nest():
    (inhibition,) = alpha.network({}).projections
    long = replace(inhibition, delay_ms=UniformDelay(1.0, 7000.0))
    network = replace(alpha.network({}), projections=(long,))
    simulators.check_network("auto", network, 0.1)
    with pytest.raises(SimulatorError, match="GeNN supports up to 65,535"):
        simulators.check_network("genn", network, 0.1)


def test_a_study_that_names_genn_is_refused_before_anything_is_simulated():
    with pytest.raises(StudyError, match=rf'\[simulation\] backend: {REFUSED}; use backend = "nest"'):
        study("genn")


@pytest.mark.usefixtures("both_installed")
def test_it_is_validated_and_scaled_in_nest_alone():
    assert simulators_for(study("nest")) == ("nest",)
    with pytest.raises(SimulatorError, match=REFUSED):
        scale(study("nest"), [20], backends=["genn"])


@pytest.mark.genn
def test_genn_refuses_such_a_network_that_only_a_trial_has():
    simulator = simulators.create("genn", dt_ms=0.1, precision="double")
    with pytest.raises(ModelError, match="iaf_psc_alpha has no GeNN code: simulate it with NEST"):
        simulator.prepare(alpha.network({}), batch_size=1, recording=RecordingPlan(), wiring_seed=1)


def test_its_rate_is_that_of_a_plain_nest_script():
    found = simulate(study(), {"drive": 500.0, "feedback": 0.0})
    assert found.simulator["name"] == "nest"
    # From -70 to -55 mV with 20 mV of drive: tau ln(20 / 5) = 13.86 ms, 139 steps, and 2 ms refractory.
    assert set(found.observation.totals("cells")) <= {12, 13}


def test_nothing_is_left_behind_for_the_next_simulation():
    network = alpha.network({})
    members = [
        Member(values=alpha.values(network, {"feedback": feedback}), seed=1) for feedback in (100, 900, 100)
    ]
    simulator = simulators.create("nest", dt_ms=0.1, precision="double")
    plan = RecordingPlan(spikes=True)
    with simulator.prepare(network, batch_size=1, recording=plan, wiring_seed=1) as prepared:
        rasters = []
        for member in members:
            (found,) = simulate_batch(prepared, [member], realisation=0, warmup_ms=0.0, duration_ms=100.0)
            assert isinstance(found, Observation)
            assert found.spikes is not None
            rasters.append(sorted(zip(found.spikes.step, found.spikes.neuron, strict=True)))
    first, other, again = rasters
    assert first == again
    assert first != other
