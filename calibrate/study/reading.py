"""Reading a study file, or the same tables in Python, into a Study that has passed all checks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import tomli_w

from calibrate.errors import StudyError
from calibrate.hardware import Hardware
from calibrate.network import Model, Network
from calibrate.objective import Constraint, Objective, Statistic
from calibrate.observation import Needs
from calibrate.study.expressions import Expression
from calibrate.study.file.problems import Problems
from calibrate.study.file.samplers import AnySampler, Bo, Cmaes, Tpe
from calibrate.study.file.sections import DerivedParameter, FreeParameter, StudyFile
from calibrate.study.file.text import StudyText, read_text, without_password_of
from calibrate.study.file.toml_tables import read_tables
from calibrate.study.from_files import Stored
from calibrate.study.python_objects import plain
from calibrate.study.rules import common as checks
from calibrate.study.rules import (
    conditions,
    hardware,
    own_simulation,
    parameters,
    recorded_clusters,
    recorded_conditions,
    recorded_targets,
    targets,
    tolerances,
    warnings,
    whole_steps,
)
from calibrate.study.rules.closed_loop import check_loop
from calibrate.study.rules.stimuli import stimuli as stimuli_of
from calibrate.study.space import Range, Space
from calibrate.study.study import Study
from calibrate.study.variants import with_step_of

# Up to this number of free parameters, the default sampler models every statistic.
_MOST_MODELLED = 20


def read_study(
    path: Path | str, *, changes: Mapping[str, object] | None = None, searched: bool = True
) -> Study:
    """Read a study file and check it. Writes nothing.

    Parameters
    ----------
    path : Path or str
        The file.
    changes : dict of str to object, optional
        Changes to its keys, such as {"simulation.dt_ms": 0.05}.
    searched : bool
        Whether tolerances must not be below a given `standard_error`, as a search needs.

    Returns
    -------
    Study
        The study.

    Raises
    ------
    StudyError
        If a rule is broken; the message has one line for each.

    Examples
    --------
    >>> from calibrate import read_study
    >>> study = read_study("study.toml", changes={"budget.trials": 10})
    >>> study.name, study.trials
    ('study', 10)
    """
    return _study(read_text(Path(path), changes), own={}, searched=searched)


def read_stored_study(
    path: Path | str, stored: Stored, *, changes: Mapping[str, object] | None = None
) -> Study:
    """Read a study file whose data files may be missing, since its database knows what was taken from them.

    Raises StudyError as `read_study` does.
    """
    return _study(read_text(Path(path), changes), own={}, searched=False, stored=stored)


def make_study(
    name: str,
    *,
    model: str | Model | Callable[..., Any] | Mapping[str, Any],
    parameters: Mapping[str, Any],
    objectives: Sequence[Mapping[str, Any]],
    constraints: Sequence[Mapping[str, Any]] = (),
    stages: Sequence[Mapping[str, Any]] = (),
    stimuli: Sequence[Mapping[str, Any]] = (),
    conditions: Sequence[Mapping[str, Any]] = (),
    simulation: Mapping[str, Any] | None = None,
    replicates: Mapping[str, Any] | None = None,
    sampler: str | Mapping[str, Any] | None = None,
    prior: Mapping[str, Any] | None = None,
    budget: Mapping[str, Any] | None = None,
    validation: Mapping[str, Any] | None = None,
    storage: Mapping[str, Any] | None = None,
    pool: Mapping[str, Any] | None = None,
    recording: Mapping[str, Any] | None = None,
    recordings: Sequence[Mapping[str, Any]] = (),
    loop: Mapping[str, Any] | None = None,
    hardware: Mapping[str, Any] | None = None,
    seed: int = 0,
    pareto: bool = False,
    folder: Path | str = ".",
) -> Study:
    """Make a study in Python. Writes nothing.

    Every argument is the table of a study file that has its name. `text` of the study is that study file,
    without the password of its database.

    Parameters
    ----------
    name : str
        Name of the study.
    model : str, Model, callable or dict
        Name of the network model, or the model itself, or a function that simulates it: a simulation of your
        own. Or the table [model], with one of these as its `name`.
    parameters : dict of str to object
        Parameters by name: a value, {"low": ..., "high": ...} or another table of [parameters].
    objectives : sequence of dict
        The objectives; `statistic` may be a Statistic.
    constraints : sequence of dict
        The constraints; `statistic` may be a Statistic.
    stages : sequence of dict
        Short simulations before the full one.
    stimuli : sequence of dict
        Currents that are switched on and off.
    conditions : sequence of dict
        Experiments that every candidate is simulated in.
    simulation : dict, optional
        Simulator, resolution and durations.
    replicates : dict, optional
        Graphs on which a candidate is simulated.
    sampler : str or dict, optional
        Name of the sampler, or its table.
    prior : dict, optional
        What is known before the search.
    budget : dict, optional
        What ends the study.
    validation : dict, optional
        How the best trials are validated.
    storage : dict, optional
        The database.
    pool : dict, optional
        Processes of this computer, or a Dask cluster.
    recording : dict, optional
        A recording that targets are taken from.
    recordings : sequence of dict
        Several recordings, such as sessions, that are pooled.
    loop : dict, optional
        The environment of a closed loop.
    hardware : dict, optional
        Limits of a chip.
    seed : int
        Seed of the search and, unless `simulation` has another, of the simulations.
    pareto : bool
        Whether to search a Pareto front.
    folder : Path or str
        Folder of files that are named, and of the database.

    Returns
    -------
    Study
        The study.

    Raises
    ------
    StudyError
        If a rule is broken; the message has one line for each.

    Examples
    --------
    >>> from calibrate import make_study
    >>> study = make_study(
    ...     "silent",
    ...     model="balanced",
    ...     parameters={"N_E": 200, "N_I": 50, "I_th_E": {"low": 0.9, "high": 2.0}},
    ...     objectives=[{"statistic": "silent_fraction_E", "target": 0.1, "tolerance": 0.05}],
    ...     budget={"trials": 20},
    ... )
    >>> list(study.space)
    ['I_th_E']
    """
    own: dict[str, object] = {}
    arguments = {
        "study": {"name": name, "seed": seed, **({"pareto": True} if pareto else {})},
        "model": dict(model) if isinstance(model, Mapping) else {"name": model},
        "parameters": parameters,
        "simulation": simulation,
        "objectives": objectives,
        "constraints": constraints or None,
        "stages": stages or None,
        "conditions": conditions or None,
        "stimuli": stimuli or None,
        "replicates": replicates,
        "sampler": {"name": sampler} if isinstance(sampler, str) else sampler,
        "prior": prior,
        "budget": budget,
        "validation": validation,
        "storage": storage,
        "pool": pool,
        "recording": recording,
        "recordings": recordings or None,
        "loop": loop,
        "hardware": hardware,
    }
    tables = plain(arguments, own)
    try:
        text = tomli_w.dumps(tables)
    except TypeError as error:
        raise StudyError(
            f"{name}: a study can contain only numbers, strings, lists and tables: {error}"
        ) from None
    text = without_password_of(text, tables)
    return _study(StudyText(Path(folder) / f"{name}.toml", text, tables, {}), own=own, searched=True)


def _study(
    given: StudyText, *, own: Mapping[str, object], searched: bool, stored: Stored | None = None
) -> Study:
    problems, lines = Problems(), given.lines
    study = _check(problems, given, own, stored)
    if study is not None and searched and not problems.found:
        tolerances.check(problems, study.file, study.targeted)
        recorded_clusters.check(
            problems,
            study.file.objectives,
            study.targeted,
            study.network,
            study.recordings,
            study.folder,
            own,
        )
    if study is None or problems.found:
        # A study made in Python has no lines.
        where = str(given.path) if lines else given.path.stem
        raise StudyError("\n".join(dict.fromkeys(problem.render(where, lines) for problem in problems.found)))
    return study


def default_sampler(space: Space, *, pareto: bool) -> AnySampler:
    """Return the default sampler of a study: bo for one loss and up to 20 parameters.

    Chosen by measurements on networks of 1500 and 5000 neurons with 4 to 9 parameters, for which it takes a
    fraction of the trials: benchmarks/RESULTS.md. For more parameters, cmaes if it can search `space`.
    """
    if pareto:
        return Tpe()
    if len(space) <= _MOST_MODELLED:
        return Bo()
    numbers = all(isinstance(domain, Range) for domain in space.values())
    return Cmaes() if numbers else Tpe()


def _check(
    problems: Problems, given: StudyText, own: Mapping[str, object], stored: Stored | None
) -> Study | None:
    file = read_tables(problems, given.tables)
    if file is None:
        return None
    folder = given.path.parent
    model, file = own_simulation.named(problems, file, folder, own)
    if model is None:
        return None
    limits, written = hardware.of_search(problems, file), file.simulation
    file = file.model_copy(update={"simulation": with_step_of(limits, written)})
    found = _searched(problems, file, model, limits, names_sampler="sampler" in given.tables)
    if found is None:
        return None
    file, model, (fixed, space, derived) = found
    drafted = conditions.drafted(problems, file, model) if conditions.check(problems, file) else ()
    networks = conditions.networks(problems, file, model, (fixed, space, derived), drafted)
    if networks is None:
        return None
    checks.check_backend(problems, file, networks[""])
    protocol = stimuli_of(problems, file, {one.name: networks[one.name] for one in drafted})
    names = [section.name for section in file.conditions]
    everything = recorded_targets.recorded(problems, file, folder, stored, names)
    recorded = recorded_conditions.by_condition(problems, file, everything, protocol)
    objectives = targets.objectives(problems, file, networks, recorded, own)
    constraints = targets.constraints(problems, file, networks, folder, own)
    made = conditions.complete(problems, file, drafted, networks, (objectives, constraints), protocol)
    statistics = conditions.statistics_of(made, (*objectives, *constraints))
    _check_across(problems, file, objectives, constraints, networks[""], folder, statistics)
    judged = list(zip(objectives, file.objectives, strict=False))  # fewer if there are problems
    study = Study(
        path=given.path,
        text=given.text,
        name=file.study.name or given.path.stem,
        file=file.model_copy(update={"simulation": written}),
        model=model,
        fixed=fixed,
        derived=derived,
        space=space,
        network=networks[""],
        objectives=tuple(one for one, section in judged if not file.holds_out(section)),
        predicted=tuple(one for one, section in judged if file.holds_out(section)),
        constraints=constraints,
        statistics=statistics,
        conditions=made,
        own=own,
        names_sampler="sampler" in given.tables,
        recordings=(recorded.get("") or everything).recordings,
        digests=stored.digests if stored else {},
        limits=limits,
    )
    return study if problems.found else _completed(study, recorded)


def _searched(
    problems: Problems, file: StudyFile, model: Model, limits: Hardware | None, *, names_sampler: bool
) -> tuple[StudyFile, Model, tuple[dict[str, Any], Space, dict[str, Expression]]] | None:
    """The file with its sampler, the model under its limits, and the parameters; None: a rule is broken."""
    fixed, space, derived = _check_parameters(problems, file, model)
    if not names_sampler:
        file = file.model_copy(update={"sampler": default_sampler(space, pareto=file.study.pareto)})
    checks.check_search(problems, file, space)
    if len(fixed) + len(space) + len(derived) < len(file.parameters):
        return None
    limited = hardware.limited(problems, limits, file, model, (fixed, space, derived))
    return None if limited is None else (file, limited, (fixed, space, derived))


def _check_across(
    problems: Problems,
    file: StudyFile,
    objectives: Sequence[Objective],
    constraints: Sequence[Constraint],
    network: Network,
    folder: Path,
    statistics: Sequence[Statistic],
) -> None:
    """The rules between objectives, constraints, stages, times and a closed loop."""
    needs = Needs.merge(statistic.needs for statistic in statistics)
    targets.check_names(problems, objectives, constraints)
    targets.check_times(problems, file, needs)
    targets.check_stages(problems, file, constraints)
    check_loop(problems, file, network, folder, needs)


def _completed(study: Study, recorded: Mapping[str, recorded_targets.Recorded]) -> Study:
    """The study without problems, with its warnings and what it has taken from its recordings."""
    taken = recorded_conditions.taken(recorded, study.file, study.targeted)
    return replace(study, taken=taken, warnings=tuple(dict.fromkeys(warnings.of_study(study, recorded))))


def _check_parameters(
    problems: Problems, file: StudyFile, model: Model
) -> tuple[dict[str, Any], Space, dict[str, Expression]]:
    """The parameters that are fixed, free, and derived from others, without those that break a rule."""
    values = file.parameters
    free = {name: value for name, value in values.items() if isinstance(value, FreeParameter)}
    formulas = {name: value for name, value in values.items() if isinstance(value, DerivedParameter)}
    others = {name: value for name, value in values.items() if name not in {**free, **formulas}}
    fixed = parameters.check_fixed(problems, model, others)
    space = parameters.domains(problems, model, free, grid=file.sampler.name == "grid")
    derived = parameters.derived(problems, model, formulas)
    complete = partial(parameters.completed, model, fixed, derived)
    dt_ms, backend = file.simulation.dt_ms, file.simulation.backend
    return fixed, whole_steps.in_whole_steps(model, complete, space, dt_ms, backend), derived
