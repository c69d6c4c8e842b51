"""`python -m calibrate.cli`: the command line, without the installed script."""

from calibrate.cli import main

if __name__ == "__main__":
    main()
