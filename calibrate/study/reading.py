"""Reading a study file, or the same tables in Python, into a Study that has passed all checks."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import tomli_w

from calibrate.errors import StudyError
from calibrate.masking import without_password, without_passwords
from calibrate.network import Model, Network, find_model
from calibrate.objective import Constraint, Objective, Statistic
from calibrate.objective.panel import panel
from calibrate.observation import Needs
from calibrate.study.expressions import Expression
from calibrate.study.file.problems import Place, Problems, key_lines, syntax_problem
from calibrate.study.file.samplers import AnySampler, Cmaes, Tpe
from calibrate.study.file.sections import DerivedParameter, FreeParameter, StudyFile
from calibrate.study.file.toml_tables import read_tables
from calibrate.study.python_objects import plain
from calibrate.study.rules import common as checks
from calibrate.study.rules import parameters, refractoriness, symmetry, targets, tolerances
from calibrate.study.rules.closed_loop import check_loop
from calibrate.study.rules.recorded_targets import recorded
from calibrate.study.rules.stimuli import stimuli as stimuli_of
from calibrate.study.space import Range, Space
from calibrate.study.study import Study


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
    path = Path(path)
    text = _text(path)
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise StudyError(syntax_problem(error, text, str(path))) from None
    except (ValueError, RecursionError):  # Python's parser rejects these without giving the line
        rule = "[TOML] not valid: a number with thousands of digits, or lists nested as deeply"
        raise StudyError(f"{path}: {rule}; shorten it") from None
    lines = key_lines(text)
    text = _without_password(text, tables)
    for key, value in (changes or {}).items():
        table, _, name = key.partition(".")
        if isinstance(tables.setdefault(table, {}), dict):
            tables[table][name] = value
            lines.pop((table, name), None)
    return _study(tables, path=path, text=text, lines=lines, own={}, searched=searched)


def make_study(
    name: str,
    *,
    model: str | Model,
    parameters: Mapping[str, Any],
    objectives: Sequence[Mapping[str, Any]],
    constraints: Sequence[Mapping[str, Any]] = (),
    stages: Sequence[Mapping[str, Any]] = (),
    stimuli: Sequence[Mapping[str, Any]] = (),
    simulation: Mapping[str, Any] | None = None,
    replicates: Mapping[str, Any] | None = None,
    sampler: str | Mapping[str, Any] | None = None,
    prior: Mapping[str, Any] | None = None,
    budget: Mapping[str, Any] | None = None,
    validation: Mapping[str, Any] | None = None,
    storage: Mapping[str, Any] | None = None,
    pool: Mapping[str, Any] | None = None,
    recording: Mapping[str, Any] | None = None,
    loop: Mapping[str, Any] | None = None,
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
    model : str or Model
        Name of the network model, or the model itself.
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
    loop : dict, optional
        The environment of a closed loop.
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
        "model": {"name": model},
        "parameters": parameters,
        "simulation": simulation,
        "objectives": objectives,
        "constraints": constraints or None,
        "stages": stages or None,
        "stimuli": stimuli or None,
        "replicates": replicates,
        "sampler": {"name": sampler} if isinstance(sampler, str) else sampler,
        "prior": prior,
        "budget": budget,
        "validation": validation,
        "storage": storage,
        "pool": pool,
        "recording": recording,
        "loop": loop,
    }
    tables = plain(arguments, own)
    try:
        text = tomli_w.dumps(tables)
    except TypeError as error:
        raise StudyError(
            f"{name}: a study can contain only numbers, strings, lists and tables: {error}"
        ) from None
    text = _without_password(text, tables)
    return _study(tables, path=Path(folder) / f"{name}.toml", text=text, lines={}, own=own, searched=True)


def _study(
    tables: Mapping[str, Any],
    *,
    path: Path,
    text: str,
    lines: Mapping[Place, int],
    own: Mapping[str, object],
    searched: bool,
) -> Study:
    problems = Problems()
    study = _check(problems, path, text, tables, own)
    if study is not None and searched and not problems.found:
        tolerances.check(problems, study.file, study.objectives)
    if study is None or problems.found:
        # A study made in Python has no lines.
        where = str(path) if lines else path.stem
        raise StudyError("\n".join(dict.fromkeys(problem.render(where, lines) for problem in problems.found)))
    return study


def _without_password(text: str, tables: Mapping[str, Any]) -> str:
    """Return the text of a study file without the password of its database, safe to store and print."""
    masked = without_passwords(text)
    storage = tables.get("storage")
    url = storage.get("url") if isinstance(storage, dict) else None
    if not isinstance(url, str) or without_password(url) == url:
        return masked
    masked = masked.replace(url, without_password(url))
    masked_tables = tomllib.loads(masked)
    # The file can contain the URL with escapes, such as "\u0040" for @.
    if masked_tables["storage"]["url"] != without_password(url):
        masked_tables["storage"]["url"] = without_password(url)
        return tomli_w.dumps(masked_tables)
    return masked


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    except FileNotFoundError:
        raise StudyError(f"{path}: the study file does not exist") from None
    except IsADirectoryError:
        raise StudyError(f"{path}: is a folder, not a TOML file") from None
    except UnicodeDecodeError as error:
        raise StudyError(f"{path}: is not UTF-8 text (byte {error.start}); save it as UTF-8") from None
    except OSError as error:
        raise StudyError(f"{path}: cannot be read: {error.strerror}") from None


def default_sampler(space: Space, *, pareto: bool) -> AnySampler:
    """Return the default sampler of a study: cmaes if it can search `space`, else tpe.

    Chosen by measurements on networks of 1500 and 5000 neurons: benchmarks/RESULTS.md.
    """
    numbers = all(isinstance(domain, Range) for domain in space.values())
    return Cmaes() if numbers and len(space) > 1 and not pareto else Tpe()


def _check(
    problems: Problems, path: Path, text: str, tables: Mapping[str, Any], own: Mapping[str, object]
) -> Study | None:
    file = read_tables(problems, tables)
    if file is None:
        return None
    folder = path.parent
    make_model = partial(find_model, file.model.name, folder=folder, own=own)
    model = checks.attempt(problems, ("model", "name"), make_model)
    if model is None:
        return None
    fixed, space, derived = _check_parameters(problems, file, model)
    if "sampler" not in tables:
        file = file.model_copy(update={"sampler": default_sampler(space, pareto=file.study.pareto)})
    checks.check_sampler(problems, file, space)
    checks.check_budget(problems, file)
    checks.check_prior(problems, file, space)
    checks.check_pool(problems, file)
    if len(fixed) + len(space) + len(derived) < len(file.parameters):
        return None
    network = parameters.check_model_rules(problems, model, fixed, space, derived, file.simulation.dt_ms)
    if network is None:
        return None
    checks.check_backend(problems, file, network)
    recording = recorded(problems, file.recording, folder)
    objectives = targets.objectives(problems, file.objectives, network, recording, own)
    constraints = targets.constraints(problems, file.constraints, network, folder, own)
    targets.check_names(problems, objectives, constraints)
    statistics = _collect_statistics(problems, file, network, (*objectives, *constraints))
    needs = Needs.merge(statistic.needs for statistic in statistics)
    targets.check_times(problems, file, needs)
    targets.check_stages(problems, file, constraints)
    stimuli = stimuli_of(problems, file, network)
    check_loop(problems, file, network, folder, needs)
    study = Study(
        path=path,
        text=text,
        name=file.study.name or path.stem,
        file=file,
        model=model,
        fixed=fixed,
        derived=derived,
        space=space,
        network=network,
        objectives=objectives,
        constraints=constraints,
        statistics=statistics,
        stimuli=stimuli,
        own=own,
        recording=recording.recording,
    )
    return study if problems.found else replace(study, warnings=tuple(_warnings(study)))


def _warnings(study: Study) -> Iterator[str]:
    """What a valid study may not intend."""
    yield from symmetry.warnings(study.model, study.parameters, study.space)
    values = study.model.values(study.network, study.parameters(parameters.middle(study.space)))
    yield from refractoriness.warnings(study.network, values, study.simulation.dt_ms)


def _collect_statistics(
    problems: Problems, file: StudyFile, network: Network, judged: Sequence[Objective | Constraint]
) -> tuple[Statistic, ...]:
    """The statistics of objectives and constraints, then the others of the panel if the study wants it."""
    asked = {one.name: one.statistic for one in judged}
    common = checks.attempt(problems, (), lambda: panel(network.layout) if file.simulation.panel else ())
    return (*asked.values(), *(statistic for statistic in common or () if statistic.name not in asked))


def _check_parameters(
    problems: Problems, file: StudyFile, model: Model
) -> tuple[dict[str, Any], Space, dict[str, Expression]]:
    """The parameters that are fixed, free, and derived from others, without those that break a rule."""
    values = file.parameters
    free = {name: value for name, value in values.items() if isinstance(value, FreeParameter)}
    formulas = {name: value for name, value in values.items() if isinstance(value, DerivedParameter)}
    others = {name: value for name, value in values.items() if name not in {**free, **formulas}}
    return (
        parameters.check_fixed(problems, model, others),
        parameters.domains(problems, model, free, grid=file.sampler.name == "grid"),
        parameters.derived(problems, model, formulas),
    )
