"""`python -m calibrate.cli`: the command line without an installed script."""

from calibrate.cli import main

if __name__ == "__main__":
    main()
