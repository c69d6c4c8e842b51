"""From the tables of a TOML file to the sections of a study file, each checked by itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from calibrate.errors import did_you_mean
from calibrate.study.file import SAMPLERS, TABLES, FreeParameter, ObjectiveSection, Section, StudyFile
from calibrate.study.problems import Place, Problems, listed, problems_in


def read_tables(
    problems: Problems, tables: Mapping[str, Any]
) -> tuple[StudyFile | None, dict[str, FreeParameter]]:
    """The tables, and those of [parameters] that are free; None where a table breaks its rules."""
    known = list(StudyFile.model_fields)
    for name in tables:
        if name not in known:
            what = f"is not a table here{did_you_mean(name, known)}"
            problems.add((name,), what, None, f"there are {listed(known)}")
    read: dict[str, Any] = {}
    for name, section in TABLES.items():
        if name in tables or name == "model":
            read[name] = _section(problems, section, tables.get(name), (name,))
    if "sampler" in tables:
        read["sampler"] = _sampler(problems, tables["sampler"])
    read["objectives"] = _objectives(problems, tables.get("objectives"))
    read["parameters"], free = _parameters(problems, tables.get("parameters", {}))
    if problems.found:
        return None, free
    return StudyFile(**read), free


def _section(problems: Problems, section: type[Section], table: object, place: Place) -> Section | None:
    if not isinstance(table, dict):
        if table is None:
            problems.add(place, "is missing", None, f"add the table with {listed(section.model_fields)}")
        else:
            problems.add(place, "must be a table", table, f"write [{place[0]}] on a line of its own")
        return None
    try:
        return section.model_validate(table)
    except ValidationError as error:
        problems.found.extend(problems_in(error, section, place))
        return None


def _sampler(problems: Problems, table: object) -> Section | None:
    name = table.get("name", "tpe") if isinstance(table, dict) else "tpe"
    if not isinstance(name, str) or name not in SAMPLERS:
        hint = did_you_mean(name, SAMPLERS) if isinstance(name, str) else ""
        problems.add(("sampler", "name"), f"must be one of {listed(SAMPLERS)}{hint}", name)
        return None
    return _section(problems, SAMPLERS[name], table, ("sampler",))


def _objectives(problems: Problems, tables: object) -> list[Section | None]:
    if not isinstance(tables, list) or not tables:
        remedy = "add [[objectives]] with statistic, target and tolerance"
        rule = "are missing" if not tables else "must be a list of tables"
        problems.add(("objectives",), rule, None, remedy)
        return []
    return [
        _section(problems, ObjectiveSection, table, ("objectives", number))
        for number, table in enumerate(tables)
    ]


def _parameters(problems: Problems, table: object) -> tuple[dict[str, Any], dict[str, FreeParameter]]:
    if not isinstance(table, dict):
        problems.add(("parameters",), "must be a table", table, "write [parameters] on a line of its own")
        return {}, {}
    free: dict[str, FreeParameter] = {}
    for name, value in table.items():
        if isinstance(value, dict):
            section = _section(problems, FreeParameter, value, ("parameters", name))
            if isinstance(section, FreeParameter):
                free[name] = section
    return {**table, **free}, free
