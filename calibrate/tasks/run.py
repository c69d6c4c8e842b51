"""Running, rescoring and validating a study: its pool, its store and the loop, put together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from calibrate import simulators
from calibrate.calibration.loop import run, tell
from calibrate.calibration.resources.batch_size import with_batch_size
from calibrate.calibration.result import Result
from calibrate.calibration.search.optuna_logging import quieten_optuna
from calibrate.calibration.study_pool import pool_for, warnings_of
from calibrate.calibration.validation.validate import choose_trials, validate_trials
from calibrate.calibration.validation.verdict import Verdict
from calibrate.errors import StoreError, StudyError
from calibrate.objective import Estimate
from calibrate.observation import Observation
from calibrate.simulation.running_time import running_s
from calibrate.store import Store, check_origins, find, on_latest_backend, resolve_name, storage_url
from calibrate.study import Study
from calibrate.study.conditions import Condition
from calibrate.study.viability import viability_of
from calibrate.tasks.display import Display, display
from calibrate.tasks.interrupt import Interrupt


def run_study(
    study: Study,
    *,
    storage: str | None = None,
    slots: int | None = None,
    new: bool = False,
    adopt: bool = False,
    progress: bool | Display = True,
    interrupted: Callable[[], bool] | None = None,
) -> Result:
    """Run a study, or resume it from the results in its database.

    Other runs of the study, on this computer or others, may use the same database at the same time: they
    share the budget, and each learns between batches what the others found.

    Parameters
    ----------
    study : Study
        The study.
    storage : str, optional
        URL of the database; by default OPTUNA_STORAGE, else what the study says.
    slots : int, optional
        Number of processes; by default what cores and memory allow.
    new : bool
        Start a new study if this one was changed after it began.
    adopt : bool
        With `new`, take over the earlier trials that lie inside the ranges.
    progress : bool or Display
        Whether to show progress, on a terminal, in a notebook or as lines; or what shows it.
    interrupted : callable, optional
        Returns whether to stop, and is called between batches. By default Ctrl-C stops after the batch, and a
        second Ctrl-C at once.

    Returns
    -------
    Result
        What the study has found so far.

    Raises
    ------
    StudyError
        If no parameter is free, if `adopt` is given without `new`, or if the study is new and one of its
        statistics can never be defined.
    StoreError
        If the database cannot be used, or the study was changed after it began.
    SimulatorError
        If the simulator is not installed, or no simulation works.

    Examples
    --------
    All 40 trials of `study.toml` are done, so that another run adds none:

    >>> from calibrate import read_study, run_study
    >>> result = run_study(read_study("study.toml"), progress=False)
    >>> result.trials
    {'complete': 40, 'failed': 0, 'infeasible': 0, 'added': 0}
    >>> print(result.best)
    trial ...: loss ... 2 of 2 targets met
    ...
    """
    started = running_s()
    if not study.space:
        remedy = "give one a range: NAME = {low = ..., high = ...}"
        raise StudyError(f"{study.path}: no parameter is free; {remedy}")
    if adopt and not new:
        raise StudyError("--import (adopt) requires --new: trials are imported into a new study")
    view = progress if not isinstance(progress, bool) else display(quiet=not progress)
    with Interrupt.unless(interrupted, view.stopping) as stop, quieten_optuna(), view:
        url = storage_url(study, storage)
        place = resolve_name(
            study.on(simulators.choose(study.simulation.backend, study.network)), url, new=new
        )
        ready = place.study
        if study.simulation.backend == "auto":
            own = ready.model.simulation
            view.say(f"Simulating with {ready.simulation.backend if own is None else own.name}.")
        for warning in (*warnings_of(ready), *_doubts(ready, begun=place.begun)):
            view.say(f"warning: {warning}")
        pool = pool_for(
            with_batch_size(ready, view.say, slots=slots), slots=slots, evaluated=True, say=view.say
        )
        origins = [ready.prior.study, place.predecessor if adopt else None]
        wanted = list(dict.fromkeys(name for name in origins if name))
        check_origins(ready, url, wanted)  # before the study starts
        view.start(ready.name)
        with Store(ready, url, say=view.say, draw=_draw) as store:
            for warning in store.warnings:
                view.say(f"warning: {warning}")
            with pool:
                for name in wanted:
                    view.say(store.adopt(name).describe(name))
                size = pool.batch_size
                summary = run(
                    ready,
                    pool=pool,
                    store=store,
                    progress=view,
                    interrupted=stop,
                    started=started,
                    batch_size=size,
                )
            result = Result(**vars(summary), name=ready.name, storage=store.shown_url)
            if result.others:
                view.say(
                    "Another run of this study is still going; "
                    "the last one to end simulates the best trial on fresh graphs."
                )
            return _validate_at_end(ready, result, store, slots=slots, view=view, interrupted=stop)


def _doubts(study: Study, *, begun: bool) -> Sequence[str]:
    """What may keep a study from working. Raises StudyError if it cannot work and has not begun yet."""
    found = viability_of(study)
    if found.undefined and not begun:
        raise StudyError("\n".join(f"{study.path}: {line}" for line in found.undefined))
    return (*found.undefined, *found.doubts)


def _validate_at_end(
    study: Study,
    result: Result,
    store: Store,
    *,
    slots: int | None,
    view: Display,
    interrupted: Callable[[], bool],
) -> Result:
    """The result with verdicts on the best trials, if the study asks for them and this run ends it."""
    ended = result.best is not None and result.stopped != "interrupted" and not result.others
    if not study.validation.at_end or not ended:
        return result
    verdicts = validate_trials(
        study,
        choose_trials(study, store.trials()),
        store=store,
        slots=slots,
        progress=view.replicated,
        interrupted=interrupted,
    )
    return (
        replace(result, stopped="interrupted") if verdicts is None else replace(result, validation=verdicts)
    )


def _draw(
    study: Study, condition: Condition, observation: Observation, estimates: Mapping[str, Estimate]
) -> Mapping[str, bytes]:
    from calibrate.figures.activity import activity_files  # matplotlib takes half a second

    return activity_files(study, condition, observation, estimates)


def rescore(study: Study, *, storage: str | None = None, say: Callable[[str], None] = print) -> str:
    """Recompute the scores of the stored simulations of `study` after objectives or constraints have changed.

    The simulations become trials of a new study in the same database, which a run resumes; nothing is
    simulated. `say` receives a summary. Returns the name of the new study.

    Raises StoreError if nothing has changed, or if a setting that simulations depend on has changed.
    """
    url = storage_url(study, storage)
    place = resolve_name(on_latest_backend(study, url), url, new=True)
    if place.predecessor is None:
        raise StoreError(f"there is no earlier study '{study.name}' to rescore: run it first")
    check_origins(place.study, url, [place.predecessor])
    with quieten_optuna(), Store(place.study, url) as store:
        say(store.adopt(place.predecessor).describe(place.predecessor))
        tell(place.study, store=store)
    return place.study.name


@dataclass(frozen=True, kw_only=True)
class Validation:
    """Verdicts on trials of a study, the best trial first.

    Attributes
    ----------
    name : str
        Name of the study in its database.
    storage : str
        URL of the database, without password.
    verdicts : sequence of Verdict
        The verdicts.
    interrupted : bool
        Whether it was stopped before there were any.
    """

    name: str
    storage: str
    verdicts: Sequence[Verdict]
    interrupted: bool = False


def validate(
    study: Study,
    trials: Sequence[int] = (),
    *,
    exact: bool = False,
    storage: str | None = None,
    slots: int | None = None,
    progress: bool | Display = True,
    interrupted: Callable[[], bool] | None = None,
) -> Validation:
    """Simulate trials of a study on fresh graphs in NEST and in a second simulator, and judge them.

    [validation] of the study sets how many trials, how many graphs and how long. Verdicts and simulations are
    kept in its database, and simulations of an earlier validation are used again.

    Parameters
    ----------
    study : Study
        The study.
    trials : sequence of int
        Numbers of the trials to validate instead of the best.
    exact : bool
        Compare spike trains on one graph, in double precision, instead of statistics.
    storage : str, optional
        URL of the database; by default OPTUNA_STORAGE, else what the study says.
    slots : int, optional
        Number of processes; by default what cores and memory allow.
    progress : bool or Display
        Whether to show progress; or what shows it.
    interrupted : callable, optional
        Returns whether to stop, and is called between batches; by default Ctrl-C stops it.

    Returns
    -------
    Validation
        The verdicts.

    Raises
    ------
    StudyError
        If there is no such trial, if it failed, or if no complete trial keeps all constraints.
    StoreError
        If the study has not begun.
    SimulatorError
        If a simulator is not installed, or no simulation in one completes.

    Examples
    --------
    `study.toml` is a finished study of Poisson neurons, which only one simulator has:

    >>> from calibrate import read_study, validate
    >>> (verdict,) = validate(read_study("study.toml"), [0], progress=False).verdicts
    >>> print(verdict)
    trial 0: targets ... on ... fresh graphs...
    """
    url = storage_url(study, storage)
    view = progress if not isinstance(progress, bool) else display(quiet=not progress)
    ready = find(study, url)
    with (
        Interrupt.unless(interrupted, view.stopping) as stop,
        quieten_optuna(),
        view,
        Store(ready, url) as store,
    ):
        selected = choose_trials(ready, store.trials(), trials)
        view.start(ready.name)
        verdicts = validate_trials(
            ready,
            selected,
            store=store,
            exact=exact,
            slots=slots,
            progress=view.replicated,
            interrupted=stop,
        )
        return Validation(
            name=ready.name, storage=store.shown_url, verdicts=verdicts or (), interrupted=verdicts is None
        )
