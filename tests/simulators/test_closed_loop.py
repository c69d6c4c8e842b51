"""The closed loop: environments, coupling, deadlines, the delayed-response task, behaviour as an aim."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calibrate import testing
from calibrate.cli.commands import execute
from calibrate.errors import CalibrateError, ModelError, ObjectiveError, PluginError, StudyError
from calibrate.models.ei_clustered import ei_clustered
from calibrate.objective import find_statistic
from calibrate.observation import Episode, Observation, SimulationFailure
from calibrate.results.results import read_results
from calibrate.simulators import create
from calibrate.simulators.base import Member, RecordingPlan
from calibrate.simulators.closed_loop import Loop, realtime, run_loop, simulate_in_loop
from calibrate.simulators.closed_loop.delayed_response import DelayedResponse
from calibrate.store import archive
from calibrate.study import read_study
from calibrate.tasks.loop import run_loop as run_study_loop
from calibrate.tasks.run import run_study
from tests.helpers.networks import SMALL
from tests.helpers.simulators import both
from tests.helpers.studies import RATE_E, RATE_I, Tables, small_study, write_study

ENVIRONMENT = """
import numpy as np

class Recorder:
    "Stimulates the clusters in turn, and ends an episode after four steps."
    made = []

    def __init__(self, current=1.0, fail_at=None, shape=None):
        self.current, self.fail_at, self.shape = current, fail_at, shape
        self.actions, self.seeds, self.options = [], [], None
        Recorder.made.append(self)

    def reset(self, *, seed=None, options=None):
        self.seeds.append(seed)
        self.options, self.steps = options, 0
        return self._next(), {}

    def step(self, action):
        self.actions.append(np.array(action))
        self.steps += 1
        if self.fail_at is not None and len(self.actions) >= self.fail_at:
            raise RuntimeError("the robot fell over")
        info = {"steps": self.steps, "text": "no number"} if self.steps == 4 else {}
        return self._next(), 0.5, self.steps == 4, False, info

    def _next(self):
        if self.shape is not None:
            return np.zeros(self.shape)
        currents = np.zeros(self.options["n_inputs"])
        currents[self.steps % self.options["n_inputs"]] = self.current
        return currents

def broken(**options):
    raise ValueError("no such robot")

something = 3
"""

GYMNASIUM = """
import gymnasium as gym
import numpy as np

class Keep(gym.Env):
    "The rate of two clusters is to be kept: the current into them rises while it is too low."
    observation_space = gym.spaces.Box(0.0, 100.0, (2,))
    action_space = gym.spaces.Box(0.0, 1000.0, (2,))

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self._current, self._steps = np.full(2, self.np_random.uniform(0.0, 1.0)), 0
        return self._current, {}

    def step(self, action):
        self._current = np.clip(self._current + 0.1 * np.sign(20.0 - np.asarray(action)), 0.0, 100.0)
        self._steps += 1
        error = float(np.abs(np.asarray(action) - 20.0).mean())
        return self._current, -error, False, self._steps == 20, {"error": error}
