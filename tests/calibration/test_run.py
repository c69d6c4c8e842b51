"""The loop: budgets, failures, interruption, and that nothing is lost or doubled however it ends."""

from __future__ import annotations

import json
import math
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import optuna
import psutil
import pytest
from optuna.trial import FrozenTrial

from calibrate.calibration.loop import run
from calibrate.calibration.progress import Progress
from calibrate.calibration.result import Result, as_json
from calibrate.calibration.search.optuna_trials import Claim
from calibrate.calibration.search.search import candidate_seed
from calibrate.calibration.single_simulation import simulate
from calibrate.calibration.study_pool import setup_of
from calibrate.calibration.trials.simulation import Simulation
from calibrate.errors import SimulatorError
from calibrate.simulation.jobs import Job, Outcome
from calibrate.simulation.local_pool import Pool
from calibrate.store import Store, storage_url
from calibrate.study import Study
from calibrate.tasks.run import run_study
from tests.helpers.in_memory import Bench, Shelf
from tests.helpers.studies import RATE_E, RATE_I, small_study, write_study
from tests.helpers.waiting import wait_until

DEADLY = {"parameters": {"deadly_above": 2.0}}
WRONG = {"parameters": {"wrong_above": 2.0}}


def losses(shelf: Shelf) -> list[float | None]:
    return [trial.value for trial in shelf.trials]


def test_a_study_runs_until_its_trials_are_done(tmp_path):
    shelf, bench = Shelf(), Bench()
    result = run(small_study(tmp_path, budget={"trials": 10}), pool=bench, store=shelf)
    assert result.stopped == "trials"
    assert result.trials == {"complete": 10, "failed": 0, "infeasible": 0, "added": 10}
    assert len(bench.asked) == len(shelf.trials) == len(shelf.kept) == 10
    assert result.best is not None
    assert result.best.loss == min(losses(shelf))


def test_trials_are_told_in_the_order_they_were_asked_however_they_return(tmp_path):
    shelf, bench = Shelf(), Bench()
    run(small_study(tmp_path), pool=bench, store=shelf)
    assert [trial.user_attrs["uuid"] for trial in shelf.trials] == [c.uuid for c in bench.asked]
    assert [trial.user_attrs["index"] for trial in shelf.trials] == list(range(8))


def test_candidates_get_all_parameters_and_seeds_by_their_index(tmp_path):
    bench = Bench()
    run(small_study(tmp_path), pool=bench, store=Shelf())
    assert {tuple(c.parameters) for c in bench.asked} == {("J+", "I_E", "I_I")}
    assert [c.seed for c in bench.asked] == [candidate_seed(3, index) for index in range(8)]


def test_the_loss_is_the_weighted_mean_over_the_objectives(tmp_path):
    shelf = Shelf()
    study = small_study(tmp_path, objectives=[RATE_E | {"weight": 3.0}, RATE_I])
    result = run(study, pool=Bench(), store=shelf)
    rate_e, rate_i = (result.best.statistics[name] for name in ("rate_E", "rate_I"))
    of_i = max(9 - rate_i, rate_i - 11, 0) / 2
    expected = (3 * (rate_e - 5) ** 2 + of_i**2) / 4
    assert result.best.loss == pytest.approx(expected)


def test_the_best_is_shown_against_the_targets(tmp_path):
    result = run(small_study(tmp_path), pool=Bench(), store=Shelf())
    first, second = result.best.targets
    assert (first.name, first.target, first.tolerance, first.unit) == ("rate_E", 5.0, 1.0, "Hz")
    assert first.reached == result.best.statistics["rate_E"]
    assert first.met == (abs(first.reached - 5) <= 1)
    assert second.target == (9.0, 11.0)
    assert result.best.parameters == {"J+": 2.0, **result.best.params}


def test_pictures_are_asked_for_of_what_becomes_the_best_before_it_is_told(tmp_path):
    class Watchful(Shelf):
        def illustrate(self, uuid: str) -> None:
            assert uuid not in {trial.user_attrs["uuid"] for trial in self.trials}
            super().illustrate(uuid)

    shelf = Watchful()
    result = run(small_study(tmp_path), pool=Bench(), store=shelf)
    uuids = {trial.user_attrs["uuid"]: trial for trial in shelf.trials}
    losses = [uuids[uuid].value for uuid in shelf.illustrated]
    assert losses == sorted(losses, reverse=True)
    assert uuids[shelf.illustrated[-1]].number == result.best.number


