"""Identity: what the results of a study depend on, and how two studies differ."""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calibrate.study.file.sections import StudyFile
from calibrate.study.file.targets import RECORDING, ObjectiveSection
from calibrate.study.python_objects import digest

if TYPE_CHECKING:
    from calibrate.study.study import Study


def content_of(study: Study) -> dict[str, Any]:
    """All that the results of `study` depend on, as JSON has it."""
    file = study.file
    of_simulation = {"backend", "dt_ms", "warmup_ms", "duration_ms", "precision"}
    if file.simulation.seed is not None:
        of_simulation.add("seed")
    objectives = {
        objective.name: _without_defaults(section)
        for objective, section in zip(study.objectives, file.objectives, strict=True)
    }
    constraints = {
        constraint.name: section.model_dump(mode="json", exclude={"name"}, exclude_none=True)
        for constraint, section in zip(study.constraints, file.constraints, strict=True)
    }
    loop = file.loop.model_dump(mode="json", exclude={"deadline"}) if file.loop else {}
    references = [
        file.model.name,
        *([file.loop.environment] if file.loop else []),
        *(section.statistic for section in file.objectives),
    ]
    references += [section.statistic for section in file.constraints]
    derived = {name: {"expression": expression.text} for name, expression in study.derived.items()}
    ranges = {name: asdict(domain) for name, domain in study.space.items()}
    # Studies of older versions do not have these tables: they are present only if they are not empty.
    if_any = {
        "constraints": constraints,
        "stages": {str(k): asdict(timing) for k, timing in enumerate(study.stages[:-1], start=1)},
        "stimuli": {str(k): asdict(stimulus) for k, stimulus in enumerate(study.stimuli)},
        "loop": loop,
        "recording": file.recording.model_dump(mode="json", exclude_none=True) if file.recording else {},
        "replicates": file.replicates.model_dump(mode="json", exclude={"fresh"}, exclude_defaults=True),
        "study": {"pareto": True} if study.pareto else {},
    }
    content = {
        **{table: keys for table, keys in if_any.items() if keys},
        "study": {"seed": study.seed, **if_any["study"]},
        "model": {"name": file.model.name},
        "parameters": {**study.fixed, **derived, **ranges},
        "simulation": file.simulation.model_dump(mode="json", include=of_simulation),
        "objectives": objectives,
        "sampler": file.sampler.model_dump(mode="json"),
        "files": {
            **{name: _code_digest(study.folder / name) for name in _files(references)},
            **{name: digest(value) for name, value in study.own.items()},
            **{name: _bytes_digest(study.folder / name) for name in _data_files(file)},
        },
    }
    normal: dict[str, Any] = json.loads(json.dumps(content))
    return normal


def _files(references: list[str]) -> list[str]:
    found = (reference.rpartition(":")[0] for reference in references)
    return sorted({name for name in found if name.endswith(".py")})


def _without_defaults(section: ObjectiveSection) -> dict[str, Any]:
    # Studies of older versions do not have these keys.
    newer = {name for name in ("distance", "loss", "samples") if name not in section.model_fields_set}
    without_effect = {"source", "name", "standard_error"}
    return section.model_dump(mode="json", exclude=newer | without_effect, exclude_none=True)


def _data_files(file: StudyFile) -> list[str]:
    named = [one.distribution for one in file.objectives if isinstance(one.distribution, str)]
    recording = [file.recording.file] if file.recording else []
    return sorted({*recording, *(name for name in named if name != RECORDING)})


def _bytes_digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _code_digest(path: Path) -> str:
    # Of the syntax tree, so that comments and layout can change.
    return hashlib.sha256(ast.dump(ast.parse(path.read_bytes())).encode()).hexdigest()


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """What changed from one study's content to another's: `[table] key was A, is B`."""
    before, after = _flat(old), _flat(new)
    changes = []
    for place in dict.fromkeys([*before, *after]):
        if before.get(place) == after.get(place):
            continue
        table, *keys = place
        where = f"[{table}] {'.'.join(keys)}"
        if table == "files":
            what = "code of " if keys[0].endswith(".py") or keys[0].startswith("python:") else "file "
            changes.append(f"the {what}{keys[0]} was changed")
        elif place not in before:
            changes.append(f"{where} = {json.dumps(after[place])} was added")
        elif place not in after:
            changes.append(f"{where} = {json.dumps(before[place])} was removed")
        else:
            changes.append(f"{where} was {json.dumps(before[place])}, is {json.dumps(after[place])}")
    return changes


def _flat(content: Mapping[str, Any], place: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    flat: dict[tuple[str, ...], Any] = {}
    for key, value in content.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, (*place, key))
        else:
            flat[*place, key] = value
    return flat
