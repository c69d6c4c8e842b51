"""The progress of a run: live in a terminal and in a notebook, plain lines elsewhere."""

from __future__ import annotations

import importlib
import os
import time
from collections.abc import Mapping
from typing import Any, Protocol, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from calibrate.calibration.progress import Progress
from calibrate.calibration.trials.averages import format_statistic
from calibrate.calibration.trials.summary import TargetResult, TrialSummary
from calibrate.calibration.validation.progress import Replicated
from calibrate.objective.rounding import counted, rounded
from calibrate.simulation.running_time import running_s
from calibrate.study.graph_numbers import Purpose
from calibrate.tasks.lines import print_line

_DOING: Mapping[Purpose | None, str] = {
    Purpose.SCREENING: "screening",
    Purpose.SEARCH: "simulating",
    Purpose.CONFIRMATION: "confirming possible best trials, simulations left:",
    Purpose.FRESH: "simulating the best trial on fresh graphs, simulations left:",
    None: "waiting for other runs of this study, trials left:",
}

_STOPPING = "Stopping when this batch is finished and saved; Ctrl-C again stops at once."

# The shortest time between two plain lines (except before the last one) or two drawings in a notebook.
PLAIN_INTERVAL_S = 5.0
NOTEBOOK_INTERVAL_S = 0.5

# Tolerances that a gauge shows on either side of its target, two characters each.
GAUGE_REACH = 4


class Display(Protocol):
    """Shows a run or a validation: a context manager, called with each `Progress` after `start`.

    `stopping` says that the run ends after this batch. A signal handler calls it.
    """

    def start(self, name: str) -> None: ...

    def say(self, line: str) -> None: ...

    def stopping(self) -> None: ...

    def __call__(self, progress: Progress) -> None: ...

    def replicated(self, progress: Replicated) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


def display(console: Console | None = None, *, quiet: bool = False) -> Display:
    """Choose the display for `console`, by default standard error or the notebook."""
    if quiet:
        return Nothing()
    console = console or Console(stderr=True)
    if console.is_jupyter:
        return Notebook()
    return Terminal(console) if console.is_terminal else Plain(console)


class Nothing:
    """Shows nothing, except that Ctrl-C was received."""

    _name = ""

    def start(self, name: str) -> None:
        self._name = name

    def say(self, line: str) -> None:
        pass

    def stopping(self) -> None:
        # Written to the descriptor, since the signal can arrive while something else is being printed.
        os.write(2, f"\n{_STOPPING}\n".encode())

    def __call__(self, progress: Progress) -> None:
        pass

    def replicated(self, progress: Replicated) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class Plain(Nothing):
    """Prints a line every few seconds."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._shown_at = -PLAIN_INTERVAL_S
        self._last = self._waiting = ""

    def say(self, line: str) -> None:
        print_line(self._console, line)

    def __call__(self, progress: Progress) -> None:
        if progress.batch:
            return
        self._show(f"{self._name}: {summary(progress)}")

    def replicated(self, progress: Replicated) -> None:
        self._show(f"{self._name}: {of_replicates(progress)}")
        if progress.done == progress.total:
            self._print()

    def _show(self, line: str) -> None:
        self._waiting = line
        if time.monotonic() - self._shown_at >= PLAIN_INTERVAL_S:
            self._print()

    def __exit__(self, *_: object) -> None:
        self._print()

    def _print(self) -> None:
        if self._waiting != self._last:
            self.say(self._waiting)
            self._last, self._shown_at = self._waiting, time.monotonic()


class Terminal(Nothing):
    """Redraws a bar, the state of the search, and its targets in place."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress: Progress | Replicated | None = None
        self._received = running_s()
        self._stopping = False
        self._live = Live(console=console, get_renderable=self._render, refresh_per_second=4, transient=True)

    def start(self, name: str) -> None:
        super().start(name)
        self._live.start()

    def stopping(self) -> None:
        if self._live.is_started:
            self._stopping = True  # what is written elsewhere would be drawn over
        else:
            super().stopping()

    def say(self, line: str) -> None:
        print_line(self._console, line)

    def __call__(self, progress: Progress) -> None:
        self._progress, self._received = progress, running_s()

    def replicated(self, progress: Replicated) -> None:
        self._progress, self._received = progress, running_s()

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def _render(self) -> RenderableType:
        since_s, width = running_s() - self._received, self._console.width
        shown = drawn(self._name, self._progress, since_s=since_s, width=width)
        # First, because the lower lines of a drawing that is higher than the terminal are not shown.
        return Group(Text(_STOPPING, "bold yellow"), shown) if self._stopping else shown


class Notebook(Nothing):
    """Redraws the same below the cell that runs the study."""

    def __init__(self) -> None:
        self._shown_at = -NOTEBOOK_INTERVAL_S
        self._progress: Progress | Replicated | None = None
        self._handle: Any = None

    def say(self, line: str) -> None:
        print(line)

    def start(self, name: str) -> None:
        super().start(name)
        # A notebook has IPython installed.
        display_in_cell: Any = importlib.import_module("IPython.display").display
        self._handle = display_in_cell(drawn(name, None), display_id=True)

    def __call__(self, progress: Progress) -> None:
        self._show(progress)

    def replicated(self, progress: Replicated) -> None:
        self._show(progress)

    def _show(self, progress: Progress | Replicated) -> None:
        self._progress = progress
        if time.monotonic() - self._shown_at >= NOTEBOOK_INTERVAL_S:
            self._update()

    def __exit__(self, *_: object) -> None:
        self._update()

    def _update(self) -> None:
        if self._handle is not None:
            self._handle.update(drawn(self._name, self._progress))
            self._shown_at = time.monotonic()


