"""The rules of [[objectives]], [[constraints]] and [[stages]]: statistics, and matching times."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from calibrate.errors import did_you_mean
from calibrate.network import Network
from calibrate.objective import Constraint, Interval, Needs, Objective, Statistic, Value, find_statistic
from calibrate.objective.derived import during, of_clusters, subsampled
from calibrate.observation import steps
from calibrate.study.conditions import qualified
from calibrate.study.file.problems import Place, Problems, listed
from calibrate.study.file.sections import StudyFile
from calibrate.study.file.targets import RECORDING, ObjectiveSection, StatisticSection
from calibrate.study.rules.common import attempt
from calibrate.study.rules.conditions import duration_in, judging
from calibrate.study.rules.recorded_targets import Recorded, difference_of

# Statistics that were passed to a study in Python, by reference.
Own = Mapping[str, object]


def objectives(
    problems: Problems,
    file: StudyFile,
    networks: Mapping[str, Network],
    recorded: Mapping[str, Recorded],
    own: Own,
) -> tuple[Objective, ...]:
    """Make the objectives; add problems for unknown statistics and populations.

    networks  by condition, in the middle of the ranges
    recorded  the data of each condition
    """
    made: list[Objective] = []
    for number, section in enumerate(file.objectives):
        conditions = file.conditions_of(section)
        place: Place = ("objectives", number)
        data = [recorded[name] for name in conditions]
        objective = _objective(problems, section, conditions, networks, data, own, place)
        if objective is None:
            continue
        if objective.name in [other.name for other in made]:
            remedy = 'rename one of them: name = "..."'
            problems.add(
                ("objectives", number), "has the same name as an earlier one", objective.name, remedy
            )
        made.append(objective)
    return tuple(made)


def _objective(
    problems: Problems,
    section: ObjectiveSection,
    conditions: Sequence[str],
    networks: Mapping[str, Network],
    recorded: Sequence[Recorded],
    own: Own,
    place: Place,
) -> Objective | None:
    """Make an objective of one condition, or of the difference of two, from the data of each."""
    folder = recorded[0].folder
    found = _found(problems, section, [networks[name] for name in conditions], folder, own, place)
    statistic = found and _restricted(problems, section, found, conditions, place)
    if found is None or statistic is None:
        return None
    population = statistic.options.get("population")
    aims = {
        "a target": section.target,
        "an interval": section.interval,
        "a distribution": section.distribution,
    }
    given = [name for name, value in aims.items() if value is not None]
    if len(given) != 1:
        rule = f"has {' and '.join(given)}" if given else "needs a target"
        remedy = "write target = VALUE, interval = [LOW, HIGH] or distribution = FILE"
        problems.add(place, rule, None, remedy)
        return None
    if section.difference is not None and section.distribution is not None:
        rule = "is a difference, which has a number or an interval as its target"
        problems.add(place, rule, None, "write target = VALUE, or interval = [LOW, HIGH]")
        return None
    if section.tolerance is None and section.target != RECORDING:
        problems.add(
            place,
            "tolerance is missing",
            None,
            "add tolerance = ..., the largest deviation that meets the target",
        )
        return None
    if section.is_recorded and any(
        one.unreadable for one in recorded
    ):  # which is a problem of [recording] already
        return None
    lacking = [one for one in recorded if not one.has(population)]
    if section.is_recorded and lacking:
        rule = f"uses population {population}, which the recording does not contain"
        problems.add(place, rule, None, f"it contains {listed(lacking[0].populations)}")
        return None
    simulated: Statistic | None = statistic
    if section.clusters and all(one.has_only(len(section.clusters), population) for one in recorded):
        whole = section.model_copy(update={"clusters": None})
        statistic = _restricted(problems, whole, found, conditions, place)
    if section.neurons is not None:  # drawn from the clusters that are included
        sample = subsampled(found, neurons=section.neurons, samples=section.samples)
        simulated = _restricted(problems, section, sample, conditions, place)
    if section.difference is not None and simulated is not None:
        # A difference is compared as such, also if the values are compared by ratios.
        simulated = replace(simulated, scale="linear", sample="", screens=False, difference_of=simulated)
    return attempt(problems, place, _make, section, simulated, statistic, recorded)


def _found(
    problems: Problems,
    section: StatisticSection,
    networks: Sequence[Network],
    folder: Path,
    own: Own,
    place: Place,
) -> Statistic | None:
    """Find the statistic that a section names, of all clusters and the whole measurement."""
    statistic = attempt(
        problems,
        (*place, "statistic"),
        lambda: find_statistic(section.statistic, section.options, folder=folder, own=own),
    )
    if statistic is None:
        return None
    population = statistic.options.get("population")
    for network in networks:
        names = network.layout.populations
        if population is not None and population not in names:
            rule = f"refers to an unknown population{did_you_mean(str(population), names)}"
            problems.add((*place, "statistic"), rule, population, f"populations are {listed(names)}")
            return statistic
        clusters = [g.cluster for g in network.layout.groups if g.population == population]
        for cluster in section.clusters or ():
            if clusters and cluster not in clusters:
                rule = f"names a cluster that {population} does not have"
                problems.add((*place, "clusters"), rule, cluster, f"it has 0 to {len(clusters) - 1}")
                return None
    return statistic


def _restricted(
    problems: Problems,
    section: StatisticSection,
    statistic: Statistic,
    conditions: Sequence[str],
    place: Place,
) -> Statistic | None:
    """Restrict a statistic to the clusters and times of a section; it takes its name if there is one."""
    found: Statistic | None = statistic
    if section.clusters is not None:
        found = attempt(problems, (*place, "clusters"), of_clusters, statistic, section.clusters)
    if found is not None and section.during_ms is not None:
        found = during(found, *section.during_ms)
    return found and replace(found, name=qualified(conditions, section.name or statistic.name))


def constraints(
    problems: Problems, file: StudyFile, networks: Mapping[str, Network], folder: Path, own: Own
) -> tuple[Constraint, ...]:
    """Make the constraints; add problems for unknown statistics and populations."""
    made: list[Constraint] = []
    for number, section in enumerate(file.constraints):
        place: Place = ("constraints", number)
        conditions = file.conditions_of(section)
        found = _found(problems, section, [networks[name] for name in conditions], folder, own, place)
        statistic = found and _restricted(problems, section, found, conditions, place)
        if statistic is None:
            continue
        low = -math.inf if section.min is None else section.min
        high = math.inf if section.max is None else section.max
        constraint = attempt(problems, place, partial(Constraint, statistic=statistic, low=low, high=high))
        if constraint is None:
            continue
        if constraint.name in [other.name for other in made]:
            remedy = 'rename one of them: name = "..."'
            problems.add(place, "has the same name as an earlier one", constraint.name, remedy)
        made.append(constraint)
    return tuple(made)


def check_names(
    problems: Problems, objectives: Sequence[Objective], constraints: Sequence[Constraint]
) -> None:
    """An objective and a constraint with the same name must have the same statistic."""
    own = {objective.name: objective.statistic for objective in objectives}
    for number, constraint in enumerate(constraints):
        statistic = own.get(constraint.name, constraint.statistic)
        if (statistic.function, statistic.options) != (
            constraint.statistic.function,
            constraint.statistic.options,
        ):
            rule = "has the name of an objective, but other options or another statistic"
            remedy = 'rename one of them: name = "..."'
            problems.add(("constraints", number), rule, constraint.name, remedy)


def _make(
    section: ObjectiveSection, simulated: Statistic, statistic: Statistic, recorded: Sequence[Recorded]
) -> Objective:
    """Make an objective of the `simulated` statistic, and of what the recording has as `statistic`."""
    target: Value | Interval
    if section.distribution is not None:
        simulated = recorded[0].compared(simulated, statistic, section)
        target = Value(0.0, section.tolerance or 0.0, section.source)
    elif section.interval is not None:
        target = Interval(section.interval[0], section.interval[1], section.tolerance or 0.0, section.source)
    elif isinstance(section.target, str):
        of_one, *others = recorded
        if others:
            target = difference_of(of_one, others[0], statistic, section)
        else:
            target = of_one.target(statistic, section)
    else:
        target = Value(section.target or 0.0, section.tolerance or 0.0, section.source)
    return Objective(
        statistic=simulated, target=target, weight=section.weight, robust=section.loss == "robust"
    )


def check_times(problems: Problems, file: StudyFile, needs: Needs) -> None:
    """Durations and the statistics' bins must be whole numbers of time steps, and match each other."""
    simulation = file.simulation
    dt = simulation.dt_ms
    if abs(dt * 1000 - round(dt * 1000)) > 1e-9 or dt < 0.001:
        problems.add(("simulation", "dt_ms"), "must be a whole number of microseconds", dt, "round it")
        return
    for width in (needs.bin_ms, needs.window_ms):
        if width is not None:
            remedy = "choose a dt_ms that divides 1 ms, or other widths"
            attempt(problems, ("simulation", "dt_ms"), steps, width, dt, "a bin", remedy=remedy)
    _check_length(problems, ("simulation",), simulation.warmup_ms, simulation.duration_ms, dt, needs)
    for number, one in enumerate(file.conditions):
        warmup_ms = simulation.warmup_ms if one.warmup_ms is None else one.warmup_ms
        duration_ms = duration_in(file, one.name)
        _check_length(problems, ("conditions", number), warmup_ms, duration_ms, dt, needs)
    _check_parts(problems, file, needs)
    longer = file.validation.duration_ms
    if longer is not None and longer < simulation.duration_ms:
        rule = f"must not be shorter than that of [simulation], {simulation.duration_ms:g} ms"
        problems.add(("validation", "duration_ms"), rule, longer, "remove it, or choose a longer one")
    elif longer is not None:
        _check_length(problems, ("validation",), simulation.warmup_ms, longer, dt, needs)
    for number, stage in enumerate(file.stages):
        warmup_ms = simulation.warmup_ms if stage.warmup_ms is None else stage.warmup_ms
        _check_length(problems, ("stages", number), warmup_ms, stage.duration_ms, dt, needs)


