"""The entry point of the command line.

The processes that simulate import it too, so it imports nothing that they do not need.
"""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command that the arguments name; exits with its code."""
    from calibrate.commands import execute

    sys.exit(execute(sys.argv[1:]))


if __name__ == "__main__":
    main()
