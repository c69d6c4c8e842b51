"""`calibrate show`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from calibrate.calibration.trials.summary import summary_json
from calibrate.calibration.validation.verdict import as_json as verdict_json
from calibrate.cli import tables
from calibrate.cli.arguments import read
from calibrate.cli.options import Backend, Debug, Json, Storage, StudyPath
from calibrate.cli.output import output
from calibrate.cli.verdicts import print_verdict
from calibrate.results.results import Results, read_results


def show(
    study: StudyPath,
    trial: Annotated[
        int | None, typer.Option(min=0, help="Show this trial instead of the best.", metavar="N")
    ] = None,
    backend: Backend = None,
    storage: Storage = None,
    json_: Json = False,
    debug: Debug = False,  # noqa: ARG001
) -> None:
    """Show what a study has found so far, during a run too; nothing is changed."""
    with output(json_) as (emit, console):
        results = read_results(read(study, {"simulation.backend": backend}, searched=False), storage=storage)
        chosen = results.best if trial is None else results.trial(trial)
        if json_:
            asked = {"trial": summary_json(chosen)} if trial is not None and chosen is not None else {}
            emit(results_json(results) | asked)
        else:
            tables.print_results(console, results, chosen)
            for verdict in results.verdicts:
                if chosen is not None and verdict.trial == chosen.number:
                    print_verdict(console, verdict, whole=trial is not None)


def results_json(results: Results) -> dict[str, Any]:
    """What a study has found, as JSON has it."""
    spent = results.spent
    printed: dict[str, Any] = {
        "name": results.study.name,
        "storage": results.storage,
        "trials": results.counts,
        "best": summary_json(results.best) if results.best else None,
        "failures": results.failures,
        "time": {
            "begun": spent.begun and spent.begun.isoformat(),
            "last": spent.last and spent.last.isoformat(),
            "simulations": spent.simulations,
            "simulated_s": spent.simulated_s,
        },
    }
    if results.looseness is not None:
        printed["looseness"] = asdict(results.looseness)
    if results.verdicts:
        printed["validation"] = [verdict_json(verdict) for verdict in results.verdicts]
    if results.study.pareto:
        printed["front"] = [summary_json(best) for best in results.front]
    return printed
