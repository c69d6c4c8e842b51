"""The JSON schema of study files: fresh, true to the studies there are, and strict about broken ones."""

from __future__ import annotations

import copy
import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from calibrate.study.file import sections as file
from calibrate.study.file.samplers import SAMPLERS
from calibrate.study.json_schema import json_schema
from tests.helpers.studies import STUDY

ROOT = Path(__file__).parents[2]
STUDIES = sorted((ROOT / "studies").glob("*.toml"))
VALIDATOR = Draft202012Validator(json_schema())


def accepted(tables: dict[str, Any]) -> bool:
    return VALIDATOR.is_valid(tables)


def changed(*place: str | int, value: Any) -> dict[str, Any]:
    """The small study with another value at a place; None takes it out."""
    tables: Any = copy.deepcopy(tomllib.loads(STUDY))
    at = tables
    for key in place[:-1]:
        at = at[key] if isinstance(key, int) else at.setdefault(key, {})
    if value is None:
        del at[place[-1]]
    else:
        at[place[-1]] = value
    return dict(tables)


def test_the_committed_schema_is_fresh():
    committed = json.loads((ROOT / "docs/study.schema.json").read_text())
    remedy = "make it anew: python -m calibrate.study.json_schema > docs/study.schema.json"
    assert committed == json_schema(), remedy


def test_it_is_a_valid_schema():
    Draft202012Validator.check_schema(json_schema())


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_every_study_validates(path):
    assert [error.message for error in VALIDATOR.iter_errors(tomllib.loads(path.read_text()))] == []


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_every_study_names_the_schema_for_editors(path):
    directive, _, where = path.read_text().splitlines()[0].partition(" ")
    assert directive == "#:schema"
    assert (path.parent / where).resolve() == ROOT / "docs/study.schema.json"


@pytest.mark.parametrize("section", [*file.TABLES.values(), *file.LISTS.values(), *SAMPLERS.values()])
def test_every_key_is_described(section):
    described = json_schema()["$defs"][section.__name__]
    assert described["additionalProperties"] is False
    for name, field in section.model_fields.items():
        assert described["properties"][name]["description"] == field.description


@pytest.mark.parametrize(
    "tables",
    [
        tomllib.loads(STUDY),
        changed("model", "name", value="a_package.of_mine:Model"),
        changed("objectives", 0, "statistic", value="own.py:peak"),
        changed("parameters", "a parameter of mine", value=3),
        changed("parameters", "N_I", value={"expression": "N_E / 4"}),
        changed("parameters", "connectivity", value={"choices": ["bernoulli", "fixed_indegree"]}),
        changed("sampler", value={"name": "nsga2", "population": 30}),
        changed("prior", "points", value=[{"I_E": 2.0}]),
        changed("constraints", value=[{"statistic": "rate_E", "max": 60.0}]),
    ],
)
def test_good_tables_are_accepted(tables):
    assert accepted(tables)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("model",), None),
        (("model", "name"), None),
        (("model", "name"), ""),
        (("model", "file"), "own.py"),
        (("objectives",), None),
        (("objectives",), []),
        (("objectives", 0, "tolerance"), None),
        (("objectives", 0, "tolerance"), 0),
        (("objectives", 0, "target"), None),
        (("objectives", 0, "target"), "five"),
        (("objectives", 0, "interval"), [4, 6]),
        (("objectives", 1, "interval"), [4, 6, 8]),
        (("objectives", 0, "tolerence"), 1.0),
        (("constraints",), [{"statistic": "rate_E"}]),
        (("parameters", "I_E"), {"low": 1.0}),
        (("parameters", "I_E"), {"low": 1.0, "high": 2.0, "choices": [1, 2]}),
        (("parameters", "I_E"), {"expression": "1", "low": 1.0}),
        (("parameters", "I_E"), {"choices": [1]}),
        (("simulation", "backend"), "brian"),
        (("simulation", "duration_ms"), 0),
        (("simulation", "duration"), 1000),
        (("sampler",), {}),
        (("sampler",), {"startup": 10}),
        (("sampler", "name"), "annealing"),
        (("sampler", "population"), 10),  # none of random's
        (("stages",), [{"warmup_ms": 100.0}]),
        (("replicates", "graphs"), 0),
        (("budget", "trials"), "many"),
        (("study", "seed"), -1),
        (("simulations",), {}),
    ],
)
def test_broken_tables_are_refused(place, value):
    assert not accepted(changed(*place, value=value))
