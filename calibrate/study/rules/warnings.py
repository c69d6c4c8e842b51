"""What a valid study may not intend."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

from calibrate.study.conditions import timing_in
from calibrate.study.rules import (
    conditions,
    hardware,
    parameters,
    recorded_clusters,
    recorded_targets,
    refractoriness,
    symmetry,
    whole_steps,
)
from calibrate.study.study import Study


def of_study(study: Study, recorded: Mapping[str, recorded_targets.Recorded]) -> Iterator[str]:
    """Yield a line for each."""
    simulation = study.simulation
    yield from conditions.warnings(study.file)
    for condition in study.conditions:
        complete = partial(study.parameters_in, condition)
        yield from whole_steps.warnings(
            study.model, complete, study.space, simulation.dt_ms, simulation.backend
        )
    yield from whole_steps.about_indegrees(study.network)
    yield from whole_steps.about_points(study.prior.points, study.space)
    if study.limits is None:
        yield from symmetry.warnings(study.model, study.parameters, study.space)
    else:
        yield from hardware.warnings(study, study.limits)
    values = study.model.values(study.network, study.parameters(parameters.middle(study.space)))
    for condition in study.conditions:
        pairs = zip(study.targeted, study.file.objectives, strict=True)
        own = [pair for pair in pairs if condition.name in study.file.conditions_of(pair[1])]
        objectives, sections = [one for one, _ in own], [section for _, section in own]
        duration_ms, recordings = timing_in(study, condition).duration_ms, recorded[condition.name].recordings
        yield from recorded_targets.warnings(recordings, sections, duration_ms)
        yield from recorded_clusters.numbers_of_neurons(
            recordings, objectives, sections, study.network, duration_ms
        )
    yield from refractoriness.warnings(study.network, values, study.simulation.dt_ms)
    for name, recording in study.recordings.items():
        place = f"[recordings] {name}:" if name else "[recording]"
        yield from (f"{place} {note}" for note in recording.notes)
