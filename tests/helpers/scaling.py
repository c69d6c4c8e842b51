"""A network of any size without connections, measurements that were made up, and an interrupt."""

from __future__ import annotations

from typing import Any

import pytest

from calibrate.calibration.resources.measurement import Measurement
from calibrate.calibration.resources.scaling import Scaling, growth_of
from calibrate.simulation import probe

MODEL = """
from calibrate.network import Model, Network, Parameter, Population, UniformPotential, Values

def make_network(p):
    return Network(
        populations=(
            Population(name="E", size=4 * p["N"] // 5, clusters=p["N_Q"]),
            Population(name="I", size=p["N"] // 5),
            Population(name="X", size=p["N_X"]),
        ),
        projections=(),
    )

def make_values(network, p):
    neuron = {"V_th": 20.0, "E_L": 0.0, "C_m": 1.0, "tau_m": 20.0, "I_e": p["drive"]}
    names = [population.name for population in network.populations]
    return Values(
        neurons={name: neuron for name in names},
        weights={},
        initial={name: UniformPotential(0.0, 20.0) for name in names},
    )

def whole(name, default):
    return Parameter(name=name, default=default, unit="", doc="for tests", kind=int, low=1, tier="code")

sized = Model(
    name="sized",
    parameters=(
        whole("N", 100),
        whole("N_X", 20),
        whole("N_Q", 4),
        whole("seconds", 2),
        Parameter(name="drive", default=1.0, unit="pA", doc="for tests", low=0.0),
    ),
    make_network=make_network,
    make_values=make_values,
)
"""

STUDY = """
[model]
name = "sized.py:sized"

[parameters]
drive = { low = 1.0, high = 3.0 }

[simulation]
backend = "poisson"
dt_ms = 1.0
duration_ms = 1000

[[objectives]]
statistic = "rate_E"
target = 10.0
tolerance = 1.0

[budget]
trials = 8
"""


def measured(neurons: int, factor: float, **changes: Any) -> Measurement:
    given = {
        "backend": "nest", "batch_size": 1, "neurons": neurons, "synapses": neurons**2, "build_s": 1.0,
        "duration_ms": 2000.0, "walls_s": (2 * factor,), "rate_hz": 5.0, "memory_bytes": 1000 * neurons**2,
        "simulator": {"name": "nest", "device": "cpu"},
    }  # fmt: skip
    return Measurement(**{**given, **changes})


def scaling_of(*measurements: Measurement) -> Scaling:
    return Scaling(
        study="made up", measurements=measurements, omitted=(), growth=growth_of(measurements), notes=(),
        interrupted=False,
    )  # fmt: skip


def interrupted_after(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C while the measurement number `count` + 1 runs."""
    batches: list[Any] = []
    simulate = probe.Pool.run

    def run(pool: Any, candidates: Any, **more: Any) -> Any:
        batches.append(pool)
        if len(set(map(id, batches))) > count:
            raise KeyboardInterrupt
        return simulate(pool, candidates, **more)

    monkeypatch.setattr(probe.Pool, "run", run)
