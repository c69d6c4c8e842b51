"""`calibrate rescore`."""

from __future__ import annotations

from calibrate.cli.exits import FailedError
from calibrate.cli.options import StudyFile
from calibrate.cli.output import QuietOutput
from calibrate.cli.show import results_json
from calibrate.cli.tables.result import print_results
from calibrate.results.results import read_results
from calibrate.tasks.run import rescore as rescore_study


def rescore(*, file: StudyFile, output: QuietOutput) -> None:
    """Recompute the scores of stored simulations after targets or weights have changed. Simulates nothing."""
    study = file.read()
    rescore_study(study, storage=file.storage, say=output.say)
    results = read_results(study, storage=file.storage)
    if output.as_json:
        output.emit(results_json(results))
    elif not output.quiet:
        print_results(output.console, results, results.best)
        command = file.command("run", storage=results.storage)
        output.print(f"Continue the search: {command}", keep=command)
    if results.best is None:
        raise FailedError("no rescored trial satisfies all constraints")