def drawn(
    name: str, progress: Progress | Replicated | None, *, since_s: float = 0.0, width: int = 100
) -> Table:
    """Draw a run: its progress, its best trial against the targets, and what it is simulating."""
    rows = Table.grid()
    if progress is None:
        rows.add_row(Text(f"{name}: starting"))
        return rows
    if isinstance(progress, Replicated):
        rows.add_row(_draw_line(name, progress.done, progress.total, width, of_replicates(progress)))
        return rows
    total = progress.total
    returned = progress.returned if progress.doing == Purpose.SEARCH and total is not None else 0
    done = progress.done + returned
    rows.add_row(_draw_line(name, done, total, width, _count_trials(progress), _format_pace(progress)))
    best = progress.best
    if best is None:
        rows.add_row(Text("no trial has completed yet", style="dim"))
    else:
        met = sum(target.met for target in best.targets)
        over = f" over {best.graphs} graphs" if best.graphs > 1 else ""
        title = f"best: trial {best.number}, loss {best.loss:.4g}{over}"
        rows.add_row(Text(f"{title}, {met} of {len(best.targets)} targets met"))
        rows.add_row(_draw_targets(best, width))
    if progress.failed and progress.last_failure:
        rows.add_row(Text(f"{progress.failed} failed, last failure: {progress.last_failure}", style="yellow"))
    waiting = progress.batch - progress.returned
    doing = f"{_DOING[progress.doing]} {waiting}" if waiting else ""
    rows.add_row(Text(doing + (f" for {since_s:.0f} s" if waiting and since_s >= 1 else ""), style="dim"))
    return rows


def _draw_line(name: str, done: int, total: int | None, width: int, text: str, aside: str = "") -> Table:
    """Draw a name, a bar, and a text with an aside."""
    line = Table.grid(padding=(0, 1))
    bar = ProgressBar(
        total=total,
        completed=done,
        width=min(30, max(width - 60, 10)),
        pulse=total is None,
        complete_style="cyan",
        finished_style="cyan",
    )
    line.add_row(Text(name, style="bold"), bar, Text(text), Text(aside, style="dim"))
    return line


def _draw_targets(best: TrialSummary, width: int) -> Table:
    table = Table.grid(padding=(0, 2))
    for target in best.targets:
        style = "green" if target.met else "red"
        row = [
            Text(f"{'✓' if target.met else '✗'} {target.name}", style),
            Text(format_statistic(target.reached, lower_bound=target.lower_bound, digits=3), justify="right"),
            Text(target.unit, "dim"),
            Text(f"target {target.aim}", "dim"),
        ]
        table.add_row(*row, *([Text(gauge(target), style)] if width >= 72 else []))
    return table


def gauge(target: TargetResult) -> str:
    """Draw where the value lies: ····[·●··]···· with the tolerance in brackets; ◀ and ▶: off the scale."""
    track = ["·"] * (4 * GAUGE_REACH + 1)
    middle = 2 * GAUGE_REACH
    track[middle - 2], track[middle + 2] = "[", "]"
    if target.reached is None:
        return "".join(track)
    if isinstance(target.target, tuple):
        low, high = target.target
        deviation = 2 * (target.reached - (low + high) / 2) / (high - low)
    else:
        deviation = (target.reached - target.target) / target.tolerance
    if abs(deviation) > GAUGE_REACH:
        track[0 if deviation < 0 else -1] = "◀" if deviation < 0 else "▶"
    else:
        # Never on a bracket: inside if the target is met, outside if not.
        steps = round(2 * abs(deviation))
        steps = min(steps, 1) if target.met else max(steps, 3)
        track[middle + (steps if deviation > 0 else -steps)] = "●"
    return "".join(track)


def summary(progress: Progress) -> str:
    """Summarise a run in one line."""
    parts = [_count_trials(progress)]
    best = progress.best
    if best is not None:
        met = sum(target.met for target in best.targets)
        parts.append(
            f"best loss {best.loss:.4g} (trial {best.number}), {met}/{len(best.targets)} targets met"
        )
    if progress.failed:
        parts.append(f"{progress.failed} failed")
    if pace := _format_pace(progress):
        parts.append(pace)
    return ", ".join(parts)


def of_replicates(progress: Replicated) -> str:
    """Summarise a validation or a hardening in one line."""
    text = f"{progress.doing} in {progress.simulator}, {progress.done}/{progress.total} simulations"
    if progress.new and progress.done < progress.total:
        left_s = (progress.total - progress.done) * progress.elapsed_s / progress.new
        text += f", {duration(left_s)} left"
    return text


def _count_trials(progress: Progress) -> str:
    done, total = progress.done, progress.total
    if total is None:
        return counted(done, "trial")
    # A smaller budget than at first does not undo trials.
    if done > total:
        return f"{counted(done, 'trial')} (the budget is {total:,})"
    return f"{done:,}/{counted(total, 'trial')}"


def _format_pace(progress: Progress) -> str:
    simulating_s = progress.elapsed_s - progress.starting_s
    if not progress.added or simulating_s <= 0:
        return ""
    rate = progress.added / simulating_s
    text = f"{rounded(60 * rate, 3)}/min"
    if progress.total is not None and progress.done < progress.total:
        text += f", {duration((progress.total - progress.done) / rate)} left"
    return text


def duration(seconds: float) -> str:
    """Format a duration: 40 s, 3 min 20 s, 2 h 05 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
