"""A study as it was when its database began it: order of lines, sampler, and targets of its recording."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from pydantic import TypeAdapter, ValidationError

from calibrate.objective import Objective
from calibrate.study.file.samplers import AnySampler, Sampler
from calibrate.study.from_files import Stored, changes_of_targets
from calibrate.study.study import Study


def in_order_of(study: Study, content: Mapping[str, Any]) -> Study:
    """Return the same study with free parameters and objectives in the order of another one's `content`.

    Points of a grid or of a Sobol sequence, and the values of a Pareto study's trials, depend on it. What the
    other study does not have comes last.
    """
    names = [*(name for name in content["parameters"] if name in study.space), *study.space]
    targeted = study.targeted
    by_name = {objective.name: k for k, objective in enumerate(targeted)}
    asked = [by_name[name] for name in content["objectives"] if name in by_name]
    order = list(dict.fromkeys([*asked, *by_name.values()]))
    sections = [study.file.objectives[k] for k in order]
    return replace(
        study,
        space={name: study.space[name] for name in names},
        objectives=tuple(targeted[k] for k in order if targeted[k] in study.objectives),
        predicted=tuple(targeted[k] for k in order if targeted[k] in study.predicted),
        file=study.file.model_copy(update={"objectives": sections}),
    )


def with_its_sampler(study: Study, content: Mapping[str, Any]) -> Study:
    """Return the same study with the sampler that another one with this `content` began with.

    Only if its file names none: the default of the version that began it may have been another one.
    """
    if study.names_sampler or "sampler" not in content:
        return study
    try:
        sampler = TypeAdapter[AnySampler](Sampler).validate_python(content["sampler"])
    except ValidationError:  # of a version that this one does not know
        return study
    return replace(study, file=study.file.model_copy(update={"sampler": sampler}))


def began_with(study: Study, stored: Stored) -> Study:
    """Return the same study with the targets that it took from its recording when it began."""
    was = {name: one for name, one in stored.taken.targets.items() if name in study.taken.targets}

    def as_begun(objectives: Sequence[Objective]) -> tuple[Objective, ...]:
        return tuple(replace(one, target=was.get(one.name, one.target)) for one in objectives)

    return replace(
        study,
        objectives=as_begun(study.objectives),
        predicted=as_begun(study.predicted),
        taken=stored.taken,
        digests=stored.digests,
        warnings=(*study.warnings, *changes_of_targets(was, study.taken.targets)),
    )
