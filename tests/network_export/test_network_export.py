"""Exported networks do in another simulator, without calibrate, what they did in calibrate."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calibrate import export_network, make_study
from calibrate.calibration.single_simulation import simulate
from calibrate.errors import CalibrateError, StudyError
from calibrate.network_export import expected
from calibrate.network_export.targets import TARGETS
from calibrate.simulation.worker import Worker
from tests.helpers.networks import SMALL
from tests.network_export.networks import small

# Of --to; what its script imports must be installed.
READERS = {"nest": "nest", "pynn": "pyNN", "sonata": "libsonata", "nir": "nir"}
OPTIONS: dict[str, dict[str, Any]] = {"nir": {"lossy": True}}

# A process in which calibrate cannot be imported.
WITHOUT_CALIBRATE = """
import runpy, sys
sys.modules["calibrate"] = None
sys.path.insert(0, ".")
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


# What NEST has of the first seed, as JSON.
DRAWN = """
import json, nest, network, numpy as np
populations = network.build(seed=1)
E, I = populations["E"], populations["I"]
every = nest.GetConnections()
pairs = list(zip(every.source, every.target))
within = nest.GetConnections(E[:20], E[:20])
print(json.dumps({
    "autapses": sum(source == target for source, target in pairs),
    "multapses": len(pairs) - len(set(pairs)),
    "delays": [round(delay / 0.1) for delay in within.delay],
    "in_degrees": np.unique(nest.GetConnections(E, I).target, return_counts=True)[1].tolist(),
    "weight": float(np.mean(within.weight)),
    "weight_cv": float(np.std(within.weight) / np.mean(within.weight)),
    "V_th_sd": float(np.std(E.V_th)),
}))
"""

FREE = {"J": {"low": 30.0, "high": 93.4}}


class InThisProcess:
    """A pool without processes, which take seconds to start."""

    def __init__(self, setup: Any, timing: Any, **_: Any) -> None:
        self._worker, self._timing = Worker(setup), timing

    def __enter__(self) -> InThisProcess:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def run(self, jobs: Any) -> Iterator[Any]:
        for job in jobs:
            yield from self._worker.run([job], self._timing)


@pytest.fixture(autouse=True)
def _in_this_process(monkeypatch):
    monkeypatch.setattr(expected, "Pool", InThisProcess)


def export(folder: Path, *, to: str, study: Any = None, **options: Any) -> Any:
    return export_network(study or small(), folder, to=to, **{**OPTIONS.get(to, {}), **options})