def test_a_loss_to_stop_at(tmp_path):
    study = small_study(tmp_path, budget={"trials": 400, "loss": 2.0})
    result = run(study, pool=Bench(), store=Shelf())
    assert result.stopped == "loss"
    assert result.best.loss <= 2.0
    assert result.complete < 400


def test_a_time_to_stop_at(tmp_path):
    study = small_study(tmp_path, budget={"trials": None, "wall_s": 0.3})
    result = run(study, pool=Bench(wall_s=0.1), store=Shelf())
    assert result.stopped == "wall_s"
    assert 4 <= result.complete <= 12


def test_a_grid_stops_when_it_is_complete(tmp_path):
    study = small_study(
        tmp_path,
        parameters={"I_E": {"low": 1, "high": 3, "step": 1}, "I_I": {"low": 1, "high": 2, "points": 2}},
        sampler={"name": "grid"},
        budget={"trials": None},
    )
    shelf = Shelf()
    assert run(study, pool=Bench(), store=shelf).complete == 6
    assert sorted(tuple(trial.params.values()) for trial in shelf.trials) == [
        (e, i) for e in (1, 2, 3) for i in (1, 2)
    ]


def test_an_interruption_finishes_the_batch(tmp_path):
    shelf = Shelf()
    result = run(small_study(tmp_path), pool=Bench(), store=shelf, interrupted=lambda: len(shelf.kept) > 2)
    assert result.stopped == "interrupted"
    assert len(shelf.trials) == 4
    again = run(small_study(tmp_path), pool=Bench(), store=shelf)
    assert (again.complete, again.added) == (8, 4)


def test_a_run_whose_budget_is_used_reports_what_there_is(tmp_path):
    shelf, study = Shelf(), small_study(tmp_path)
    first = run(study, pool=Bench(), store=shelf)
    second = run(study, pool=Bench(), store=shelf)
    assert second.added == 0
    assert second.best == first.best


def test_failed_simulations_are_recorded_with_their_reason_and_the_study_goes_on(tmp_path):
    shelf = Shelf()
    result = run(small_study(tmp_path), pool=Bench(fail=lambda c: c.parameters["I_E"] > 2), store=shelf)
    failed = [kept for kept in shelf.kept if kept.failed]
    assert 0 < len(failed) < 8
    assert {kept.reason for kept in failed} == {"it broke"}
    assert result.trials == {"complete": 8 - len(failed), "failed": len(failed), "infeasible": 0, "added": 8}
    assert [trial.state.name for trial in shelf.trials].count("FAIL") == len(failed)
    assert {trial.user_attrs["reason"] for trial in shelf.trials if trial.value is None} == {"it broke"}


def test_a_study_in_which_everything_fails_stops_and_says_why(tmp_path):
    shelf = Shelf()
    study = small_study(tmp_path, budget={"trials": 500})
    with pytest.raises(SimulatorError, match=r"the last 12 simulations failed.* the last reason: it broke"):
        run(study, pool=Bench(fail=lambda _: True), store=shelf)
    assert len(shelf.trials) == 12


def test_an_objective_that_raises_fails_its_trial(tmp_path):
    study = small_study(tmp_path, objectives=[RATE_E | {"statistic": "statistics.py:broken"}, RATE_I])
    shelf = Shelf()
    result = run(study, pool=Bench(), store=shelf)
    assert result.failed == 8
    assert shelf.kept[0].reason == "statistic broken raised ZeroDivisionError: division by zero"
    assert result.best is None


def test_an_undefined_objective_has_a_finite_loss_above_any_defined_one(tmp_path):
    study = small_study(tmp_path, objectives=[RATE_E | {"statistic": "statistics.py:undefined"}, RATE_I])
    result = run(study, pool=Bench(), store=Shelf())
    assert result.best.loss >= 750
    assert result.best.targets[0].reached is None
    assert not result.best.targets[0].met
    assert result.best.targets[0].note == "by design"
    json.dumps(as_json(result), allow_nan=False)


