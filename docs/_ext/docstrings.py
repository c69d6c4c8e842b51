"""Docstrings as Markdown: numpydoc's sections, lists of aligned names, and indented equations."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from typing import Any

from numpydoc.docscrape import NumpyDocString

CODE = re.compile(r"(`[^`]+`)")
CITED = re.compile(r"\[(\d+)\]_")
REFERENCE = re.compile(r"^\.\. \[(\d+)\] (.+(?:\n +.+)*)", re.MULTILINE)
SECTIONS = (
    "Parameters", "Attributes", "Returns", "Raises", "See Also", "Notes", "References", "Examples"
)  # fmt: skip
# "name   what it is": one of a list of aligned names, whose longer texts go on with spaces in front.
NAMED = re.compile(r"([A-Za-z]\w*(?:, ?\w+)*) {2,}(\S.*)")
INDENTED = "    "


def docstring(text: str, *, without: Mapping[str, Any] | None = None) -> Iterator[str]:
    """A docstring as Markdown: numpydoc's sections, and aligned lists, but for the entries in `without`."""
    found = NumpyDocString(text)
    yield from _text(found["Summary"], without or {})
    yield from _text(found["Extended Summary"], without or {})
    for section in SECTIONS:
        if found[section]:
            yield f"**{section}**\n"
            yield from _section(section, found[section])


def _section(section: str, content: Any) -> Iterator[str]:
    if section == "See Also":
        for names, meaning in content:
            shown = ", ".join(code(name, plain=True) for name, _ in names)
            yield f"- {shown}: {prose(' '.join(meaning))}"
        yield ""
    elif section == "Examples":
        yield from _examples("\n".join(content))
    elif section == "References":
        for number, source in REFERENCE.findall("\n".join(content)):
            yield f"{number}. {prose(' '.join(source.split()))}"
        yield ""
    elif isinstance(content[0], str):
        yield from _text(content, {})
    else:
        for name, kind, meaning in content:
            # What is returned or raised is a type without a name.
            shown = code(kind, plain=True) if section == "Raises" else f"*{prose(kind)}*"
            head = f"{code(name, plain=True)} {shown}" if name else shown
            yield f"{head}\n: {prose(' '.join(meaning))}\n"


def _examples(text: str) -> Iterator[str]:
    for block in _blocks(text):
        lines = "\n".join(block)
        yield f"```pycon\n{lines}\n```\n" if lines.startswith(">>>") else f"{prose(' '.join(block))}\n"


def _text(lines: list[str], without: Mapping[str, Any]) -> Iterator[str]:
    """Paragraphs, indented equations, and lists: of aligned names, or of terms over their meanings."""
    for block in _blocks("\n".join(lines)):
        if all(line.startswith(INDENTED) for line in block):
            yield "```text\n" + inspect.cleandoc("\n".join(block)) + "\n```\n"
            continue
        entries = _entries(block)
        if not entries and len(block) > 1 and block[1].startswith(INDENTED):
            yield from _terms(block)
        elif not entries:
            yield prose(" ".join(block)) + "\n"
        for name, meaning in entries.items():
            if not set(named(f"{name}  {meaning}")) <= set(without):
                yield f"- {code(name, plain=True)}: {prose(meaning)}"
        yield ""


def _terms(block: list[str]) -> Iterator[str]:
    """A list of terms, each over the indented lines that say what it means."""
    for item in re.split(r"\n(?=\S)", "\n".join(block)):
        term, *meaning = item.splitlines()
        yield f"{prose(term)}\n: {prose(' '.join(line.strip() for line in meaning))}\n"


def _blocks(text: str) -> Iterator[list[str]]:
    for block in re.split(r"\n\s*\n", text.strip("\n")):
        if block.strip():
            yield block.splitlines()


def _entries(block: list[str]) -> dict[str, str]:
    """Name and meaning of each entry, if `block` is a list of aligned names."""
    entries: dict[str, str] = {}
    for line in block:
        if found := NAMED.fullmatch(line):
            entries[found[1]] = found[2]
        elif entries and line.startswith("  "):
            entries[list(entries)[-1]] += " " + line.strip()
        else:
            return {}
    return entries


def named(text: str) -> dict[str, str]:
    """Name and meaning in all lists of `text`; names that share a line, one by one."""
    entries = [entry for block in _blocks(text) for entry in _entries(block).items()]
    return {name.strip(): meaning for names, meaning in entries for name in names.split(",")}


def prose(text: str) -> str:
    """`text` with what Markdown would take for markup escaped; `names` stay code."""
    parts = CODE.split(CITED.sub(r"[\1]", text))
    return "".join(
        part if k % 2 else re.sub(r"([*_<>\[\]|$^~\\])", r"\\\1", part) for k, part in enumerate(parts)
    )


def code(value: Any, *, plain: bool = False) -> str:
    """A value as a study file has it."""
    if plain:
        return f"`{value}`"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f'`"{value}"`' if isinstance(value, str) else f"`{value}`"


def table(heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> Iterator[str]:
    yield "| " + " | ".join(heads) + " |"
    yield "|" + "---|" * len(heads)
    for row in rows:
        yield "| " + " | ".join(cell.replace("|", r"\|") for cell in row) + " |"
    yield ""
