"""The command line. Processes that simulate import this too: it imports nothing that they do not need."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command that the arguments name; exits with its code."""
    from calibrate.cli.commands import execute

    sys.exit(execute(sys.argv[1:]))
