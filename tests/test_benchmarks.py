"""The benchmark suite in small: every contender runs, and finds the same rates."""

from __future__ import annotations

import json
import os
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import (
    bandwidth,
    brian,
    host,
    kernels,
    own,
    plain_nest,
    published_genn,
    recordings,
    throughput,
    time_to_solution,
)
from benchmarks.__main__ import SUITE, summary
from benchmarks.facts import Facts
from benchmarks.plain_nest import Settings, Simulate
from calibrate.models.ei_clustered import ei_clustered
from calibrate.objective import find_statistic
from calibrate.observation import Layout, observe_spikes
from tests.helpers.facts import a_death, a_fact, a_failure, a_long_time
from tests.helpers.in_memory import Noisy, Shelf
from tests.helpers.studies import MODEL, RATE_E, RATE_I, write_study

ROOT = Path(__file__).parent.parent
TINY = Settings(neurons=300, clusters=6, warmup_ms=100.0, duration_ms=1000.0)
POINTS = [{"I_th_E": 2.1 + 0.1 * k, "I_th_I": 1.2, "J_E+": 2.0, "R_J": 0.75} for k in range(3)]


def searched(simulate: Simulate, **more: Any) -> dict[str, Any]:
    return plain_nest.search(simulate, TINY, trials=3, processes=1, points=POINTS, **more)


@pytest.fixture(scope="module")
def plain() -> dict[str, Any]:
    return searched(plain_nest.simulate)


def agree(found: dict[str, Any], plain: dict[str, Any]) -> None:
    assert [row["parameters"] for row in found["trials"]] == POINTS
    for name in ("rate_E", "rate_I"):
        ours, theirs = (np.array([row[name] for row in one["trials"]]) for one in (found, plain))
        assert np.all(theirs > 1)
        assert np.mean(ours / theirs) == pytest.approx(1, abs=0.1), name


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["nest", pytest.param("genn", marks=pytest.mark.genn)])
def test_calibrate_finds_the_rates_of_the_plain_script(plain, backend):
    found = own.search(TINY, backend=backend, trials=3, processes=1, points=POINTS)
    agree(found, plain)
    assert found["start_s"] > 0
    assert found["wall_s"] > sum(row["trial_s"] for row in found["trials"])
    assert found["memory_bytes"] > 1e7


@pytest.mark.slow
@pytest.mark.genn
def test_the_published_pattern_finds_the_rates_of_the_plain_script(plain):
    single = replace(TINY, precision="single")
    more = {"trials": 3, "processes": 1, "points": POINTS, "begin": published_genn.build}
    agree(plain_nest.search(published_genn.simulate, single, **more), plain)


@pytest.mark.slow
def test_brian_finds_the_rates_of_the_plain_script(plain):
    try:
        import brian2  # noqa: F401
    except Exception as error:  # an AttributeError, where numpy is too new for it
        pytest.skip(f"Brian2 cannot be imported: {error}")
    agree(searched(brian.simulate, begin=brian.build), plain)


def test_the_plain_scripts_weights_are_those_of_the_model():
    point = {"I_th_E": 2.1, "I_th_I": 1.2, "J_E+": 3.0, "R_J": 0.7}
    settings = Settings(neurons=1500, clusters=6)
    parameters = {"N_E": 1200, "N_I": 300, "N_Q": 6, **point}
    theirs = ei_clustered.values(ei_clustered.network(parameters), parameters).weights
    for pair, (within, between) in plain_nest.weights(point, settings).items():
        target, source = pair
        assert within == pytest.approx(theirs[f"{source}_to_{target}_within"])
        assert between == pytest.approx(theirs[f"{source}_to_{target}_between"])


def test_the_plain_scripts_statistics_are_those_of_the_objectives():
    random = np.random.default_rng(0)
    settings = Settings(neurons=50, clusters=1, duration_ms=4000.0)
    fires = random.random((50, 40_000)) < np.repeat(random.uniform(0, 0.001, 50)[:, None], 40_000, axis=1)
    neuron, step = np.nonzero(fires)
    found = plain_nest.statistics(step + 1, neuron, settings)
    layout = Layout.of([("E", 40, 1), ("I", 10, 1)])
    seen = observe_spikes(step, neuron, layout, dt_ms=0.1, duration_ms=4000.0, window_ms=50.0)
    for name, value in found.items():
        assert value == pytest.approx(find_statistic(name)(seen).value), name


def test_silence_has_no_irregularity_and_costs_a_finite_loss():
    nothing = np.zeros(0, dtype=np.int64)
    found = plain_nest.statistics(nothing, nothing, TINY)
    assert found["rate_E"] == 0
    assert np.isnan(found["cv2_E"])
    assert np.isnan(found["fano_E"])
    assert np.isfinite(plain_nest.loss(found))


