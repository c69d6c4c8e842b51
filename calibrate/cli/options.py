"""The options that commands share: single ones, and groups that `command` takes apart for Typer."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from calibrate.cli.arguments import given, parse_settings, read
from calibrate.errors import CalibrateError
from calibrate.results.results import Results, read_results
from calibrate.store import find_stored
from calibrate.study import Study
from calibrate.study.reading import read_stored_study

StudyPath = Annotated[Path, typer.Argument(metavar="STUDY", help="Study file (TOML).")]
Trials = Annotated[int | None, typer.Option(help="Total number of trials (overrides the study).")]
Seed = Annotated[int | None, typer.Option(help="Seed (overrides the study).")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Set a parameter (repeatable).")
]


@dataclass(frozen=True, kw_only=True)
class StudyFile:
    """A study file, with the back end and the database that replace its own."""

    path: StudyPath
    backend: Annotated[
        str | None, typer.Option(help="Simulator: auto, genn, nest, poisson or own.", metavar="NAME")
    ] = None
    storage: Annotated[
        str | None,
        typer.Option(help="Database URL (default: $OPTUNA_STORAGE, else the study's).", metavar="URL"),
    ] = None

    def read(self, changes: Mapping[str, object] | None = None, *, searched: bool = True) -> Study:
        """Read the study, with the `changes` that are not None."""
        return read(self.path, {"simulation.backend": self.backend, **(changes or {})}, searched=searched)

    def find(self, changes: Mapping[str, object] | None = None) -> tuple[Study, str]:
        """Find the study in its database, also without its data files; returns it with the URL."""
        made = given({"simulation.backend": self.backend, **(changes or {})})
        return find_stored(self.path, changes=made, storage=self.storage)

    def find_as_run(self, changes: Mapping[str, object] | None = None) -> tuple[Study, str]:
        """Find the study as `find` does, with the back end that it has there."""
        return find_stored(self.path, changes=given(changes or {}), storage=self.storage)

    def command(self, name: str, *options: str, storage: str) -> str:
        """The command `name` on this study, to be typed; with `storage`, if these options name a database."""
        elsewhere = ["--storage", storage] if self.storage else []
        return shlex.join(["calibrate", name, str(self.path), *elsewhere, *options])

    def results(self) -> Results:
        """Read what the database holds of the study."""
        return Results(*self.find())


@dataclass(frozen=True, kw_only=True)
class Workers:
    """Where simulations run, and in how many processes."""

    slots: Annotated[
        int | None,
        typer.Option(min=1, help="Number of worker processes (default: one per core, two per GPU)."),
    ] = None
    pool: Annotated[
        str | None,
        typer.Option(
            help="Where to run simulations: local processes or a Dask cluster.", metavar="local|dask"
        ),
    ] = None
    address: Annotated[
        str | None,
        typer.Option(help="Address of the Dask scheduler, or its scheduler file.", metavar="URL|FILE"),
    ] = None

    @property
    def changes(self) -> dict[str, object]:
        """The keys of a study that these options replace."""
        return {"pool.engine": self.pool, "pool.address": self.address}


@dataclass(frozen=True, kw_only=True)
class OneNetwork:
    """One network of a study: that of a trial, or any other."""

    settings: Settings = None
    trial: Annotated[
        int | None, typer.Option(min=0, help="Use the network of this trial of the study.", metavar="N")
    ] = None
    graph: Annotated[
        int, typer.Option(min=0, help="Number of the graph (realisation of the connectivity).", metavar="N")
    ] = 0
    duration_ms: Annotated[
        float | None, typer.Option(help="Length of the measurement (overrides the study).", metavar="MS")
    ] = None
    seed: Seed = None

    def read(
        self, file: StudyFile, changes: Mapping[str, object] | None = None
    ) -> tuple[Study, dict[str, Any], int]:
        """Read the study; returns it with the parameters that are set and the index of the candidate."""
        parameters: dict[str, Any] = {}
        index, backend, results = 0, file.backend, None
        if self.trial is not None:
            if self.seed is not None:
                raise CalibrateError("--seed cannot be combined with --trial, which has its own seed")
            results = read_results(file.path, storage=file.storage)
            parameters, index = results.candidate(self.trial)
            backend = backend or results.study.simulation.backend
        replaced = {
            "simulation.backend": backend,
            "simulation.duration_ms": self.duration_ms,
            "study.seed": self.seed,
            **(changes or {}),
        }
        if results is None:
            study = read(file.path, replaced, searched=False)
        else:  # data files may be missing
            study = read_stored_study(file.path, results.study.stored, changes=given(replaced))
        return study, parameters | parse_settings(study, self.settings or []), index
