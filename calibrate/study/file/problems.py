"""The problems of a study file, each in one line, with the line of the file that it concerns."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args, get_origin

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from calibrate.errors import CalibrateError, did_you_mean
from calibrate.masking import without_passwords
from calibrate.study.file.base import Section
from calibrate.study.file.replicates import ConfirmSection, ReplicatesSection
from calibrate.study.file.sections import StimulusSection
from calibrate.study.file.targets import ObjectiveSection, RecordingSection, RecordingsSection

Place = tuple[str | int, ...]


@dataclass(frozen=True)
class Problem:
    """A broken rule: its place, the rule, the value that breaks it (None if there is none), a remedy.

    The place is (table, key, ...), or ("objectives", 0, key) for the first of the objectives.
    """

    place: Place
    rule: str
    value: object = None
    remedy: str = ""

    def render(self, file: str, lines: Mapping[Place, int]) -> str:
        """`file:line: [table] key rule: value; remedy`, in one line."""
        prefixes = (self.place[:n] for n in range(len(self.place), 0, -1))
        line = next((lines[prefix] for prefix in prefixes if prefix in lines), None)
        text = file if line is None else f"{file}:{line}"
        text += f": {_format_place(self.place)}{self.rule}".replace(" : ", ": ")
        if self.value is not None:
            text += f": {shown(self.value)}"
        if self.remedy:
            text += f"; {self.remedy}"
        return " ".join(text.split())


@dataclass
class Problems:
    """Collects the problems of one file, so that all are reported at once."""

    found: list[Problem] = field(default_factory=list)

    def add(self, place: Place, rule: str, value: object = None, remedy: str = "") -> None:
        self.found.append(Problem(place, rule, value, remedy))

    def add_error(self, place: Place, error: CalibrateError, remedy: str = "") -> None:
        self.found.append(Problem(place, f": {error}" if place else str(error), None, remedy))


# Digits of a number that a person would write.
LONGEST_NUMBER = 12


def shown(value: object) -> str:
    """Return a value as in TOML, shortened."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and len(repr(value)) > LONGEST_NUMBER:  # was computed
        return f"{value:.4g}"
    try:
        text = f'"{value}"' if isinstance(value, str) else str(value)
    except ValueError:  # Python does not convert integers of more than 4300 digits to strings
        return "a number with thousands of digits"
    text = without_passwords(text)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _format_place(place: Place) -> str:
    if not place:
        return ""
    table, keys = str(place[0]), place[1:]
    if keys and isinstance(keys[0], int):
        table, keys = f"{table} {keys[0] + 1}", keys[1:]
    name = ".".join(str(key) for key in keys)
    return f"[{table}] {name} " if name else f"[{table}] "


def listed(names: Iterable[str]) -> str:
    """Join names with commas."""
    return ", ".join(names)


def syntax_problem(error: tomllib.TOMLDecodeError, text: str, file: str) -> str:
    """Return the one-line message for a file that is not valid TOML."""
    place = re.search(r"\(at line (\d+), column \d+\)", str(error))
    line = int(place[1]) if place else text.count("\n") + 1
    what = re.sub(r"\s*\(at .*\)$", "", str(error))
    remedy = 'strings need quotes, and so do keys with special characters: "J_E+"'
    if "overwrite" in what or "twice" in what:
        remedy = "give each key and each table once"
    problem = Problem(("TOML",), f"not valid: {what}", None, remedy)
    return problem.render(file, {("TOML",): line})


def problems_in(error: ValidationError, section: type[Section], place: Place) -> Iterator[Problem]:
    """Yield the problems that pydantic found in the table at `place`, read as `section`."""
    reported = set[str]()
    for details in error.errors(include_url=False):
        key = str(details["loc"][0]) if details["loc"] else ""
        if (section, key) in _TABLES:  # the second part of the place says which of the two it was read as
            yield _of_number_or_table(details, section, place)
        elif details["type"] in ("extra_forbidden", "missing") or (section, key) not in _EITHER:
            yield _problem(details, section, place)
        elif key not in reported:  # pydantic reports one error for each type that the value could have
            reported.add(key)
            value = details["input"] if len(details["loc"]) < 3 else None
            remedy = f"{key} is: {section.model_fields[key].description}"
            yield Problem((*place, key), f"must be {_EITHER[section, key]}", value, remedy)


def _of_number_or_table(details: ErrorDetails, section: type[Section], place: Place) -> Problem:
    key, kind, *rest = details["loc"]
    if kind == "table":
        table = _TABLES[section, str(key)]
        return _problem({**details, "loc": tuple(rest)}, table, (*place, key))
    return _problem({**details, "loc": (key,)}, section, place)


# Keys whose value is a number or a table, of this section.
_TABLES: dict[tuple[type[Section], str], type[Section]] = {(ReplicatesSection, "confirm"): ConfirmSection}

# Keys that accept values of more than one type.
_EITHER: dict[tuple[type[Section], str], str] = {
    (ObjectiveSection, "target"): 'a number or "recording"',
    (ObjectiveSection, "distribution"): 'the name of a file, a list of numbers, or "recording"',
    (StimulusSection, "clusters"): 'a list of cluster numbers, or "each"',
    **{
        (section, key): kinds
        for section in (RecordingSection, RecordingsSection)
        for key, kinds in (
            ("population", "a name, or a table of a column and its values"),
            ("stimuli", "a name of intervals, or a table of names with clusters"),
            ("units", "a table of columns, each with values, or with min and max"),
        )
    },
}