def a_run(rates: list[float], *, wall_s: float = 10.0) -> dict[str, Any]:
    rows = [{"rate_E": r, "rate_I": 2 * r, "cv2_E": 1.0 + r / 100, "fano_E": float("nan")} for r in rates]
    return {"settings": Settings().__dict__, "trials": rows, "wall_s": wall_s, "start_s": 0.0}


def test_a_shift_that_chance_does_not_explain_is_a_disagreement():
    noise = np.random.default_rng(1).normal(0, 0.1, size=8)
    plain = [a_run([5.0] * 8)]
    good = throughput.differences([a_run(list(5.0 + noise))], plain, keeps_graph=True)
    bad = throughput.differences([a_run(list(6.0 + noise))], plain, keeps_graph=True)
    assert [one.agrees for one in good] == [True, True, True, None]
    assert [one.agrees for one in bad] == [False, False, False, None]


def test_synaptic_events_are_spikes_times_targets():
    found = throughput.events_per_biological_s(a_run([1.0]))
    # 1200 E neurons reach .2 x 1200 + .5 x 300, 300 I neurons of twice the rate .5 x 1500.
    assert found == pytest.approx(1200 * 390 + 2 * 300 * 750)
    network = ei_clustered.network({"N_E": 1200, "N_I": 300, "N_Q": 6})
    assert kernels.outdegrees(network)["I"] == pytest.approx(750, rel=0.01)


def test_memory_has_a_bandwidth():
    found = bandwidth.measure(1, size_bytes=1 << 22)
    assert min(found.values()) > 1e7
    if kernels.device() == "":
        assert bandwidth.gpu_copy() is None


@pytest.mark.genn
def test_kernels_are_timed_without_touching_the_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("CALIBRATE_CACHE", str(tmp_path / "cache"))
    given = {"N_E": 240, "N_I": 60, "N_Q": 3, "connectivity": "fixed_indegree", "J_E+": 2.0}
    found = kernels.timed(given, 1, duration_ms=100.0)
    assert 0 < found.seconds["neuron_update"] < found.wall_s
    assert 0 < sum(found.seconds.values()) <= found.wall_s
    assert found.events > 0
    assert not (tmp_path / "cache").exists()
    assert os.environ["CALIBRATE_CACHE"] == str(tmp_path / "cache")


def test_the_hosts_part_of_a_batch_counts_every_spike_in_narrow_integers():
    found = host.measure(members=8, neurons=2000, duration_ms=1000.0)
    # In each of 1000 bins, 3 of 1600 neurons of E and 1 of 400 of I.
    assert found["spikes"] == 8 * 1000 * 4
    bytes_of_counts = 8 * (2000 * 20 + 40 * 1000)
    bytes_of_intervals = 8 * 2000 * (6 * 8 + 10 * (5 * 4 + 2))  # in total, and in ten blocks of time
    assert bytes_of_counts < 1e6 * found["sent MB"] < 1.2 * (bytes_of_counts + bytes_of_intervals)


# --- time to solution ------


def test_samplers_run_until_their_best_is_confirmed_to_be_good(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(time_to_solution, "Pool", lambda *_: nullcontext(Noisy(0.3)))
    monkeypatch.setattr(time_to_solution, "Store", lambda *_: nullcontext(Shelf()))
    monkeypatch.setattr(time_to_solution, "search", lambda *_: None)  # that compiles the networks
    (tmp_path / "tiny.py").write_text(MODEL)
    path = write_study(
        tmp_path,
        model={"name": f"{tmp_path / 'tiny.py'}:tiny"},
        objectives=[RATE_E | {"tolerance": 5.0}, RATE_I | {"tolerance": 5.0}],
    )

    def compared(confirm: object) -> list[dict[str, Any]]:
        changes = {"simulation.backend": "poisson", "replicates.confirm": confirm}
        output = tmp_path / "runs.jsonl"
        more = {"trials": 40, "aim": 0.4, "batch": 4, "changes": changes, "output": output}
        time_to_solution.compare(path, ["random"], [3], **more)
        return time_to_solution.read_runs(output)

    (one,) = compared(3)
    first, whole = one["to_loss"], one["whole"]
    assert one["loss"] <= 0.4
    assert one["graphs"] == 4
    assert first["simulations"] - first["trials"] >= 3  # those that confirm
    assert first["simulations"] <= whole["simulations"]
    assert 0 < first["seconds"] <= whole["seconds"]
    assert compared(3) == [one]  # it is there, and is not run again
    runs = compared({"least": 1, "most": 5, "error": 0.2})
    assert len(runs) == 2
    text = time_to_solution.table(runs)
    assert f"| small | poisson | random | 3 | 4 | 1 of 1 | {first['trials']} |" in text
    assert "| small | poisson | random | least 1 most 5 error 0.2 | 4 |" in text
    capsys.readouterr()


def test_every_seed_begins_with_another_sampler():
    turns = list(time_to_solution.in_turns(["bo", "cmaes"], [7, 8, 9]))
    assert turns == [(7, "bo"), (7, "cmaes"), (8, "cmaes"), (8, "bo"), (9, "bo"), (9, "cmaes")]


def test_runs_that_do_not_get_there_count_as_more_than_all():
    whole = {"trials": 200, "simulations": 260, "seconds": 40.0}
    kinds = {"study": "quickstart", "backend": "genn", "sampler": "tpe", "confirm": 4, "batch": 2}
    found = {"trials": 31, "simulations": 50, "seconds": 9.5}
    costs = [found, {**found, "trials": 12}, None, None, None]
    runs = [
        {**kinds, "seed": k, "to_loss": one, "to_targets": found, "whole": whole}
        for k, one in enumerate(costs)
    ]
    loss, targets = (line for line in time_to_solution.table(runs).splitlines() if line.startswith("| quick"))
    assert loss.endswith("| 2 of 5 | 31, 12, > 200, > 200, > 200 | > 200 | > 260 | > 40 |")
    assert targets.endswith("| 5 of 5 | 31, 31, 31, 31, 31 | 31 | 50 | 9.5 |")


# --- facts --------------------------------------------------------------------------------------------


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines() if line]


