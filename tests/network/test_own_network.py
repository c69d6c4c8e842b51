"""A user's own network and neuron model, from a file: they work as the built-in ones do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from calibrate import simulators
from calibrate.network import find_model
from calibrate.observation import Observation
from calibrate.simulation.jobs import Job, Setup, Timing
from calibrate.simulation.local_pool import Pool
from calibrate.simulators.base import Member, RecordingPlan, simulate
from tests.helpers.simulators import both

HERE = Path(__file__).parents[1] / "helpers"


def observe(name: str, given: dict[str, float]) -> Observation:
    model = find_model("own_network.py:inhibited", folder=HERE)
    network = model.network(given)
    simulator = simulators.create(name, dt_ms=0.1, precision="double")
    recording = RecordingPlan(spikes=True)
    with simulator.prepare(network, batch_size=1, recording=recording, wiring_seed=1) as prepared:
        member = Member(values=model.values(network, given), seed=4)
        found = simulate(prepared, [member], realisation=0, warmup_ms=0.0, duration_ms=1000.0)[0]
    assert isinstance(found, Observation)
    return found


@pytest.mark.genn
@pytest.mark.parametrize("feedback", [0.0, 20.0, 100.0])
def test_nest_and_genn_give_the_same_spikes(feedback):
    given = {"drive": 600.0, "rest": 12.3, "feedback": feedback}
    nest, genn = observe("nest", given), observe("genn", given)
    assert nest.spikes is not None
    assert genn.spikes is not None
    assert nest.spikes.step.size > 2000
    assert np.array_equal(nest.spikes.step, genn.spikes.step)
    assert np.array_equal(nest.spikes.neuron, genn.spikes.neuron)


@pytest.mark.parametrize("name", both("nest", "genn"))
def test_its_parameters_do_what_they_say(name):
    # Without feedback at a drive far above rheobase, a neuron fires as soon as it may again.
    found = observe(name, {"drive": 1e6, "feedback": 0.0, "rest": 12.3})
    assert found.spikes is not None
    one = found.spikes.step[found.spikes.neuron == 0]
    assert set(np.diff(one)) == {124}


@pytest.mark.parametrize("backend", both("nest", "genn"))
def test_it_runs_in_the_pool(backend):
    setup = Setup(model="own_network.py:inhibited", folder=HERE, backend=backend)
    rates = []
    with Pool(setup, Timing(warmup_ms=0.0, duration_ms=200.0), slots=1) as pool:
        candidates = [
            Job(uuid=str(drive), parameters={"drive": drive}, seed=1) for drive in (100.0, 300.0, 600.0)
        ]
        for outcome in pool.run(candidates):
            assert isinstance(outcome.result, Observation)
            rates.append(outcome.result.totals("cells").mean())
    assert rates == sorted(rates)
    assert rates[0] == 0 < rates[2]