def test_progress_tells_what_happens(tmp_path):
    seen: list[Progress] = []
    run(small_study(tmp_path), pool=Bench(), store=Shelf(), progress=seen.append)
    assert [(p.done, p.batch, p.returned) for p in seen] == [
        *((0, 0, 0), (0, 4, 0), (0, 4, 1), (0, 4, 2), (0, 4, 3), (0, 4, 4)),
        *((4, 0, 0), (4, 4, 0), (4, 4, 1), (4, 4, 2), (4, 4, 3), (4, 4, 4)),
        (8, 0, 0),
    ]
    assert seen[0].best is None
    assert seen[-1].best is not None
    assert seen[-1].total == 8


def test_the_time_is_accounted_for(tmp_path):
    times = run(small_study(tmp_path), pool=Bench(wall_s=0.2), store=Shelf()).times
    shares = times.starting_s + times.simulating_s + times.asking_s + times.scoring_s + times.storing_s
    assert 0.4 <= times.simulating_s < 0.6
    assert shares == pytest.approx(times.wall_s, rel=0.05)


def test_time_is_counted_once_though_a_run_stores_while_it_starts(tmp_path):
    class Slow(Shelf):
        def news(self) -> Any:
            time.sleep(0.1)
            return super().news()

    times = run(small_study(tmp_path), pool=Bench(), store=Slow()).times
    shares = times.starting_s + times.simulating_s + times.asking_s + times.scoring_s + times.storing_s
    assert times.storing_s >= 0.3  # before the first batch and after each of two
    assert shares <= times.wall_s


def kept(folder: Path, query: str) -> list[tuple[Any, ...]]:
    with sqlite3.connect(folder / "small.db") as connection:
        return connection.execute(query).fetchall()


def trials(folder: Path) -> list[FrozenTrial]:
    return optuna.load_study(study_name="small", storage=f"sqlite:///{folder}/small.db").trials


def hold_invariants(folder: Path) -> None:
    """Nothing lost, nothing doubled, nothing running."""
    found = trials(folder)
    assert all(trial.state.is_finished() for trial in found)
    uuids = Counter(trial.user_attrs["uuid"] for trial in found)
    indices = Counter(trial.user_attrs["index"] for trial in found)
    assert set(uuids.values()) <= {1}
    assert set(indices.values()) <= {1}
    simulations = dict(kept(folder, "select uuid, trial from calibrate_simulation"))
    assert len(simulations) == kept(folder, "select count(*) from calibrate_simulation")[0][0]
    assert set(uuids) <= set(simulations)
    for trial in found:
        assert simulations[trial.user_attrs["uuid"]] in (trial.number, None)


def all_told(folder: Path) -> None:
    hold_invariants(folder)
    assert kept(folder, "select count(*) from calibrate_simulation where trial is null") == [(0,)]


def ran(study: Study, **more: Any) -> Result:
    return run_study(study, progress=False, slots=2, **more)


def asked(folder: Path) -> list[tuple[Any, ...]]:
    return [(trial.params, trial.value, trial.user_attrs["rate_E"]) for trial in trials(folder)]


@pytest.fixture(params=[{"name": "random"}, {"name": "tpe", "startup": 4}], ids=["random", "tpe"])
def two_studies(tmp_path: Path, request: pytest.FixtureRequest) -> tuple[Study, Study]:
    studies = []
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        studies.append(small_study(tmp_path / folder, sampler=request.param))
    return studies[0], studies[1]


def test_the_same_seed_gives_the_same_trials_resumed_or_not(two_studies):
    one, two = two_studies
    ran(one)
    stop = iter([False, False, True])
    assert ran(two, interrupted=lambda: next(stop)).stopped == "interrupted"
    assert len(trials(two.folder)) == 4
    assert ran(two).complete == 8
    assert asked(one.folder) == asked(two.folder)
    all_told(two.folder)


