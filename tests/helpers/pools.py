"""Setups and jobs for pools, and a model that ends or holds up its process."""

from __future__ import annotations

import pytest

from calibrate.simulation.jobs import Job, Setup, Timing
from calibrate.simulation.slot import Slot
from tests.helpers.networks import SMALL

QUICK = Setup(model="ei_clustered", backend="poisson")
SHORT = Timing(warmup_ms=10.0, duration_ms=100.0)
TREACHEROUS = """
import os, sys, time
from multiprocessing.connection import Connection
from calibrate.models.ei_clustered import ei_clustered
from calibrate.network import Model

def network(p):
    if p["s"] == 13:
        os.kill(os.getpid(), 9)
    if p["s"] == 14:
        time.sleep(60)
    print("this must not reach the user's standard output", flush=True)
    if p["s"] == 16:
        def die_sending(connection, message):
            os.write(connection.fileno(), bytes(message[:6]))
            os.kill(os.getpid(), 9)
        Connection._send_bytes = die_sending
    if p["s"] == 17 and not os.path.exists("slept"):
        open("slept", "w").close()
        time.sleep(60)
    if p["s"] == 15:
        raise RuntimeError("the plug-in is broken")
    return ei_clustered.network(p)

model = Model(
    name="treacherous",
    parameters=ei_clustered.parameters,
    make_network=network,
    make_values=ei_clustered.make_values,
)
"""


def candidates(*strengths: float) -> list[Job]:
    return [
        Job(uuid=f"candidate-{number}", parameters={**SMALL, "s": strength}, seed=number)
        for number, strength in enumerate(strengths)
    ]


def starts(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The processes that slots start from now on."""
    found: list[int] = []
    spawn = Slot._spawn

    def counted(slot: Slot) -> None:
        spawn(slot)
        found.append(slot.pid)

    monkeypatch.setattr(Slot, "_spawn", counted)
    return found
