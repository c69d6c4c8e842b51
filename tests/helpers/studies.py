"""A study that runs in no time, for tests of everything but simulators: Poisson neurons, a model of its own.

The model can be told to make trouble, in the processes that simulate only: to die, to raise, to take its
time.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from calibrate.study import Study, read_study
from calibrate.study.file.samplers import SAMPLERS
from calibrate.study.file.sections import LISTS, TABLES, DerivedParameter, FreeParameter

MODEL = """
import os, sys, time
from calibrate.errors import ModelError
from calibrate.network import Model, Network, Parameter, Population, UniformPotential, Values

def _make_trouble(p):
    if "calibrate.simulation.local_pool" in sys.modules:  # the process that runs the study
        return
    time.sleep(p["pause_s"])
    if p["I_E"] > p["deadly_above"]:
        os.kill(os.getpid(), 9)
    if p["I_E"] > p["wrong_above"]:
        raise RuntimeError("the plug-in is broken")

def make_network(p):
    print("models may print")
    if p["N_E"] % p["N_Q"]:
        raise ModelError(f"N_E = {p['N_E']} must be divisible by N_Q = {p['N_Q']}")
    if p["I_E"] + p["I_I"] > 11:
        raise ModelError(f"I_E + I_I = {p['I_E'] + p['I_I']:g} must not be above 11")
    return Network(
        populations=(Population(name="E", size=p["N_E"], clusters=p["N_Q"]), Population(name="I", size=10)),
        projections=(),
    )

def make_values(network, p):
    _make_trouble(p)
    neuron = {"V_th": 20.0, "E_L": 0.0, "C_m": 1.0, "tau_m": 20.0}
    return Values(
        neurons={"E": {**neuron, "I_e": p["I_E"]}, "I": {**neuron, "I_e": p["I_I"]}},
        weights={},
        initial={name: UniformPotential(0.0, 20.0) for name in "EI"},
    )

def number(name, default, **more):
    return Parameter(name=name, default=default, unit="", doc="for tests", **more)

tiny = Model(
    name="tiny",
    parameters=(
        number("N_E", 40, kind=int, low=1, tier="code"),
        number("N_Q", 2, kind=int, low=1, tier="code"),
        number("I_E", 1.0, low=0.0, high=10.0),
        number("I_I", 1.0, low=0.0),
        number("J+", 1.0, low=0.0),
        number("rule", "a", kind=str, choices=("a", "b"), tier="code"),
        number("flag", False, kind=bool),
        number("deadly_above", 1e9),
        number("wrong_above", 1e9),
        number("pause_s", 0.0),
    ),
    make_network=make_network,
    make_values=make_values,
)
"""

STATISTIC = """
from calibrate.objective import Estimate, Needs, statistic

@statistic(unit="Hz", needs=Needs(bin_ms=5.0))
def peak(observation, *, population="E"):
    "Highest rate in 5 ms."
    return observation.group_counts(population, 5.0).max() / 0.2

@statistic(needs=Needs())
def broken(observation):
    "Raises for every observation."
    return 1 / 0

@statistic(needs=Needs())
def undefined(observation):
    "Never defined."
    return Estimate(float("nan"), shortfall=0.5, note="by design")

thirteen = 13
"""

Tables = Mapping[str, Any]

RATE_E: dict[str, Any] = {"statistic": "rate_E", "target": 5.0, "tolerance": 1.0, "source": "a recording"}
RATE_I: dict[str, Any] = {"statistic": "rate_I", "interval": [9, 11], "tolerance": 2.0}
CONSTRAINT: dict[str, Any] = {"statistic": "rate_E", "max": 10.0}
STAGE: dict[str, Any] = {"duration_ms": 500, "warmup_ms": 100}
DEFAULTS: Tables = {
    "study": {"seed": 3},
    "model": {"name": "tiny.py:tiny"},
    "parameters": {"I_E": {"low": 0.1, "high": 4.0}, "J+": 2, "I_I": {"low": 0.1, "high": 4.0}},
    "simulation": {"backend": "poisson", "dt_ms": 1.0, "warmup_ms": 0.0, "duration_ms": 2000},
    "objectives": [RATE_E, RATE_I],
    "sampler": {"name": "random"},
    "budget": {"trials": 8},
    "replicates": {"confirm": 0, "fresh": 0},
}

KEYS = {name: set(section.model_fields) for name, section in {**TABLES, **LISTS}.items()}
KEYS["sampler"] = {key for section in SAMPLERS.values() for key in section.model_fields}
PARAMETER_KEYS = {*FreeParameter.model_fields, *DerivedParameter.model_fields}


def tables(*changes: Tables, **more: Any) -> dict[str, Any]:
    """The tables of the study with `changes` made to them, one after another.

    Keys are merged into their table, and lists of tables are replaced; a key or table that is None is left
    out. Raises KeyError for a table or key that no study file has.
    """
    found: dict[str, Any] = dict(DEFAULTS)
    for change in (*changes, more):
        for name, table in change.items():
            before = found.get(name) or {}
            _check(name, table, before)
            found[name] = {**before, **table} if isinstance(table, Mapping) else table
    return {name: _without_none(table) for name, table in found.items() if table is not None}


def _check(name: str, table: Any, before: Any) -> None:
    table = table or {}
    if name == "parameters":  # named by the model
        unknown = {key for key, value in table.items() if value is None} - set(before)
        for value in table.values():
            unknown |= set(value) - PARAMETER_KEYS if isinstance(value, Mapping) else set()
    else:
        listed = table if isinstance(table, list) else [table]
        unknown = {key for one in listed for key in one} - KEYS[name]
    if unknown:
        raise KeyError(f"[{name}] has no {sorted(unknown)}")


def _without_none(table: Any) -> Any:
    if isinstance(table, list):
        return [_without_none(one) for one in table]
    return {key: value for key, value in table.items() if value is not None}


def as_toml(tables: Tables) -> str:
    """A study file as a person writes it: a key a line."""
    written = []
    for name, table in tables.items():
        for one in table if isinstance(table, list) else [table]:
            head = f"[[{name}]]" if isinstance(table, list) else f"[{name}]"
            lines = [f"{_key(key)} = {_value(value)}" for key, value in one.items()]
            written.append("\n".join([head, *lines]))
    return "\n\n".join(written) + "\n"


def _key(name: str) -> str:
    return name if re.fullmatch(r"[\w-]+", name, re.ASCII) else json.dumps(name)


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{_key(key)} = {_value(inner)}' for key, inner in value.items())} }}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    return json.dumps(value, ensure_ascii=False)


STUDY = as_toml(DEFAULTS)


def write_text(folder: Path, text: str, *, name: str = "small") -> Path:
    """A study file that says this, its model and statistics beside it."""
    (folder / "tiny.py").write_text(MODEL)
    (folder / "statistics.py").write_text(STATISTIC)
    path = folder / f"{name}.toml"
    path.write_text(text)
    return path


def write_study(folder: Path, *changes: Tables, name: str = "small", **more: Any) -> Path:
    """The file of the study with these `tables`."""
    return write_text(folder, as_toml(tables(*changes, **more)), name=name)


def small_study(folder: Path, *changes: Tables, name: str = "small", **more: Any) -> Study:
    """The study in that file."""
    return read_study(write_study(folder, *changes, name=name, **more))


def edited(*changes: tuple[str, str], text: str = STUDY) -> str:
    """The text of the study with (old, new) replaced, for tests of text; each old one must be there once."""
    for old, new in changes:
        if text.count(old) != 1:
            raise ValueError(f"{old!r} is there {text.count(old)} times")
        text = text.replace(old, new)
    return text