_RULES = {
    "greater_than": "must be above {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than": "must be below {lt:.12g}",
    "less_than_equal": "must be at most {le:g}",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "string_type": "must be a string in quotes",
    "string_too_short": "must not be empty",
    "string_too_long": "must have at most {max_length} characters",
    "bool_type": "must be true or false",
    "list_type": "must be a list [...]",
    "dict_type": "must be a table {{...}}",
}


def _problem(details: ErrorDetails, section: type[Section], place: Place) -> Problem:
    kind, value, context = details["type"], details["input"], details.get("ctx", {})
    keys = tuple(details["loc"])
    names = list(section.model_fields)
    key = str(keys[0]) if keys else ""
    if kind == "extra_forbidden":
        return Problem(
            place + keys,
            f"is not a valid key{did_you_mean(key, names)}",
            None,
            f"valid keys are {listed(names)}",
        )
    description = section.model_fields[key].description or ""
    remedy = f"{key} is: {description}"
    if kind == "missing":
        return Problem(place, f"{key} is missing", None, f"add {key} = ..., {description}")
    if kind == "literal_error":
        choices = _choices(section.model_fields[key].annotation)
        hint = did_you_mean(value, choices) if isinstance(value, str) else ""
        return Problem(place + keys, f"must be one of {listed(choices)}{hint}", value, remedy)
    if kind in ("too_short", "too_long"):
        wanted = context.get("min_length", context.get("max_length"))
        both = len(section.model_fields[key].metadata) > 1
        least = "" if both else "at least " if kind == "too_short" else "at most "
        return Problem(place + keys, f"must be a list of {least}{wanted} values", value, remedy)
    if kind == "string_pattern_mismatch":
        others = "_ . + -" if "+" in context["pattern"].removesuffix("*$")[-5:] else "_"
        return Problem(place + keys, f"may contain only letters, digits and {others}", value, remedy)
    rule = _RULES[kind].format(**context) if kind in _RULES else details["msg"]
    return Problem(place + keys, rule, value, remedy)


def _choices(annotation: Any) -> list[str]:
    """Return the values of all Literals in a type."""
    if get_origin(annotation) is Literal:
        return [str(value) for value in get_args(annotation)]
    return [choice for part in get_args(annotation) for choice in _choices(part)]


_KEY = re.compile(r"""\s*(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|([A-Za-z0-9_-]+))\s*""")


def key_lines(text: str) -> dict[Place, int]:
    """Return the line (from 1) of every table and key of a TOML text that begins on its own line.

    Keys inside inline tables and lists are not included; they belong to the line of their outer key.
    """
    lines: dict[Place, int] = {}
    counts: dict[Place, int] = {}
    table: Place = ()
    closing, depth = "", 0
    for number, line in enumerate(text.splitlines(), start=1):
        if not closing and depth == 0:
            header = re.match(r"\s*(\[\[?)(?=[^\[])", line)
            if header:
                names = _keys(line[header.end() :], "]")
                if names is not None:
                    table = _table(names, counts, repeated=header[1] == "[[")
                    lines.setdefault(table, number)
                    if isinstance(table[-1], int):
                        lines.setdefault(table[:-1], number)
                continue
            names = _keys(line, "=")
            for n in range(1, len(names or ()) + 1):
                lines.setdefault(table + (names or ())[:n], number)
        closing, depth = _open_at_end(line, closing, depth)
    return lines


def _keys(text: str, end: str) -> Place | None:
    """Return the dotted key at the start of `text`, followed by `end`; None if there is none."""
    names: list[str] = []
    position = 0
    while match := _KEY.match(text, position):
        quoted, literal, bare = match.groups()
        names.append(next(name for name in (quoted, literal, bare) if name is not None))
        position = match.end()
        follows = text[position : position + 1]
        if follows == end:
            return tuple(names)
        if follows != ".":
            return None
        position += 1
    return None


def _table(names: Place, counts: dict[Place, int], *, repeated: bool) -> Place:
    table: Place = ()
    for name in names[:-1] if repeated else names:
        table += (name,)
        if table in counts:
            table += (counts[table],)
    if repeated:
        table += names[-1:]
        counts[table] = counts.get(table, -1) + 1
        table += (counts[table],)
    return table


def _open_at_end(line: str, closing: str, depth: int) -> tuple[str, int]:
    """Return what is still open after `line`: the quotes of a multi-line string, and how many brackets."""
    position = 0
    while position < len(line):
        if closing:
            end = _end_of_text(line, closing, position)
            if end < 0:
                break
            position, closing = end, ""
            continue
        mark = line[position]
        if mark == "#":
            break
        if mark in "\"'":
            closing = mark * 3 if line.startswith(mark * 3, position) else mark
            position += len(closing)
            continue
        depth += (mark in "[{") - (mark in "]}")
        position += 1
    return (closing if len(closing) == 3 else ""), max(depth, 0)


def _end_of_text(line: str, closing: str, position: int) -> int:
    while position < len(line):
        if line.startswith(closing, position):
            return position + len(closing)
        position += 2 if line[position] == "\\" and closing[0] == '"' else 1
    return -1


def name_in(text: str, names: Iterable[str]) -> str | None:
    """Return the longest of `names` that occurs in `text` as a word; None if none does."""
    for name in sorted(names, key=len, reverse=True):
        if re.search(rf"(?<![\w+]){re.escape(name)}(?![\w+])", text):
            return name
    return None
