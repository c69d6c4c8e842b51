"""The Python API: studies made in Python, with models and statistics as objects, and what they found."""

from __future__ import annotations

import ast
import math
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient

import calibrate
from calibrate import (
    Needs,
    ObservationError,
    StoreError,
    Study,
    StudyError,
    find_model,
    find_statistic,
    make_study,
    measure,
    observe_trains,
    read_results,
    read_study,
    run_study,
    simulate,
    statistic,
)
from tests.helpers.spike_trains import gamma_trains
from tests.helpers.studies import small_study, write_study

ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / "docs" / "examples" / "own_objective.py"


@statistic(unit="Hz", needs=Needs(bin_ms=5.0))
def busiest(observation, *, population="E"):
    "Highest rate of any cluster in 5 ms."
    return float(observation.group_counts(population, 5.0).max())


def made(folder: Path, **changes: Any) -> Study:
    write_study(folder)
    tables: dict[str, Any] = {
        "model": find_model("tiny.py:tiny", folder=folder),
        "parameters": {"I_E": {"low": 0.1, "high": 4.0}, "J+": 2, "I_I": {"low": 0.1, "high": 4.0}},
        "simulation": {"backend": "poisson", "dt_ms": 1.0, "warmup_ms": 0.0, "duration_ms": 2000},
        "objectives": [
            {"statistic": "rate_E", "target": 5.0, "tolerance": 1.0},
            {"statistic": busiest, "target": 3, "tolerance": 1.0},
        ],
        "sampler": "random",
        "budget": {"trials": 8},
        "replicates": {"confirm": 0, "fresh": 0},
        "seed": 3,
        "folder": folder,
        **changes,
    }
    return make_study("made", **tables)


def test_every_public_name_can_be_imported_and_says_what_it_is():
    for name in calibrate.__all__:
        assert getattr(calibrate, name).__doc__, name
    with pytest.raises(AttributeError):
        calibrate.no_such_name  # noqa: B018


