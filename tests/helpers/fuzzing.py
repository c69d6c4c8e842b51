"""Commands given damaged input: they answer soon, in lines of their own."""

from __future__ import annotations

import contextlib
import io
import os
import signal
from collections.abc import Iterator

from hypothesis import HealthCheck, settings

from calibrate.cli.commands import execute
from tests.helpers.waiting import PATIENCE_S

# More by hand, now and then: FUZZ=20 pytest -n 0 tests/test_fuzz.py
TIMES = int(os.environ.get("FUZZ", "1"))
# Of the processor, whatever else runs there.
PATIENCE_CPU_S = 20.0


def thorough(examples: int) -> settings:
    return settings(
        max_examples=examples * TIMES,
        deadline=None,
        derandomize=TIMES == 1,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


class HangsError(BaseException):
    """It took too long. No Exception, so that nobody catches it."""


@contextlib.contextmanager
def soon() -> Iterator[None]:
    def stop(*_: object) -> None:
        raise HangsError(f"no answer after {PATIENCE_CPU_S:g} s of processor time, or {PATIENCE_S:g} s")

    timers = {
        signal.ITIMER_PROF: (signal.SIGPROF, PATIENCE_CPU_S),
        signal.ITIMER_REAL: (signal.SIGALRM, PATIENCE_S),
    }
    before = {number: signal.signal(number, stop) for number, _ in timers.values()}
    for timer, (_, seconds) in timers.items():
        signal.setitimer(timer, seconds)
    try:
        yield
    finally:
        for timer in timers:
            signal.setitimer(timer, 0)
        for number, handler in before.items():
            signal.signal(number, handler)


def call(*arguments: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a command."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), soon():
        code = execute(list(arguments))
    return code, out.getvalue(), err.getvalue()


def assert_answers_in_its_own_words(code: int, out: str, err: str) -> None:
    """Exit code 0, or an error in lines that begin with "error: "; no traceback, no other noise."""
    assert code in (0, 1, 2), (code, err)
    assert "unexpected:" not in err, err
    assert "Traceback" not in out + err, err
    for line in err.splitlines():
        assert line.startswith(("error: ", "warning: ", "This study runs code: ")), err
    assert (code != 0) == ("error: " in err), (code, err)
    printed = (out + err).replace("\n", "")
    assert printed.isprintable(), [sign for sign in printed if not sign.isprintable()]