def test_facts_are_written_as_they_come_and_failures_are_facts_too(tmp_path, capfd):
    path = tmp_path / "facts.jsonl"
    facts = Facts(path, budget_s=120.0)
    facts.find("one", a_fact, 21, takes_s=20.0)
    assert lines(path)[0]["doubled"] == 42
    assert path.read_text().endswith("}\n")
    facts.find("wrong", a_failure, takes_s=20.0)
    facts.find("dead", a_death, takes_s=20.0)
    facts.find("two", a_fact, 1, takes_s=20.0)
    found = lines(path)
    assert [line["fact"] for line in found] == ["one", "wrong", "dead", "two"]
    assert "ValueError: it is wrong" in found[1]["failed"]
    assert "cuda runtime error 2: out of memory" in found[2]["failed"]
    assert "not for the terminal" not in capfd.readouterr().out


def test_facts_that_are_there_are_not_found_again_but_failures_are(tmp_path):
    path = tmp_path / "facts.jsonl"
    path.write_text('{"fact": "one", "doubled": 3}\n{"fact": "two", "failed": "why"}\n{"fact": "thr')
    facts = Facts(path, budget_s=60.0)
    facts.find("one", a_fact, 21, takes_s=20.0)
    facts.find("two", a_fact, 21, takes_s=20.0)
    assert facts.found["one"]["doubled"] == 3
    assert facts.found["two"]["doubled"] == 42
    assert Facts(path, budget_s=1.0).found.keys() == {"one", "two"}


def test_facts_of_another_place_are_not_mixed(tmp_path):
    path = tmp_path / "facts.jsonl"
    Facts(path, budget_s=1.0, place={"gpu": "H100"}).add("one", {"doubled": 2})
    assert "one" in Facts(path, budget_s=1.0, place={"gpu": "H100"}).found
    with pytest.raises(SystemExit, match="of another place"):
        Facts(path, budget_s=1.0, place={"gpu": "H200"})


def test_facts_keep_to_their_time(tmp_path):
    path = tmp_path / "facts.jsonl"
    facts = Facts(path, budget_s=6.0)
    facts.find("long", a_long_time, takes_s=1.0)
    facts.find("one", a_fact, 21, takes_s=1.0)
    (line,) = lines(path)
    assert line["failed"] == "it took too long"


@pytest.mark.parametrize("name", SUITE)
def test_every_benchmark_says_in_a_sentence_what_it_does(name):
    assert 20 < len(summary(name)) < 200
    assert (ROOT / "benchmarks" / f"{name}.py").exists()


def test_the_suite_names_all_benchmarks():
    files = {path.stem for path in (ROOT / "benchmarks").glob("*.py")}
    assert files == {*SUITE, "__init__", "__main__", "facts"}


def test_own_study_has_the_plain_scripts_search_space(tmp_path):
    study = own.study_of(TINY, backend="nest", trials=3, points=POINTS, seed=0, folder=tmp_path)
    assert set(study.space) == set(plain_nest.RANGES)


@pytest.mark.slow
def test_elephant_finds_what_is_measured_in_a_recording(tmp_path):
    recordings.write(tmp_path, 0.02, 8, 8.0, ["nwb", "npz"])
    ours, theirs = recordings.measure(tmp_path / "units.nwb"), recordings.elephant(tmp_path / "units.nwb")
    for name in recordings.STATISTICS:
        assert ours[name] == pytest.approx(theirs[name], rel=1e-3, abs=1e-5), name
    assert recordings.read(tmp_path / "units.npz") == {"units": 8}
