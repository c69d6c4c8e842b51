"""The files of an exported network that do not depend on the target."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from calibrate.calibration.search.search import candidate_seed
from calibrate.network_export import expected, graph_files
from calibrate.network_export.expected import SpikeTrains
from calibrate.network_export.realisation import Realisation
from calibrate.network_export.rendering import render
from calibrate.network_export.target import Order, Target
from calibrate.plugins import version_of
from calibrate.study import Study
from calibrate.study.conditions import Condition
from calibrate.study.rules.whole_steps import rounded_times


@dataclass(frozen=True, kw_only=True)
class Content:
    """What a folder holds beside the files of its target.

    order       the network, without what is lost
    synapses    number of synapses; their expected number for rules
    trains      spikes of each graph, from t = 0
    start_ms    end of the warm-up
    statistics  by which networks are compared, by name: see `expected.summarised`
    of_study    statistics of the study, as calibrate defines them
    judged      names of those that the study judges
    complete    the statistics of the network with what is lost; None if nothing is
    lost        a line for each loss
    inexact     a line for each number that is not exact
    """

    order: Order
    synapses: int
    trains: Sequence[SpikeTrains]
    start_ms: float
    statistics: Mapping[str, Mapping[str, Any]]
    of_study: Mapping[str, Mapping[str, Any]]
    judged: frozenset[str] = frozenset()
    complete: Mapping[str, Mapping[str, Any]] | None = None
    lost: tuple[str, ...] = ()
    inexact: tuple[str, ...] = field(default=())


def expect(
    order: Order,
    target: Target,
    *,
    study: Study,
    condition: Condition,
    index: int,
    graphs: int,
    start_ms: float,
) -> Content:
    """Simulate what the folder should show. Raises SimulatorError if a simulation fails."""
    complete = order.realisation
    lost: tuple[str, ...] = ()
    if target.reduced is not None:
        reduced, losses = target.reduced(complete)
        order, lost = replace(order, realisation=reduced), tuple(losses)
    rules = order.connectivity == "rules"
    numbers = study.graphs.validation(graphs) if rules else [complete.graph]
    drawn = [(number, candidate_seed(study.simulation_seed, index, number)) for number in numbers]

    def simulate(realisation: Realisation) -> tuple[list[SpikeTrains], dict[str, dict[str, Any]]]:
        trains = expected.simulate(
            realisation, order.duration_ms, graphs=drawn, timeout_s=study.simulation.timeout_s
        )
        found = expected.statistics_of(realisation, trains, start_ms=start_ms, stop_ms=order.duration_ms)
        return trains, found

    trains, statistics = simulate(order.realisation)
    return Content(
        order=order,
        synapses=_count(order),
        trains=trains,
        start_ms=start_ms,
        statistics=statistics,
        of_study=expected.statistics_of_study(
            order.realisation, trains, study, condition, start_ms=start_ms, stop_ms=order.duration_ms
        ),
        judged=condition.judged,
        complete=simulate(complete)[1] if target.reduced is not None else None,
        lost=lost,
        inexact=(*_rounded(order), *target.inexact(order)),
    )


def _rounded(order: Order) -> Iterator[str]:
    """A line for each time that is simulated in whole steps, and not as the model says."""
    found = dict(
        rounded_times(order.realisation.network, order.realisation.values, order.realisation.dt_ms, "nest")
    )
    for what, (written, simulated) in found.items():
        yield f"the {what} of {written:g} ms is simulated as {simulated:g} ms, in whole steps"


def _count(order: Order) -> int:
    realisation = order.realisation
    if order.connectivity == "rules":
        return round(realisation.expected_synapses)
    return sum(realisation.synapses(each).sources.size for each in realisation.network.projections)


def write(
    content: Content, target: Target, folder: Path, *, parameters: Mapping[str, Any]
) -> tuple[dict[str, str], int]:
    """Write all files; returns what they hold, by name, and their size in bytes."""
    order = content.order
    files = target.write(order, folder)
    if order.connectivity == "synapses":
        files |= graph_files.write_initial_state(order.realisation, folder)
    files |= _write_expected(content, folder)
    files |= _write_check(content, folder)
    (folder / "requirements.txt").write_text("".join(f"{name}\n" for name in target.requirements), "utf-8")
    files |= {"requirements.txt": "the packages that it needs"}
    render(
        "README.md",
        folder / "README.md",
        order=order,
        target=target,
        about=order.about,
        network=order.realisation.network,
        realisation=order.realisation,
        rules=order.connectivity == "rules",
        synapses=content.synapses,
        graphs=len(content.trains),
        dt_ms=order.realisation.dt_ms,
        start_ms=content.start_ms,
        duration_ms=order.duration_ms,
        nest=version_of("nest-simulator"),
        files=files,
        complete=content.complete,
        lost=content.lost,
        inexact=content.inexact,
        parameters=parameters,
        statistics=content.statistics,
        of_study={name: found for name, found in content.of_study.items() if name in content.judged},
    )
    files = {"README.md": "this page: what the folder is and how to use it", **files}
    return files, sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _write_expected(content: Content, folder: Path) -> dict[str, str]:
    order = content.order
    found = {
        "populations": expected.populations_of(order.realisation.network),
        "dt_ms": order.realisation.dt_ms,
        "start_ms": content.start_ms,
        "stop_ms": order.duration_ms,
        "statistics": content.statistics,
        "statistics_of_study": content.of_study,
    }
    if content.complete is not None:
        found["statistics_of_complete_network"] = content.complete
    text = json.dumps(found, indent=2, allow_nan=False) + "\n"
    (folder / "expected_statistics.json").write_text(text, "utf-8")
    files = {"expected_statistics.json": "the statistics that calibrate found"}
    if order.connectivity == "synapses":
        (trains,) = content.trains
        with (folder / "expected_spikes.npz").open("xb") as file:
            np.savez_compressed(
                file, step=trains.step.astype(np.int32), neuron=trains.neuron.astype(np.int32)
            )
        files["expected_spikes.npz"] = "the spikes that calibrate found: step and neuron of each"
    return files


def _write_check(content: Content, folder: Path) -> dict[str, str]:
    rules = content.order.connectivity == "rules"
    render("check.py", folder / "check.py", rules=rules, graphs=len(content.trains))
    statistics = resources.files("calibrate.network_export").joinpath("spike_statistics.py")
    (folder / "spike_statistics.py").write_text(statistics.read_text("utf-8"), "utf-8")
    compared = "statistics" if rules else "spikes"
    return {
        "check.py": f"runs network.py and compares its {compared} with those expected",
        "spike_statistics.py": "the statistics that check.py computes",
    }
