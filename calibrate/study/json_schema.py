"""The JSON schema of study files, which lets editors complete and check them.

    python -m calibrate.study.json_schema > docs/study.schema.json

It contains the rules within each table, and the names of installed models, parameters and statistics. Rules
that depend on the model and the statistics are checked by `calibrate check`.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from typing import Any

from calibrate import plugins
from calibrate.network import Model, find_model
from calibrate.objective import find_statistic
from calibrate.study.file.sections import LISTS, TABLES, StudyFile

DRAFT = "https://json-schema.org/draft/2020-12/schema"
VALUE: dict[str, Any] = {"type": ["number", "string", "boolean", "array"]}


def json_schema() -> dict[str, Any]:
    """Make a JSON schema (Draft 2020-12) of study files from `calibrate.study.file.sections`."""
    schema = _simplify(StudyFile.model_json_schema())
    tables: dict[str, dict[str, Any]] = schema["properties"]
    kinds: dict[str, dict[str, Any]] = schema["$defs"]
    for name, section in {**TABLES, **LISTS}.items():
        tables[name]["description"] = inspect.getdoc(section)
    for table in tables.values():
        table.pop("default", None)  # of a whole table: its keys have their own

    models = {name: find_model(name) for name in sorted(plugins.installed(plugins.MODELS))}
    _suggest(kinds["ModelSection"], "name", list(models))
    _suggest(kinds["ObjectiveSection"], "statistic", _statistics(models))
    _suggest(kinds["ConstraintSection"], "statistic", _statistics(models))
    kinds["FreeParameter"]["oneOf"] = [{"required": ["low", "high"]}, {"required": ["choices"]}]
    objective = kinds["ObjectiveSection"]
    aims = [aim for aim in ("target", "interval", "distribution") if aim in objective["properties"]]
    objective["oneOf"] = [{"required": [aim]} for aim in aims]
    if "tolerance" not in objective["required"]:
        recorded = {"properties": {"target": {"const": "recording"}}, "required": ["target"]}
        objective["anyOf"] = [{"required": ["tolerance"]}, recorded]
    kinds["ConstraintSection"]["anyOf"] = [{"required": ["min"]}, {"required": ["max"]}]
    for reference in tables["sampler"]["discriminator"]["mapping"].values():
        kinds[reference.rpartition("/")[2]]["required"] = ["name"]
    del tables["sampler"]["discriminator"]  # a keyword of OpenAPI
    tables["sampler"]["description"] = "[sampler]: how parameter sets are proposed."

    references = [{"$ref": f"#/$defs/{name}"} for name in ("FreeParameter", "DerivedParameter")]
    kinds["Parameter"] = {"anyOf": [*references, VALUE]}
    tables["parameters"] = {
        "type": "object",
        "description": "[parameters]: the model's parameters, each fixed, free or derived.",
        "properties": _parameters(models),
        "additionalProperties": {"$ref": "#/$defs/Parameter"},
    }
    return {"$schema": DRAFT, **schema, "title": "Study of calibrate", "description": "A study file."}


def _simplify(schema: Any) -> Any:
    """`schema` without titles, and without null, which TOML does not have."""
    if isinstance(schema, list):
        return [_simplify(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if {"type": "null"} in schema.get("anyOf", ()):
        others = [kind for kind in schema["anyOf"] if kind != {"type": "null"}]
        kind = others[0] if len(others) == 1 else {"anyOf": others}
        schema = {**kind, **{key: value for key, value in schema.items() if key not in ("anyOf", "default")}}
    # Under "properties" a key is a name in the file, which can be "title" too.
    return {
        key: {name: _simplify(item) for name, item in value.items()}
        if key == "properties"
        else _simplify(value)
        for key, value in schema.items()
        if key != "title"
    }


def _suggest(section: dict[str, Any], key: str, names: list[str]) -> None:
    """Let editors offer `names` for a key that also accepts others."""
    old = section["properties"][key]
    text = {name: old.pop(name) for name in ("type", "minLength")}
    old["anyOf"] = [{"enum": names}, text]


def _statistics(models: Mapping[str, Model]) -> list[str]:
    """Return the names of statistics, also with the populations of the models as suffixes."""
    populations = {p.name: None for model in models.values() for p in model.network({}).populations}
    names = []
    for name in sorted(plugins.installed(plugins.STATISTICS)):
        names.append(name)
        if "population" in find_statistic(name).options:
            names += [f"{name}_{population}" for population in populations]
    return names


def _parameters(models: Mapping[str, Model]) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    for model in models.values():
        for parameter in model.parameters:
            unit = f" ({parameter.unit})" if parameter.unit else ""
            properties.setdefault(
                parameter.name, {"$ref": "#/$defs/Parameter", "description": f"{parameter.doc}{unit}"}
            )
    return properties


if __name__ == "__main__":
    print(json.dumps(json_schema(), indent=2, ensure_ascii=False))
