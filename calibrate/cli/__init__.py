"""The command line. Worker processes import this package too, so it imports only what they need."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line of this process and exit with its code."""
    try:
        from calibrate.cli.commands import execute

        code = execute(sys.argv[1:])
    except KeyboardInterrupt:  # while it is still importing
        code = 130
    sys.exit(code)
