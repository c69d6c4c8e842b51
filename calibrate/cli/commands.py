"""All commands as one program.

With --json, a command prints one JSON object on standard output and nothing else. Exit codes: 0 success,
1 failure of a valid request, 2 invalid request, 130 interrupted.
"""

from __future__ import annotations

import ast
import importlib
import shlex
import shutil
import sys
import traceback
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Annotated

import typer

from calibrate.cli.exits import INTERRUPTED, FailedError, StoppedError
from calibrate.errors import CalibrateError, one_line
from calibrate.masking import printable, without_password, without_passwords
from calibrate.tasks.lines import wrapped

# In the order of the help. Each is a function in a module, both of its name (with _ for -).
COMMANDS = (
    *("new", "check", "run", "show", "simulate", "validate", "harden", "selftest", "rescore", "report"),
    *("predict", "sensitivity", "posterior", "map", "loop", "scale", "dashboard", "export", "export-network"),
    *("copy", "stats", "models", "objectives", "doctor"),
)


_HELP = "Calibrate spiking neural networks: find parameters for which their activity meets your targets."


def program(wanted: Collection[str] = COMMANDS) -> typer.Typer:
    """The command line with all commands, of which only those `wanted` are imported and can run.

    To import them all takes a second, which `calibrate --help` should not take.
    """
    app = typer.Typer(
        name="calibrate",
        help=_HELP,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    app.callback(invoke_without_command=True)(_calibrate)
    for name in COMMANDS:
        if name in wanted:
            app.command(name)(_find(name))
        else:
            app.command(name, help=_documentation(name))(lambda: None)
    return app


def _calibrate(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if version:
        from importlib.metadata import version as version_of

        print(f"calibrate {version_of('calibrate-snn')}")
        raise typer.Exit()


def _is(function: str, name: str) -> bool:
    return function.rstrip("_") == _python_name(name)  # `map_`


def _python_name(command: str) -> str:
    return command.replace("-", "_")


def _find(name: str) -> Callable[..., None]:
    """Import a command."""
    from calibrate.cli.option_groups import command

    members = vars(importlib.import_module(f"calibrate.cli.{_python_name(name)}"))
    return command(next(value for key, value in members.items() if _is(key, name) and callable(value)))


def _documentation(name: str) -> str | None:
    """Read the help of a command from its module without importing it."""
    module: ast.Module = ast.parse(
        Path(__file__).with_name(f"{_python_name(name)}.py").read_text(encoding="utf-8")
    )
    functions = (part for part in module.body if isinstance(part, ast.FunctionDef))
    return ast.get_docstring(next(function for function in functions if _is(function.name, name)))


def _without_passwords(arguments: Sequence[str]) -> str:
    """The command line, to be typed again."""
    words = (without_passwords(without_password(word) if "//" in word else word) for word in arguments)
    return shlex.join(["calibrate", *words])


def _say(line: str, *, keep: str = "") -> None:
    text = printable(line)
    if sys.stderr.isatty():
        text = wrapped(text, shutil.get_terminal_size().columns, hang=2, keep=printable(keep))
    print(text, file=sys.stderr)


def _fail(message: str, code: int, *, keep: str = "") -> int:
    for line in without_passwords(message).splitlines():
        _say(f"error: {line}", keep=keep)
    return code


def execute(arguments: Sequence[str]) -> int:
    """Run a command line and return its exit code."""
    debug = "--debug" in arguments
    try:
        app = program(arguments)
        code = app(args=list(arguments) or ["--help"], prog_name="calibrate", standalone_mode=False)
        if code == INTERRUPTED and "--quiet" not in arguments:
            again = _without_passwords(arguments)
            _say(f"Saved; resume with: {again}", keep=again)
        return code if isinstance(code, int) else 0
    except typer.Exit as stop:
        return stop.exit_code
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except StoppedError:
        again = _without_passwords(arguments)
        return _fail(f"stopped; finished work is saved, resume with: {again}", INTERRUPTED, keep=again)
    except BrokenPipeError:
        return 0
    except Exception as error:
        if debug:
            print(without_passwords(traceback.format_exc()), end="", file=sys.stderr)
        usage = getattr(error, "format_message", None)  # a usage error: versions of Typer differ in its class
        if usage is not None:
            return _fail(usage(), 2)
        if isinstance(error, CalibrateError):
            return _fail(str(error), 2)
        if isinstance(error, FailedError):
            return _fail(str(error), 1)
        return _fail(f"unexpected: {one_line(error)} (--debug shows the traceback)", 1)