def _check_parts(problems: Problems, file: StudyFile, needs: Needs) -> None:
    """The parts of the measurement that objectives and constraints use must lie in it, in whole steps."""
    simulation = file.simulation
    for place, section in judging(file):
        if section.during_ms is None:
            continue
        start, stop = section.during_ms
        measured_ms = min(duration_in(file, name) for name in file.conditions_of(section))
        if not 0 <= start < stop <= measured_ms:
            rule = f"must lie between 0 and {measured_ms:g} ms, the earlier time first"
            problems.add((*place, "during_ms"), rule, section.during_ms, "change it, or duration_ms")
            continue
        attempt(problems, (*place, "during_ms"), steps, start, simulation.dt_ms, "a time")
        whole = needs.bin_ms or simulation.dt_ms
        attempt(problems, (*place, "during_ms"), steps, stop - start, whole, "a part")


def _check_length(
    problems: Problems, place: Place, warmup_ms: float, duration_ms: float, dt_ms: float, needs: Needs
) -> None:
    attempt(problems, (*place, "warmup_ms"), steps, warmup_ms, dt_ms, "a time")
    whole = attempt(problems, (*place, "duration_ms"), steps, duration_ms, dt_ms, "a time")
    if needs.bin_ms is not None and whole is not None:
        bins = duration_ms / needs.bin_ms
        if not math.isclose(bins, round(bins), rel_tol=1e-9, abs_tol=1e-9) or round(bins) < 1:
            rule = f"must be a multiple of the {needs.bin_ms:g} ms bins that the statistics need"
            problems.add((*place, "duration_ms"), rule, duration_ms, "round it")


def check_stages(problems: Problems, file: StudyFile, constraints: Sequence[Constraint]) -> None:
    """Stages must become longer up to the full simulation, and be able to judge a constraint."""
    if not file.stages:
        return
    if not any(constraint.statistic.screens for constraint in constraints):
        rule = "have no effect: no constraint can be judged by a short simulation"
        remedy = 'add [[constraints]] on rate, synchrony or locking, such as statistic = "rate_E", max = 60.0'
        problems.add(("stages",), rule, None, remedy)
    searched = [one for one in file.conditions if not one.held_out]
    full_ms = [duration_in(file, one.name) for one in searched] or [file.simulation.duration_ms]
    lengths = [*(stage.duration_ms for stage in file.stages), min(full_ms)]
    for number, (shorter, longer) in enumerate(itertools.pairwise(lengths)):
        if not shorter < longer:
            full = "every condition" if searched else "[simulation] duration_ms"
            after = "the next stage" if number + 2 < len(lengths) else full
            rule = f"must be shorter than {after}, {longer:g} ms"
            problems.add(("stages", number, "duration_ms"), rule, shorter, "shorten it, or remove the stage")
