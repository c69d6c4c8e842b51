"""Evaluators: statistics computed where networks are simulated are the same as anywhere, and small."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest

from calibrate.calibration.search.optuna_trials import Proposal
from calibrate.calibration.study_pool import setup_of
from calibrate.calibration.trials.candidate import Candidate
from calibrate.errors import SimulatorError
from calibrate.objective import find_statistic
from calibrate.objective.panel import evaluate
from calibrate.observation import Layout, Observation, SimulationFailure, observe_spikes
from calibrate.observation.packing import Packed, pack
from calibrate.simulation.evaluators import Evaluators
from calibrate.simulation.jobs import Job, Outcome
from calibrate.simulation.local_pool import Pool
from tests.helpers.studies import RATE_E, RATE_I, small_study
from tests.helpers.waiting import PATIENCE_S

LAYOUT = Layout.of([("E", 40, 2), ("I", 10, 1)])
STATISTICS = [find_statistic(name) for name in ("rate_E", "cv2_E", "fano_I", "dwell_time")]


def an_observation(seed: int) -> Observation:
    fires = np.random.default_rng(seed).random((2000, 50)) < 0.01
    step, neuron = np.nonzero(fires)
    return observe_spikes(step, neuron, LAYOUT, dt_ms=1.0, duration_ms=2000.0, window_ms=100.0)


@pytest.mark.parametrize("processes", [0, 2])
def test_statistics_and_observations_are_the_same_wherever_they_are_computed(processes):
    shown = [an_observation(seed) for seed in range(4)]
    evaluators = Evaluators({"": STATISTICS}, processes=processes)
    for _ in range(2):  # the processes stay
        for observation, evaluated in zip(shown, evaluators.evaluate(shown, [""] * 4), strict=True):
            here = evaluate(observation, STATISTICS)
            assert repr(evaluated.evaluation.estimates) == repr(here.estimates)
            again = evaluated.observation.unpack()
            for name in ("group_bins", "neuron_windows", "neuron_totals"):
                assert (getattr(again, name) == getattr(observation, name)).all()


def test_a_packed_observation_is_much_smaller_than_its_arrays():
    shown = replace(an_observation(1), spikes=None)
    bytes_of_arrays = sum(array.nbytes for array in shown._arrays())
    assert len(pack(shown).content) < 0.7 * bytes_of_arrays
    assert len(pack(shown, compression=0).content) < 1.3 * bytes_of_arrays
    assert "content" not in repr(pack(shown))


def test_a_statistic_that_raises_is_undefined_with_a_note_and_fails_the_trial_where_it_is_judged(tmp_path):
    study = small_study(tmp_path, objectives=[RATE_E | {"statistic": "statistics.py:broken"}, RATE_I])
    (evaluated,) = Evaluators({"": study.statistics}).evaluate([an_observation(0)], [""])
    assert evaluated.evaluation.raised == {
        "broken": "statistic broken raised ZeroDivisionError: division by zero"
    }
    assert evaluated.evaluation.estimates["broken"].note == evaluated.evaluation.raised["broken"]
    candidate = Candidate("u", Proposal(index=0, parameters={"I_E": 1.0, "I_I": 1.0}, asked=None))  # type: ignore[arg-type]
    outcome = Outcome(uuid="u", result=evaluated.observation, evaluation=evaluated.evaluation)
    assert candidate.simulation(study, outcome, 1).reason == evaluated.evaluation.raised["broken"]


DEADLY = """
import os
from calibrate.objective import Needs, statistic

@statistic(needs=Needs())
def deadly(observation):
    "Ends the process that scores, where the study is not run."
    if "calibrate.simulation.evaluators" in __import__("sys").modules and os.getpid() != {pid}:
        os.kill(os.getpid(), 9)
    return 0.0
"""


def test_processes_that_die_of_a_statistic_are_done_without(tmp_path):
    path = tmp_path / "own.py"
    path.write_text(DEADLY.format(pid=os.getpid()))
    deadly = find_statistic(f"{path}:deadly")
    shown = [an_observation(seed) for seed in range(2)]
    found = Evaluators({"": [deadly]}, processes=2).evaluate(shown, ["", ""])
    assert [evaluated.evaluation.estimates["deadly"].value for evaluated in found] == [0.0, 0.0]


@pytest.mark.parametrize("batch_size", [1, 3])
def test_slots_return_statistics_of_the_study_and_packed_observations(tmp_path, batch_size):
    study = small_study(tmp_path)
    setup = replace(setup_of(study, batch_size=batch_size), statistics={"": study.statistics}, evaluators=2)
    asked = [
        Job(uuid=f"c{k}", parameters=study.parameters({"I_E": 1.0 + k, "I_I": 1.0}), seed=k) for k in range(4)
    ]
    bad = Job(uuid="bad", parameters=study.parameters({"I_E": 9.0, "I_I": 9.0}), seed=0)
    with Pool(setup, study.stages[-1], slots=1) as pool:
        *found, failed = pool.run([*asked, bad])
    with Pool(replace(setup, statistics=None), study.stages[-1], slots=1) as pool:
        plain = pool.run(asked)
    for outcome, other in zip(found, plain, strict=True):
        assert isinstance(outcome.result, Packed)
        assert isinstance(other.result, Observation)
        assert outcome.evaluation is not None
        assert repr(outcome.evaluation.estimates) == repr(evaluate(other.result, study.statistics).estimates)
        assert (outcome.observation.neuron_totals == other.observation.neuron_totals).all()
        assert outcome.scoring_s > 0
    assert isinstance(failed.result, SimulationFailure)
    with pytest.raises(SimulatorError, match="must not be above 11"):
        _ = failed.observation


def test_statistics_of_a_users_file_travel_to_the_slots(tmp_path):
    study = small_study(tmp_path, objectives=[RATE_E | {"statistic": "statistics.py:peak"}, RATE_I])
    setup = replace(setup_of(study), statistics={"": study.statistics})
    one = Job(uuid="c", parameters=study.parameters({"I_E": 2.0, "I_I": 1.0}), seed=1)
    with Pool(setup, study.stages[-1], slots=1) as pool:
        (outcome,) = pool.run([one])
    assert outcome.evaluation is not None
    assert outcome.evaluation.estimates["peak"].value > 0
    assert not outcome.evaluation.raised


def test_processes_that_share_the_statistics_end_with_the_slot(tmp_path: Path):
    study = small_study(tmp_path)
    setup = replace(setup_of(study, batch_size=2), statistics={"": study.statistics}, evaluators=2)
    asked = [
        Job(uuid=f"c{k}", parameters=study.parameters({"I_E": 1.0, "I_I": 1.0}), seed=k) for k in range(2)
    ]
    with Pool(setup, study.stages[-1], slots=1) as pool:
        pool.run(asked)
        children = psutil.Process(pool.processes[0]).children(recursive=True)
        assert len(children) >= 2
        os.kill(pool.processes[0], signal.SIGKILL)
        _, alive = psutil.wait_procs(children, timeout=PATIENCE_S)
    assert not alive
