"""Which recordings serve which condition, and what the objectives of all conditions take from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

from calibrate.network import Stimulus
from calibrate.objective import Objective
from calibrate.study.file.problems import Problems
from calibrate.study.file.sections import StudyFile
from calibrate.study.from_files import FromFiles
from calibrate.study.rules.common import attempt
from calibrate.study.rules.conditions import duration_in
from calibrate.study.rules.recorded_targets import Recorded


def by_condition(
    problems: Problems, file: StudyFile, recorded: Recorded, protocol: Mapping[str, tuple[Stimulus, ...]]
) -> dict[str, Recorded]:
    """The data of each condition; add problems of periods. Without conditions, all data as that of "".

    protocol  the stimuli of each condition
    """
    if not file.conditions:
        return {"": recorded.serving(stimuli=protocol.get("", ()))}
    found = {}
    for number, section in enumerate(file.conditions):
        serving = partial(
            recorded.serving,
            section.name,
            duration_ms=duration_in(file, section.name),
            period=section.period,
            stimuli=protocol.get(section.name, ()),
        )
        own = attempt(problems, ("conditions", number, "period"), serving)
        found[section.name] = own or replace(recorded, sessions=(), unreadable=True)
    return found


def taken(recorded: Mapping[str, Recorded], file: StudyFile, objectives: Sequence[Objective]) -> FromFiles:
    """What the objectives of all conditions, in the order of the file, have taken from data files."""
    pairs = list(zip(objectives, file.objectives, strict=True))
    found = FromFiles()
    for name, of_condition in recorded.items():
        own = [pair for pair in pairs if file.conditions_of(pair[1])[0] == name]
        part = of_condition.taken([one for one, _ in own], [section for _, section in own])
        found = FromFiles(
            targets={**found.targets, **part.targets},
            distributions={**found.distributions, **part.distributions},
            recordings={**found.recordings, **part.recordings},
        )
    return found
