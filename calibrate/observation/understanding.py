"""How a file of a recording was understood, in one line for all formats."""

from __future__ import annotations

from calibrate.observation.recording_files import Table


def in_one_line(table: Table, units: int, duration_ms: float, *, as_asked: bool) -> str:
    """Say the format, the unit of time, how many units are read, and how long they were recorded.

    as_asked  whether the user said how long

    For example "NWB 2.7.0, times in s: 215 of 384 units (169 left out: quality), 3,600 s from obs_intervals".
    """
    left_out = sum(table.left_out.values())
    every = units + left_out
    number = f"{f'{units:,} of ' if left_out else ''}{every:,} unit{'' if every == 1 else 's'}"
    why = ", ".join(f"{count:,} left out: {reason}" for reason, count in table.left_out.items())
    length = f"{float(f'{duration_ms / 1000:.6g}'):,.10g} s"
    end = ""
    if as_asked:
        end = " as asked"
    elif table.time_from:
        end = f" from {table.time_from}"
    elif table.stop_ms is None and not table.observed and "up to" not in table.understood:
        end = " up to the last spike"
    return f"{table.understood}: {number}{f' ({why})' if why else ''}, {length}{end}"
