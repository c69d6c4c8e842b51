"""The command line. Processes that simulate import this too: it imports nothing that they do not need."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command that the arguments name; exits with its code."""
    try:
        from calibrate.cli.commands import execute

        code = execute(sys.argv[1:])
    except KeyboardInterrupt:  # while it is still importing
        code = 130
    sys.exit(code)
