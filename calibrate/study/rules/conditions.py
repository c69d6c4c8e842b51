"""The rules of [[conditions]]: their names, what refers to them, and the parameters that they change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from calibrate.errors import did_you_mean
from calibrate.network import Model, Network, Stimulus
from calibrate.objective import Constraint, Objective, Statistic
from calibrate.objective.panel import panel
from calibrate.study.conditions import Change, Condition, under_their_names
from calibrate.study.expressions import Expression
from calibrate.study.file.conditions import ChangeSection, ConditionSection
from calibrate.study.file.problems import Place, Problems, listed
from calibrate.study.file.sections import StudyFile
from calibrate.study.file.targets import ObjectiveSection, StatisticSection
from calibrate.study.rules import parameters
from calibrate.study.rules.common import attempt
from calibrate.study.space import Space


def duration_in(file: StudyFile, name: str) -> float:
    """Length of the measurement in the condition of this name (ms)."""
    own = next((one.duration_ms for one in file.conditions if one.name == name), None)
    return file.simulation.duration_ms if own is None else own


def judging(file: StudyFile) -> list[tuple[Place, StatisticSection]]:
    """The objectives and constraints of a file, each with its place."""
    return [
        *((("objectives", k), one) for k, one in enumerate(file.objectives)),
        *((("constraints", k), one) for k, one in enumerate(file.constraints)),
    ]


def check(problems: Problems, file: StudyFile) -> bool:
    """Add problems of names; returns whether every condition that is referred to exists."""
    before = len(problems.found)
    names = [section.name for section in file.conditions]
    for number, name in enumerate(names):
        if name in names[:number]:
            problems.add(("conditions", number, "name"), "is that of an earlier one", name, "rename it")
    if names and all(section.held_out for section in file.conditions):
        remedy = "leave held_out out of one of them"
        problems.add(("conditions",), "are all held out: nothing is left to search with", None, remedy)
    if names and file.loop is not None:
        rule, remedy = "cannot be used in a closed loop", "remove them, or [loop]"
        problems.add(("conditions",), rule, None, remedy)
    for number, stimulus in enumerate(file.stimuli):
        if stimulus.condition is not None:
            _check_name(problems, ("stimuli", number, "condition"), stimulus.condition, names)
    for place, section in judging(file):
        _check_reference(problems, place, section, names)
    if len(problems.found) == before and names:
        _check_held_out(problems, file)
        _check_definitions(problems, file)
    return len(problems.found) == before


def _check_name(problems: Problems, place: Place, name: str, names: Sequence[str]) -> None:
    if not names:
        remedy = f'remove it, or add [[conditions]] with name = "{name}"'
        problems.add(place, "names a condition, but the study has no [[conditions]]", name, remedy)
    elif name not in names:
        rule = f"is not a condition{did_you_mean(name, names)}"
        problems.add(place, rule, name, f"conditions are {listed(names)}")


def _check_reference(
    problems: Problems, place: Place, section: StatisticSection, names: Sequence[str]
) -> None:
    difference = section.difference if isinstance(section, ObjectiveSection) else None
    if difference is not None:
        for name in difference:
            _check_name(problems, (*place, "difference"), name, names)
        if difference[0] == difference[1]:
            rule = "is that of a condition from itself, which is 0"
            problems.add((*place, "difference"), rule, difference, "name two conditions")
        if section.condition is not None:
            problems.add(place, "has both condition and difference", None, "keep one of them")
    elif section.condition is not None:
        _check_name(problems, (*place, "condition"), section.condition, names)
    elif len(names) > 1:
        remedy = f'add condition = "...", one of {listed(names)}'
        if place[0] == "objectives":
            remedy += f', or difference = ["{names[1]}", "{names[0]}"]'
        problems.add(place, "does not say in which condition", None, remedy)


def _check_held_out(problems: Problems, file: StudyFile) -> None:
    for number, section in enumerate(file.constraints):
        if file.holds_out(section):
            rule = "is about a condition that is held out, which the search does not simulate"
            remedy = "remove it, or write an objective, which is then predicted"
            problems.add(("constraints", number), rule, section.condition, remedy)
    if all(file.holds_out(section) for section in file.objectives):
        rule = "are all about conditions that are held out: the search has nothing to aim at"
        problems.add(("objectives",), rule, None, "add one of a condition that is not")


def _check_definitions(problems: Problems, file: StudyFile) -> None:
    """In one condition, a name stands for one statistic, whether it is used there or in a difference."""
    known: dict[tuple[str, str], dict[str, object]] = {}
    for place, section in judging(file):
        name = _plain_name(section)
        definition = section.model_dump(
            include={"options", "clusters", "during_ms", "neurons", "samples", "distribution", "distance"},
            exclude_defaults=True,
        )
        definition["statistic"] = section.statistic
        for condition in file.conditions_of(section):
            if known.setdefault((condition, name), definition) != definition:
                rule = f"has the name of another statistic in condition {condition}, which has other options"
                problems.add(place, rule, name, 'rename one of them: name = "..."')
                break


def _plain_name(section: StatisticSection) -> str:
    """The name that a statistic has within a condition."""
    reference = section.statistic
    return section.name or (reference.rpartition(":")[2] if ":" in reference else reference)


# --- what they change -----------------------------------------------------------------------------------


def drafted(problems: Problems, file: StudyFile, model: Model) -> tuple[Condition, ...]:
    """Return the conditions without protocol and statistics; one without a name if the file has none."""
    return tuple(
        Condition(
            name=section.name,
            held_out=section.held_out,
            warmup_ms=section.warmup_ms,
            duration_ms=section.duration_ms,
            changes=dict(_changes(problems, section, model, ("conditions", number, "parameters"))),
        )
        for number, section in enumerate(file.conditions)
    ) or (Condition(),)


def _changes(
    problems: Problems, section: ConditionSection, model: Model, place: Place
) -> Iterator[tuple[str, Change]]:
    names = [parameter.name for parameter in model.parameters]
    for name, given in section.parameters.items():
        if name not in names:
            rule = f"names {name}, which is not a parameter of {model.name}{did_you_mean(name, names)}"
            problems.add(place, rule, None, f"its parameters are {listed(names)}")
            continue
        if (change := _change(problems, name, given, model, place)) is not None:
            yield name, change


def _change(problems: Problems, name: str, given: ChangeSection, model: Model, place: Place) -> Change | None:
    parameter = model.parameter(name)
    if (given.set is None) == (given.scale is None):
        rule = (
            f"says of {name} neither set nor scale" if given.set is None else f"both sets and scales {name}"
        )
        remedy = f"write {name} = {{ set = VALUE }} or {name} = {{ scale = FACTOR }}"
        problems.add(place, rule, None, remedy)
        return None
    if given.scale is not None:
        if parameter.kind in (int, float):
            return Change(factor=given.scale)
        rule = f"scales {name}, which is not a number"
        problems.add(place, rule, None, f"write {name} = {{ set = VALUE }}")
        return None
    value = attempt(problems, place, parameter.checked, given.set)
    return None if value is None else Change(value=value)


def networks(
    problems: Problems,
    file: StudyFile,
    model: Model,
    given: tuple[Mapping[str, Any], Space, Mapping[str, Expression]],
    drafted: Sequence[Condition],
) -> dict[str, Network] | None:
    """Return the networks in the middle of the ranges, by condition, and as "" without changes.

    None if one of them cannot be made.

    given  the parameters that are fixed, free, and derived
    """
    dt_ms, found = file.simulation.dt_ms, dict[str, Network]()
    of_conditions = {one.name: ("conditions", number) for number, one in enumerate(drafted)}
    for condition in {one.name: one for one in (Condition(), *drafted)}.values():
        if condition.name and not condition.changes:
            found[condition.name] = found[""]
            continue
        place = (*of_conditions[condition.name], "parameters") if condition.name else ("parameters",)
        network = parameters.check_model_rules(
            problems, model, *given, dt_ms, condition=condition, place=place
        )
        if network is None:
            return None
        found[condition.name] = network
    return found if drafted else None


# --- what they show -------------------------------------------------------------------------------------


def complete(
    problems: Problems,
    file: StudyFile,
    drafted: Sequence[Condition],
    networks: Mapping[str, Network],
    judged: tuple[Sequence[Objective], Sequence[Constraint]],
    protocol: Mapping[str, tuple[Stimulus, ...]],
) -> tuple[Condition, ...]:
    """Return the conditions with their protocols, and with the statistics of objectives, constraints, panel.

    networks  by condition, in the middle of the ranges
    judged    objectives and constraints in the order of the file; fewer if there are problems
    """
    objectives, constraints = judged
    sections = [section for _, section in judging(file)]
    judges: list[Objective | Constraint] = [*objectives, *constraints]
    pairs = list(zip(sections, judges, strict=True)) if len(sections) == len(judges) else []
    found = []
    for condition in drafted:
        asked: dict[str, Statistic] = {}
        for section, judge in pairs:
            if condition.name in file.conditions_of(section):
                name = judge.name.partition(".")[2] if condition.name else judge.name
                asked[name] = replace(judge.statistic.difference_of or judge.statistic, name=name)
        make_panel = partial(panel, networks[condition.name].layout)
        common = (attempt(problems, (), make_panel) or ()) if file.simulation.panel else ()
        found.append(
            replace(
                condition,
                stimuli=protocol.get(condition.name, ()),
                statistics=(*asked.values(), *(one for one in common if one.name not in asked)),
                judged=frozenset(asked),
            )
        )
    return tuple(found)


def statistics_of(
    conditions: Sequence[Condition], judged: Sequence[Objective | Constraint]
) -> tuple[Statistic, ...]:
    """Return the statistics of all conditions under their names in the study, those that judge first."""
    asked = {one.name: one.statistic for one in judged}
    others = [one for condition in conditions for one in under_their_names(condition)]
    return (*asked.values(), *(statistic for statistic in others if statistic.name not in asked))


def warnings(file: StudyFile) -> Iterator[str]:
    """Yield a line if a condition is held out, but nothing predicts it at the end of a run."""
    names = [section.name for section in file.conditions if section.held_out]
    if names and not file.replicates.fresh:
        yield (
            f"{listed(names)} {'is' if len(names) == 1 else 'are'} held out, but with [replicates] fresh = 0 "
            "a run does not end by predicting: only calibrate validate does"
        )
