"""How a run is shown: gauges, drawings, lines."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from calibrate.calibration.progress import Progress
from calibrate.calibration.trials.summary import TargetResult, TrialSummary
from calibrate.tasks.display import (
    Notebook,
    Nothing,
    Plain,
    Terminal,
    display,
    drawn,
    duration,
    gauge,
    summary,
)


def target(reached: float | None, **more: Any) -> TargetResult:
    wanted = {"target": 10.0, "tolerance": 2.0, **more}
    middle = sum(wanted["target"]) / 2 if isinstance(wanted["target"], tuple) else wanted["target"]
    met = reached is not None and abs(reached - middle) <= wanted["tolerance"]
    return TargetResult(name="rate_E", reached=reached, met=met, unit="Hz", note="", **wanted)


def progress(**more: Any) -> Progress:
    best = TrialSummary(
        number=7,
        params={"a": 1.5, "b": "x"},
        parameters={},
        loss=0.25,
        graphs=5,
        statistics={},
        targets=[target(11.0), target(None)],
    )
    given: dict[str, Any] = {
        "done": 20, "failed": 2, "total": 60, "batch": 4, "returned": 1, "added": 20, "elapsed_s": 65.0,
        "starting_s": 5.0, "best": best, "last_failure": "it broke", **more,
    }  # fmt: skip
    return Progress(**given)


def text(name: str, shown: Progress | None, width: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width)
    console.print(drawn(name, shown, since_s=3.2, width=width))
    return [line.rstrip() for line in console.file.getvalue().splitlines()]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("reached", "expected"),
    [
        (10.0, "······[·●·]······"),
        (11.9, "······[··●]······"),
        (8.1, "······[●··]······"),
        (12.1, "······[···]●·····"),
        (5.0, "···●··[···]······"),
        (100.0, "······[···]·····▶"),
        (-100.0, "◀·····[···]······"),
        (None, "······[···]······"),
    ],
)
def test_a_gauge_shows_inside_or_outside_of_the_tolerance(reached, expected):
    assert gauge(target(reached)) == expected


def test_a_gauge_of_an_interval_has_its_ends_as_brackets():
    assert gauge(target(9.0, target=(8.0, 12.0))) == "······[●··]······"
    assert gauge(target(13.0, target=(8.0, 12.0))) == "······[···]●·····"


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_drawing_says_how_far_the_run_is_and_where_its_targets_stand(width):
    lines = text("quick", progress(), width)
    assert max(map(len, lines)) <= width
    assert "21" not in lines[0].split("/")[0]  # a network that is back is no trial yet
    assert "20/60 trials" in lines[0]
    assert "20/min" in lines[0] or width == 60
    assert lines[1] == "best: trial 7, loss 0.25 over 5 graphs, 1 of 2 targets met"
    assert lines[2].startswith("✓ rate_E")
    assert ("[··●]" in lines[2]) == (width > 72)
    assert lines[3].startswith("✗ rate_E")
    assert "undefined" in lines[3]
    assert lines[4] == "2 failed, last failure: it broke"
    assert lines[5] == "simulating 3 for 3 s"


def test_before_the_first_trial_a_drawing_says_so():
    assert text("quick", None, 80) == ["quick: starting"]
    assert text("quick", progress(best=None, failed=0), 80)[1] == "no trial has completed yet"


def test_where_there_is_no_terminal_lines_are_printed_seldom():
    console = Console(file=io.StringIO(), width=200)
    with display(console) as shown:
        assert isinstance(shown, Plain)
        shown.start("quick")
        shown.say("Simulating with nest.")
        for done in range(10):
            shown(progress(done=done, batch=0))
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert lines[0] == "Simulating with nest."
    assert lines[1].startswith("quick: 0/60 trials, best loss 0.25 (trial 7), 1/2 targets met, 2 failed")
    assert lines[2].startswith("quick: 9/60 trials")
    assert len(lines) == 3


def test_what_shows_a_run_depends_on_where_it_runs():
    assert isinstance(display(Console(file=io.StringIO(), force_terminal=True)), Terminal)
    assert isinstance(display(Console(file=io.StringIO(), force_jupyter=True)), Notebook)
    assert type(display(quiet=True)) is Nothing


def test_a_terminal_says_that_it_stops_in_its_drawing_where_nothing_draws_over_it(capfd):
    console = Console(file=io.StringIO(), force_terminal=True, width=80)
    with display(console) as shown:
        shown.start("quick")
        shown(progress())
        shown.stopping()
        shown._live.refresh()  # type: ignore[attr-defined]
        drawing = console.file.getvalue()  # type: ignore[attr-defined]
    assert "Stopping when this batch is finished and saved; Ctrl-C again stops at once." in drawing
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("begun", [False, True])
def test_elsewhere_and_before_a_terminal_draws_it_is_a_line_of_its_own(begun, capfd):
    shown: Any = Plain(Console(file=io.StringIO())) if begun else Terminal(Console(file=io.StringIO()))
    with shown:
        if begun:
            shown.start("quick")
        shown.stopping()
    assert capfd.readouterr().err.startswith("\nStopping when this batch is finished")


def test_a_trial_prints_its_targets_and_parameters():
    assert str(progress().best).splitlines() == [
        "trial 7: loss 0.25 over 5 graphs, 1 of 2 targets met",
        "  rate_E 11 Hz (target 10 ± 2, met)",
        "  rate_E undefined Hz (target 10 ± 2, not met)",
        "  a      = 1.5",
        "  b      = x",
    ]


@pytest.mark.parametrize(("seconds", "expected"), [(40, "40 s"), (200, "3 min 20 s"), (7500, "2 h 05 min")])
def test_times_are_for_readers(seconds, expected):
    assert duration(seconds) == expected


def test_a_budget_that_was_reduced_below_the_trials_of_a_study_is_no_fraction():
    assert summary(progress(done=86, total=40, added=0)).startswith("86 trials (the budget is 40), best loss")
    assert "86 trials (the budget is 40)" in text("quick", progress(done=86, total=40, batch=0), 100)[0]
