"""How a run is shown while it goes on: a live display on a terminal, plain lines elsewhere; on stderr."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Protocol, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from calibrate.result import Best, Doing, Progress

_DOING: Mapping[Doing, str] = {
    "screening": "screening",
    "simulating": "simulating",
    "confirming": "confirming what may be the best, simulations left:",
    "on fresh graphs": "simulating the best on fresh graphs, left:",
}

# Not more than one plain line in this time, except the last.
PLAIN_INTERVAL_S = 5.0


class Display(Protocol):
    """Shows a run's progress. A context manager, called with each `Progress`."""

    def __call__(self, progress: Progress) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


def display(console: Console, name: str, *, quiet: bool = False) -> Display:
    """The display for `console`; `name` is the study's."""
    if quiet:
        return Nothing()
    return Terminal(console, name) if console.is_terminal else Plain(console, name)


class Nothing:
    """Shows nothing."""

    def __call__(self, progress: Progress) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class Plain(Nothing):
    """One line for some of the batches."""

    def __init__(self, console: Console, name: str) -> None:
        self._console, self._name = console, name
        self._shown = -PLAIN_INTERVAL_S
        self._last: str = ""
        self._waiting = ""

    def __call__(self, progress: Progress) -> None:
        if progress.batch:
            return
        self._waiting = f"{self._name}: {summary(progress)}"
        if time.monotonic() - self._shown >= PLAIN_INTERVAL_S:
            self._print()

    def __exit__(self, *_: object) -> None:
        self._print()

    def _print(self) -> None:
        if self._waiting != self._last:
            self._console.print(self._waiting, soft_wrap=True, markup=False, highlight=False)
            self._last, self._shown = self._waiting, time.monotonic()


class Terminal(Nothing):
    """A bar, the state of the search, and its targets, redrawn in place."""

    def __init__(self, console: Console, name: str) -> None:
        self._name = name
        self._progress: Progress | None = None
        self._received = time.monotonic()
        self._live = Live(console=console, get_renderable=self._render, refresh_per_second=4, transient=True)

    def __call__(self, progress: Progress) -> None:
        self._progress, self._received = progress, time.monotonic()

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def _render(self) -> RenderableType:
        progress = self._progress
        if progress is None:
            return Text(f"{self._name}: starting")
        line = Table.grid(padding=(0, 1))
        total = progress.total
        telling = progress.returned if progress.doing == "simulating" else 0
        done = progress.done + (telling if total is not None else 0)
        line.add_row(
            Text(self._name, style="bold"),
            ProgressBar(total=total, completed=done, width=24, pulse=total is None),
            Text(_counted(progress)),
            Text(_pace(progress), style="dim"),
        )
        waiting = progress.batch - progress.returned
        since = time.monotonic() - self._received
        simulating = f"{_DOING[progress.doing]} {waiting} for {since:.0f} s" if waiting else ""
        parts: list[RenderableType] = [line, _targets(progress.best)]
        if progress.last_failure:
            parts.append(Text(f"{progress.failed} failed, the last: {progress.last_failure}", style="yellow"))
        return Group(*parts, Text(simulating, style="dim"))


def summary(progress: Progress) -> str:
    """The state of a run in one line."""
    parts = [_counted(progress)]
    best = progress.best
    if best is not None:
        met = sum(target.met for target in best.targets)
        parts.append(
            f"best loss {best.loss:.4g} (trial {best.number}), {met}/{len(best.targets)} targets met"
        )
    if progress.failed:
        parts.append(f"{progress.failed} failed")
    if pace := _pace(progress):
        parts.append(pace)
    return ", ".join(parts)


def _counted(progress: Progress) -> str:
    return f"{progress.done} trials" if progress.total is None else f"{progress.done}/{progress.total} trials"


def _pace(progress: Progress) -> str:
    simulating_s = progress.elapsed_s - progress.starting_s
    if not progress.added or simulating_s <= 0:
        return ""
    rate = progress.added / simulating_s
    text = f"{60 * rate:.3g}/min"
    if progress.total is not None and progress.done < progress.total:
        text += f", {duration((progress.total - progress.done) / rate)} left"
    return text


def duration(seconds: float) -> str:
    """A time for a reader: 40 s, 3 min 20 s, 2 h 05 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def _targets(best: Best | None) -> RenderableType:
    if best is None:
        return Text("no trial complete yet", style="dim")
    text = Text(f"best loss {best.loss:.4g} (trial {best.number})  ")
    for target in best.targets:
        value = "undefined" if target.reached is None else f"{target.reached:.3g}"
        text.append(f"{'✓' if target.met else '✗'} {target.name} {value}  ", "green" if target.met else "red")
    return text
