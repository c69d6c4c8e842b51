"""`calibrate show`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from calibrate.calibration.hardening.hardening import as_json as hardening_json
from calibrate.calibration.trials.summary import summary_json
from calibrate.calibration.validation.verdict import as_json as verdict_json
from calibrate.cli.options import StudyFile
from calibrate.cli.output import Output
from calibrate.cli.tables.hardenings import print_hardening
from calibrate.cli.tables.result import print_results
from calibrate.cli.tables.verdicts import print_verdict
from calibrate.results.results import Results


def show(
    *,
    trial: Annotated[
        int | None, typer.Option(min=0, help="Show this trial instead of the best one.", metavar="N")
    ] = None,
    file: StudyFile,
    output: Output,
) -> None:
    """Show the results of a study so far, also during a run. Stores nothing."""
    results = file.results()
    chosen = results.best if trial is None else results.trial(trial)
    if output.as_json:
        asked = {"trial": summary_json(chosen)} if trial is not None and chosen is not None else {}
        output.emit(results_json(results) | asked)
        return
    print_results(output.console, results, chosen)
    for verdict in results.verdicts:
        if chosen is not None and verdict.trial == chosen.number:
            print_verdict(output.console, verdict, whole=trial is not None)
    for hardening in results.hardenings:
        if chosen is not None and hardening.trial == chosen.number:
            print_hardening(output.console, hardening, whole=trial is not None)


def results_json(results: Results) -> dict[str, Any]:
    """The results of a study, as `calibrate show --json` prints them."""
    spent = results.spent
    printed: dict[str, Any] = {
        "name": results.study.name,
        "storage": results.storage,
        "trials": results.counts,
        "best": summary_json(results.best) if results.best else None,
        **({"hardware": results.study.limits.as_dict()} if results.study.limits else {}),
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
    if results.hardenings:
        printed["hardening"] = [hardening_json(hardening) for hardening in results.hardenings]
    if results.study.pareto:
        printed["front"] = [summary_json(trial) for trial in results.front]
    return printed
