"""A study that runs in no time, for tests of everything but simulators: Poisson neurons, a model of its own.

The model can be told to make trouble, in the processes that simulate only: to die, to raise, to take its
time.
"""

from __future__ import annotations

from pathlib import Path

from calibrate.study import Study, read_study

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

STUDY = """
[study]
seed = 3

[model]
name = "tiny.py:tiny"

[parameters]
I_E = { low = 0.1, high = 4.0 }
"J+" = 2
I_I = { low = 0.1, high = 4.0 }

[simulation]
backend = "poisson"
dt_ms = 1.0
warmup_ms = 0.0
duration_ms = 2000

[[objectives]]
statistic = "rate_E"
target = 5.0
tolerance = 1.0
source = "a recording"

[[objectives]]
statistic = "rate_I"
interval = [9, 11]
tolerance = 2.0

[sampler]
name = "random"

[budget]
trials = 8

[replicates]
confirm = 0
fresh = 0
""".lstrip()

CONSTRAINT = '[[constraints]]\nstatistic = "rate_E"\nmax = 10.0\n'

STAGE = "\n[[stages]]\nduration_ms = 500\nwarmup_ms = 100\n"


def write_study(folder: Path, *changes: tuple[str, str], name: str = "small") -> Path:
    """The study file with `changes` (old text, new text) made, its model and statistics beside it."""
    (folder / "tiny.py").write_text(MODEL)
    (folder / "statistics.py").write_text(STATISTIC)
    text = STUDY
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    path = folder / f"{name}.toml"
    path.write_text(text)
    return path


def small_study(folder: Path, *changes: tuple[str, str], name: str = "small") -> Study:
    """The study in that file."""
    return read_study(write_study(folder, *changes, name=name))
