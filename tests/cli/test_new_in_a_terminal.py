"""`calibrate new` in a terminal: it asks what to search."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

from calibrate.study import read_study
from tests.helpers.studies import MODEL, STATISTIC
from tests.helpers.waiting import PATIENCE_S


@pytest.fixture(autouse=True)
def _in_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.py").write_text(MODEL)
    (tmp_path / "statistics.py").write_text(STATISTIC)


class Terminal:
    """`calibrate new` in a pseudo-terminal."""

    def __init__(self, *arguments: str) -> None:
        self.master, slave = pty.openpty()
        self.shown, self.read = "", 0
        self.process = subprocess.Popen(
            [sys.executable, "-m", "calibrate.cli", "new", *arguments],
            preexec_fn=lambda: os.login_tty(slave),  # as its own terminal, which Ctrl-C comes from
            pass_fds=[slave],
            env={**os.environ, "COLUMNS": "100", "TERM": "xterm", "NO_COLOR": "1"},
        )
        os.close(slave)

    def answer(self, question: str, text: str) -> None:
        self._read_until(question)
        os.write(self.master, text.encode())

    def _read_until(self, text: str | None) -> None:
        """Read until `text` comes after what was read for before; None: until the end."""
        deadline = time.monotonic() + PATIENCE_S
        while (text is None or text not in self.shown[self.read :]) and time.monotonic() < deadline:
            if select.select([self.master], [], [], 1)[0]:
                try:
                    self.shown += os.read(self.master, 4096).decode(errors="replace")
                except OSError:  # its other end was closed
                    break
        if text is not None:
            self.read = self.shown.index(text, self.read) + len(text)

    def end(self) -> int:
        self._read_until(None)
        os.close(self.master)
        return self.process.wait(timeout=PATIENCE_S)


def test_in_a_terminal_it_asks_what_to_search():
    terminal = Terminal("ei_clustered")
    terminal.answer("Search which?", "I_th_E, 98\n")
    assert "connection probability" in terminal.shown
    terminal.answer("There is no 98", "")
    terminal.answer("Search which?", "I_th_E, 3 V_r connectivity J_EE\n")
    terminal.answer("I_th_E (default 1.25 rheobase), LOW:HIGH, Enter for 1.6 to 2.8: ", "\n")
    terminal.answer("N_Q (default 6), LOW:HIGH, Enter for 3 to 6: ", "x\n")
    terminal.answer("write N_Q=LOW:HIGH", "")
    terminal.answer("N_Q (default", "4:6\n")
    terminal.answer("V_r (default 0 mV), LOW:HIGH: ", "\n")
    terminal.answer("write V_r=LOW:HIGH", "")
    terminal.answer("V_r (default", "-5:5\n")
    terminal.answer("J_EE (pA), LOW:HIGH: ", "0.1:2\n")
    assert terminal.end() == 0, terminal.shown
    tables = tomllib.loads(Path("ei_clustered.toml").read_text())
    assert tables["parameters"] == {
        "I_th_E": {"low": 1.6, "high": 2.8},
        "N_Q": {"low": 4, "high": 6},
        "V_r": {"low": -5.0, "high": 5.0},
        "connectivity": {"choices": ["fixed_indegree", "bernoulli"]},
        "J_EE": {"low": 0.1, "high": 2.0},
        "I_th_I": 1.24,
        "J_E+": 3.0,
    }
    assert "calibrate run ei_clustered.toml" in terminal.shown


def test_an_empty_answer_takes_the_suggested_handful():
    terminal = Terminal("balanced", "--json")
    terminal.answer("(Enter for I_th_E, I_th_I, g_EI): ", "\n")
    for name in ("I_th_E", "I_th_I", "g_EI"):
        terminal.answer(f"{name} (default", "\n")
    assert terminal.end() == 0, terminal.shown
    assert list(read_study("balanced.toml").space) == ["I_th_E", "I_th_I", "g_EI"]


@pytest.mark.parametrize("key", ["\x03", "\x04"])
def test_ctrl_c_and_ctrl_d_leave_without_a_file(key):
    terminal = Terminal("balanced")
    terminal.answer("Search which?", key)
    assert terminal.end() == 130
    assert "Traceback" not in terminal.shown
    assert not Path("balanced.toml").exists()
