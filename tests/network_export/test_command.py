"""`calibrate export-network`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from calibrate.cli.commands import execute

pytestmark = pytest.mark.usefixtures("in_tmp_path")

STUDY = """
[model]
name = "balanced"

[parameters]
N_E = 40
N_I = 10
I_th_E = { low = 1.0, high = 2.0 }

[simulation]
backend = "nest"
warmup_ms = 20.0
duration_ms = 80.0

[[objectives]]
statistic = "rate_E"
target = 5.0
tolerance = 1.0

[replicates]
confirm = 0
fresh = 0

[budget]
trials = 2
"""


@pytest.fixture
def study(tmp_path: Path) -> str:
    (tmp_path / "small.toml").write_text(STUDY)
    return "small.toml"


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert execute(["export-network", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    lines = [line for line in err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, err
    return lines[0]


def test_the_best_trial_is_exported_by_default(study, capsys):
    assert execute(["run", study, "--slots", "1", "--quiet"]) == 0
    capsys.readouterr()
    assert execute(["show", study, "--json"]) == 0
    best = json.loads(capsys.readouterr().out)["best"]
    assert execute(["export-network", study, "--to", "nest", "--json", "--set", "N_I=20"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["folder"], found["to"], found["trial"]) == ("small.nest", "nest", best["number"])
    assert found["parameters"]["I_th_E"] == best["params"]["I_th_E"]
    assert (found["neurons"], found["lost"], found["graph"]) == (60, [], 0)
    on_disk = {path.name for path in Path("small.nest").iterdir()}
    assert on_disk == set(found["files"])
    assert f"Trial {best['number']} of study small" in Path("small.nest", "README.md").read_text()
    assert "is not empty" in refused(capsys, study, "--to", "nest")
    assert "has no trial 7" in refused(capsys, study, "--to", "pynn", "--trial", "7")


def test_a_study_without_trials_needs_parameters(study, capsys):
    assert "holds no study 'small' yet" in refused(capsys, study, "--to", "nest")
    assert execute(["export-network", study, "--to", "nest", "--set", "I_th_E=1.7", "-o", "here"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("Wrote here: the network of study small for NEST, graph 0: 50 neurons, ")
    assert "cd here && python check.py" in out
    assert "in the middle of their ranges" in err


def test_wrong_options_cost_one_line_before_anything_is_simulated(study, capsys):
    assert "did you mean 'nest'?" in refused(capsys, study, "--to", "nset")
    known = ["--to", "nest", "--set", "I_th_E=1.7"]
    assert "--connectivity rule" in refused(capsys, study, *known, "--connectivity", "rule")
    assert "there is no folder" in refused(capsys, study, *known, "--output", "no/where")
    assert "has no parameter 'I'" in refused(capsys, study, "--to", "nest", "--set", "I=1")


def test_poisson_neurons_are_no_network(tmp_path, capsys):
    poisson = tmp_path / "poisson.toml"
    poisson.write_text(STUDY.replace('"nest"', '"poisson"'))
    assert "simulates Poisson neurons" in refused(
        capsys, "poisson.toml", "--to", "nest", "--set", "I_th_E=1.5"
    )


def test_a_network_that_is_searched_under_limits_leaves_exact(study, tmp_path, capsys):
    text = (tmp_path / study).read_text()
    limits = '\n[hardware]\ntarget = "custom"\nweight_bits = 4\nsearch = true\n'
    (tmp_path / "limited.toml").write_text(text + limits)
    exported = {}
    for file in (study, "limited.toml"):
        assert (
            execute(["export-network", file, "--set", "I_th_E=1.8", "--to", "nest", "--output", file[:-5]])
            == 0
        )
        exported[file] = capsys.readouterr().out
    assert "without the limits of custom" not in exported[study]
    assert "It is exact, without the limits of custom" in " ".join(exported["limited.toml"].split())
    assert "without the limits of custom" in (tmp_path / "limited" / "README.md").read_text()
    spikes = [np.load(tmp_path / name / "expected_spikes.npz") for name in ("small", "limited")]
    assert all(np.array_equal(spikes[0][name], spikes[1][name]) for name in spikes[0].files)