def test_everything_of_a_run_is_in_the_database(tmp_path):
    study = small_study(tmp_path)
    result = ran(study)
    all_told(tmp_path)
    ((name, digest, written, versions),) = kept(
        tmp_path, "select name, digest, text, versions from calibrate_study"
    )
    assert (name, digest, written) == ("small", study.digest, study.text)
    assert json.loads(versions)["optuna"] == optuna.__version__
    columns = "seed, backend, duration_ms, wall_s, host, status, statistics, sha256"
    for row in kept(tmp_path, f"select {columns} from calibrate_simulation"):
        seed, backend, duration_ms, wall_s, host, status, statistics, sha256 = row
        assert json.loads(backend)["name"] == "poisson"
        assert (duration_ms, status, len(sha256)) == (2000.0, "complete", 64)
        assert seed >= 0
        assert wall_s > 0
        assert host
        assert set(json.loads(statistics)) == {statistic.name for statistic in study.statistics}
    assert len(list((tmp_path / "small.observations").glob("*.npz"))) == 8
    with Store(study, storage_url(study)) as store:
        best = trials(tmp_path)[result.best.number].user_attrs["uuid"]
        observation = store.observation(best, stage=1)
        rate = next(s for s in study.statistics if s.name == "rate_E")(observation)
    assert rate.value == result.best.statistics["rate_E"]


def test_processes_that_die_fail_their_candidates_only(tmp_path):
    result = ran(small_study(tmp_path, DEADLY, budget={"trials": 12}))
    dead = [trial for trial in trials(tmp_path) if trial.params["I_E"] > 2]
    assert result.failed == len(dead) > 0
    assert all("process died" in trial.user_attrs["reason"] for trial in dead)
    assert result.complete == 12 - len(dead) > 0
    all_told(tmp_path)


def test_a_plug_in_that_raises_fails_its_candidates_only(tmp_path):
    ran(small_study(tmp_path, WRONG))
    for trial in trials(tmp_path):
        assert (
            trial.user_attrs.get("reason") == "model tiny.py:tiny raised RuntimeError: the plug-in is broken"
        ) == (trial.params["I_E"] > 2)


def test_simulations_that_no_trial_tells_of_are_told_by_the_next_run(tmp_path):
    study = small_study(tmp_path)

    class DiesTelling(Store):
        def mirror(self, trials: Sequence[FrozenTrial]) -> list[int]:
            if len(self.trials()) >= 2:
                raise KeyboardInterrupt
            return super().mirror(trials)

    with (
        pytest.raises(KeyboardInterrupt),
        DiesTelling(study, storage_url(study)) as store,
        Pool(setup_of(study), study.stages[-1], slots=2) as pool,
    ):
        run(study, pool=pool, store=store)
    before = {uuid for (uuid,) in kept(tmp_path, "select uuid from calibrate_simulation")}
    assert len(before) == 4
    assert len(trials(tmp_path)) == 2
    result = ran(study)
    assert (result.complete, result.added) == (8, 4)
    assert before < {trial.user_attrs["uuid"] for trial in trials(tmp_path)}
    all_told(tmp_path)


@pytest.mark.slow
def test_a_run_killed_at_random_moments_loses_and_doubles_nothing(tmp_path):
    study = write_study(tmp_path, parameters={"pause_s": 0.05}, budget={"trials": 60})
    chance = random.Random(7)
    command = [sys.executable, "-m", "calibrate.cli", "run", str(study), "--slots", "2", "--quiet"]
    counts = [0]
    for number in range(3):
        before = observations(tmp_path)
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        workers = _workers_of(process)
        wait_until(lambda: observations(tmp_path) > before, "another observation")  # noqa: B023
        time.sleep(0.1 + 0.3 * chance.random())
        if number == 1:
            os.kill(chance.choice(workers), signal.SIGKILL)
            time.sleep(0.2)
        process.kill()
        process.wait()
        hold_invariants(tmp_path)
        counts.append(len(trials(tmp_path)))
    assert counts == sorted(counts)
    assert 0 < counts[-1] < 60
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    all_told(tmp_path)
    assert {trial.user_attrs["index"] for trial in trials(tmp_path)} == set(range(60))


def observations(folder: Path) -> int:
    return len(list(folder.glob("small.observations/*.npz")))


