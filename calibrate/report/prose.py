"""Numbers and lists in running text."""

from __future__ import annotations

from collections.abc import Sequence


def count(n: int, noun: str) -> str:
    """A number and a noun, such as "Two parameters"."""
    words = ("No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten")
    return f"{words[n] if n < len(words) else n} {noun}{'' if n == 1 else 's'}"


def enumerated(names: Sequence[str]) -> str:
    """Names with commas, and "and" before the last."""
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"
