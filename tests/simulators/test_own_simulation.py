"""Simulations of one's own: what a function is given, what its spikes become, and what is wrong with them."""

# ruff: noqa: ARG001, ARG005 - signatures are what is tested

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from calibrate import Parameter, Stimulus, find_statistic, make_study, observe_trains
from calibrate.calibration.study_pool import setup_of
from calibrate.errors import PluginError, SimulatorError
from calibrate.network import simulator
from calibrate.network.arguments import KEYWORDS
from calibrate.observation import Layout, Observation, SimulationFailure
from calibrate.simulation.jobs import Job, Outcome, Timing
from calibrate.simulation.worker import Worker
from calibrate.simulators import choose, create
from calibrate.simulators.base import RecordingPlan
from calibrate.simulators.own.returned_spikes import observe
from calibrate.study import Study

TIMING = Timing(warmup_ms=100.0, duration_ms=400.0)
SIZES = {"E": 3, "I": 2}
SPIKES = {"E": [[150.0, 100.0, 250.5], [], [100.0005, 500.0]], "I": [[99.0], [400.0]]}


def study_of(function: Callable[..., Any], populations: Mapping[str, Any] = SIZES, **more: Any) -> Study:
    given: dict[str, Any] = {
        "parameters": {"x": {"low": 0.0, "high": 1.0}},
        "objectives": [{"statistic": f"rate_{next(iter(populations))}", "target": 5.0, "tolerance": 1.0}],
        "simulation": {"warmup_ms": TIMING.warmup_ms, "duration_ms": TIMING.duration_ms},
        "budget": {"trials": 3},
        **more,
    }
    model = {"name": function, "populations": dict(populations)}
    return make_study("own", model=model, **given)


def outcome(function: Callable[..., Any], *, seed: int = 1, graph: int = 0, **more: Any) -> Outcome:
    study = study_of(function, **more)
    study = study.on(choose(study.simulation.backend, study.network))
    job = Job(uuid="one", parameters=study.parameters({}), seed=seed, realisation=graph)
    (found,) = Worker(setup_of(study, spikes=True)).run([job], TIMING)
    return found


def of(returned: Any, **more: Any) -> Observation:
    """The observation of what a function returns."""

    def simulate(parameters, *, seed, stop_ms):
        return returned

    return outcome(simulate, **more).observation


def complaint(returned: Any, **more: Any) -> str:
    """The one line on what is wrong with what a function returns."""

    def simulate(parameters, *, seed, stop_ms):
        return returned() if callable(returned) else returned

    result = outcome(simulate, **more).result
    assert isinstance(result, SimulationFailure)
    assert "\n" not in result.reason
    assert result.reason.startswith("simulate ")
    return result.reason.removeprefix("simulate ")


def times_ms(observation: Observation, population: str) -> list[list[float]]:
    assert observation.spikes is not None
    rows = observation.layout.neurons_of(population)
    at = (observation.spikes.step + 1) * observation.dt_ms
    return [
        np.round(at[observation.spikes.neuron == neuron], 6).tolist()
        for neuron in range(rows.start, rows.stop)
    ]


# --- what spikes become -------------------------------------------------------------------------------


def test_spikes_after_the_warm_up_count_up_to_the_end_in_any_order():
    found = of(SPIKES)
    assert times_ms(found, "E") == [[50.0, 150.5], [], [0.0005, 400.0]]
    assert times_ms(found, "I") == [[], [300.0]]
    assert found.duration_ms == 400.0


