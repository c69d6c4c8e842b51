"""Identity: what the results of a study depend on, and how two studies differ."""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calibrate.errors import RecordingError
from calibrate.observation.recording_files import parts_of
from calibrate.plugins import imported_beside
from calibrate.study.conditions import qualified
from calibrate.study.file.sections import StudyFile
from calibrate.study.file.targets import RECORDING, ObjectiveSection
from calibrate.study.python_objects import digest
from calibrate.study.space import Domain

if TYPE_CHECKING:
    from calibrate.study.study import Study


def content_of(study: Study) -> dict[str, Any]:
    """All that the results of a study depend on, as JSON has it."""
    file = study.file
    of_simulation = {"backend", "dt_ms", "warmup_ms", "duration_ms", "precision"}
    if file.simulation.seed is not None:
        of_simulation.add("seed")
    objectives = {
        objective.name: without_defaults(section)
        for objective, section in zip(study.targeted, file.objectives, strict=True)
    }
    constraints = {
        constraint.name: section.model_dump(mode="json", exclude={"name"}, exclude_none=True)
        for constraint, section in zip(study.constraints, file.constraints, strict=True)
    }
    loop = file.loop.model_dump(mode="json", exclude={"deadline"}) if file.loop else {}
    derived = {name: {"expression": expression.text} for name, expression in study.derived.items()}
    ranges = {name: _as_written(domain) for name, domain in study.space.items()}
    stimuli = {
        qualified((condition.name,), str(k)): asdict(stimulus)
        for condition in study.conditions
        for k, stimulus in enumerate(condition.stimuli)
    }
    # Studies of older versions do not have these tables: they are present only if they are not empty.
    if_any = {
        "constraints": constraints,
        "stages": {str(k): asdict(timing) for k, timing in enumerate(study.stages[:-1], start=1)},
        "conditions": of_conditions(file),
        "stimuli": stimuli,
        "loop": loop,
        "hardware": study.limits.as_dict() if study.limits else {},
        "recording": of_recording(file),
        "recordings": of_recordings(file),
        "replicates": of_replicates(file),
        "study": {"pareto": True} if study.pareto else {},
    }
    content = {
        **{table: keys for table, keys in if_any.items() if keys},
        "study": {"seed": study.seed, **if_any["study"]},
        "model": file.model.model_dump(mode="json", exclude_none=True),
        "parameters": {**study.fixed, **derived, **ranges},
        "simulation": file.simulation.model_dump(mode="json", include=of_simulation),
        "objectives": objectives,
        "sampler": file.sampler.model_dump(mode="json"),
        "files": digests_of_files(file, study.folder, study.own, study.digests),
    }
    normal: dict[str, Any] = json.loads(json.dumps(content))
    return normal


def _as_written(domain: Domain) -> dict[str, Any]:
    """The keys of a range or of choices in a study file."""
    return {key: value for key, value in asdict(domain).items() if key != "multiple_of"}


def digests_of_files(
    file: StudyFile, folder: Path, own: Mapping[str, object], stored: Mapping[str, str]
) -> dict[str, str]:
    """SHA-256 of the code and the data that a study names, by name.

    own     its Python objects
    stored  what a database knows, for data files that are missing
    """
    references = [
        file.model.name,
        *([file.loop.environment] if file.loop else []),
        *(section.statistic for section in file.objectives),
        *(section.statistic for section in file.constraints),
    ]
    return {
        **{name: _code_digest(folder / name) for name in _files(references, folder)},
        **{name: digest(value) for name, value in own.items()},
        **{name: data_digest(folder / name, stored.get(name)) for name in data_files(file)},
    }


def _files(references: list[str], folder: Path) -> list[str]:
    named = {reference.rpartition(":")[0] for reference in references}
    files = {name for name in named if name.endswith(".py")}
    imported = {
        str(Path(name).with_name(path.name)) for name in files for path in imported_beside(folder / name)
    }
    return sorted(files | imported)


