"""The closed loop: environments of both kinds, in all simulators, and what happens if one fails."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calibrate.errors import ModelError
from calibrate.observation import Episode, Observation, SimulationFailure
from calibrate.simulators import create
from calibrate.simulators.base import Member, RecordingPlan
from calibrate.simulators.closed_loop import Loop, simulate_in_loop
from calibrate.store import archive
from tests.helpers.closed_loop import ENVIRONMENT, GYMNASIUM, behaved, member, simulated
from tests.helpers.simulators import both
from tests.helpers.studies import small_study


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "world.py").write_text(ENVIRONMENT)
    (tmp_path / "gym_world.py").write_text(GYMNASIUM)


@pytest.mark.parametrize("backend", [*both("genn"), "nest", "poisson"])
def test_an_environment_receives_what_was_counted_and_stimulates_what_it_says(backend, tmp_path):
    loop = Loop(environment="world.py:Recorder", folder=tmp_path, options={"current": 3.0}, output="counts")
    found = simulated(backend, loop, duration_ms=200.0)
    world = loop.made().__class__.made[-2]  # the last but the one just made
    assert world.options == {"interval_ms": 10.0, "n_outputs": 3, "n_inputs": 3}
    assert world.seeds[0] is not None
    assert world.seeds[1:] == [None] * 5
    counts = found.group_counts("E", 10.0).T
    assert np.array_equal(np.array(world.actions), counts)
    assert found.episodes is not None
    assert [(one.start_ms, one.stop_ms, one.reward) for one in found.episodes] == [
        (40.0 * k, 40.0 * k + 40.0, 2.0) for k in range(5)
    ]
    assert [dict(one.measures) for one in found.episodes] == [{"steps": 4.0}] * 5


@pytest.mark.parametrize("backend", [*both("genn"), "nest", "poisson"])
def test_stimulated_clusters_fire_more(backend, tmp_path):
    constant = "class Constant:\n    def __init__(self, currents): self.currents = currents\n"
    constant += "    def reset(self, *, seed=None, options=None): return self.currents, {}\n"
    constant += "    def step(self, action): return self.currents, 0.0, False, False, {}\n"
    (tmp_path / "constant.py").write_text(constant)
    loop = Loop(environment="constant.py:Constant", folder=tmp_path, options={"currents": [0.0, 3.0, 0.0]})
    counts = simulated(backend, loop).group_counts("E", 1000.0)[:, 0]
    assert counts[1] > 1.5 * max(counts[0], counts[2])


@pytest.mark.parametrize("backend", [*both("genn"), "nest"])
def test_an_environment_may_set_the_rates_of_poisson_input(backend, tmp_path):
    constant = "class Constant:\n"
    constant += "    def reset(self, *, seed=None, options=None): return [0.0, 4000.0, 0.0], {}\n"
    constant += "    def step(self, action): return [0.0, 4000.0, 0.0], 0.0, False, False, {}\n"
    (tmp_path / "constant.py").write_text(constant)
    loop = Loop(environment="constant.py:Constant", folder=tmp_path, input="rate")
    noisy = {"noise_rate_E": 500.0, "noise_weight_E": 0.4, "J_E+": 1.0}
    counts = simulated(backend, loop, **noisy).group_counts("E", 1000.0)[:, 0]
    assert counts[1] > 1.5 * max(counts[0], counts[2])


@pytest.mark.parametrize("backend", [*both("genn"), "nest"])
def test_rates_of_one_population_leave_the_input_of_others_as_it_is(backend, tmp_path):
    constant = "class Constant:\n"
    constant += "    def reset(self, *, seed=None, options=None): return 500.0, {}\n"
    constant += "    def step(self, action): return 500.0, 0.0, False, False, {}\n"
    (tmp_path / "constant.py").write_text(constant)
    loop = Loop(environment="constant.py:Constant", folder=tmp_path, input="rate")
    noisy = dict.fromkeys(("noise_rate_E", "noise_rate_I"), 500.0)
    noisy |= dict.fromkeys(("noise_weight_E", "noise_weight_I"), 2.0)
    alone = {"I_th_E": 0.0, "I_th_I": 0.0, "J_IE": 0.0, "J_EI": 0.0, "J_EE": 0.0, "J_II": 0.0}
    found = simulated(backend, loop, **noisy, **alone)
    assert found.totals("I").mean() > 1  # by its own input only


@pytest.mark.genn
def test_nest_and_genn_give_the_same_spikes_and_decisions_in_one_loop():
    options = {
        "choices": [[0], [1]],
        "current_pA": 1.0,
        "pause_ms": 50.0,
        "stimulus_ms": 100.0,
        "delay_ms": 50.0,
        "response_ms": 200.0,
        "threshold_hz": 12.0,
    }
    loop = Loop(environment="delayed_response", options=options)
    ours, theirs = (simulated(backend, loop, duration_ms=2000.0) for backend in ("genn", "nest"))
    assert ours.spikes is not None
    assert theirs.spikes is not None
    assert ours.spikes.step.size > 1000
    assert np.array_equal(ours.spikes.step, theirs.spikes.step)
    assert np.array_equal(ours.spikes.neuron, theirs.spikes.neuron)
    assert repr(ours.episodes) == repr(theirs.episodes)
    assert len(ours.episodes or ()) >= 4


def test_a_gymnasium_environment_is_an_environment(tmp_path):
    pytest.importorskip("gymnasium")
    loop = Loop(environment="gym_world.py:Keep", folder=tmp_path, output_population="I", input_population="I")
    network = small_study(tmp_path, parameters={"N_Q": 2}).network
    study = small_study(tmp_path)
    parameters = study.parameters({})
    one = Member(values=study.model.values(network, parameters), seed=1)
    with create("poisson", dt_ms=1.0, precision="single").prepare(
        network, batch_size=2, recording=RecordingPlan(), wiring_seed=0
    ) as prepared:
        loop = replace(loop, output_population="E", input_population="E")
        first, second = simulate_in_loop(
            prepared, [one, replace(one, seed=2)], loop=loop, realisation=0, warmup_ms=0.0, duration_ms=4000.0
        )
    for found in (first, second):
        assert isinstance(found, Observation)
        assert found.episodes is not None
        assert len(found.episodes) == 20
        assert all(one.reward < 0 and "error" in one.measures for one in found.episodes)
    assert first.episodes != second.episodes


class TwoNetworks:
    """A batch of two that does nothing, for environments that fail."""

    def __init__(self, study: Any) -> None:
        self._study = study

    def simulate(self, options: Sequence[dict[str, Any]], tmp_path: Path) -> list[Any]:
        network = self._study.network
        values = self._study.model.values(network, self._study.parameters({}))
        world = "from world import Recorder\n"
        world += f"made = iter({list(options)!r})\ndef each():\n    return Recorder(**next(made))\n"
        (tmp_path / "each.py").write_text(world)
        loop = Loop(environment="each.py:each", folder=tmp_path)
        with create("poisson", dt_ms=1.0, precision="single").prepare(
            network, batch_size=2, recording=RecordingPlan(), wiring_seed=0
        ) as prepared:
            members = [Member(values=values, seed=seed) for seed in (1, 2)]
            return list(
                simulate_in_loop(
                    prepared, members, loop=loop, realisation=0, warmup_ms=0.0, duration_ms=200.0
                )
            )


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"fail_at": 7}, r"environment \S+ failed: RuntimeError: the robot fell over"),
        ({"shape": 5}, r"environment \S+ failed: .* shape \(5,\); population E has 2 clusters"),
        ({"current": "nan"}, "not finite"),
    ],
)
def test_an_environment_that_fails_fails_its_network_only(tmp_path, options, reason):
    import re

    bad, good = TwoNetworks(small_study(tmp_path)).simulate([options, {}], tmp_path)
    assert isinstance(bad, SimulationFailure)
    assert re.search(reason, bad.reason)
    assert isinstance(good, Observation)
    assert len(good.episodes or ()) == 5


def test_a_network_with_stimuli_of_its_own_is_in_no_loop(tmp_path):
    network, one = member()
    from calibrate.network import Stimulus

    stimulus = Stimulus("E", (0,), 1.0, 0.0, 10.0)
    one = replace(one, values=replace(one.values, stimuli=(stimulus,)))
    loop = Loop(environment="world.py:Recorder", folder=tmp_path)
    with (
        create("poisson", dt_ms=0.1, precision="single").prepare(
            network, batch_size=1, recording=RecordingPlan(), wiring_seed=0
        ) as prepared,
        pytest.raises(ModelError, match="stimulated by its environment"),
    ):
        simulate_in_loop(prepared, [one], loop=loop, realisation=0, warmup_ms=0.0, duration_ms=100.0)


def test_episodes_are_stored_with_their_observation(tmp_path):
    shown = behaved(Episode(0.0, 100.0, 1.0, {"reaction_time_ms": math.nan}), Episode(100.0, 300.0, 0.5))
    archive.save(shown, tmp_path / "x.npz")
    assert repr(archive.load(tmp_path / "x.npz").episodes) == repr(shown.episodes)
    archive.save(replace(shown, episodes=None), tmp_path / "x.npz")
    assert archive.load(tmp_path / "x.npz").episodes is None
