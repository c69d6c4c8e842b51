"""The rules of simulations of one's own: what they return, what they take, and what the file adds to that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from calibrate.errors import did_you_mean
from calibrate.network import Model, Parameter, find_model
from calibrate.network.model_reference import with_simulation
from calibrate.network.own_simulation import OwnSimulation
from calibrate.study.file.problems import Problems, listed
from calibrate.study.file.sections import (
    DerivedParameter,
    FreeParameter,
    StudyFile,
)
from calibrate.study.rules.common import attempt

# Times are whole multiples of this (ms) if the function has no time step.
FINEST_MS = 0.001


def named(
    problems: Problems, file: StudyFile, folder: Path, own: Mapping[str, object]
) -> tuple[Model | None, StudyFile]:
    """The model that the file names, and the file; None: it cannot be used.

    A simulation of one's own is completed by what the file says of it, and the file by a step of time that
    suits a function without one.
    """
    find = partial(find_model, file.model.name, folder=folder, own=own)
    model = attempt(problems, ("model", "name"), find)
    populations = file.model.populations
    if model is None:
        return None, file
    if model.simulation is None:
        if populations is not None:
            rule, remedy = f"are what a function returns, but {model.name} is a model", "remove them"
            problems.add(("model", "populations"), rule, None, remedy)
        return model, file
    simulation = model.simulation
    if populations is not None:
        simulation = simulation.with_populations(populations)
    if not simulation.populations:
        rule = f": {simulation.name} does not say which populations it returns, and how large they are"
        remedy = "write populations = { E = 400, I = 100 } here, with its own, or use @simulator in its file"
        problems.add(("model",), rule, None, remedy)
        return None, file
    if file.loop is not None:
        rule = f"needs a model that describes its network: {simulation.name} only returns spikes"
        problems.add(("loop",), rule, None, "remove it")
        return None, file
    _check_keys(problems, simulation, file)
    if "dt_ms" not in simulation.arguments.keywords:
        section = file.simulation.model_copy(update={"dt_ms": FINEST_MS})
        file = file.model_copy(update={"simulation": section})
    return _with_parameters(problems, with_simulation(model, simulation), file), file


def _check_keys(problems: Problems, simulation: OwnSimulation, file: StudyFile) -> None:
    """What the file asks for must be something that the function takes."""
    name, takes = simulation.name, simulation.arguments
    warmups = [("simulation", file.simulation.warmup_ms)]
    warmups += [("stages", stage.warmup_ms or 0.0) for stage in file.stages]
    for table, warmup_ms in warmups:
        if warmup_ms and not takes.has_warmup:
            rule = f"has no effect: {name} takes neither warmup_ms nor stop_ms"
            remedy = "write warmup_ms = 0, or add the argument"
            problems.add((table, "warmup_ms"), rule, warmup_ms, remedy)
    if file.stimuli and "stimuli" not in takes.keywords:
        problems.add(("stimuli",), f"have no effect: {name} takes no stimuli", None, "add the argument")
    for key in ("dt_ms", "precision"):
        if key in file.simulation.model_fields_set and key not in takes.keywords:
            remedy = "remove it, or add the argument" if key == "dt_ms" else "remove it"
            value = getattr(file.simulation, key)
            problems.add(("simulation", key), f"has no effect: {name} takes no {key}", value, remedy)


def _with_parameters(problems: Problems, model: Model, file: StudyFile) -> Model | None:
    """The model with those parameters of the file whose type the function does not declare."""
    assert model.simulation is not None
    takes, declared = model.simulation.arguments, {parameter.name for parameter in model.parameters}
    any_name = model.simulation.any_parameter
    names = [name for name in file.parameters if any_name or name in takes.parameters]
    more = []
    for name in (name for name in names if name not in declared):
        kind = _kind(file.parameters[name])
        if kind is None:
            rule = "must be a number, a string, true or false, a list, a range, or choices of one kind"
            problems.add(("parameters", name), rule)
            return None
        about = f"parameter of {model.name}"
        more.append(Parameter(name=name, default=None, unit="", doc=about, kind=kind))
    for name in takes.required:
        if name not in file.parameters and name not in declared:
            rule = f"lacks {name}, for which {model.simulation.name} has no default"
            hint = did_you_mean(name, [one for one in file.parameters if one not in takes.parameters])
            problems.add(
                ("parameters",), f"{rule}{hint}", None, f"its arguments are {listed(takes.parameters)}"
            )
            return None
    sure = [_decided(problems, parameter, model.simulation, file) for parameter in model.parameters]
    return replace(model, parameters=(*sure, *more))


def _decided(
    problems: Problems, parameter: Parameter, simulation: OwnSimulation, file: StudyFile
) -> Parameter:
    """A parameter whose type the file decides, if its default is 5 and could be 5.0 as well."""
    given = file.parameters.get(parameter.name)
    if given is None or parameter.name not in simulation.arguments.unsure:
        return parameter
    if isinstance(given, FreeParameter) and given.choices is None and given.type is None:
        rule = f"is a whole number, or any number? The default of {simulation.name} is {parameter.default}"
        remedy = 'write type = "int" or type = "float" in its table'
        problems.add(("parameters", parameter.name), rule, None, remedy)
    kind = _kind(given)
    if kind is not float or not isinstance(parameter.default, int):
        return parameter
    return replace(parameter, kind=float, default=float(parameter.default))


def _kind(given: Any) -> type[Any] | None:
    """The type of a parameter, by the value or the range that the file has."""
    if isinstance(given, DerivedParameter):
        return float
    if isinstance(given, FreeParameter):
        if given.choices is None:
            return int if given.type == "int" else float
        kinds = {_kind(choice) for choice in given.choices}
        return float if kinds == {int, float} else kinds.pop() if len(kinds) == 1 else None
    if isinstance(given, Mapping):
        return None
    return next((kind for kind in (bool, int, float, str) if isinstance(given, kind)), None) or (
        tuple if isinstance(given, list) else None
    )
