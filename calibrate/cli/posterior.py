"""`calibrate posterior`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from calibrate.calibration.trials.averages import format_statistic
from calibrate.cli.exits import simulating
from calibrate.cli.options import StudyFile
from calibrate.cli.output import Output
from calibrate.cli.tables.listing import print_table
from calibrate.errors import CalibrateError
from calibrate.results.posterior import posterior as posteriors
from calibrate.results.posterior.in_words import correlations, foundation, loosest
from calibrate.results.posterior.json_form import check_json, posterior_json
from calibrate.results.posterior.posterior import Posterior
from calibrate.results.posterior.predictive import PredictiveCheck, check_posterior
from calibrate.results.results import Results
from calibrate.tasks.lines import print_line


def posterior(
    *,
    engine: Annotated[
        str,
        typer.Option(
            help="Method: gp (Gaussian processes) or npe (neural networks; needs the extra `posterior`).",
            metavar="gp|npe",
        ),
    ] = "gp",
    samples: Annotated[int, typer.Option(min=100, help="Number of samples.", metavar="N")] = 2000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the samples.", metavar="N")] = 0,
    check: Annotated[
        int | None,
        typer.Option(min=1, help="Simulate N of the samples, to check the predictions.", metavar="N"),
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Folder for samples.csv, posterior.json and the figures.",
            metavar="FOLDER",
        ),
    ] = None,
    file: StudyFile,
    output: Output,
) -> None:
    """Find which parameters are compatible with the targets, from the stored trials. Stores nothing."""
    results = file.results()
    if to is not None:
        _make(to)
    found = posteriors.posterior(results, engine=engine, samples=samples, seed=seed)
    checked = None
    if check is not None:
        output.say(f"Simulating {check} network{'s' * (check > 1)} of the posterior")
        with simulating():
            checked = check_posterior(results, found, networks=check, seed=seed)
    printed = posterior_json(found) | ({} if checked is None else {"check": check_json(checked)})
    if to is not None:
        printed["files"] = [str(path) for path in _write(to, found, checked, printed)]
    output.warn(found.warnings)
    if output.as_json:
        output.emit(printed)
        return
    _print(output, results, found)
    if checked is not None:
        _print_check(output, checked)
    if to is not None:
        output.print(f"Files: {to}", keep=str(to))


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CalibrateError(f"cannot make the folder {folder}: {error.strerror}") from None


def _write(
    folder: Path, found: Posterior, checked: PredictiveCheck | None, printed: dict[str, Any]
) -> list[Path]:
    from calibrate.figures import posterior_figure, predictive_figure  # matplotlib takes half a second
    from calibrate.figures.style import save

    table, summary = folder / "samples.csv", folder / "posterior.json"
    try:
        found.samples.to_csv(table, index=False)
        summary.write_text(json.dumps(printed, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise CalibrateError(f"cannot write into the folder {folder}: {error.strerror}") from None
    figures = {"posterior": posterior_figure(found), "predictive": predictive_figure(found, checked)}
    paths = {
        folder / f"{name}.{kind}": one for name, one in figures.items() for kind in ("png", "pdf", "svg")
    }
    for path, figure in paths.items():
        save(figure, path)
    return [table, summary, *paths]


def _print(output: Output, results: Results, found: Posterior) -> None:
    table = Table()
    for column in ("parameter", "median", "90 %", "coverage", "range"):
        table.add_column(column, justify="left" if column == "parameter" else "right")
    for name, domain in results.study.space.items():
        if name in found.choices:
            shares = ", ".join(f"{value} {100 * p:.0f} %" for value, p in found.choices[name].items())
            table.add_row(name, "", shares, "", "")
            continue
        one, share = found.marginals[name], found.coverage.parameters.get(name)
        ends = f"{format_statistic(one.low)} to {format_statistic(one.high)}"
        covered = "" if share is None else f"{100 * share:.0f} %"
        whole = " to ".join(f"{float(end):g}" for end in domain.ends)
        table.add_row(name, format_statistic(one.median), ends, covered, whole)
    print_table(output.console, table)
    for line in (correlations(found), loosest(found), *foundation(found)):
        if line:
            print_line(output.console, line, hang=2)


def _print_check(output: Output, check: PredictiveCheck) -> None:
    n = check.networks
    table = Table()
    for column in ("statistic", "simulated", "as predicted", "target met"):
        table.add_column(column, justify="left" if column == "statistic" else "right")
    for one in check.statistics:
        values = [value for value in one.simulated if value == value]
        ends = dict.fromkeys(format_statistic(end) for end in (min(values), max(values))) if values else ()
        verdict = f"{one.inside} of {n}" + ("" if one.agrees else ", too few")
        table.add_row(one.name, " to ".join(ends) or "undefined", verdict, f"{one.met} of {n}")
    print_table(output.console, table)
    failed = f"; {check.failed} more failed" if check.failed else ""
    print_line(
        output.console,
        f"Simulated: {n} network{'s' * (n > 1)}{failed}. They meet {sum(check.met) / n:.2g} of "
        f"{len(check.statistics)} targets in the mean; "
        + ("all statistics are as predicted" if check.agrees else "the predictions do not hold"),
        hang=2,
    )
