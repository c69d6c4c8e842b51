"""Clusters and numbers of units of a recording against those of the network: like is compared with like."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from calibrate.errors import CalibrateError
from calibrate.network import Network
from calibrate.objective import Objective, Statistic, find_statistic
from calibrate.observation.recording import Recording, division
from calibrate.study.file.problems import Place, Problems
from calibrate.study.file.targets import ObjectiveSection


def check(
    problems: Problems,
    sections: Sequence[ObjectiveSection],
    objectives: Sequence[Objective],
    network: Network,
    recordings: Mapping[str, Recording],
    folder: Path,
    own: Mapping[str, object],
) -> None:
    """Reject comparisons with a recording that has another number of clusters, if these matter."""
    for number, (objective, section) in enumerate(zip(objectives, sections, strict=True)):
        if not section.is_recorded:
            continue
        population = str(objective.statistic.options.get("population"))
        groups = network.layout.groups_of(population)
        simulated = groups.stop - groups.start if section.clusters is None else len(section.clusters)
        for name, recording in recordings.items():
            recorded = n_clusters(recording, population)
            both = section.clusters is not None and max(section.clusters) < recorded  # have these clusters
            if both or recorded == simulated or (len(recordings) > 1 and population not in recording.trains):
                continue
            if depends_on_clusters(objective.statistic, section, recording, folder, own):
                _add(problems, ("objectives", number), objective, name, population, recorded, simulated)
                break


def _add(
    problems: Problems,
    place: Place,
    objective: Objective,
    name: str,
    population: str,
    recorded: int,
    simulated: int,
) -> None:
    has = f"the recording {name} has".replace("  ", " ")
    has = f"{has} {recorded} and the network {simulated}"
    rule = f"{objective.name} depends on the clusters of {population}, of which {has}"
    same = list(range(min(recorded, simulated)))
    few = str(same) if len(same) <= 8 else f"[...], with {len(same)} of them"
    as_many = f"compare {'one' if len(same) == 1 else 'as many'} (clusters = {few})"
    if recorded == 1:
        as_many = f"name the cluster of each unit in the recording, or {as_many}"
    if "scope" in objective.statistic.options:
        as_many = f'take the population as one group (options = {{ scope = "all" }}), or {as_many}'
    problems.add(place, rule, None, as_many)


def numbers_of_neurons(
    recordings: Mapping[str, Recording],
    objectives: Sequence[Objective],
    sections: Sequence[ObjectiveSection],
    network: Network,
    piece_ms: float,
) -> Iterator[str]:
    """Yield one line for each statistic that depends on the number of neurons, if that is not as recorded."""
    summed = [
        (objective, section)
        for objective, section in zip(objectives, sections, strict=True)
        if section.is_recorded and "neurons" in (objective.statistic.depends_on or ())
    ]
    if not recordings or not summed:
        return
    pieces = [piece for recording in recordings.values() for piece in division(recording, piece_ms)]
    whose = "the recordings" if len(recordings) > 1 else "the recording"
    for objective, section in summed:
        population = str(objective.statistic.options.get("population"))
        groups = network.layout.groups[network.layout.groups_of(population)]
        chosen = groups if section.clusters is None else [groups[k] for k in section.clusters]
        simulated = section.neurons or sum(group.size for group in chosen)
        held = [len(piece.units[population]) for piece in pieces if population in piece.units] or [0]
        if min(held) < max(held):
            yield (
                f"{objective.name} depends on the number of neurons, and pieces of {whose} hold "
                f"{min(held)} to {max(held)} units; choose units or times for which it is always the same"
            )
        elif simulated != max(held):
            yield (
                f"{objective.name} depends on the number of neurons: {max(held)} are recorded, and "
                f"{simulated} simulated ones are measured; write neurons = {max(held)}"
            )


def n_clusters(recording: Recording, population: str) -> int:
    """Number of clusters of a population in a recording; 1 if the clusters of its units are not known."""
    return len(recording.clusters.get(population, (1,)))


def depends_on_clusters(
    statistic: Statistic,
    section: ObjectiveSection,
    recording: Recording,
    folder: Path,
    own: Mapping[str, object],
) -> bool:
    """Whether a statistic depends on the clusters; one that does not say is tried on the recording."""
    if statistic.depends_on is not None:
        return "clusters" in statistic.depends_on
    try:
        found = find_statistic(section.statistic, section.options, folder=folder, own=own)
        values = [found(part.observe(**found.needs.widths)).value for part in _grouped(recording)]
    except (CalibrateError, ArithmeticError, LookupError, ValueError):  # it needs clusters, perhaps
        return True
    return values[0] != values[1]


def _grouped(recording: Recording) -> tuple[Recording, Recording]:
    """Return the recording with all units of a population in one cluster, and in as many as possible."""
    sizes = {population: len(trains) for population, trains in recording.trains.items()}
    return (
        replace(recording, clusters={population: [n] for population, n in sizes.items()}),
        replace(recording, clusters={population: [1] * n for population, n in sizes.items()}),
    )