def _workers_of(coordinator: subprocess.Popen[bytes]) -> list[int]:
    workers: list[int] = []

    def both() -> bool:
        children = psutil.Process(coordinator.pid).children()
        workers[:] = [
            child.pid for child in children if "calibrate.simulation.worker" in " ".join(child.cmdline())
        ]
        return len(workers) == 2

    wait_until(both, "both processes of the run")
    return workers


def test_one_network_is_simulated_with_the_parameters_asked_for(tmp_path):
    study = small_study(tmp_path)
    one = simulate(study, {"I_E": 2.0, "I_I": 0.0, "J+": 1.0}, spikes=False)
    assert one.parameters == {"J+": 1.0, "I_E": 2.0, "I_I": 0.0}
    assert one.statistics["rate_I"] == 0
    assert one.statistics["rate_E"] == pytest.approx(10, rel=0.1)
    assert one.simulator["name"] == "poisson"
    again = simulate(study, {"I_E": 2.0, "I_I": 0.0, "J+": 1.0})
    assert again.statistics == one.statistics
    assert again.observation.spikes is not None
    assert math.isfinite(one.wall_s)


def test_a_simulation_that_fails_says_why(tmp_path):
    with pytest.raises(
        SimulatorError,
        match=r"failed: model tiny\.py:tiny raised RuntimeError: the plug-in is broken",
    ):
        simulate(small_study(tmp_path, WRONG), {"I_E": 3.0})


class Beside(Shelf):
    """A store that another run shares, which has asked the last four candidates and tells them late."""

    def __init__(self, others: Sequence[FrozenTrial], simulations: Sequence[Simulation]) -> None:
        super().__init__()
        self._others, self._simulations, self._told = others, simulations, False

    def claim(self, wanted: Sequence[Claim]) -> Sequence[Claim]:  # noqa: ARG002
        return [Claim(index=index) for index in range(4, 8)]

    def elsewhere(self) -> int:
        self._told = True
        self.kept += self._simulations
        return 0

    def news(self) -> tuple[list[FrozenTrial], list[Simulation]]:
        if not self._told:
            return super().news()
        self._told = False
        return list(self._others), []


@pytest.mark.parametrize("seed", range(1, 6))
def test_what_another_run_tells_between_asking_and_looking_is_heard(tmp_path, seed):
    study = small_study(tmp_path, study={"seed": seed})
    alone = Shelf()
    whole = run(study, pool=Bench(), store=alone)
    others = [trial for trial in alone.trials if trial.user_attrs["index"] >= 4]
    assert len(others) == 4
    uuids = {trial.user_attrs["uuid"] for trial in others}
    store = Beside(others, [kept for kept in alone.kept if kept.uuid in uuids])
    found = run(study, pool=Bench(), store=store)
    assert (found.complete, found.stopped) == (8, "trials")
    assert found.best is not None
    assert whole.best is not None
    assert found.best.loss == whole.best.loss


class Counting(Bench):
    """A pool that writes down how many candidates it is asked at once."""

    def __init__(self) -> None:
        super().__init__()
        self.at_once: list[int] = []

    def run(self, candidates: Sequence[Job], **more: Any) -> list[Outcome]:
        self.at_once.append(len(candidates))
        return super().run(candidates, **more)


def found_with(study: Study, batch_size: int) -> tuple[list[int], list[dict[str, Any]]]:
    pool, shelf = Counting(), Shelf()
    run(study, pool=pool, store=shelf, batch_size=batch_size)
    return pool.at_once, [dict(trial.params) for trial in shelf.trials]


def test_devices_that_take_batches_get_several_at_a_time_from_samplers_that_learn_nothing(tmp_path):
    study = small_study(tmp_path, budget={"trials": 40})
    assert found_with(study, 2)[0] == [16, 16, 8]
    assert found_with(study, 1)[0] == [4] * 10
    assert found_with(study, 2)[1] == found_with(study, 1)[1]
    learns = small_study(tmp_path, sampler={"name": "tpe"}, budget={"trials": 40})
    assert found_with(learns, 2)[0] == [4] * 10
    stops = small_study(tmp_path, budget={"trials": 40, "plateau": 100})
    assert found_with(stops, 2)[0] == [4] * 10
