"""Hardening a trial of a study: its store, its limits and the simulations, put together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from calibrate import simulators
from calibrate.calibration.hardening.harden import harden_trial
from calibrate.calibration.hardening.hardening import Hardening
from calibrate.calibration.hardening.plan import In, Plan, choose_trial, limits_for
from calibrate.calibration.search.optuna_logging import quieten_optuna
from calibrate.errors import StudyError
from calibrate.store import HardeningStore, find, storage_url
from calibrate.study import Study
from calibrate.tasks.display import Display, display
from calibrate.tasks.interrupt import Interrupt


def harden(
    study: Study,
    trial: int | None = None,
    *,
    target: str | None = None,
    limits: Mapping[str, Any] | None = None,
    bits: Sequence[int] | None = None,
    graphs: int | None = None,
    chips: int | None = None,
    units: In = "best",
    backend: str | None = None,
    storage: str | None = None,
    slots: int | None = None,
    progress: bool | Display = True,
    interrupted: Callable[[], bool] | None = None,
) -> Hardening | None:
    """Find out whether a network of a study survives on neuromorphic hardware.

    It is simulated with weights of ever fewer bits, and under all limits of the platform on drawn chips, each
    paired with the network as it was. The hardening and its simulations are kept in the database of the
    study; simulations of an earlier one are used again.

    Parameters
    ----------
    study : Study
        The study.
    trial : int, optional
        Number of the trial; by default the best one.
    target : {"spinnaker", "loihi", "brainscales2", "dynapse", "custom"}, optional
        The platform; by default that of [hardware] in the study.
    limits : dict of str to object, optional
        Limits in place of those of the platform or of [hardware], by their names there.
    bits : sequence of int, optional
        Bits of the weights on the ladder, from 2 to 32 each; by default 12 to 4 with those of the platform,
        or from those of the platform down if it has more.
    graphs : int, optional
        Number of graphs of every rung of the ladder; by default 6.
    chips : int, optional
        Number of chips, at least 3; by default `replicates` of [validation], which is 24.
    units : {"best", "given"}
        Units of the ladder and of the chips: those with the smallest rounding error, or those of the study.
    backend : {"genn", "nest", "auto"}, optional
        The simulator; by default that of the study.
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
    Hardening or None
        What was found; None if it was stopped before.

    Raises
    ------
    StudyError
        If no platform is named, if the platform cannot carry the network, if there is no such trial, if it
        failed, or if a number is out of its range.
    StoreError
        If the study has not begun.
    SimulatorError
        If the simulator is not installed, or no simulation completes.

    Examples
    --------
    Neurons of `study.toml` are Poisson neurons, to which weights do not matter:

    >>> from calibrate import harden, read_study
    >>> found = harden(read_study("study.toml"), 0, target="custom", bits=[6], chips=4, progress=False)
    >>> found.chips.of, found.least_bits
    (4, 6)
    """
    url = storage_url(study, storage)
    view = progress if not isinstance(progress, bool) else display(quiet=not progress)
    ready = find(study, url)
    if ready.model.simulation is not None:
        raise StudyError(
            f"study '{ready.name}' simulates {ready.model.simulation.name}: hardware limits need a network "
            "that calibrate builds, not a simulation of your own"
        )
    plan = Plan.of(
        ready, limits_for(ready, target, limits), bits=bits, graphs=graphs, chips=chips, units=units
    )
    if backend is not None:
        ready = ready.on(simulators.choose(backend, ready.network))
    with (
        Interrupt.unless(interrupted, view.stopping) as stop,
        quieten_optuna(),
        view,
        HardeningStore(find(study, url), url) as store,
    ):
        chosen = choose_trial(ready, store.trials(), trial)
        view.start(ready.name)
        return harden_trial(
            ready, chosen, plan, store=store, slots=slots, progress=view.replicated, interrupted=stop
        )
