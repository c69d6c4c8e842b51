"""[[stimuli]]: the stimulus protocol of a study, expanded into single currents."""

from __future__ import annotations

from calibrate.errors import did_you_mean
from calibrate.network import Network, Stimulus
from calibrate.observation import steps
from calibrate.study.file.problems import Place, Problems, listed
from calibrate.study.file.sections import StimulusSection, StudyFile
from calibrate.study.rules.common import attempt


def stimuli(problems: Problems, file: StudyFile, network: Network) -> tuple[Stimulus, ...]:
    """Return the currents in order of time; times are relative to the start of the measurement."""
    currents: list[Stimulus] = []
    for number, section in enumerate(file.stimuli):
        currents += _expand(problems, section, file, network, ("stimuli", number))
    return tuple(sorted(currents, key=lambda stimulus: stimulus.start_ms))


def _expand(
    problems: Problems, section: StimulusSection, file: StudyFile, network: Network, place: Place
) -> list[Stimulus]:
    populations = network.layout.populations
    if section.population not in populations:
        rule = f"is not a population{did_you_mean(section.population, populations)}"
        problems.add(
            (*place, "population"), rule, section.population, f"populations are {listed(populations)}"
        )
        return []
    n_clusters = network.population(section.population).clusters
    for cluster in section.clusters if isinstance(section.clusters, list) else ():
        if cluster not in range(n_clusters):
            rule = f"names a cluster that {section.population} does not have"
            problems.add((*place, "clusters"), rule, cluster, f"it has 0 to {n_clusters - 1}")
            return []
    onsets = _onsets(problems, section, place)
    dt_ms, measured_ms = file.simulation.dt_ms, file.simulation.duration_ms
    for time in (*onsets, section.duration_ms):
        if attempt(problems, place, steps, time, dt_ms, "a time of a stimulus") is None:
            return []
    for onset in onsets:
        if not onset >= 0 or onset + section.duration_ms > measured_ms:
            rule = f"has a presentation outside the {measured_ms:g} ms of the measurement"
            remedy = "change its times, or [simulation] duration_ms"
            problems.add(place, rule, f"{onset:g} to {onset + section.duration_ms:g} ms", remedy)
            return []
    return [
        Stimulus(
            section.population,
            (k % n_clusters,) if isinstance(section.clusters, str) else tuple(section.clusters),
            section.current_pA,
            onset,
            onset + section.duration_ms,
        )
        for k, onset in enumerate(sorted(onsets))
    ]


def _onsets(problems: Problems, section: StimulusSection, place: Place) -> list[float]:
    regular = (section.first_ms, section.every_ms, section.repetitions)
    if section.onsets_ms is not None:
        if any(value is not None for value in regular):
            problems.add(place, "has both onsets_ms and a regular train", None, "keep one of them")
        return list(section.onsets_ms)
    first, every, repetitions = regular
    if first is None or repetitions is None or (every is None and repetitions > 1):
        remedy = "write onsets_ms = [...], or first_ms, every_ms and repetitions"
        problems.add(place, "does not say when it is presented", None, remedy)
        return []
    return [first + k * (every or 0.0) for k in range(repetitions)]
