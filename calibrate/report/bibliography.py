"""References: those that come with calibrate, numbered in the order in which a report cites them."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from importlib.resources import files


@dataclass(frozen=True)
class Reference:
    """A citation; `doi` may be empty."""

    text: str
    doi: str


class Bibliography:
    """Numbers references in the order in which they are cited."""

    def __init__(self) -> None:
        text = (files("calibrate.report") / "references.toml").read_text(encoding="utf-8")
        self._references = {key: Reference(**entry) for key, entry in tomllib.loads(text).items()}
        self._keys: list[str] = []

    @property
    def cited(self) -> list[Reference]:
        """The references that were cited, in order."""
        return [self._references[key] for key in self._keys]

    def cite(self, *sources: str) -> str:
        """The numbers of references in brackets, after a space; nothing if there are none.

        A source is a key of the references that come with calibrate, or a full citation.
        """
        numbers = []
        for source in filter(None, sources):
            self._references.setdefault(source, Reference(source, ""))
            if source not in self._keys:
                self._keys.append(source)
            numbers.append(str(self._keys.index(source) + 1))
        return f" [{', '.join(numbers)}]" if numbers else ""
