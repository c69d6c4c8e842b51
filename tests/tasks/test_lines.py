"""Lines in a terminal break between words; elsewhere they do not break at all."""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from rich.table import Table

from calibrate.cli.tables.listing import print_listing, print_table
from calibrate.tasks.lines import flowed, print_line, wrapped

COMMAND = "calibrate simulate study.toml --figure trial0.png"


def test_a_line_breaks_between_words_and_its_rest_is_indented_like_its_start():
    assert wrapped("  one of two failed: it broke", 14) == "  one of two\n  failed: it\n  broke"
    assert wrapped("time   about 3 s per trial", 16, hang=7) == "time   about 3 s\n       per trial"
    assert wrapped("short\n\n  also short", 14) == "short\n\n  also short"


def test_what_is_to_be_copied_stays_whole():
    assert wrapped(f"Plot it: {COMMAND}", 60, hang=2, keep=COMMAND) == f"Plot it: {COMMAND}"
    assert wrapped(f"Plot it: {COMMAND}", 52, hang=2, keep=COMMAND) == f"Plot it:\n  {COMMAND}"
    path = "/a/folder-with-a-long-name/study.db"
    assert wrapped(f"Results: {path}", 20) == f"Results:\n{path}"


@pytest.mark.parametrize(("terminal", "lines"), [(True, 3), (False, 1)])
def test_only_a_terminal_has_a_width(terminal, lines):
    console = Console(file=io.StringIO(), width=30, force_terminal=terminal)
    print_line(console, "warning: [objectives] rate_E\x1b[2J lies outside of what the model can reach")
    printed = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert len(printed) == lines, printed
    assert printed[0].startswith("warning: [objectives]")
    assert "\\x1b[2J" in "".join(printed)


def test_paragraphs_flow_but_equations_and_lists_do_not():
    text = "One\ntwo\n\n    a = b\n\nname  what it is\nother  else\n\nthree"
    assert flowed(text) == "One two\n\n    a = b\n\nname  what it is\nother  else\n\nthree"


@pytest.mark.parametrize(("width", "lines"), [(60, 2), (20, 3)])
def test_a_listing_breaks_no_word_however_narrow_the_terminal_is(width, lines):
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    print_listing(console, ("name", "unit", ""), [("rate", "Hz", "firing of neurons")])
    printed = console.file.getvalue()  # type: ignore[attr-defined]
    assert "…" not in printed
    assert {"rate", "Hz", "firing", "of", "neurons"} <= set(printed.split())
    assert max(map(len, printed.splitlines())) <= width
    assert len([line for line in printed.splitlines() if line.strip()]) == lines


def test_a_table_that_does_not_fit_is_printed_row_by_row():
    table = Table("statistic", "difference (92 % CI)", "agree", title="Statistics")
    table.add_row("rate_E", "+0.1 ± 0.2", "equivalent")
    table.add_row("fano_E", "", "undecided")
    for width, first in ((40, "Statistics"), (24, "Statistics")):
        console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
        print_table(console, table)
        printed = console.file.getvalue()  # type: ignore[attr-defined]
        assert printed.split()[0] == first
        assert "…" not in printed
    assert printed.splitlines()[1:] == [
        "rate_E", "  difference (92 % CI): ", "+0.1 ± 0.2", "  agree: equivalent",
        "fano_E", "  agree: undecided",
    ]  # fmt: skip
