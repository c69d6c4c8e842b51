"""`calibrate harden`: what it prints, stores, shows and reports, and its exit codes."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from calibrate.cli.commands import execute
from tests.helpers.studies import write_study

FAST = ("--bits", "8", "--graphs", "1", "--chips", "3", "--slots", "1", "--quiet")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A finished study whose [hardware] is a platform without limits."""
    folder = tmp_path_factory.mktemp("study")
    path = write_study(folder, budget={"trials": 3}, hardware={"target": "custom"})
    assert execute(["run", str(path), "--quiet", "--slots", "1"]) == 0
    return str(path)


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = execute(list(arguments))
    out, err = capsys.readouterr()
    return code, out, err


def test_the_whole_command_from_its_tables_to_what_is_shown_and_copied(study, capsys, tmp_path):
    code, out, err = printed(capsys, "harden", study, "--trial", "0", *FAST)
    assert code in (0, 1)
    assert ("error: trial 0: " in err) == (code == 1)
    assert "chips of custom" in out
    assert "Ladder of bits, 1 graph" in out
    assert out.rstrip().splitlines()[-1].startswith("Trial 0: ")
    assert "chips of custom" in printed(capsys, "show", study, "--trial", "0")[1]

    # The same again, as JSON, and with the same code: from what is stored.
    again, out, _ = printed(capsys, "harden", study, "--trial", "0", *FAST, "--json")
    found = json.loads(out)
    assert again == code == int(not found["good"])
    assert {"fit", "units", "ladder", "least_bits", "chips"} <= set(found)
    assert found["chips"]["of"] == 3
    assert found["chips"]["words"].endswith(f"on {found['chips']['survived']} of 3 chips")
    (shown,) = json.loads(printed(capsys, "show", study, "--json")[1])["hardening"]
    assert shown["ladder"] == found["ladder"]

    target = f"sqlite:///{tmp_path}/copy.db"
    copied = json.loads(printed(capsys, "copy", study, "--to", target, "--json")[1])
    assert copied["hardenings"] == 2
    with sqlite3.connect(tmp_path / "copy.db") as connection:
        (rows,) = connection.execute("select count(*) from calibrate_variant").fetchone()
    assert rows == 3 + 1 + 3  # exact, a rung, chips


def test_the_report_of_the_best_trial_has_a_section_on_hardware(study, capsys, tmp_path):
    best = json.loads(printed(capsys, "show", study, "--json")[1])["best"]["number"]
    code, *_ = printed(capsys, "harden", study, "--limit", "threshold_cv=0.05", *FAST)
    page = tmp_path / "page.html"
    assert code in (0, 1)
    assert printed(capsys, "report", study, "--output", str(page), "--no-simulation")[0] == 0
    text = page.read_text()
    assert 'id="hardware"' in text
    assert f"custom: trial {best} " in text
    assert 'id="ladder-custom-' in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--bits", "64"), "bits of a weight must be from 2 to 32, not 64 (--bits)"),
        (("--target", "spinaker"), "did you mean 'spinnaker'"),
        (("--limit", "weight_bits"), "--limit weight_bits: write NAME=VALUE"),
        (("--trial", "77"), "has no trial 77"),
        (("--units", "SI"), 'units must be "best" or "given"'),
        (("--backend", "nest", "--chips", "1"), "chips must be at least 3, not 1"),
    ],
)
def test_a_mistake_costs_one_clear_line(study, capsys, arguments, message):
    code, _, err = printed(capsys, "harden", study, *arguments)
    assert code == 2
    (line,) = err.strip().splitlines()
    assert message in line


def test_a_study_that_has_not_begun_is_not_hardened(capsys, tmp_path):
    path = write_study(Path(tmp_path))
    code, _, err = printed(capsys, "harden", str(path), "--target", "custom")
    assert (code, err.count("run it first")) == (2, 1)
