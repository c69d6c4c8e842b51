"""The options that commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

StudyPath = Annotated[Path, typer.Argument(metavar="STUDY", help="The study file (TOML).")]
Backend = Annotated[str | None, typer.Option(help="Simulator: auto, genn, nest or poisson.", metavar="NAME")]
PoolEngine = Annotated[
    str | None,
    typer.Option(
        "--pool", help="Where to run simulations: local processes or a Dask cluster.", metavar="local|dask"
    ),
]
Address = Annotated[
    str | None, typer.Option(help="The Dask scheduler's, or its scheduler file.", metavar="URL|FILE")
]
Slots = Annotated[
    int | None,
    typer.Option(min=1, help="Number of worker processes (default: one per core, two per GPU)."),
]
Trials = Annotated[int | None, typer.Option(help="Number of trials in all, instead of the study's.")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Set a parameter (repeatable).")
]
Seed = Annotated[int | None, typer.Option(help="Seed, instead of the study's.")]
Storage = Annotated[str | None, typer.Option(help="Database URL (also: OPTUNA_STORAGE).", metavar="URL")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Show no progress and no closing lines.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON, and nothing else.")]
# `execute` looks for it among the arguments.
Debug = Annotated[bool, typer.Option("--debug", help="Show where an error comes from.")]
