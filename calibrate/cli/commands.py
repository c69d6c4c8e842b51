"""The commands: `calibrate run`, `calibrate simulate`, `calibrate check`.

With --json, one JSON object and nothing else goes to standard output. Exit codes: 0 done, 1 it went wrong,
2 what was asked for is wrong, 130 interrupted.
"""

from __future__ import annotations

import contextlib
import json
import shlex
import sys
import tomllib
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, TextIO

import optuna
import typer
from rich.console import Console

from calibrate import simulators
from calibrate.cli import tables
from calibrate.cli.interrupt import Interrupt
from calibrate.cli.progress import display
from calibrate.cost import estimate
from calibrate.errors import CalibrateError, ModelError, SimulatorError
from calibrate.result import as_json, reached
from calibrate.session import Simulated, run_study, simulate_once
from calibrate.store import Adopted, named, storage_url
from calibrate.study import Study, read_study

INTERRUPTED = 130

app = typer.Typer(
    name="calibrate",
    help="Calibrate spiking neural networks: find parameters with which their activity meets your targets.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

StudyPath = Annotated[Path, typer.Argument(metavar="STUDY", help="The study file (TOML).")]
Backend = Annotated[str | None, typer.Option(help="Simulator: auto, genn, nest or poisson.", metavar="NAME")]
Seed = Annotated[int | None, typer.Option(help="Seed, instead of the study's.")]
Storage = Annotated[str | None, typer.Option(help="Database URL (also: OPTUNA_STORAGE).", metavar="URL")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Show no progress and no closing lines.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON, and nothing else.")]
# `execute` looks for it among the arguments.
Debug = Annotated[bool, typer.Option("--debug", help="Show where an error comes from.")]


@app.callback(invoke_without_command=True)
def _calibrate(
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False,
) -> None:
    if version:
        from importlib.metadata import version as version_of

        print(f"calibrate {version_of('calibrate-snn')}")
        raise typer.Exit()


@app.command()
def run(
    study: StudyPath,
    backend: Backend = None,
    storage: Storage = None,
    seed: Seed = None,
    trials: Annotated[
        int | None, typer.Option(help="Number of trials in all, instead of the study's.")
    ] = None,
    slots: Annotated[int | None, typer.Option(min=1, help="Processes (default: one a core).")] = None,
    new: Annotated[
        bool, typer.Option("--new", help="Begin another study where the file was changed since it began.")
    ] = False,
    import_: Annotated[
        bool, typer.Option("--import", help="With --new: take over earlier trials inside the new ranges.")
    ] = False,
    quiet: Quiet = False,
    json_: Json = False,
    debug: Debug = False,  # noqa: ARG001
) -> None:
    """Run a study, or go on with it: what is in its database counts."""
    with _output(json_) as (emit, console):
        found = _read(study, {"simulation.backend": backend, "study.seed": seed, "budget.trials": trials})
        if not found.space:
            raise CalibrateError(
                f"{study}: no parameter is free; give one a range: NAME = {{low = ..., high = ...}}"
            )
        if import_ and not new:
            raise CalibrateError("--import takes over trials into a new study: it goes with --new")
        url = storage_url(found, storage)
        errors = _errors()
        place = named(_with_simulator(found, errors, quiet=quiet), url, new=new)
        ready = place.study
        if not quiet:
            tables.print_warnings(errors, ready.warnings)

        def adopted(name: str, what: Adopted) -> None:
            if not quiet:
                tables.print_adopted(errors, name, what)

        with Interrupt() as interrupt, display(errors, ready.name, quiet=quiet) as shown:
            try:
                result = run_study(
                    ready,
                    url=url,
                    slots=slots,
                    origins=[place.predecessor] if import_ and place.predecessor else [],
                    adopted=adopted,
                    progress=shown,
                    interrupted=interrupt,
                )
            except KeyboardInterrupt:
                raise _StoppedError from None
        if not quiet:
            tables.print_result(console, ready, result)
            _print_where(console, url)
        if json_:
            emit(as_json(result))
        if result.stopped == "interrupted":
            raise typer.Exit(INTERRUPTED)
        if result.best is None and result.complete:
            raise _FailedError(f"all {result.complete} trials that completed break a constraint")
        if result.best is None:
            raise _FailedError(f"no simulation completed; the last failure: {result.last_failure}")


@app.command()
def simulate(
    study: StudyPath,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A parameter's value; as often as you like."),
    ] = None,
    backend: Backend = None,
    seed: Seed = None,
    duration_ms: Annotated[
        float | None, typer.Option(help="Length of the measurement, instead of the study's.", metavar="MS")
    ] = None,
    figure: Annotated[
        Path | None, typer.Option(help="Save a raster plot: .png, .pdf or .svg.", metavar="FILE")
    ] = None,
    quiet: Quiet = False,
    json_: Json = False,
    debug: Debug = False,  # noqa: ARG001
) -> None:
    """Simulate one network of a study and print all statistics; nothing goes to the database."""
    with _output(json_) as (emit, console):
        changes = {"simulation.backend": backend, "study.seed": seed, "simulation.duration_ms": duration_ms}
        found = _read(study, changes, searched=False)
        given = _settings(found, settings or [])
        if figure is not None:
            from calibrate import figures  # matplotlib takes half a second

            figures.check_path(figure)
        errors = _errors()
        ready = _with_simulator(found, errors, quiet=quiet)
        middle = {name: value for name, value in ready.parameters(given).items() if name in found.space}
        middle = {name: value for name, value in middle.items() if name not in given}
        if middle and not quiet:
            tables.print_line(errors, f"In the middle of their ranges: {tables.assignments(middle)}")
        try:
            simulated = simulate_once(ready, given, spikes=figure is not None)
        except SimulatorError as error:
            raise _FailedError(str(error)) from error
        if figure is not None:
            figures.save(figures.raster_figure(simulated.observation), figure)
        if json_:
            emit(_simulated_json(ready, simulated))
        else:
            units = {statistic.name: statistic.unit for statistic in ready.statistics}
            tables.print_simulated(console, simulated, reached(ready, simulated.estimates), units)
        if figure is not None and not quiet:
            tables.print_line(errors, f"Figure: {figure}")


@app.command()
def check(
    study: StudyPath,
    backend: Backend = None,
    storage: Storage = None,
    fast: Annotated[bool, typer.Option("--fast", help="Do not time a short simulation.")] = False,
    json_: Json = False,
    debug: Debug = False,  # noqa: ARG001
) -> None:
    """Check a study file and estimate what it costs here; nothing is written."""
    with _output(json_) as (emit, console):
        found = _read(study, {"simulation.backend": backend})
        url = storage_url(found, storage)
        errors = _errors()
        tables.print_warnings(errors, found.warnings)
        try:
            ready = found.on(simulators.choose(found.simulation.backend))
            cost = estimate(ready, timed=not fast)
        except SimulatorError as error:
            tables.print_warnings(errors, [str(error)])
            ready, cost = found, None
        if json_:
            emit(tables.check_json(ready, cost))
            return
        console.print("OK", style="bold green", end=" ")
        tables.print_line(console, f"{study}")
        tables.print_check(console, ready, cost, database=_hidden(url))


class _FailedError(Exception):
    """It went wrong although what was asked for was right: exit code 1."""


class _StoppedError(Exception):
    """A second Ctrl-C stopped a run at once: exit code 130. (Typer keeps the KeyboardInterrupt to itself.)"""


@contextlib.contextmanager
def _output(as_json: bool) -> Iterator[tuple[Callable[[Mapping[str, Any]], None], Console]]:
    """How to print a JSON result, and the console for results that people read.

    With JSON, all else that is printed meanwhile, by whatever code, goes to standard error.
    """
    out: TextIO = sys.stdout

    def emit(result: Mapping[str, Any]) -> None:
        out.write(json.dumps(result, indent=2, allow_nan=False) + "\n")
        out.flush()

    if not as_json:
        yield emit, Console(file=out)
        return
    with contextlib.redirect_stdout(sys.stderr):
        yield emit, _errors()


def _errors() -> Console:
    return Console(stderr=True)


def _read(path: Path, changes: Mapping[str, object], *, searched: bool = True) -> Study:
    made = {key: value for key, value in changes.items() if value is not None}
    return read_study(path, changes=made, searched=searched)


def _with_simulator(study: Study, errors: Console, *, quiet: bool) -> Study:
    asked = study.simulation.backend
    backend = simulators.choose(asked)
    if asked == "auto" and not quiet:
        tables.print_line(errors, f"Simulating with {backend}.")
    return study.on(backend)


def _settings(study: Study, settings: Sequence[str]) -> dict[str, Any]:
    """The values of --set NAME=VALUE, as the model takes them."""
    given: dict[str, Any] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        name, text = name.strip().strip("\"'"), text.strip()
        if not equals or not name or not text:
            raise CalibrateError(f"--set {setting}: write NAME=VALUE")
        value = _value(text)
        try:
            given[name] = study.model.parameter(name).checked(value)
        except ModelError as error:
            raise CalibrateError(f"--set {setting}: {error}") from None
    return given


def _value(text: str) -> Any:
    """What `text` says in TOML or as a number (TOML knows no .75); else itself."""
    with contextlib.suppress(tomllib.TOMLDecodeError):
        return tomllib.loads(f"value = {text}")["value"]
    with contextlib.suppress(ValueError):
        return float(text)
    return text


def _simulated_json(study: Study, simulated: Simulated) -> dict[str, Any]:
    return {
        "statistics": simulated.statistics,
        "backend": study.simulation.backend,
        "simulator": dict(simulated.simulator),
        "wall_s": simulated.wall_s,
        "build_s": simulated.build_s,
        "parameters": dict(simulated.parameters),
        "seed": study.seed,
    }


def _hidden(url: str) -> str:
    from sqlalchemy import make_url

    return make_url(url).render_as_string(hide_password=True)


def _print_where(console: Console, url: str) -> None:
    shown = _hidden(url)
    tables.print_line(console, f"Results: {shown}")
    tables.print_line(console, f"Look at them: optuna-dashboard {shlex.quote(shown)}")


def _again(arguments: Sequence[str]) -> str:
    return f"go on with: {shlex.join(['calibrate', *arguments])}"


def _fail(message: str, code: int) -> int:
    for line in message.splitlines() or ["failed"]:
        print(f"error: {line}", file=sys.stderr)
    return code


def execute(arguments: Sequence[str]) -> int:
    """Run a command line; returns its exit code."""
    debug = "--debug" in arguments
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        code = app(args=list(arguments), prog_name="calibrate", standalone_mode=False)
        if code == INTERRUPTED and "--quiet" not in arguments:
            print(f"Saved; {_again(arguments)}", file=sys.stderr)
        return code if isinstance(code, int) else 0
    except typer.Exit as stop:
        return stop.exit_code
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except _StoppedError:
        return _fail(f"stopped; what had finished is kept, {_again(arguments)}", INTERRUPTED)
    except BrokenPipeError:
        return 0
    except Exception as error:
        if debug:
            traceback.print_exc()
        usage = getattr(error, "format_message", None)  # an error of Typer's, which moved between versions
        if usage is not None:
            return _fail(usage(), 2)
        if isinstance(error, CalibrateError):
            return _fail(str(error), 2)
        if isinstance(error, _FailedError):
            return _fail(str(error), 1)
        what = " ".join(f"{type(error).__name__}: {error}".split())
        return _fail(f"unexpected: {what} (--debug shows where)", 1)