def test_the_processes_that_simulate_load_no_optuna_and_no_sql():
    code = (
        "import sys, calibrate, calibrate.simulation.worker; "
        "print([m for m in ('optuna', 'sqlalchemy', 'pandas', 'rich', 'pydantic') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"


def test_the_command_line_starts_without_figures_and_tables():
    """Matplotlib and pandas take a third of a second each: they are loaded by the commands that use them."""
    code = (
        "import sys, calibrate.cli.commands; calibrate.cli.commands.program(); "
        "print([m for m in ('matplotlib', 'pandas', 'distributed', 'nest', 'pygenn') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"


@pytest.mark.parametrize("arguments", [[], ["--help"], ["--version"]])
def test_help_and_version_come_without_the_modules_of_the_commands(arguments):
    code = (
        f"import sys; from calibrate.cli.commands import execute; execute({arguments}); "
        "print([m for m in ('numpy', 'optuna', 'sqlalchemy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("[]\n")
    assert "calibrate" in done.stdout


def test_a_study_made_in_python_is_the_one_of_the_same_file(tmp_path):
    read = small_study(tmp_path, name="made")
    objectives = [
        {"statistic": "rate_E", "target": 5.0, "tolerance": 1.0},
        {"statistic": "rate_I", "interval": (9, 11), "tolerance": np.float64(2.0)},
    ]
    study = made(tmp_path, model="tiny.py:tiny", objectives=objectives)
    assert study.digest == read.digest
    (tmp_path / "again.toml").write_text(study.text)
    assert read_study(tmp_path / "again.toml").digest == read.digest


def test_mistakes_in_a_study_made_in_python_are_lines_that_name_its_tables(tmp_path):
    with pytest.raises(StudyError) as caught:
        made(tmp_path, parameters={"I_E": {"low": 2.0, "high": 1.0}, "J": 1})
    lines = str(caught.value).splitlines()
    assert lines[0].startswith("made: [parameters] J ")
    assert lines[1] == (
        "made: [parameters] I_E has an empty range, low = 2, high = 1; "
        "low must be below high; to fix the parameter, give it one value"
    )
    with pytest.raises(StudyError, match=r"made: .*can contain only numbers, strings, lists and tables"):
        made(tmp_path, prior={"points": [{"I_E": 1j}]})


def test_two_statistics_of_one_name_are_refused(tmp_path):
    other = [{"statistic": s, "target": 3, "tolerance": 1} for s in (busiest, busiest.with_options())]
    with pytest.raises(StudyError, match="there are two statistics 'busiest'"):
        made(tmp_path, objectives=other)


def test_a_study_with_objects_runs_goes_on_and_is_read_back(tmp_path):
    study = made(tmp_path)
    assert "python:busiest" in study.text
    first = run_study(made(tmp_path, budget={"trials": 3}), slots=1, progress=False)
    result = run_study(study, slots=2, progress=False)
    assert (first.added, result.added, result.complete) == (3, 5, 8)
    results = read_results(study)
    assert results.best == result.best
    assert results.counts == {"complete": 8, "failed": 0, "infeasible": 0, "taken_over": 0}
    assert list(results.trials.index) == list(range(8))
    assert results.best is not None
    assert results.trials.loss.idxmin() == results.best.number
    best = results.trials.loc[results.best.number]
    assert results.best.params["I_E"] == best.I_E
    assert best.busiest == results.best.statistics["busiest"]
    assert len(results.simulations) == 8
    assert results.spent.simulations == 8
    assert f"trial {results.best.number}: loss" in str(results.best)


def test_code_of_a_statistic_that_was_changed_makes_another_study(tmp_path):
    def written(body: str) -> Study:
        (tmp_path / f"own{len(body)}.py").write_text(
            "from calibrate import Needs, statistic\n"
            f"def helper(x):\n    return {body}\n"
            "@statistic(needs=Needs())\ndef own(observation):\n    'Own.'\n    return helper(2)  # of two\n"
        )
        own = find_statistic(f"own{len(body)}.py:own", folder=tmp_path)
        return made(tmp_path, objectives=[{"statistic": own, "target": 4, "tolerance": 1}])

    assert written("2 * x").digest == written("2  *  x").digest
    assert written("2 * x").digest != written("x ** 2 + 0").digest
    run_study(written("2 * x"), slots=1, progress=False)
    with pytest.raises(StoreError, match="the code of python:own was changed"):
        run_study(written("x ** 2 + 0"), slots=1, progress=False)


def test_results_of_a_study_that_has_not_begun_or_was_changed_are_refused(tmp_path):
    study = made(tmp_path)
    with pytest.raises(StoreError, match="holds no study 'made' yet: run it first"):
        read_results(study)
    assert not list(tmp_path.glob("*.db"))
    run_study(study, slots=1, progress=False)
    with pytest.raises(StoreError, match=r"\[study\] seed was 3, is 4"):
        read_results(made(tmp_path, seed=4))


def test_a_trial_is_simulated_once_more_spike_for_spike(tmp_path):
    study = made(tmp_path)
    run_study(study, slots=1, progress=False)
    results = read_results(study)
    again, kept = results.simulate(5), results.observation(5)
    assert np.array_equal(again.observation.group_bins, kept.group_bins)
    assert np.array_equal(again.observation.neuron_totals, kept.neuron_totals)
    assert again.observation.spikes is not None
    assert not np.array_equal(results.simulate(5, graph=1).observation.group_bins, kept.group_bins)
    with pytest.raises(StudyError, match="has no trial 8; it has 0 to 7"):
        results.simulate(8)
    with pytest.raises(StoreError, match="trial 5 was not simulated on graph 2, but on: 0"):
        results.observation(5, graph=2)


def test_failed_trials_are_rows_without_a_loss(tmp_path):
    study = made(tmp_path, parameters={"I_E": {"low": 0.1, "high": 4.0}, "wrong_above": 2.0})
    run_study(study, slots=1, progress=False)
    results = read_results(study)
    failed = results.trials[results.trials.state == "failed"]
    assert 0 < len(failed) < 8
    assert failed.loss.isna().all()
    assert results.failures == {"model tiny raised RuntimeError: the plug-in is broken": len(failed)}
    with pytest.raises(StudyError, match="failed: model tiny raised RuntimeError: the plug-in is broken"):
        results.trial(int(failed.index[0]))


def test_one_network_is_simulated_and_measured(tmp_path):
    found = simulate(made(tmp_path), {"I_E": 2.0})
    assert found.statistics["rate_E"] == pytest.approx(10, rel=0.1)
    assert measure(found.observation, ["rate_E"])["rate_E"].value == found.statistics["rate_E"]


def test_spike_trains_of_any_origin_have_every_statistic():
    random = np.random.default_rng(1)
    trains = [
        0.1 * (train + 1) for train in gamma_trains(random, 60, shape=4, rate_hz=20, duration_ms=20_000)
    ]
    found = observe_trains({"E": trains[:40], "I": trains[40:]}, duration_ms=20_000, clusters={"E": 4})
    estimates = measure(found)
    assert estimates["rate_E"].value == pytest.approx(20, rel=0.02)
    assert estimates["cv_I"].value == pytest.approx(0.5, rel=0.03)
    assert estimates["lv_I"].value == pytest.approx(3 / 9, rel=0.05)
    assert "active_clusters" in estimates
    assert measure(found, ["cv2_E", busiest])["busiest"].value == found.group_counts("E", 5.0).max()


def test_spikes_count_after_the_start_and_up_to_the_end_in_the_steps_of_a_simulation():
    found = observe_trains(
        [[5.0, 10.0, 10.1, 15.04, 20.0, 20.1]], start_ms=10, duration_ms=10, dt_ms=0.1, window_ms=5
    )
    assert found.spikes is not None
    assert found.spikes.step.tolist() == [0, 50, 99]


@pytest.mark.parametrize(
    ("trains", "more", "message"),
    [
        ([[1.0, math.nan]], {}, "neuron 0 of E has a spike time that is not a number"),
        ([[2.0, 1.01, 1.01]], {}, "neuron 0 of E has two spikes at 1.01 ms"),
        ([[1.0], [2.0]], {"clusters": 3}, "2 neurons of E do not divide into 3 clusters"),
        ([[1.0], [2.0]], {"clusters": [1, 2]}, "do not add up to 2 neurons of E"),
        ([], {}, "0 neurons of E"),
        ([[1.0]], {"dt_ms": 0.3}, "whole number"),
    ],
)
def test_spike_trains_that_make_no_sense_are_refused(trains, more, message):
    with pytest.raises(ObservationError, match=message):
        observe_trains(trains, duration_ms=10.0, **{"window_ms": 5.0, **more})


NOTEBOOK_MODEL = """
from calibrate import Bernoulli, Model, Network, Parameter, Population, Projection, UniformPotential, Values
from calibrate import make_study, run_study
from calibrate.neurons import IAF_PSC_EXP, register
from dataclasses import replace

register(replace(IAF_PSC_EXP, name="mine"))
SCALE = 1.0

def network(p):
    return Network(
        populations=(Population(name="E", size=p["N"], neuron="mine"),),
        projections=(Projection(source="E", target="E", rule=Bernoulli(0.1), delay_ms=1.0, receptor="ex"),),
    )

def values(network, p):
    neuron = {"C_m": 1.0, "tau_m": 20.0, "E_L": 0.0, "V_reset": 0.0, "V_th": 20.0, "I_e": SCALE * p["drive"]}
    return Values(
        neurons={"E": neuron}, weights={"E_to_E_all": 0.01}, initial={"E": UniformPotential(0.0, 20.0)}
    )

mine = Model(
    name="mine",
    parameters=(
        Parameter(name="N", default=50, unit="", doc="neurons", kind=int, tier="code", low=1),
        Parameter(name="drive", default=1.2, unit="pA", doc="constant input", low=0.0),
    ),
    make_network=network,
    make_values=values,
)
study = make_study(
    "cell", model=mine, parameters={"drive": {"low": 1.0, "high": 2.0}},
    simulation={"backend": "nest", "warmup_ms": 10.0, "duration_ms": 200.0},
    objectives=[{"statistic": "rate_E", "target": 30.0, "tolerance": 5.0}],
    replicates={"confirm": 0, "fresh": 0}, budget={"trials": 6},
)
result = run_study(study, slots=2)
print(result.complete, result.failed, result.last_failure)
"""


def ran_as_notebook(cells: list[str], folder: Path) -> Any:
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    NotebookClient(
        book, timeout=120, kernel_name="python3", resources={"metadata": {"path": folder}}
    ).execute()
    return book


def outputs(book: Any, cell: int) -> str:
    texts = [o.get("text") or o["data"].get("text/plain", "") for o in book.cells[cell].outputs]
    return "\n".join("".join(text) for text in texts)


@pytest.mark.slow
def test_a_notebook_defines_its_own_network_and_neurons_and_shows_progress(tmp_path):
    book = ran_as_notebook([NOTEBOOK_MODEL, NOTEBOOK_MODEL], tmp_path)
    assert "6 0 None" in outputs(book, 0)
    assert "6/6 trials" in outputs(book, 0)
    assert any("text/html" in o.get("data", {}) for o in book.cells[0].outputs)
    assert "6 0 None" in outputs(book, 1)  # the cell may be run again


@pytest.mark.slow
def test_the_example_runs_as_a_notebook_and_as_a_script(tmp_path):
    text = EXAMPLE.read_text()
    assert len(text.splitlines()) < 60
    ast.parse(text)
    cells = re.split(r"^# %%", text, flags=re.MULTILINE)[1:]
    book = ran_as_notebook([f"# {cell}" for cell in cells], tmp_path)
    assert "2 of 2 targets met" in outputs(book, 2)
    assert any("image/png" in o.get("data", {}) for o in book.cells[3].outputs)
    script = tmp_path / "script"
    script.mkdir()
    done = subprocess.run([sys.executable, EXAMPLE], cwd=script, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "2 of 2 targets met" in done.stdout
