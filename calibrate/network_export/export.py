"""The network of a trial as a folder that runs without calibrate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from calibrate.calibration.search.search import candidate_seed
from calibrate.errors import StudyError
from calibrate.network_export.folder import check_folder, new_folder
from calibrate.network_export.realisation import Realisation
from calibrate.network_export.refusals import check_network, check_study
from calibrate.network_export.target import Connectivity, Order, Target
from calibrate.network_export.targets import find_target
from calibrate.network_export.writing import Content, expect, write
from calibrate.observation import steps
from calibrate.plugins import version_of
from calibrate.results.results import Results
from calibrate.simulation.jobs import Timing
from calibrate.study import Study
from calibrate.study.conditions import Condition, find_condition, timing_in

# By default, the simulation that is compared is not longer than this, so that some MB hold its spikes.
MOST_NEURON_MS = 1e8

GRAPHS = 12
"""Number of graphs that the expected statistics of rules are means over."""


@dataclass(frozen=True, kw_only=True)
class ExportedNetwork:
    """A network that was written into a folder.

    Attributes
    ----------
    folder : Path
        The folder.
    files : dict of str to str
        What its files hold, by name.
    to : str
        What it was exported to, such as "nest".
    connectivity : {"synapses", "rules"}
        Whether it holds every synapse, or the rules of the connectivity.
    trial : int or None
        Number of the trial; None if its parameters were given.
    condition : str
        Name of the condition; "" if the study has none.
    graph : int or None
        Number of the graph; None for rules.
    parameters : dict of str to object
        Parameters of the network, as the study names them.
    neurons : int
        Number of neurons.
    synapses : int
        Number of synapses; their expected number for rules.
    start_ms : float, ms
        Begin of what the statistics are computed from: the end of the warm-up.
    stop_ms : float, ms
        Length of the simulation.
    spikes : int or None
        Number of spikes that are expected; None for rules.
    statistics : dict of str to dict
        Expected statistics by name: `mean`, and over several graphs `sd`, `standard_error` and `tolerance`.
    complete : dict of str to dict or None
        The statistics of the network with what is lost; None if nothing is.
    lost : tuple of str
        What the target cannot carry, one line each.
    inexact : tuple of str
        Numbers that the target does not hold to the last digit, one line each.
    bytes : int
        Size of all files.
    """

    folder: Path
    files: Mapping[str, str]
    to: str
    connectivity: Connectivity
    trial: int | None
    condition: str
    graph: int | None
    parameters: Mapping[str, Any]
    neurons: int
    synapses: int
    start_ms: float
    stop_ms: float
    spikes: int | None
    statistics: Mapping[str, Mapping[str, Any]]
    complete: Mapping[str, Mapping[str, Any]] | None
    lost: tuple[str, ...]
    inexact: tuple[str, ...]
    bytes: int

    def __repr__(self) -> str:
        graph = "rules" if self.connectivity == "rules" else "every synapse"
        return f"{self.folder}: {self.neurons:,} neurons for {self.to}, {graph}, {self.bytes / 1e6:.1f} MB"


def export_network(
    source: Results | Study,
    folder: Path | str,
    *,
    to: str,
    trial: int | None = None,
    parameters: Mapping[str, Any] | None = None,
    condition: str | None = None,
    connectivity: Connectivity = "synapses",
    graph: int | None = None,
    graphs: int = GRAPHS,
    duration_ms: float | None = None,
    lossy: bool = False,
) -> ExportedNetwork:
    """Write a network of a study into a folder that runs without calibrate, and checks itself.

    Parameters
    ----------
    source : Results or Study
        The results of a study, to export one of its trials; or a study, to export a network with parameters
        of your own.
    folder : Path or str
        The folder, which must not exist, or be empty.
    to : {"nest", "pynn", "sonata", "nir", "nestml"}
        The simulator or format.
    trial : int, optional
        Number of the trial; by default the best one.
    parameters : dict of str to object, optional
        Values of parameters, in place of those of the trial. Without results, other free ones are in the
        middle of their ranges.
    condition : str, optional
        Name of the condition; by default the first one of the study.
    connectivity : {"synapses", "rules"}
        Whether to write every synapse of a graph, or the rules by which graphs are drawn.
    graph : int, optional
        Number of the graph; by default 0. Rules have none.
    graphs : int
        Number of graphs that the expected statistics of rules are means over; none of them was searched.
    duration_ms : float, optional, ms
        Length of the measurement after the warm-up; by default that of the study, but at most so long that
        some MB hold the spikes.
    lossy : bool
        Whether to leave out what the target cannot carry, as NIR needs it.

    Returns
    -------
    ExportedNetwork
        What was written.

    Raises
    ------
    StudyError
        If there is no such trial, condition or target, or if the target cannot carry the network; with a line
        for each reason.
    ModelError
        If the model refuses the parameters.
    SimulatorError
        If the simulation fails.
    CalibrateError
        If the folder is not empty, or cannot be written.

    Notes
    -----
    The expected spikes are those of a simulation in NEST, in double precision, from t = 0. The network is
    exact also if the study simulates under the limits of a platform ([hardware]): the platform rounds it.

    Examples
    --------
    >>> from calibrate import export_network, read_study
    >>> study = read_study("study.toml", changes={"simulation.backend": "nest", "simulation.dt_ms": 0.1})
    >>> exported = export_network(study, "as_script", to="nest", duration_ms=100.0)
    >>> exported
    as_script: 100 neurons for nest, every synapse, ... MB
    >>> sorted(exported.files)[:3]
    ['README.md', 'check.py', 'expected_spikes.npz']
    """
    folder, target = Path(folder), find_target(to)
    if connectivity == "rules" and graph is not None:
        raise StudyError("rules draw a new graph for every seed: leave out the number of a graph (--graph)")
    studied, trial, given, index = _candidate(source, trial, parameters or {})
    study = studied.with_hardware(None)  # what leaves is the network itself: the platform rounds it
    chosen = find_condition(study, condition)
    check_study(study, chosen)
    complete = study.parameters_in(chosen, given)
    realisation = _realise(study, complete, graph=graph or 0, index=index)
    timing = _timing(study, chosen, realisation, duration_ms, cut=connectivity == "synapses")
    order = Order(
        realisation=realisation,
        connectivity=connectivity,
        duration_ms=timing.whole_ms,
        title=_title(study, trial, chosen),
        about=_about(studied, realisation, connectivity),
    )
    check_network(order, target, lossy=lossy)
    check_folder(folder)
    content = expect(
        order, target, study=study, condition=chosen, index=index, graphs=graphs, start_ms=timing.warmup_ms
    )
    with new_folder(folder) as temporary:
        files, size = write(content, target, temporary, parameters=complete)
    return _exported(content, target, folder, files, size, trial=trial, condition=chosen, parameters=complete)


def _candidate(
    source: Results | Study, trial: int | None, parameters: Mapping[str, Any]
) -> tuple[Study, int | None, dict[str, Any], int]:
    """The study, the number of the trial, the parameters that are set, and the index of the candidate."""
    if isinstance(source, Study):
        if trial is not None:
            raise StudyError("trials belong to the results of a study: pass what read_results returns")
        return source, None, dict(parameters), 0
    if trial is None:
        if source.best is None:
            raise StudyError(f"study '{source.study.name}' has no best trial yet: name a trial (--trial)")
        trial = source.best.number
    free, index = source.candidate(trial)
    return source.study, trial, {**free, **parameters}, index


def _realise(study: Study, complete: Mapping[str, Any], *, graph: int, index: int) -> Realisation:
    network = study.model.network(complete)
    return Realisation(
        network=network,
        values=study.model.values(network, complete),
        wiring_seed=study.simulation_seed,
        graph=graph,
        seed=candidate_seed(study.simulation_seed, index, graph),
        dt_ms=study.simulation.dt_ms,
    )


def _timing(
    study: Study, condition: Condition, realisation: Realisation, duration_ms: float | None, *, cut: bool
) -> Timing:
    """How long to simulate: what is asked for, or what the study says, cut where it would fill the disk."""
    timing = timing_in(study, condition)
    if duration_ms is not None:
        bin_ms = study.needs.widths["bin_ms"]
        if not bin_ms <= duration_ms:
            raise StudyError(
                f"the measurement must have at least one bin of the statistics, {bin_ms:g} ms, "
                f"not {duration_ms:g} ms (--duration-ms)"
            )
        steps(duration_ms, realisation.dt_ms, "the measurement")
        return replace(timing, duration_ms=duration_ms)
    most_ms = MOST_NEURON_MS / realisation.network.n_neurons - timing.warmup_ms
    if not cut or timing.duration_ms <= most_ms:
        return timing
    return replace(timing, duration_ms=max(most_ms // 100 * 100.0, min(timing.duration_ms, 100.0)))


def _title(study: Study, trial: int | None, condition: Condition) -> str:
    network = f"A network of study {study.name}" if trial is None else f"Trial {trial} of study {study.name}"
    return f"{network}, condition {condition.name}" if condition.name else network


def _about(study: Study, realisation: Realisation, connectivity: Connectivity) -> tuple[str, ...]:
    name, doc = study.model.name, study.model.doc
    model = f"Model {name}: {doc}" if doc else f"Model {name}"
    graph = f"graph number {realisation.graph} of the study" if connectivity == "synapses" else "rules"
    about = [
        f"{model.rstrip('.')}.",
        f"Written by calibrate {version_of('calibrate-snn')} ({graph}, seed {study.simulation_seed}).",
    ]
    return (*about, f"It is {without_limits(study)}.") if study.limits is not None else tuple(about)


def without_limits(study: Study) -> str:
    """What a network of a study is that simulates under the limits of a platform, once it is exported."""
    target = "" if study.limits is None else study.limits.target
    return f"exact, without the limits of {target} that the study simulates under: the platform rounds it"


def _exported(
    content: Content,
    target: Target,
    folder: Path,
    files: Mapping[str, str],
    size: int,
    *,
    trial: int | None,
    condition: Condition,
    parameters: Mapping[str, Any],
) -> ExportedNetwork:
    realisation, rules = content.order.realisation, content.order.connectivity == "rules"
    return ExportedNetwork(
        folder=folder,
        files=files,
        to=target.name,
        connectivity=content.order.connectivity,
        trial=trial,
        condition=condition.name,
        graph=None if rules else realisation.graph,
        parameters=parameters,
        neurons=realisation.network.n_neurons,
        synapses=content.synapses,
        start_ms=content.start_ms,
        stop_ms=content.order.duration_ms,
        spikes=None if rules else content.trains[0].step.size,
        statistics={**content.statistics},
        complete=content.complete,
        lost=content.lost,
        inexact=content.inexact,
        bytes=size,
    )
