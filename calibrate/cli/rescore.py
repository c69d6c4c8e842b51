"""`calibrate rescore`."""

from __future__ import annotations

from calibrate.cli import tables
from calibrate.cli.arguments import read
from calibrate.cli.options import Backend, Debug, Json, Quiet, Storage, StudyPath
from calibrate.cli.output import FailedError, errors, output
from calibrate.cli.show import results_json
from calibrate.results.results import read_results
from calibrate.tasks.run import rescore as score_again


def rescore(
    study: StudyPath,
    backend: Backend = None,
    storage: Storage = None,
    quiet: Quiet = False,
    json_: Json = False,
    debug: Debug = False,  # noqa: ARG001
) -> None:
    """Recompute the scores of stored simulations after targets or weights have changed; simulate nothing."""
    with output(json_) as (emit, console):
        found, messages = read(study, {"simulation.backend": backend}), errors()

        def say(line: str) -> None:
            if not quiet:
                tables.print_line(messages, line)

        score_again(found, storage=storage, say=say)
        results = read_results(found, storage=storage)
        if json_:
            emit(results_json(results))
        elif not quiet:
            tables.print_results(console, results, results.best)
            tables.print_line(console, f"Go on searching:     calibrate run {study}")
        if results.best is None:
            raise FailedError("no trial could be scored again that keeps all constraints")
