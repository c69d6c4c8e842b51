"""The pool on a Dask cluster: same outcomes as the local one, whatever dies."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from calibrate.calibration.study_pool import setup_of
from calibrate.cli.commands import execute
from calibrate.errors import SimulatorError, StoreError, StudyError
from calibrate.results.results import read_results
from calibrate.simulation import dask_pool
from calibrate.simulation.dask_pool import Cluster, DaskPool
from calibrate.simulation.jobs import Job, Outcome
from calibrate.simulation.local_pool import Pool
from calibrate.store import storage_url
from calibrate.study import Study, read_study
from calibrate.tasks.run import run_study
from tests.helpers.studies import MODEL, edited, small_study, write_study
from tests.helpers.waiting import PATIENCE_S

pytestmark = pytest.mark.usefixtures("in_tmp_path")

distributed = pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, resources={"CORE": 1}
    ) as running:
        yield running


def pool_on(cluster: Any, study: Study, **changes: Any) -> DaskPool:
    where = Cluster(address=cluster.scheduler_address, resources={"CORE": 1}, wait_s=20.0)
    return DaskPool(setup_of(study), study.stages[-1], cluster=where, **changes)


def candidates(study: Study, n: int, **parameters: Any) -> list[Job]:
    return [
        Job(
            uuid=str(k),
            parameters=study.parameters({"I_E": 0.5 + 0.1 * k, **parameters}),
            seed=k,
            realisation=k % 2,
        )
        for k in range(n)
    ]


def shown(outcomes: list[Outcome]) -> list[Any]:
    return [(one.key, getattr(one.result, "neuron_totals", one.result)) for one in outcomes]


def test_outcomes_are_those_of_the_local_pool_in_the_same_order(cluster, tmp_path):
    study = small_study(tmp_path)
    asked = candidates(study, 12)
    with Pool(setup_of(study), study.stages[-1], slots=2) as local:
        expected = local.run(asked)
    returned: list[Outcome] = []
    with pool_on(cluster, study) as pool:
        assert (pool.slots, pool.capacity) == (2, 2)
        found = pool.run(asked, progress=returned.append)
    assert repr(shown(found)) == repr(shown(expected))
    assert sorted(one.key for one in returned) == sorted(one.key for one in found)


MEETING = """
    here = os.path.dirname(__file__)
    open(os.path.join(here, f"{os.getpid()}.here"), "w").close()
    while len([name for name in os.listdir(here) if name.endswith(".here")]) < 2:
        time.sleep(0.02)