@pytest.mark.parametrize(
    "in_another_form",
    [
        {name: [np.array(train) for train in trains] for name, trains in SPIKES.items()},
        {name: dict(enumerate(trains)) for name, trains in SPIKES.items()},
        {
            "E": (np.array([500.0, 100.0, 250.5, 150.0, 100.0005]), np.array([2, 0, 0, 0, 2])),
            "I": ([99.0, 400.0], [0, 1]),
        },
        {
            "E": ([500.0, 100.0, 250.5, 150.0, 100.0005], [9, 12, 12, 12, 9], [12, 4, 9]),
            "I": ([99.0, 400.0], np.array([8, 7]), range(8, 6, -1)),
        },
    ],
    ids=["arrays", "by neuron", "times and neurons", "times, ids and all ids"],
)
def test_all_forms_of_spikes_are_the_same_observation(in_another_form):
    expected, found = of(SPIKES), of(in_another_form)
    for name in SIZES:
        assert times_ms(found, name) == times_ms(expected, name)


def test_intervals_have_the_digits_of_the_times_whatever_the_step_of_the_simulator_is():
    random = np.random.default_rng(3)
    trains = [np.sort(random.uniform(0, 500, 40)) for _ in range(5)]
    found = of({"E": trains}, populations={"E": 5})
    inside = [train[train > 100] for train in trains]
    intervals = np.concatenate([np.diff(train) for train in inside])
    assert found.all_intervals("E") == pytest.approx(intervals, abs=2e-6)
    known = observe_trains(inside, start_ms=100.0, duration_ms=400.0)
    for name in ("rate_E", "cv_E", "lv_E", "rate_sd_E"):
        statistic = find_statistic(name)
        assert statistic(found).value == pytest.approx(statistic(known).value, rel=1e-6), name


def test_clusters_and_sizes_can_be_parameters():
    def simulate(N, Q, *, seed, stop_ms):
        return {"E": [[200.0]] * N}

    more = {"parameters": {"N": 12, "Q": 3, "x": {"low": 0, "high": 1}}}
    with pytest.raises(Exception, match="x is not a parameter of simulate"):
        study_of(simulate, {"E": {"size": "N", "clusters": "Q"}}, **more)
    more = {"parameters": {"N": 12, "Q": {"choices": [3, 4]}}}
    found = outcome(simulate, populations={"E": {"size": "N", "clusters": "Q"}}, **more).observation
    assert found.group_sizes("E").tolist() == [4, 4, 4]


def test_times_that_carry_a_unit_are_converted():
    quantities = pytest.importorskip("quantities")
    found = of({"E": [[0.15, 0.3] * quantities.s], "I": [[]]}, populations={"E": 1, "I": 1})
    assert times_ms(found, "E") == [[50.0, 200.0]]


# --- what a function is given -------------------------------------------------------------------------


def test_a_function_is_given_what_its_signature_names():
    seen: list[dict[str, Any]] = []

    def simulate(parameters, *, seed, graph_seed, duration_ms, warmup_ms, stop_ms, dt_ms, stimuli):
        given = {name: value for name, value in locals().items() if name != "seen"}
        seen.append(given)
        return {"E": [[]] * 3, "I": [[]] * 2}

    stimuli = [
        {"clusters": [0], "current_pA": 5.0, "duration_ms": 50.0, "onsets_ms": [20.0], "population": "E"}
    ]
    more = {"stimuli": stimuli, "parameters": {"x": {"low": 0.0, "high": 1.0}, "word": "a", "n": 3}}
    first = outcome(simulate, seed=1, **more)
    outcome(simulate, seed=2, **more)
    outcome(simulate, seed=1, graph=1, **more)
    one, other_seed, other_graph = seen
    assert set(KEYWORDS) | {"parameters"} == set(one)
    assert one["parameters"] == {"x": 0.5, "word": "a", "n": 3}
    assert (one["warmup_ms"], one["duration_ms"], one["stop_ms"], one["dt_ms"]) == (100.0, 400.0, 500.0, 0.1)
    assert one["stimuli"] == (Stimulus("E", (0,), 5.0, start_ms=120.0, stop_ms=170.0),)
    assert first.observation.presentations[0].start_ms == 20.0
    assert one["graph_seed"] == other_seed["graph_seed"] != other_graph["graph_seed"]
    assert len({given["seed"] for given in seen}) == 3
    assert all(1 <= given[name] < 2**31 for given in seen for name in ("seed", "graph_seed"))