def code_of_simulations(file: StudyFile, folder: Path) -> set[str]:
    """Names under which the code that simulations depend on is listed, unlike that of statistics."""
    references = [file.model.name, *([file.loop.environment] if file.loop else [])]
    return {*references, *_files(references, folder)}


def without_defaults(section: ObjectiveSection) -> dict[str, Any]:
    """An objective's keys that results depend on; studies of older versions do not have the newer ones."""
    newer = {name for name in ("distance", "loss", "samples") if name not in section.model_fields_set}
    without_effect = {"source", "name", "standard_error"}
    return section.model_dump(mode="json", exclude=newer | without_effect, exclude_none=True)


def of_recording(file: StudyFile) -> dict[str, Any]:
    """[recording], with the length of its pieces if trials store distances from what they hold.

    Older versions stored distances from the whole recording.
    """
    if file.recordings:
        return {}
    content = file.recording.model_dump(mode="json", exclude_none=True) if file.recording else {}
    if any(one.distribution == RECORDING for one in file.objectives):
        content["piece_ms"] = file.simulation.duration_ms
    return content


def of_replicates(file: StudyFile) -> dict[str, Any]:
    """[replicates] without the fresh graphs, and without what studies of older versions had, too.

    A table of `confirm` is complete: what its keys leave out is no part of older studies.
    """
    content = file.replicates.model_dump(mode="json", exclude={"fresh"}, exclude_defaults=True)
    if "confirm" in content:
        content["confirm"] = file.replicates.model_dump(mode="json")["confirm"]
    return content


def of_conditions(file: StudyFile) -> dict[str, Any]:
    """[[conditions]] by name."""
    return {
        section.name: section.model_dump(mode="json", exclude={"name"}, exclude_none=True)
        for section in file.conditions
    }


def of_recordings(file: StudyFile) -> dict[str, Any]:
    """[[recordings]] by name."""
    return {
        one.called: one.model_dump(mode="json", exclude={"name"}, exclude_none=True)
        for one in file.recordings
    }


def data_files(file: StudyFile) -> list[str]:
    """Names of the files that a study takes targets from."""
    named = [one.distribution for one in file.objectives if isinstance(one.distribution, str)]
    recordings = [*([file.recording] if file.recording else []), *file.recordings]
    return sorted({*(one.file for one in recordings), *(name for name in named if name != RECORDING)})


def data_digest(path: Path, stored: str | None = None) -> str:
    """The SHA-256 of a data file, or of what is read of a folder.

    If it is missing, what is stored of it; "" for what whoever reads it will refuse.
    """
    if not path.exists():
        return stored or ""
    try:
        parts = parts_of(path)
    except RecordingError:
        return ""
    if path.is_file() and not parts:
        return _sha256(path)
    # Not where the folder is, nor its traces, which can be much larger.
    content = {name: _sha256(part) for name, part in parts.items()}
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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
        if table == "files" and (place not in before or place not in after):
            # Another change says why, or an older version did not list the files that others import.
            continue
        if table in ("recording", "recordings") and keys[-1] == "file" and _same_file(place, before, after):
            continue
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


def _same_file(
    place: tuple[str, ...], before: Mapping[tuple[str, ...], Any], after: Mapping[tuple[str, ...], Any]
) -> bool:
    """Whether a recording is the same one in another place."""
    was, now = (flat.get(("files", str(flat.get(place)))) for flat in (before, after))
    return was is not None and was == now


@dataclass(frozen=True)
class Order:
    """Names of the free parameters and of the objectives, in the order that a study's trials depend on."""

    parameters: tuple[str, ...]
    objectives: tuple[str, ...]


def order_of(content: Mapping[str, Any]) -> Order:
    """Return the order of a study, which two studies of equal content need not share."""
    free = (
        name
        for name, value in content["parameters"].items()
        if isinstance(value, Mapping) and "expression" not in value
    )
    return Order(tuple(free), tuple(content["objectives"]))


def _flat(content: Mapping[str, Any], place: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    flat: dict[tuple[str, ...], Any] = {}
    for key, value in content.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, (*place, key))
        else:
            flat[*place, key] = value
    return flat