"""


def test_the_workers_share_the_work(cluster, tmp_path):
    write_study(tmp_path)
    meeting = edited(('    time.sleep(p["pause_s"])\n', MEETING), text=MODEL)
    (tmp_path / "tiny.py").write_text(meeting)
    study = read_study(tmp_path / "small.toml")
    with pool_on(cluster, study, timeout_s=PATIENCE_S) as pool:
        found = pool.run(candidates(study, 8))  # none ends before two processes have begun one
    assert all(outcome.observation.duration_ms > 0 for outcome in found)


def test_a_candidate_that_kills_its_process_twice_fails_and_the_others_do_not(cluster, tmp_path):
    study = small_study(tmp_path, parameters={"deadly_above": 1.25})
    with pool_on(cluster, study) as pool:
        outcomes = pool.run(candidates(study, 9))
    reasons = [getattr(one.result, "reason", None) for one in outcomes]
    assert reasons[:8] == [None] * 8
    assert "the simulator's process died more than once" in str(reasons[8])


def test_a_batch_that_takes_too_long_is_stopped(cluster, tmp_path):
    study = small_study(tmp_path, parameters={"pause_s": 30.0})
    with pool_on(cluster, study, timeout_s=0.5) as pool:
        (outcome,) = pool.run(candidates(study, 1))
    assert "took longer than 0.5 s" in outcome.result.reason  # type: ignore[union-attr]


def test_nothing_goes_on_in_the_workers_when_a_run_has_ended(cluster, tmp_path):
    study = small_study(tmp_path)
    with pool_on(cluster, study) as pool:
        pool.run(candidates(study, 4))
        (inside,) = {len(psutil.Process(worker["pid"]).children()) for worker in described(cluster)}
        assert inside == 1
    assert all(not psutil.Process(worker["pid"]).children() for worker in described(cluster))


def described(cluster: Any) -> list[dict[str, Any]]:
    """The workers, with their process numbers."""
    with distributed.Client(cluster.scheduler_address, set_as_default=False) as client:
        return [{"pid": pid} for pid in client.run(os.getpid).values()]


@pytest.mark.slow
def test_a_worker_that_is_killed_loses_nothing(tmp_path):
    study = small_study(tmp_path, parameters={"pause_s": 0.2}, budget={"trials": 24})
    local = run_study(study, slots=2, storage="sqlite:///local.db", progress=False)
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    ) as running:
        path = tmp_path / "small.toml"
        changes = {"pool.address": running.scheduler_address}
        on_dask = read_study(path, changes=changes)
        pids = [worker["pid"] for worker in described(running)]

        killed = []

        def told() -> int:
            try:
                return len(read_results(study, storage=storage_url(on_dask)).trials)
            except StoreError:  # the run has not made the study yet
                return 0

        def kill() -> None:
            while told() < 6:
                time.sleep(0.05)
            os.kill(pids[0], signal.SIGKILL)
            killed.append(pids[0])

        killer = threading.Thread(target=kill)
        killer.start()
        result = run_study(on_dask, progress=False)
        killer.join()
    assert killed == pids[:1]
    assert (result.complete, result.failed) == (24, 0) == (local.complete, local.failed)
    ours, theirs = (
        read_results(study, storage=url).trials.sort_values("I_E")[["I_E", "I_I", "loss", "rate_E"]]
        for url in (storage_url(study), "sqlite:///local.db")
    )
    assert ours.to_numpy().tolist() == theirs.to_numpy().tolist()


def test_a_run_on_a_cluster_makes_the_trials_of_a_local_one(cluster, tmp_path, capfd):
    study = small_study(tmp_path)
    run_study(study, slots=2, storage="sqlite:///local.db", progress=False)
    address = cluster.scheduler_address
    assert execute(["run", "small.toml", "--pool", "dask", "--address", address]) == 0
    ours, theirs = (
        read_results(study, storage=url).trials[["I_E", "loss", "rate_E"]].to_numpy().tolist()
        for url in (storage_url(study), "sqlite:///local.db")
    )
    assert ours == theirs
    assert execute(["run", "small.toml", "--address", address, "--slots", "2"]) == 2
    assert "leave out --slots" in capfd.readouterr().err


def test_a_cluster_is_no_part_of_what_a_study_is(tmp_path):
    path = write_study(tmp_path)
    text = path.read_text()
    plain = read_study(path)
    path.write_text('pool = {engine = "dask", address = "tcp://node1:8786", resources = {GPU = 1}}\n' + text)
    clustered = read_study(path)
    assert clustered.digest == plain.digest
    assert clustered.file.pool.on_cluster
    assert not clustered.locally.file.pool.on_cluster
    path.write_text('[pool]\nengine = "dask"\n' + text)
    with pytest.raises(StudyError, match="a Dask cluster without an address"):
        read_study(path)
    path.write_text('[pool]\nengine = "ray"\n' + text)
    with pytest.raises(StudyError, match=r"\[pool\] engine"):
        read_study(path)


def test_a_scheduler_that_does_not_answer_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(dask_pool, "CONNECT_S", 0.5)
    study = small_study(tmp_path)
    nowhere = Cluster(address="tcp://127.0.0.1:9", resources={})
    message = r"no Dask scheduler was reached at tcp://127.0.0.1:9 within 0 s: it does not answer"
    with (
        pytest.raises(SimulatorError, match=message),
        DaskPool(setup_of(study), study.stages[-1], cluster=nowhere),
    ):
        pass


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"cannot read the scheduler file \S+ \(No such file or directory\)"),
        ("", "the scheduler file .* is incomplete or damaged"),
        ('{"address": "tcp://12', "the scheduler file .* is incomplete or damaged"),
        ("[1]", "is not a file of a Dask scheduler: it has no address"),
        ("{}", "is not a file of a Dask scheduler: it has no address"),
        ('{"address": "node1"}', "'node1' is not the address of a Dask scheduler, such as tcp://node1:8786"),
    ],
)
def test_a_scheduler_file_that_leads_nowhere_is_refused_in_one_line(tmp_path, monkeypatch, content, message):
    monkeypatch.setattr(dask_pool, "CONNECT_S", 0.5)
    file = tmp_path / "scheduler.json"
    if content is not None:
        file.write_text(content)
    study = small_study(tmp_path)
    pool = DaskPool(setup_of(study), study.stages[-1], cluster=Cluster(address=str(file), resources={}))
    with pytest.raises(SimulatorError, match=message) as error, pool:
        pass
    assert "\n" not in str(error.value)


def test_a_scheduler_file_is_read_when_its_scheduler_has_written_it(cluster, tmp_path):
    """`until [ -e FILE ]` of a batch script ends before the file has any content."""
    file = tmp_path / "scheduler.json"
    file.touch()
    later = threading.Timer(0.5, file.write_text, [json.dumps({"address": cluster.scheduler_address})])
    later.start()
    study = small_study(tmp_path)
    where = Cluster(address=str(file), resources={}, wait_s=20.0)
    with DaskPool(setup_of(study), study.stages[-1], cluster=where) as pool:
        assert pool.slots == 2
    later.join()


def test_workers_that_lack_what_a_batch_takes_are_waited_for_then_said_to_be_missing(cluster, tmp_path):
    study = small_study(tmp_path)
    heard: list[str] = []
    where = Cluster(address=cluster.scheduler_address, resources={"GPU": 1}, wait_s=0.2)
    with (
        pytest.raises(SimulatorError, match=r"no worker after 0.2 s.*a worker with GPU=1 is needed"),
        DaskPool(setup_of(study), study.stages[-1], cluster=where, say=heard.append),
    ):
        pass
    assert heard == [f"waiting for a worker with GPU=1 of the Dask cluster at {cluster.scheduler_address}"]


def test_workers_of_another_version_are_refused(cluster, tmp_path, monkeypatch):
    theirs = dask_pool._versions

    class Fickle:
        """Says something else here than there."""

        def __call__(self) -> dict[str, str]:
            return {**theirs(), "calibrate": "99.0"}

    study = small_study(tmp_path)
    pool = pool_on(cluster, study)
    there = distributed.Client.run
    monkeypatch.setattr(dask_pool, "_versions", Fickle())
    monkeypatch.setattr(
        distributed.Client, "run", lambda self, *_, **more: there(self, theirs, workers=more["workers"])
    )
    with pytest.raises(SimulatorError, match=r"has calibrate .*, but here it is 99.0: use the same"), pool:
        pass