def test_parameters_by_name_have_the_defaults_of_the_signature():
    seen: list[Any] = []

    def simulate(x=0.25, n=7, word="a", *, seed, stop_ms):
        seen.append((x, n, word))
        return {"E": [[]] * 3, "I": [[]] * 2}

    outcome(simulate, parameters={"x": {"low": 0, "high": 3}, "word": "b"})
    assert seen == [(1.5, 7, "b")]
    with pytest.raises(Exception, match=r"wrod is not a parameter of simulate \(did you mean 'word'\?\)"):
        study_of(simulate, parameters={"x": {"low": 0, "high": 3}, "wrod": "b"})


def test_a_decorator_declares_parameters_and_what_is_returned():
    @simulator(
        populations={"cells": "N"},
        parameters=[Parameter(name="N", default=4, unit="", doc="size", kind=int, low=1)],
    )
    def simulate(parameters, *, seed, stop_ms):
        return {"cells": [[200.0]] * parameters["N"]}

    common = {"objectives": [{"statistic": "rate_cells", "target": 5.0, "tolerance": 1.0}]}
    common |= {"budget": {"trials": 3}}
    study = make_study("own", model=simulate, parameters={"N": {"low": 2, "high": 8}}, **common)
    assert study.network.n_neurons == 5
    assert simulate({"N": 2}, seed=1, stop_ms=1.0) == {"cells": [[200.0]] * 2}
    with pytest.raises(Exception, match="N must be at least 1"):
        make_study("own", model=simulate, parameters={"N": {"low": 0, "high": 8}}, **common)
    with pytest.raises(Exception, match="M is not a parameter of simulate"):
        make_study("own", model=simulate, parameters={"N": {"low": 2, "high": 8}, "M": 1}, **common)


# --- what can be wrong --------------------------------------------------------------------------------

GOOD_I = [[], []]


@pytest.mark.parametrize(
    ("returned", "line"),
    [
        (None, "must return a dict of spike times.* not nothing"),
        ([[1.0]], "must return a dict of spike times.* not a list"),
        ({"E": [[]] * 3}, "returned no population 'I', but 'E'"),
        ({"E": [[]] * 3, "I": GOOD_I, "In": []}, r"returned a population 'In'.* not declared: E, I"),
        ({"E": [[]] * 4, "I": GOOD_I}, "returned 4 spike trains for E, of 3 neurons"),
        ({"E": [[1.0], [2.0], [np.nan]], "I": GOOD_I}, "spike time of neuron 2 of E that is not a number"),
        ({"E": [[]] * 3, "I": [[], [-3.5]]}, "neuron 1 of I at -3.5 ms, before the start"),
        (
            {"E": [[700.0], [], []], "I": GOOD_I},
            "returned 1 of 1 spikes after the end at 500 ms, such as one of neuron 0 of E at 700 ms:",
        ),
        ({"E": [[], [], ["a"]], "I": GOOD_I}, "spike times of neuron 2 of E that are not numbers"),
        ({"E": [[], np.ones((2, 2)), []], "I": GOOD_I}, "neuron 1 of E in an array of 2 dimensions"),
        ({"E": np.ones((3, 2)), "I": GOOD_I}, r"one array of numbers for E \(3 x 2\)"),
        ({"E": np.ones(3), "I": GOOD_I}, r"one array of numbers for E \(3\)"),
        ({"E": 3.0, "I": GOOD_I}, "returned a float for E: it takes a list"),
        ({"E": {0: [], 2: []}, "I": GOOD_I}, "a dict for E whose keys are not 0 to 2"),
        ({"E": [[200.0, 300.0, 200.0], [], []], "I": GOOD_I}, "two spikes of neuron 0 of E at 200 ms"),
        ({"E": ([1.0], [3]), "I": GOOD_I}, "spike of neuron 3 of E: its 3 neurons count from 0"),
        ({"E": ([1.0, 2.0], [1]), "I": GOOD_I}, "2 times, but 1 neurons for E"),
        ({"E": ([1.0], [0.5]), "I": GOOD_I}, "neurons of E that are not whole numbers"),
        ({"E": ([1.0], [7], [5, 6, 8]), "I": GOOD_I}, "spike of neuron 7, which is not one of E"),
        ({"E": ([1.0], [7], [5, 7]), "I": GOOD_I}, "2 ids for E, of 3 neurons"),
        ({"E": ([1.0],), "I": GOOD_I}, "a tuple of 1 for E"),
        (
            {"E": [[0.1, 0.2, 0.3, 0.4], [], []], "I": GOOD_I},
            "in seconds, it seems: all are below 0.5, and a neuron has 4 spikes: return ms",
        ),
        (lambda: 1 / 0, r"raised ZeroDivisionError: division by zero \(test_own_simulation.py, line \d+\)"),
        (lambda: sys.exit(3), r"called sys.exit\(3\)"),
    ],
)
def test_what_is_wrong_with_a_return_is_one_line_that_names_the_function(returned, line):
    assert re.search(line, complaint(returned))


