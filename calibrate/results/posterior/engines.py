"""The engines by name."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

from calibrate.calibration.emulator.cube import Cube
from calibrate.calibration.emulator.models import Model
from calibrate.errors import StudyError, did_you_mean
from calibrate.results.posterior.engine import Engine

# The module and the class of each; a module is imported when its engine is asked for.
ENGINES = {"gp": ("gaussian_processes", "GaussianProcesses"), "npe": ("neural", "Neural")}


def engine_of(name: str, cube: Cube, models: Mapping[str, Model]) -> Engine:
    """The engine of this name. Raises StudyError if there is none."""
    if name not in ENGINES:
        raise StudyError(
            f"there is no engine '{name}'{did_you_mean(name, ENGINES)}: engine must be {' or '.join(ENGINES)}"
        )
    module, kind = ENGINES[name]
    made: Engine = getattr(import_module(f"calibrate.results.posterior.{module}"), kind)(cube, models)
    return made