"""

LOOP = {"environment": "world.py:Recorder"}
REWARD = {"objectives": [RATE_E | {"statistic": "reward", "target": 2.0, "tolerance": 0.5}, RATE_I]}
STIMULUS = {"clusters": [0], "current_pA": 1.0, "duration_ms": 10.0, "onsets_ms": [0.0]}


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "world.py").write_text(ENVIRONMENT)
    (tmp_path / "gym_world.py").write_text(GYMNASIUM)


def looped_study(tmp_path: Path, *changes: Tables) -> Path:
    return write_study(tmp_path, {"loop": LOOP}, *changes)


def member(seed: int = 1, **parameters: Any) -> tuple[Any, Member]:
    given = {**SMALL, **parameters}
    network = ei_clustered.network(given)
    return network, Member(values=ei_clustered.values(network, given), seed=seed)


def simulated(backend: str, loop: Loop, *, duration_ms: float = 1000.0, **parameters: Any) -> Observation:
    network, one = member(**parameters)
    simulator = create(backend, dt_ms=0.1, precision="double")
    recording = RecordingPlan(spikes=True)
    with simulator.prepare(network, batch_size=1, recording=recording, wiring_seed=3) as prepared:
        (found,) = simulate_in_loop(
            prepared, [one], loop=loop, realisation=0, warmup_ms=100.0, duration_ms=duration_ms
        )
    assert isinstance(found, Observation), found
    return found


# --- the task -----------------------------------------------------------------------------------------


def task(**changes: Any) -> tuple[DelayedResponse, int]:
    """A task in intervals of 10 ms, reset; and the choice that it stimulates first."""
    made = DelayedResponse(
        **{"pause_ms": 20, "stimulus_ms": 30, "delay_ms": 10, "response_ms": 40, "cue_pA": 0.25, **changes}
    )
    currents, _ = made.reset(seed=5, options={"interval_ms": 10.0, "n_inputs": 4, "n_outputs": 4})
    assert not currents.any()
    return made, made._stimulated


def test_a_trial_is_pause_stimulus_delay_and_response():
    made, stimulated = task(choices=((0, 2), (1,)), current_pA=2.0)
    shown = [made.step(np.zeros(4))[0].tolist() for _ in range(9)]
    stimulus = [2.0, 0.0, 2.0, 0.0] if stimulated == 0 else [0.0, 2.0, 0.0, 0.0]
    silence, cue = [0.0] * 4, [0.25, 0.25, 0.25, 0.0]
    assert shown == [silence, *[stimulus] * 3, silence, *[cue] * 4]


def test_the_first_race_to_the_threshold_decides():
    made, stimulated = task(threshold_hz=20.0, tau_ms=50.0)
    for _ in range(6):
        assert made.step(np.full(4, 100.0))[2] is False  # whatever happens before the response
    rates = np.zeros(4)
    rates[stimulated] = 60.0
    # 60 (1 - exp(-t / 50)) passes 20 after 20.3 ms.
    assert made.step(rates)[2] is False
    assert made.step(rates)[2] is False
    _, reward, terminated, truncated, info = made.step(rates)
    assert (reward, terminated, truncated) == (1.0, True, False)
    assert (info["correct"], info["decided"], info["choice"]) == (1.0, 1.0, stimulated)
    assert info["reaction_time_ms"] == pytest.approx(30.0)
    assert info["reaction_time_ms_shortfall"] == 0.0


def test_the_other_choice_is_wrong_and_none_is_late():
    made, stimulated = task()
    for _ in range(6):
        made.step(np.zeros(4))
    _, reward, terminated, _, info = made.step(np.where(np.arange(4) == 1 - stimulated, 1000.0, 0.0))
    assert (reward, terminated, info["correct"], info["choice"]) == (0.0, True, 0.0, 1 - stimulated)
    made.reset(options={"interval_ms": 10.0, "n_inputs": 4, "n_outputs": 4})
    ended = [made.step(np.full(4, 10.0)) for _ in range(10)]
    assert [step[2] for step in ended] == [False] * 9 + [True]
    info = ended[-1][4]
    assert (info["correct"], info["decided"], info["choice"]) == (0.0, 0.0, -1)
    assert math.isnan(info["reaction_time_ms"])
    assert info["reaction_time_ms_shortfall"] == pytest.approx(1 - 10 * (1 - math.exp(-40 / 50)) / 20)


def test_the_task_draws_the_same_trials_from_the_same_seed():
    def drawn(seed: int) -> list[int]:
        made = DelayedResponse()
        options = {"interval_ms": 10.0, "n_inputs": 2, "n_outputs": 2}
        made.reset(seed=seed, options=options)
        found = []
        for _ in range(40):
            found.append(made._stimulated)
            made.reset(options=options)
        return found

    assert drawn(1) == drawn(1) != drawn(2)
    assert 10 < sum(drawn(1)) < 30


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"choices": [[0]]}, "two or more"),
        ({"choices": [[0], [0, 1]]}, "one choice only"),
        ({"stimulus_ms": 0.0}, "stimulus_ms must be positive"),
        ({"threshold_hz": 0.0}, "threshold_hz must be positive"),
        ({"delay_ms": -1.0}, "must not be negative"),
    ],
)
def test_tasks_that_make_no_sense_are_refused(options, message):
    with pytest.raises(CalibrateError, match=message):
        DelayedResponse(**options)


def test_a_task_on_clusters_that_are_not_there_is_refused():
    with pytest.raises(CalibrateError, match="choices refer to cluster 5, but there are 4"):
        DelayedResponse(choices=((0,), (5,))).reset(
            seed=1, options={"interval_ms": 10.0, "n_inputs": 4, "n_outputs": 4}
        )


# --- coupling -----------------------------------------------------------------------------------------


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


# --- against the clock --------------------------------------------------------------------------------


class Slow:
    """A network that takes its time: `late_ms` more than the interval, in some intervals."""

    def __init__(self, prepared: Any, late: dict[int, float]) -> None:
        self._prepared, self._late, self._n = prepared, late, 0
        self.now = 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._prepared, name)

    def advance(self, duration_ms: float) -> None:
        self._prepared.advance(duration_ms)
        self.sleep(self._late.get(self._n, 0.0) / 1000)
        self._n += 1

    def perf_counter(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def clocked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, deadline: Any, late: dict[int, float]
) -> tuple[Any, Any, float]:
    """A run by a clock of its own, the environment, and the time that passed (s)."""
    study = small_study(tmp_path)
    one = Member(values=study.model.values(study.network, study.parameters({})), seed=1)
    loop = Loop(environment="world.py:Recorder", folder=tmp_path, interval_ms=40.0, output="counts")
    with create("poisson", dt_ms=1.0, precision="single").prepare(
        study.network, batch_size=1, recording=RecordingPlan(), wiring_seed=0
    ) as prepared:
        slow = Slow(prepared, late)
        monkeypatch.setattr(realtime, "time", slow)
        found = run_loop(
            slow,  # type: ignore[arg-type]
            one,
            loop=loop,
            realisation=0,
            warmup_ms=0.0,
            intervals=8,
            deadline=deadline,
        )
    return found, loop.made().__class__.made[-2], slow.now


def test_the_environment_waits_for_a_late_network(monkeypatch, tmp_path):
    found, world, _ = clocked(monkeypatch, tmp_path, "wait", {2: 100.0})
    assert found.missed == 0
    assert len(world.actions) == 8
    of = found.latencies.summary()
    assert (of["max_ms"], of["median_ms"]) == (pytest.approx(100.0), 0.0)
    assert of["realtime_share"] == 7 / 8


@pytest.mark.parametrize("deadline", ["hold", "skip"])
def test_by_the_clock_the_environment_goes_on_without_a_late_network(monkeypatch, tmp_path, deadline):
    found, world, _ = clocked(monkeypatch, tmp_path, deadline, {2: 150.0})
    # It is ready 150 ms after the second tick (at 80 ms): those at 120, 160 and 200 ms found nothing.
    assert found.missed == 3
    assert len(world.actions) == 8 + 3
    last, stood_in, late = world.actions[1], world.actions[2:5], world.actions[5]
    assert not np.array_equal(last, late)
    for action in stood_in:  # a device has not got what the late network will say
        assert np.array_equal(action, last if deadline == "hold" else np.zeros(2))
    assert late.sum() > 0


def test_a_network_that_is_late_at_once_has_no_activity_to_hold(monkeypatch, tmp_path):
    found, world, _ = clocked(monkeypatch, tmp_path, "hold", {0: 50.0})
    assert found.missed == 1
    assert not world.actions[0].any()
    assert world.actions[1].any()


def test_by_the_clock_it_goes_no_faster_than_the_clock(monkeypatch, tmp_path):
    _, _, passed_s = clocked(monkeypatch, tmp_path, "hold", {})
    assert passed_s == pytest.approx(0.32)


# --- behaviour ----------------------------------------------------------------------------------------


def behaved(*episodes: Episode) -> Observation:
    return replace(testing.observed(testing.REGIMES["irregular"]), episodes=episodes)


def test_statistics_of_behaviour_are_means_over_episodes():
    shown = behaved(
        Episode(0.0, 100.0, 1.0, {"correct": 1.0, "reaction_time_ms": 80.0, "speed": 2.0}),
        Episode(100.0, 300.0, 0.0, {"correct": 0.0, "reaction_time_ms": 120.0, "speed": math.nan}),
        Episode(300.0, 700.0, 0.0, {"correct": 0.0, "reaction_time_ms": math.nan, "speed": 5.0}),
    )
    found = {name: find_statistic(name)(shown) for name in ("reward", "accuracy", "reaction_time")}
    assert [found[name].value for name in found] == pytest.approx([1 / 3, 1 / 3, 100.0])
    assert [found[name].support for name in found] == [3, 3, 2]
    assert find_statistic("behaviour").with_options(measure="speed")(shown).value == 3.5
    with pytest.raises(ObjectiveError, match="has no measure 'height'; its measures are correct"):
        find_statistic("behaviour").with_options(measure="height")(shown)


def test_no_decision_is_graded_by_how_far_it_was():
    def shortfall(*far: float) -> float:
        measures = [{"reaction_time_ms": math.nan, "reaction_time_ms_shortfall": one} for one in far]
        found = find_statistic("reaction_time")(
            behaved(*(Episode(0.0, 100.0, 0.0, measure) for measure in measures))
        )
        assert not found.defined
        return found.shortfall

    assert shortfall(0.2, 0.4) == pytest.approx(0.3)
    assert find_statistic("accuracy")(behaved()).shortfall == 1.0
    with pytest.raises(ObjectiveError, match="needs a closed loop"):
        find_statistic("accuracy")(replace(behaved(), episodes=None))


def test_episodes_are_stored_with_their_observation(tmp_path):
    shown = behaved(Episode(0.0, 100.0, 1.0, {"reaction_time_ms": math.nan}), Episode(100.0, 300.0, 0.5))
    archive.save(shown, tmp_path / "x.npz")
    assert repr(archive.load(tmp_path / "x.npz").episodes) == repr(shown.episodes)
    archive.save(replace(shown, episodes=None), tmp_path / "x.npz")
    assert archive.load(tmp_path / "x.npz").episodes is None


# --- studies ------------------------------------------------------------------------------------------


def test_a_study_calibrates_behaviour(tmp_path):
    study = read_study(looped_study(tmp_path, REWARD))
    result = run_study(study, slots=2, progress=False)
    assert result.complete == 8
    assert result.best is not None
    assert result.best.statistics["reward"] == pytest.approx(2.0)
    results = read_results(study)
    assert results.trials["reward"].tolist() == [2.0] * 8


def test_the_loop_is_part_of_a_study_and_its_deadline_is_not(tmp_path):
    digest = read_study(looped_study(tmp_path)).digest
    assert read_study(looped_study(tmp_path, {"loop": {"deadline": "skip"}})).digest == digest
    assert read_study(looped_study(tmp_path, {"loop": {"interval_ms": 20.0}})).digest != digest
    (tmp_path / "world.py").write_text(ENVIRONMENT.replace("0.5, self", "0.25, self"))
    assert read_study(looped_study(tmp_path)).digest != digest


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"loop": {"environment": "nowhere"}}, "there is no 'nowhere' among the installed environments"),
        ({"loop": {"environment": "world.py:something"}}, "must be an environment class"),
        ({"loop": {"environment": "world.py:broken"}}, "ValueError: no such robot"),
        ({"loop": {"options": {"speed": 3}}}, "unexpected keyword argument 'speed'"),
        ({"loop": {"input_population": "X"}}, "[loop] input_population is not a population"),
        ({"loop": {"input": "rate"}}, "population E has no Poisson input"),
        ({"loop": {"interval_ms": 0.5}}, "the interval of 0.5 ms is not a whole number of 1 ms steps"),
        ({"loop": {"interval_ms": 300.0}}, "a measurement of 2000 ms is not a whole number of 300 ms steps"),
        ({"stimuli": [STIMULUS]}, "[stimuli] cannot be used in a closed loop"),
        ({"loop": None, **REWARD}, "[objectives] need a closed loop"),
    ],
)
def test_a_loop_that_cannot_be_is_refused_in_a_line(tmp_path, change, message):
    with pytest.raises(StudyError) as error:
        read_study(looped_study(tmp_path, change))
    assert message in str(error.value)
    assert len(str(error.value).splitlines()) == 1


def test_an_environment_that_is_none_is_refused(tmp_path):
    (tmp_path / "world.py").write_text("def make(): return 3\n")
    with pytest.raises(PluginError, match="returned an object of type int, which lacks reset or step"):
        Loop(environment="world.py:make", folder=tmp_path).made()


def test_check_lists_the_environment_before_it_is_imported(tmp_path, capfd):
    looped_study(tmp_path)
    assert execute(["check", "small.toml"]) == 0
    assert "world.py:Recorder" in "".join(capfd.readouterr())


def test_the_loop_command_prints_latencies(tmp_path, capfd):
    looped_study(tmp_path)
    assert execute(["loop", "small.toml", "--json", "--duration-ms", "1000"]) == 0
    out, _ = capfd.readouterr()
    found = json.loads(out)
    assert found["intervals"] == 100
    assert 0 < found["median_ms"] <= found["p95_ms"] <= found["max_ms"]
    assert 0 <= found["realtime_share"] <= 1
    assert len(found["episodes"]) == 25
    assert found["statistics"]["rate_E"] > 0
    assert execute(["loop", "small.toml", "--duration-ms", "1000"]) == 0
    out, err = capfd.readouterr()
    assert "100 intervals of 10 ms" in out
    assert "Episodes: 25, mean reward 2" in out
    assert "small: building the network" in err


def test_the_loop_of_a_trial_is_its_network_once_more(tmp_path, capfd):
    study = read_study(looped_study(tmp_path))
    run_study(study, slots=1, progress=False)
    capfd.readouterr()
    assert execute(["loop", "small.toml", "--json", "--trial", "3"]) == 0
    found = json.loads(capfd.readouterr().out)
    assert found["statistics"]["rate_E"] == pytest.approx(read_results(study).trials["rate_E"][3])


def test_a_study_without_a_loop_has_none_to_run(tmp_path, capfd):
    write_study(tmp_path)
    assert execute(["loop", "small.toml"]) == 2
    assert "has no closed loop: add [loop]" in capfd.readouterr().err


def test_a_loop_stops_where_it_is_asked_to(tmp_path):
    study = read_study(looped_study(tmp_path), changes={"simulation.duration_ms": 600_000.0})
    began = time.perf_counter()
    looped = run_study_loop(study, interrupted=lambda: time.perf_counter() - began > 1.0)
    assert 0 < looped.run.latencies.total.size < 60_000
    assert looped.observation.duration_ms == 10.0 * looped.run.latencies.total.size