def run(folder: Path, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WITHOUT_CALIBRATE, script, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("to", READERS)
def test_an_exported_network_fires_the_same_spikes_without_calibrate(tmp_path, to):
    pytest.importorskip(READERS[to])
    exported = export(tmp_path / "folder", to=to)
    ran = run(tmp_path / "folder", "check.py")
    assert (ran.returncode, ran.stdout) == (0, f"identical: {exported.spikes:,} spikes in 300 ms\n"), (
        ran.stderr
    )
    assert exported.spikes > 1000


@pytest.mark.parametrize("to", ["nest", "pynn"])
def test_rules_give_networks_with_the_expected_statistics(tmp_path, to):
    pytest.importorskip(READERS[to])
    clustered = make_study(
        "clustered",
        model="ei_clustered",
        parameters={**SMALL, "N_E": 120, "N_I": 30, "I_th_E": {"low": 2.0, "high": 2.4}},
        objectives=[{"statistic": "rate_E", "target": 5.0, "tolerance": 1.0}],
        simulation={"backend": "nest", "warmup_ms": 50.0, "duration_ms": 250.0},
        budget={"trials": 1},
    )
    exported = export(tmp_path / "folder", to=to, study=clustered, connectivity="rules", graphs=6)
    assert (exported.spikes, exported.graph) == (None, None)
    assert exported.statistics["rate_E"]["standard_error"] > 0
    ran = run(tmp_path / "folder", "check.py", "--networks", "2" if to == "nest" else "1")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stdout.endswith("within tolerance\n")


def test_rules_of_nest_draw_weights_delays_in_degrees_and_parameters(tmp_path):
    export(
        tmp_path / "folder",
        to="nest",
        study=small(parameters=FREE | {"delays": True}),
        connectivity="rules",
        graphs=2,
    )
    (tmp_path / "folder" / "drawn.py").write_text(DRAWN)
    found = json.loads(run(tmp_path / "folder", "drawn.py").stdout)
    assert found["autapses"] == found["multapses"] == 0
    assert (min(found["delays"]), max(found["delays"])) == (5, 20)
    assert 10 <= min(found["in_degrees"]) < max(found["in_degrees"]) <= 30
    assert found["weight"] == pytest.approx(61.7, rel=0.1)
    assert found["weight_cv"] == pytest.approx(0.5, abs=0.1)
    assert found["V_th_sd"] == pytest.approx(0.5, abs=0.15)


def test_the_expected_spikes_are_those_of_a_simulation(tmp_path):
    study = small()
    exported = export(tmp_path / "folder", to="nest", study=study, graph=3)
    spikes = np.load(tmp_path / "folder" / "expected_spikes.npz")
    observed = simulate(study, graph=3).observation.spikes
    after = spikes["step"] > 200  # the warm-up
    assert np.array_equal(spikes["step"][after] - 201, observed.step)
    assert np.array_equal(spikes["neuron"][after], observed.neuron)
    assert exported.statistics["rate_I"]["mean"] == pytest.approx(
        np.mean(observed.neuron >= 80) * observed.step.size / 20 / 0.28
    )


def test_a_difference_is_told_with_its_time_and_its_neuron(tmp_path):
    export(tmp_path / "folder", to="nest")
    script = tmp_path / "folder" / "network.py"
    script.write_text(script.read_text().replace('"weight": 40.0,', '"weight": 44.0,'))
    ran = run(tmp_path / "folder", "check.py")
    assert ran.returncode == 1
    first, head, *statistics = ran.stdout.splitlines()
    assert re.fullmatch(r"first difference at [0-9.]+ ms: neuron \d+ of [EI] fires .* spikes agree\)", first)
    assert (head.split(), len(statistics)) == (["statistic", "here", "calibrate"], 8)


def test_a_shorter_check_compares_the_first_spikes(tmp_path):
    exported = export(tmp_path / "folder", to="nest")
    ran = run(tmp_path / "folder", "check.py", "--duration-ms", "50")
    (said,) = re.fullmatch(r"identical: (\d+) spikes in 50 ms\n", ran.stdout).groups()
    assert 0 < int(said) < exported.spikes


def test_nir_names_what_is_lost_and_what_the_network_would_be_without_the_loss(tmp_path):
    nir = pytest.importorskip("nir")
    exported = export(tmp_path / "folder", to="nir", study=small(parameters=FREE | {"delays": True}))
    assert [line.split(",")[0] for line in exported.lost] == [
        "the initial state: NIR has none",
        "the refractory time of population E",
        "the refractory time of population I",
        "the delays of the synapses of E_to_E_within",
    ]
    assert exported.complete["rate_I"]["mean"] != exported.statistics["rate_I"]["mean"]
    readme = (tmp_path / "folder" / "README.md").read_text()
    assert all(f"- {line}\n" in readme for line in exported.lost)
    graph = nir.read(tmp_path / "folder" / "network.nir")
    # C_m = tau_m / r, and the constant input raises the leak potential.
    lif = graph.nodes["E"]
    assert 1000 * lif.tau / lif.r == pytest.approx(np.full(80, 251.3))
    assert lif.v_leak == pytest.approx(np.full(80, -70.1 + 17.3 / 251.3 * 283.7))
    assert 1000 * graph.nodes["E_to_E_within_delay"].delay == pytest.approx(np.full(80, 1.3))
    assert (graph.nodes["I_to_I_all"].weight == -77.7 * (1 - np.eye(20))).all()


def test_pynn_names_the_numbers_that_its_units_do_not_hold(tmp_path):
    weights = [weight for weight in (58.0 + k / 7 for k in range(200)) if weight / 1000 * 1000 != weight]
    exported = export(tmp_path / "folder", to="pynn", study=small(), parameters={"J": 3 * weights[0]})
    assert "the weight of E_to_E_between: no number of nA times 1000 is exactly this one" in " ".join(
        exported.inexact
    )
    assert not any("E_to_I_all" in line for line in exported.inexact)


@pytest.mark.parametrize("to", TARGETS)
def test_scripts_are_valid_python_without_long_lines_or_unused_names(tmp_path, to):
    for module in TARGETS[to].modules:
        pytest.importorskip(module)
    for connectivity in TARGETS[to].connectivities:
        study = small(parameters=FREE | {"distributed": to != "nir", "delays": to != "pynn"})
        if (to, connectivity) == ("pynn", "rules"):
            continue  # it cannot draw the weights of this network
        folder = tmp_path / connectivity
        export(folder, to=to, study=study, connectivity=connectivity, graphs=2)
        for script in sorted(folder.glob("*.py")):
            compile(script.read_text(), script.name, "exec")
        command = [
            sys.executable,
            "-m",
            "ruff",
            "check",
            "--isolated",
            "--select",
            "F,E9,I",
            "--ignore",
            "I001,E402",
        ]
        ran = subprocess.run([*command, folder], capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stdout


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"conductances": True}, "population E has neurons iaf_cond_exp"),
        ({"noise": True}, "population E receives random input"),
        ({"stimulus": True}, "the model has stimuli"),
        ({"plastic": True}, "E_to_I_all is plastic"),
    ],
)
def test_what_no_export_carries_is_refused(tmp_path, changes, said):
    with pytest.raises(StudyError, match=said):
        export(tmp_path / "folder", to="nest", study=small(parameters=FREE | changes))
    assert not (tmp_path / "folder").exists()


