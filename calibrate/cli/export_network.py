"""`calibrate export-network`."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from calibrate.cli.arguments import parse_settings
from calibrate.cli.exits import simulating
from calibrate.cli.options import Settings, StudyFile
from calibrate.cli.output import QuietOutput
from calibrate.errors import CalibrateError, StoreError, did_you_mean
from calibrate.network_export import export as exports
from calibrate.network_export.export import GRAPHS, ExportedNetwork, without_limits
from calibrate.network_export.folder import check_folder
from calibrate.network_export.target import CONNECTIVITIES, Connectivity
from calibrate.network_export.targets import TARGETS, find_target
from calibrate.objective.rounding import rounded
from calibrate.results.results import Results
from calibrate.study import Study


def export_network(
    *,
    to: Annotated[
        str, typer.Option("--to", help="Simulator or format of the network.", metavar="|".join(TARGETS))
    ],
    trial: Annotated[
        int | None,
        typer.Option(min=0, help="Number of the trial (default: the best one).", metavar="N"),
    ] = None,
    settings: Settings = None,
    condition: Annotated[
        str | None,
        typer.Option(help="Condition of the study (default: the first).", metavar="NAME"),
    ] = None,
    connectivity: Annotated[
        str,
        typer.Option(
            help="Write every synapse of one graph, or the rules by which graphs are drawn.",
            metavar="|".join(CONNECTIVITIES),
        ),
    ] = CONNECTIVITIES[0],
    graph: Annotated[
        int | None,
        typer.Option(
            min=0, help="Number of the graph (realisation of the connectivity; default: 0).", metavar="N"
        ),
    ] = None,
    graphs: Annotated[
        int,
        typer.Option(min=4, help="With rules: number of graphs for the expected statistics.", metavar="N"),
    ] = GRAPHS,
    duration_ms: Annotated[
        float | None,
        typer.Option(
            help="Length of the measurement (default: that of the study, unless its spikes need many MB).",
            metavar="MS",
        ),
    ] = None,
    lossy: Annotated[
        bool, typer.Option("--lossy", help="Leave out what the format cannot carry, and list it.")
    ] = False,
    folder: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Target folder (default: STUDY.FORMAT).", metavar="FOLDER"),
    ] = None,
    file: StudyFile,
    output: QuietOutput,
) -> None:
    """Export the network of a trial as a folder that runs without calibrate, and checks itself."""
    target = find_target(to)
    source = _find_source(file, trial, settings, output)
    study = source.study if isinstance(source, Results) else source
    path = folder or file.path.with_name(f"{study.name}.{target.name}")
    check_folder(path)
    with simulating():
        exported = exports.export_network(
            source,
            path,
            to=to,
            trial=trial,
            parameters=parse_settings(study, settings or []),
            condition=condition,
            connectivity=_checked(connectivity),
            graph=graph,
            graphs=graphs,
            duration_ms=duration_ms,
            lossy=lossy,
        )
    if output.as_json:
        output.emit(as_json(exported))
    else:
        _print(output, exported, study)


def _find_source(
    file: StudyFile, trial: int | None, settings: list[str] | None, output: QuietOutput
) -> Results | Study:
    """The results of a study; the study itself if it has none, and parameters are set."""
    try:
        return file.results()
    except StoreError:
        if trial is not None or not settings:
            raise
    output.say("The study has no trials: other free parameters are in the middle of their ranges.")
    return file.read(searched=False)


def _checked(connectivity: str) -> Connectivity:
    for known in CONNECTIVITIES:
        if connectivity == known:
            return known
    hint = did_you_mean(connectivity, CONNECTIVITIES)
    raise CalibrateError(f"--connectivity {connectivity}{hint}: choose {' or '.join(CONNECTIVITIES)}")


def _print(output: QuietOutput, exported: ExportedNetwork, study: Study) -> None:
    network = "the network" if exported.trial is None else f"trial {exported.trial}"
    if exported.condition:
        network += f" in condition {exported.condition}"
    graph = "the rules" if exported.graph is None else f"graph {exported.graph}"
    title = find_target(exported.to).title
    about = "about " if exported.graph is None else ""
    output.print(
        f"Wrote {exported.folder}: {network} of study {study.name} for {title}, {graph}: "
        f"{exported.neurons:,} neurons, {about}{exported.synapses:,} synapses, {_size(exported.bytes)}"
    )
    measured = f"{exported.start_ms:g} to {exported.stop_ms:g} ms"
    if exported.spikes is None:
        n = max(int(summary.get("graphs", 0)) for summary in exported.statistics.values())
        output.print(f"Expected: means over {n} graphs, from {measured}: {_rates(exported.statistics)}")
    else:
        output.print(
            f"Expected: {exported.spikes:,} spikes in {exported.stop_ms:g} ms; from {measured}: "
            f"{_rates(exported.statistics)}"
        )
    if study.limits is not None:
        output.print(f"It is {without_limits(study)}.")
    for line in exported.lost:
        output.print(f"lost: {line}")
    if exported.complete is not None:
        output.print(f"Without these losses: {_rates(exported.complete)}")
    for line in exported.inexact:
        output.print(f"not exact: {line}")
    command = f"cd {shlex.quote(str(exported.folder))} && python check.py"
    output.say(f"README.md says how to use it. Check it, where {title} runs:")
    output.print(f"  {command}", keep=command)


def _rates(statistics: Mapping[str, Mapping[str, Any]]) -> str:
    found = []
    for name, summary in statistics.items():
        if name.startswith("rate_") and summary["mean"] is not None:
            error = summary.get("standard_error")
            spread = "" if error is None else f" ± {rounded(error, 2)}"
            found.append(f"{name} {rounded(summary['mean'], 3)}{spread} Hz")
    return ", ".join(found)


def _size(n_bytes: int) -> str:
    return f"{n_bytes / 1e6:.1f} MB" if n_bytes >= 1e5 else f"{n_bytes / 1e3:.0f} kB"


def as_json(exported: ExportedNetwork) -> dict[str, Any]:
    """An exported network as a command prints it."""
    names = (
        *("to", "connectivity", "trial", "condition", "graph", "neurons", "synapses", "start_ms", "stop_ms"),
        *("spikes", "bytes"),
    )
    found = {name: getattr(exported, name) for name in names if name != "condition" or exported.condition}
    return {
        "folder": str(exported.folder),
        "files": list(exported.files),
        **found,
        "parameters": dict(exported.parameters),
        "statistics": {name: dict(summary) for name, summary in exported.statistics.items()},
        "complete": None if exported.complete is None else dict(exported.complete),
        "lost": list(exported.lost),
        "inexact": list(exported.inexact),
    }
