"""All commands as one program.

With --json, a command prints one JSON object on standard output and nothing else. Exit codes: 0 success,
1 failure of a valid request, 2 invalid request, 130 interrupted.
"""

from __future__ import annotations

import shlex
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated

import typer

from calibrate.cli.check import check
from calibrate.cli.copy import copy
from calibrate.cli.dashboard import dashboard
from calibrate.cli.doctor import doctor
from calibrate.cli.export import export
from calibrate.cli.loop import loop
from calibrate.cli.map import map_
from calibrate.cli.models import models
from calibrate.cli.new import new
from calibrate.cli.objectives import objectives
from calibrate.cli.option_groups import command
from calibrate.cli.output import INTERRUPTED, FailedError, StoppedError
from calibrate.cli.report import report
from calibrate.cli.rescore import rescore
from calibrate.cli.run import run
from calibrate.cli.scale import scale
from calibrate.cli.selftest import selftest
from calibrate.cli.show import show
from calibrate.cli.simulate import simulate
from calibrate.cli.stats import stats
from calibrate.cli.validate import validate
from calibrate.errors import CalibrateError, one_line
from calibrate.masking import printable, without_password, without_passwords

app = typer.Typer(
    name="calibrate",
    help="Calibrate spiking neural networks: find parameters for which their activity meets your targets.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback(invoke_without_command=True)
def _calibrate(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if version:
        from importlib.metadata import version as version_of

        print(f"calibrate {version_of('calibrate-snn')}")
        raise typer.Exit()


for function in (
    *(new, check, run, show, simulate, validate, selftest, rescore, report, map_, loop, scale),
    *(dashboard, export, copy, stats, models, objectives, doctor),
):
    app.command(function.__name__.rstrip("_"))(command(function))


def _suggest_resuming(arguments: Sequence[str]) -> str:
    words = (without_passwords(without_password(word) if "//" in word else word) for word in arguments)
    return f"resume with: {shlex.join(['calibrate', *words])}"


def _fail(message: str, code: int) -> int:
    for line in without_passwords(message).splitlines() or ["failed"]:
        print(f"error: {printable(line)}", file=sys.stderr)
    return code


def execute(arguments: Sequence[str]) -> int:
    """Run a command line and return its exit code."""
    debug = "--debug" in arguments
    try:
        code = app(args=list(arguments), prog_name="calibrate", standalone_mode=False)
        if code == INTERRUPTED and "--quiet" not in arguments:
            print(f"Saved; {_suggest_resuming(arguments)}", file=sys.stderr)
        return code if isinstance(code, int) else 0
    except typer.Exit as stop:
        return stop.exit_code
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except StoppedError:
        return _fail(f"stopped; finished work is saved, {_suggest_resuming(arguments)}", INTERRUPTED)
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
