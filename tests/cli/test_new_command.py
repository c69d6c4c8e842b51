"""`calibrate new`: what it writes is a study that can run, and what it refuses costs one line."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from calibrate import plugins, simulate
from calibrate.cli.commands import execute
from calibrate.network import FirstStudy, find_model
from calibrate.study import read_study, search_ranges
from calibrate.study.draft import Draft
from calibrate.study.file.samplers import SAMPLERS
from calibrate.study.file.sections import LISTS, TABLES
from calibrate.study.space import Range
from tests.helpers.studies import MODEL, STATISTIC

READY = [
    (name, parameter.name)
    for name in plugins.installed(plugins.MODELS)
    for parameter in search_ranges.searchable(find_model(name))
    if search_ranges.suggestion(find_model(name), parameter)
]


@pytest.fixture(autouse=True)
def _in_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.py").write_text(MODEL)
    (tmp_path / "statistics.py").write_text(STATISTIC)


def refused(capfd, *arguments: str, code: int = 2) -> str:
    """The one line that a command says; it leaves no file."""
    before = sorted(Path.cwd().rglob("*.toml"))
    assert execute(["new", *arguments]) == code
    out, err = capfd.readouterr()
    lines = [line for line in err.splitlines() if line != "models may print"]
    assert out.replace("models may print\n", "") == ""
    assert len(lines) == 1, err
    assert lines[0].startswith("error: ")
    assert sorted(Path.cwd().rglob("*.toml")) == before
    return lines[0]


@pytest.mark.parametrize(("model", "parameter"), READY)
def test_every_parameter_with_a_suggestion_makes_a_study(model, parameter):
    assert execute(["new", model, "--free", parameter, "-o", "x.toml"]) == 0
    study = read_study("x.toml")
    assert list(study.space) == [parameter]
    model_, own = study.model, study.model.parameter(parameter)
    assert all(own.checked(end) == end for end in study.space[parameter].ends)
    assert model_.network(study.parameters({}))


@pytest.mark.parametrize("model", plugins.installed(plugins.MODELS))
def test_all_of_its_parameters_stand_in_the_file(model):
    parameters = find_model(model).parameters
    number = next(parameter.name for parameter in parameters if parameter.kind is float and parameter.default)
    assert execute(["new", model, "--free", number]) == 0
    text = Path(f"{model}.toml").read_text()
    for parameter in parameters:
        assert re.search(rf'^(# )?"?{re.escape(parameter.name)}"? = .*{re.escape(parameter.doc)}', text, re.M)


def uncommented(text: str, *tables: str) -> str:
    """The file with the settings of all tables that have an effect, and of `tables`, which are examples."""
    lines, on = [], True
    for line in text.splitlines():
        header = re.match(r"(# )?(\[.+\])$", line)
        if header:
            on = not header[1] or header[2] in tables
            lines.append(header[2] if on else line)
        else:
            lines.append(re.sub(r'^# (?=[\w"+-]+ = (?!\.\.\.))', "", line) if on else line)
    return "\n".join(lines)


@pytest.mark.parametrize("model", ["ei_clustered", "larva"])
def test_a_comment_that_is_taken_away_says_what_holds_anyway(model):
    assert execute(["new", model]) == 0
    Path("all.toml").write_text(uncommented(Path(f"{model}.toml").read_text()))
    usual, explicit = read_study(f"{model}.toml"), read_study("all.toml")
    assert explicit.model.complete(explicit.fixed) == usual.model.complete(usual.fixed)
    assert explicit.objectives == usual.objectives
    for table in TABLES:
        if table not in ("study", "model"):
            assert getattr(explicit.file, table) == getattr(usual.file, table), table
    assert explicit.sampler == usual.sampler


def test_every_table_and_every_setting_is_in_the_file():
    assert execute(["new", "ei_clustered"]) == 0
    text = Path("ei_clustered.toml").read_text()
    sections = {f"[{name}]": section for name, section in TABLES.items()}
    sections |= {f"[[{name}]]": section for name, section in LISTS.items()}
    for header, section in {**sections, "[sampler]": SAMPLERS["bo"]}.items():
        (table,) = re.findall(rf"^(?:# )?{re.escape(header)}\n((?:.+\n)+)", text, re.M)[:1]
        shown = re.findall(r"^(?:# )?(\w+) = \S.* # \S", table, re.M)
        assert shown == list(section.model_fields), header


@pytest.mark.parametrize(
    "tables",
    [["[[constraints]]"], ["[[constraints]]", "[[stages]]"], ["[loop]"], ["[recording]"]],
    ids=lambda tables: tables[-1].strip("[]"),
)
def test_a_table_that_is_an_example_can_be_used(tables):
    assert execute(["new", "ei_clustered"]) == 0
    Path("recording.csv").write_text("time_ms,unit\n1.0,1\n9.0,1\n4.0,2\n")
    Path("all.toml").write_text(uncommented(Path("ei_clustered.toml").read_text(), *tables))
    file = read_study("all.toml").file
    for table in tables:
        assert getattr(file, table.strip("[]"))


@pytest.mark.parametrize("name", plugins.installed(plugins.MODELS))
def test_without_options_the_targets_are_those_of_known_parameters_inside_the_ranges(name, capfd):
    assert execute(["new", name]) == 0
    assert "Its targets are those of known parameters." in capfd.readouterr().out
    assert execute(["check", f"{name}.toml", "--fast", "--backend", "poisson"]) == 0
    study = read_study(f"{name}.toml")
    first = study.model.first_study
    known = study.model.complete(first.parameters)
    assert list(study.space) == sorted(first.ranges)
    assert {**known, **study.fixed} == known
    for parameter, domain in study.space.items():
        assert domain.low < known[parameter] < domain.high
    assert len(study.objectives) >= 3
    ends = [stimulus.stop_ms for stimulus in study.model.values(study.network, known).stimuli]
    assert study.simulation.warmup_ms + study.simulation.duration_ms >= max(ends, default=0.0)


def test_parameters_that_are_not_searched_keep_the_known_values():
    assert execute(["new", "ei_clustered", "--free", "g_EI", "--free", "R_J"]) == 0
    study = read_study("ei_clustered.toml")
    assert dict(study.space) == {"g_EI": Range(low=0.6, high=1.8), "R_J": Range(low=0.375, high=1.125)}
    assert study.fixed == find_model("ei_clustered").first_study.parameters


def test_the_known_parameters_of_the_balanced_network_meet_its_targets():
    assert execute(["new", "balanced"]) == 0
    study = read_study("balanced.toml", changes={"simulation.backend": "nest"})
    found = simulate(study, study.model.complete({}), spikes=False)
    for objective in study.objectives:
        assert objective.met(found.estimates[objective.name]), objective.name


def test_an_own_model_is_searched_as_it_suggests(tmp_path, capfd):
    first = "FirstStudy(ranges={'I_I': {'low': 0.9, 'high': 2.0}}, parameters={'I_E': 1.1})"
    text = MODEL.replace('name="tiny",', f'name="tiny", first_study={first},')
    (tmp_path / "tiny.py").write_text(f"from calibrate.network import FirstStudy\n{text}")
    assert execute(["new", "tiny.py:tiny"]) == 0
    study = read_study("tiny.toml")
    assert (dict(study.space), study.fixed) == ({"I_I": Range(low=0.9, high=2.0)}, {"I_E": 1.1})
    assert "Replace its targets with your own" in capfd.readouterr().out


def test_a_model_with_a_protocol_is_measured_until_it_ends():
    larva = replace(find_model("larva"), first_study=FirstStudy())
    study = Draft(
        path=Path("x.toml"), reference="larva", model=larva, free={"w_odour": {"low": 2.0, "high": 4.0}}
    ).write()
    assert study.simulation.warmup_ms + study.simulation.duration_ms == 300_300.0


def test_what_it_writes_passes_check_at_once(capfd):
    for arguments in (
        ["ei_clustered", "--free", "I_th_E", "--free", "J_E+=1.5:3", "--free", "connectivity"],
        ["balanced", "--free", "s", "--free", "g_EI", "-o", "b.toml", "--name", "first"],
        ["tiny.py:tiny"],
    ):
        assert execute(["new", *arguments]) == 0
    for file in ("ei_clustered.toml", "b.toml", "tiny.toml"):
        assert execute(["check", file, "--fast", "--backend", "poisson"]) == 0
    assert read_study("b.toml").name == "first"
    assert "Replace its targets with your own" in capfd.readouterr().out


def test_it_says_what_to_type_next(capsys):
    assert execute(["new", "balanced", "--free", "s", "--objective", "rate_E=4"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out == [
        "Wrote balanced.toml: s 0.5 to 1.5",
        "  calibrate check balanced.toml",
        "  calibrate run balanced.toml",
    ]


def test_with_json_nothing_else_is_on_standard_output():
    command = [sys.executable, "-m", "calibrate.cli", "new", "tiny.py:tiny", "--json"]
    done = subprocess.run([*command, "--free", "N_E=20:40"], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == {
        "file": "tiny.toml",
        "free": {"N_E": {"low": 20, "high": 40, "step": 2}},
        "next": ["calibrate check tiny.toml", "calibrate run tiny.toml"],
    }


def test_without_targets_of_the_model_there_is_a_rate_of_each_population_to_replace():
    assert execute(["new", "tiny.py:tiny", "--free", "I_E"]) == 0
    study = read_study("tiny.toml")
    aims = [(o.name, o.target.value, o.target.tolerance) for o in study.objectives]
    assert aims == [("rate_E", 5.0, 1.0), ("rate_I", 8.0, 1.5)]
    assert "REPLACE" in Path("tiny.toml").read_text()


@pytest.mark.parametrize(
    ("given_", "target", "tolerance"),
    [
        ("rate_E=6+-0.5", 6.0, 0.5),
        ("rate_E=6±0.5", 6.0, 0.5),
        ("rate_E=6", 6.0, 1.2),
        ("cv2_E=0+-0.1", 0.0, 0.1),
        ("statistics.py:peak=40+-10", 40.0, 10.0),
    ],
)
def test_a_target_takes_the_place_of_the_default_ones(given_, target, tolerance):
    assert execute(["new", "ei_clustered", "--free", "I_th_E", "--objective", given_]) == 0
    assert "known parameters" not in Path("ei_clustered.toml").read_text()
    (objective,) = read_study("ei_clustered.toml").objectives
    assert (objective.target.value, objective.target.tolerance) == (target, tolerance)


def test_the_number_of_graphs_is_left_to_the_measured_noise():
    options = ["--free", "I_th_E", "--objective", "dwell_time=150+-60"]
    assert execute(["new", "ei_clustered", *options]) == 0
    assert read_study("ei_clustered.toml").replicates.graphs == 1
    assert "`calibrate check` measures how much" in Path("ei_clustered.toml").read_text()


def test_files_are_named_as_seen_from_the_study(tmp_path):
    (tmp_path / "studies").mkdir()
    options = ["--free", "I_E", "--objective", "statistics.py:peak=40+-10", "-o", "studies/x.toml"]
    assert execute(["new", "tiny.py:tiny", *options]) == 0
    assert tomllib.loads(Path("studies/x.toml").read_text())["model"]["name"] == "../tiny.py:tiny"
    assert read_study("studies/x.toml").objectives[0].name == "peak"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ei_clusterd", "--free", "s"], "did you mean 'ei_clustered'"),
        (["balanced", "--free", "I_th_e"], "did you mean 'I_th_E'"),
        (["balanced", "--free", "V_r"], "its default is 0 mV, which suggests no range: write V_r=LOW:HIGH"),
        (["balanced", "--free", "J_EE"], "derived from others, which suggests no range: write J_EE=LOW:HIGH"),
        (["balanced", "--free", "stim_clusters"], "stim_clusters cannot be searched"),
        (["balanced", "--free", "s=2:1"], "LOW below HIGH"),
        (["balanced", "--free", "s=2"], "write s=LOW:HIGH, two numbers"),
        (["balanced", "--free", "s=a:b"], "write s=LOW:HIGH, two numbers"),
        (["balanced", "--free", "s=1:inf"], "s must be finite"),
        (["balanced", "--free", "s=-1:1"], "s must be at least 0"),
        (["balanced", "--free", "N_E=1.5:3"], "N_E takes a whole number"),
        (["balanced", "--free", "connectivity=1:2"], "connectivity cannot have a range"),
        (["ei_clustered", "--free", "N_Q=7:9"], "allows at most one value of N_Q from 7 to 9"),
        (["ei_clustered", "--free", "J_E+=1:9"], "J_E+ = 9 must lie between 0 and N_Q = 6"),
        (["balanced", "--free", "s", "--objective", "rate_E"], "write NAME=TARGET or"),
        (["balanced", "--free", "s", "--objective", "rate_E=five"], "write NAME=TARGET or"),
        (["balanced", "--free", "s", "--objective", "rate_E=nan"], "write NAME=TARGET or"),
        (["balanced", "--free", "s", "--objective", "rate_E=0"], "a target of 0 needs a tolerance"),
        (["balanced", "--free", "s", "--objective", "rate_X=5"], "refers to an unknown population"),
        (["balanced", "--free", "s", "--objective", "rat_E=5"], "there is no 'rat_E'"),
        (["balanced", "--free", "s", "--objective", "rate_E=5+-0"], "tolerance"),
        (["balanced", "--free", "s", "-o", "no/x.toml"], "the folder no for x.toml does not exist"),
        (["balanced", "--free", "s", "--name", "a b"], "[study] name"),
    ],
)
def test_what_cannot_be_costs_one_line_and_leaves_nothing(capfd, arguments, message):
    assert message in refused(capfd, *arguments)


def test_texts_of_several_lines_do_not_break_the_file(tmp_path):
    text = MODEL.replace('doc="for tests"', 'doc="for\\ntests"')
    (tmp_path / "tiny.py").write_text(text.replace('name="tiny",', 'name="my tiny one", doc="a\\nb",'))
    assert execute(["new", "tiny.py:tiny", "--free", "I_E"]) == 0
    assert read_study("tiny.toml").model.name == "my tiny one"


def test_no_file_is_overwritten(capfd):
    Path("balanced.toml").write_text("mine")
    assert "balanced.toml already exists" in refused(capfd, "balanced", "--free", "s")
    assert Path("balanced.toml").read_text() == "mine"


def test_nothing_to_suggest_is_asked_for(tmp_path, capfd):
    no_floats = re.sub(r'number\("(I_E|I_I|J.|deadly_above|wrong_above)", .*\),', "", MODEL)
    (tmp_path / "tiny.py").write_text(no_floats)
    assert "with --free NAME[=LOW:HIGH]: N_E, N_Q, rule" in refused(capfd, "tiny.py:tiny")