@pytest.mark.parametrize(
    ("to", "options", "changes", "said"),
    [
        ("nets", {}, {}, r"no export to 'nets' \(did you mean 'nest'\?\)"),
        ("nest", {"lossy": True}, {}, "an export to NEST loses nothing"),
        ("nest", {"connectivity": "rules", "graph": 1}, {}, "rules draw a new graph for every seed"),
        ("nest", {"trial": 3}, {}, "trials belong to the results of a study"),
        ("nest", {"condition": "evoked"}, {}, "none is called 'evoked'"),
        ("nest", {"duration_ms": -5.0}, {}, "at least one bin of the statistics, .* not -5 ms"),
        ("nest", {"duration_ms": math.nan}, {}, "at least one bin of the statistics"),
        ("pynn", {"connectivity": "rules"}, {}, "E_to_E_within draws the weights"),
        ("pynn", {"connectivity": "rules"}, {"delays": True}, "E_to_E_within draws the delays"),
        ("sonata", {"connectivity": "rules"}, {}, "SONATA holds every synapse and no rules"),
        ("sonata", {}, {"slash": True}, "population 'L4/E': names in SONATA"),
        ("nir", {"lossy": False}, {}, "NIR cannot carry all of such a network: with --lossy"),
        ("nir", {}, {"distributed": True}, "I_e of population E differs between neurons"),
        (
            "nestml",
            {},
            {"equal_taus": True},
            "population I: .* divides by tau_syn_ex - tau_m",
        ),
    ],
)
def test_what_one_target_cannot_carry_is_refused_in_one_line(tmp_path, to, options, changes, said):
    for module in TARGETS[to].modules if to in TARGETS else ():
        pytest.importorskip(module)
    with pytest.raises(StudyError, match=said):
        export(tmp_path / "folder", to=to, study=small(parameters=FREE | changes), **options)


def test_a_folder_is_not_overwritten_and_none_is_left_if_writing_fails(tmp_path, monkeypatch):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("")
    with pytest.raises(CalibrateError, match="is not empty, and nothing is overwritten"):
        export(tmp_path / "full", to="nest")
    with pytest.raises(CalibrateError, match="there is no folder"):
        export(tmp_path / "no" / "folder", to="nest")

    def fill_the_disk(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("calibrate.network_export.graph_files.np.savez_compressed", fill_the_disk)
    with pytest.raises(CalibrateError, match=r"cannot write .*new: No space left on device"):
        export(tmp_path / "new", to="nest")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["full"]


def test_times_that_are_not_whole_steps_are_named(tmp_path):
    study = small(simulation={"backend": "nest", "dt_ms": 0.2, "warmup_ms": 0.0, "duration_ms": 20.0})
    exported = export(tmp_path / "folder", to="nest", study=study)
    assert "the delay of I_to_E_all of 0.7 ms is simulated as 0.8 ms, in whole steps" in exported.inexact


def test_long_simulations_of_large_networks_are_cut_by_default(tmp_path, monkeypatch):
    monkeypatch.setattr("calibrate.network_export.export.MOST_NEURON_MS", 100 * 250.0)
    assert export(tmp_path / "cut", to="nest").stop_ms == 220.0
    assert export(tmp_path / "whole", to="nest", duration_ms=280.0).stop_ms == 300.0