def no_seed(parameters, *, stop_ms):
    return {}


def no_time(parameters, *, seed):
    return {}


def needs_more(parameters, strength, *, seed, stop_ms):
    return {}


def positional(strength, /, *, seed, stop_ms):
    return {}


async def asynchronous(parameters, *, seed, stop_ms):
    return {}


def generator(parameters, *, seed, stop_ms):
    yield {}


@pytest.mark.parametrize(
    ("function", "line"),
    [
        (no_seed, "no_seed takes no seed"),
        (no_time, "no_time takes neither duration_ms nor stop_ms"),
        (needs_more, "needs_more takes strength besides parameters"),
        (positional, "positional: strength must be a keyword"),
        (asynchronous, "asynchronous is an async function"),
        (generator, "generator is a generator"),
        (lambda parameters, *, seed, stop_ms: {}, "<lambda> is a lambda"),
    ],
)
def test_a_function_that_cannot_be_called_so_is_refused_in_one_line(function, line):
    with pytest.raises(PluginError, match=line) as caught:
        study_of(function)
    assert "\n" not in str(caught.value)


def test_other_back_ends_are_refused_for_it_and_it_for_networks():
    def simulate(parameters, *, seed, stop_ms):
        return SPIKES

    for backend in ("genn", "nest", "poisson"):
        simulation = {"backend": backend, "warmup_ms": 0.0, "duration_ms": 400.0}
        with pytest.raises(Exception, match=r'simulate simulates its network itself.*backend = "own"'):
            study_of(simulate, simulation=simulation)
    study = study_of(simulate)
    assert choose("auto", study.network) == "own"
    with pytest.raises(SimulatorError, match="use --backend own"):
        choose("nest", study.network)
    network = make_study(
        "network",
        model="balanced",
        parameters={"I_th_E": {"low": 1.0, "high": 2.0}},
        objectives=[{"statistic": "rate_E", "target": 5.0, "tolerance": 1.0}],
        budget={"trials": 3},
    ).network
    with pytest.raises(SimulatorError, match="this model describes a network: use --backend auto"):
        choose("own", network)
    assert create("own", dt_ms=0.1, precision="single").describe()["name"] == "own simulation"


def test_a_few_spikes_after_the_end_are_left_out_as_those_of_the_warm_up_are():
    layout = Layout.of([("E", 2, 1)])
    returned = {"E": [[50.0, 150.0, 450.0], [200.0, 503.0]]}
    found = observe(
        returned, layout, name="simulate", warmup_ms=100.0, duration_ms=400.0, recording=RecordingPlan()
    )
    assert found.totals("E").tolist() == [2, 1]
