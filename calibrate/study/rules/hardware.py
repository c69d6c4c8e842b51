"""The limits of [hardware] under which a study searches, and what they change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from calibrate.hardware import Hardware
from calibrate.hardware.carried import refusals, refused_stimuli
from calibrate.hardware.changes import notes
from calibrate.network import Model
from calibrate.observation import steps
from calibrate.study.expressions import Expression
from calibrate.study.file.problems import Problems
from calibrate.study.file.sections import StudyFile
from calibrate.study.rules.common import attempt
from calibrate.study.rules.parameters import completed, middle
from calibrate.study.rules.targets import check_times
from calibrate.study.space import Space
from calibrate.study.study import Study
from calibrate.study.variants import limited_model, with_step_of


def of_search(problems: Problems, file: StudyFile) -> Hardware | None:
    """Return the limits under which every network of the study is simulated; None if there are none."""
    section = file.hardware
    if section is None:
        return None
    limits = attempt(problems, ("hardware",), lambda: section.hardware)
    return limits if section.search else None


def limited(
    problems: Problems,
    limits: Hardware | None,
    file: StudyFile,
    model: Model,
    given: tuple[Mapping[str, Any], Space, Mapping[str, Expression]],
) -> Model | None:
    """Return the model under the limits; None if the platform cannot carry its networks.

    given  the parameters that are fixed, free, and derived
    """
    if limits is None:
        return model
    fixed, space, derived = given
    found = list(refused_stimuli(limits, stimuli=bool(file.stimuli), loop=file.loop is not None))
    try:
        network = model.network(completed(model, fixed, derived, middle(space)))
    except Exception:  # of any kind, from the model's code: reported by the rules of the model
        network = None
    if network is not None:
        found += refusals(network, limits)
    for reason in found:
        problems.add(("hardware", "target"), f": {reason}")
    _check_delays(problems, limits, file)
    return None if found else limited_model(model, limits, file.simulation.dt_ms)


def _check_delays(problems: Problems, limits: Hardware, file: StudyFile) -> None:
    if limits.delay_step_ms is not None:
        place = ("hardware", "delay_step_ms")
        attempt(problems, place, steps, limits.delay_step_ms, file.simulation.dt_ms, "a step of delays")


def refused_times(study: Study, limits: Hardware) -> Iterator[str]:
    """Yield which times of the full simulation of a study are no whole steps on a platform."""
    problems, simulation = Problems(), with_step_of(limits, study.file.simulation)
    file = study.file.model_copy(update={"simulation": simulation, "stages": []})
    check_times(problems, file, study.needs)
    _check_delays(problems, limits, file)
    times = {
        time for one in study.conditions for each in one.stimuli for time in (each.start_ms, each.stop_ms)
    }
    for time in sorted(times):
        attempt(problems, ("stimuli",), steps, time, simulation.dt_ms, "a time of a stimulus")
    if study.loop is not None:
        place = ("loop", "interval_ms")
        attempt(problems, place, steps, study.loop.interval_ms, simulation.dt_ms, "the interval")
    for problem in problems.found:
        yield (
            f"{limits.target} has a time step of {simulation.dt_ms:g} ms: "
            f"{replace(problem, remedy='').render('', {}).removeprefix(': ')}"
        )


WITHOUT_SYNAPSES = "Poisson neurons have no synapses, thresholds or time constants: limits change nothing"


def warnings(study: Study, limits: Hardware) -> Iterator[str]:
    """Yield a line for what the limits of a study change besides rounding."""
    if study.simulation.backend == "poisson":
        yield WITHOUT_SYNAPSES
    dt_ms, written_dt_ms = study.simulation.dt_ms, study.file.simulation.dt_ms
    if dt_ms != written_dt_ms:
        yield (
            f"every network is simulated with the time step of {limits.target}, {dt_ms:g} ms, instead of "
            f"{written_dt_ms:g} ms: [hardware] dt_ms can change it"
        )
    original, given = replace(study.model, limits=None), study.parameters({})
    network = original.network(given)
    yield from notes(network, original.values(network, given), limits, dt_ms=dt_ms)
