"""Time stands still while the whole process is paused: nothing is late because of Ctrl-Z."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from calibrate.simulation import running_time
from calibrate.simulation.running_time import RunningTime


@pytest.fixture
def clock(monkeypatch):
    """Sets the time and how long the process has computed."""

    def set_to(now: float, computed_s: float) -> None:
        monkeypatch.setattr(time, "monotonic", lambda: now)
        monkeypatch.setattr(time, "process_time", lambda: computed_s)

    set_to(100.0, 0.0)
    return set_to


def test_a_gap_between_readings_is_a_pause_unless_the_process_computed(clock):
    running = RunningTime()
    clock(100.5, 0.0)
    assert running.read() == (100.5, 0.0)
    clock(3700.5, 0.01)  # Ctrl-Z for an hour
    assert running.read() == (100.5, 3600.0)
    clock(3710.5, 9.0)  # ten seconds in one call of a function in C, in which no other thread runs
    assert running.read() == (110.5, 3600.0)
    clock(3711.5, 9.0)  # a second of waiting
    assert running.read() == (111.5, 3600.0)


def test_a_process_that_is_stopped_and_continued_does_not_count_the_time_between():
    code = (
        "import time; from calibrate.simulation import running_time as r; r.PAUSE_S = 0.2; r.TICK_S = 0.05; "
        "began, wall = r.running_s(), time.monotonic(); print('begun', flush=True); input(); "
        "print(r.running_s() - began, time.monotonic() - wall, r.paused_s())"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    os.kill(process.pid, signal.SIGSTOP)
    time.sleep(0.5)
    os.kill(process.pid, signal.SIGCONT)
    out, _ = process.communicate("\n")
    running_s, wall_s, paused_s = map(float, out.split())
    assert paused_s >= 0.4
    assert running_s == pytest.approx(wall_s - paused_s, abs=0.01)


def test_time_runs_as_usual_otherwise():
    before, wall = running_time.running_s(), time.monotonic()
    time.sleep(0.1)
    assert running_time.running_s() - before == pytest.approx(time.monotonic() - wall, abs=0.05)
