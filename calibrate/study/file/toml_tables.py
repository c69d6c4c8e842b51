"""From the tables of a TOML file to the sections of a study file, each checked on its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from calibrate.errors import did_you_mean
from calibrate.study.file.base import Section
from calibrate.study.file.problems import Place, Problems, listed, problems_in
from calibrate.study.file.samplers import SAMPLERS, Tpe
from calibrate.study.file.sections import (
    LISTS,
    TABLES,
    DerivedParameter,
    FreeParameter,
    StudyFile,
)


def read_tables(problems: Problems, tables: Mapping[str, Any]) -> StudyFile | None:
    """Return the tables; None if one breaks its rules."""
    names = list(StudyFile.model_fields)
    for name in tables:
        if name not in names:
            what = f"unknown table{did_you_mean(name, names)}"
            problems.add((name,), what, None, f"valid tables are {listed(names)}")
    read: dict[str, Any] = {}
    for name, section in TABLES.items():
        if name in tables or name == "model":
            read[name] = _section(problems, section, tables.get(name), (name,))
    if "sampler" in tables:
        read["sampler"] = _sampler(problems, tables["sampler"])
    for name, section in LISTS.items():
        read[name] = _list(problems, section, tables.get(name), name)
    read["parameters"] = _parameters(problems, tables.get("parameters", {}))
    return None if problems.found else StudyFile(**read)


def _section(problems: Problems, section: type[Section], table: object, place: Place) -> Section | None:
    if not isinstance(table, dict):
        if table is None:
            required = [key for key, field in section.model_fields.items() if field.is_required()]
            problems.add(place, "is missing", None, f"add the table with {listed(required)}")
        else:
            problems.add(place, "must be a table", table, f"write [{place[0]}] on its own line")
        return None
    try:
        return section.model_validate(table)
    except ValidationError as error:
        problems.found.extend(problems_in(error, section, place))
        return None


def _sampler(problems: Problems, table: object) -> Section | None:
    if not isinstance(table, dict):
        return _section(problems, Tpe, table, ("sampler",))  # reports the problem
    if "name" not in table:
        problems.add(("sampler",), "name is missing", None, f"add name = ..., one of {listed(SAMPLERS)}")
        return None
    name = table["name"]
    if not isinstance(name, str) or name not in SAMPLERS:
        hint = did_you_mean(name, SAMPLERS) if isinstance(name, str) else ""
        problems.add(("sampler", "name"), f"must be one of {listed(SAMPLERS)}{hint}", name)
        return None
    return _section(problems, SAMPLERS[name], table, ("sampler",))


def _list(problems: Problems, section: type[Section], tables: object, name: str) -> list[Section | None]:
    if tables is None and name != "objectives":
        return []
    if not isinstance(tables, list) or not tables:
        keys = [key for key, field in section.model_fields.items() if field.is_required()]
        rule = "are missing" if not tables else "must be a list of tables"
        wanted = "statistic, target and tolerance" if name == "objectives" else listed(keys)
        problems.add((name,), rule, None, f"add [[{name}]] with {wanted}")
        return []
    return [_section(problems, section, table, (name, number)) for number, table in enumerate(tables)]


def _parameters(problems: Problems, table: object) -> dict[str, Any]:
    if not isinstance(table, dict):
        problems.add(("parameters",), "must be a table", table, "write [parameters] on its own line")
        return {}
    read: dict[str, Any] = {}
    for name, value in table.items():
        if isinstance(value, dict):
            kind = DerivedParameter if "expression" in value else FreeParameter
            read[name] = _section(problems, kind, value, ("parameters", name))
        else:
            read[name] = value
    return read
