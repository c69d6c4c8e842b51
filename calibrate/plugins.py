"""From a name in a study file to a Python object.

Three forms: a plain name of an installed entry point (`ei_clustered`, `rate`), `package.module:Name`,
and `file.py:Name`, the file being looked up beside the study file.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Mapping
from functools import cache
from importlib.metadata import EntryPoint, PackageNotFoundError, entry_points, version
from pathlib import Path
from types import ModuleType

from calibrate.errors import PluginError, did_you_mean, one_line

MODELS = "calibrate.models"
STATISTICS = "calibrate.statistics"
ENVIRONMENTS = "calibrate.environments"

# `python:NAME` refers to an object that was passed to a study in Python.
PYTHON = "python"

# Prefix of the names of plug-in files in sys.modules.
FILE_MODULE = "calibrate_file_"


@cache
def installed(kind: str) -> Mapping[str, EntryPoint]:
    """Entry points of a `kind` ("calibrate.models", "calibrate.statistics", ...) by name."""
    return {entry.name: entry for entry in entry_points(group=kind)}


def load(
    reference: str, kind: str, *, folder: Path | None = None, own: Mapping[str, object] | None = None
) -> object:
    """Return the object that `reference` names; raise PluginError, in one line, if there is none.

    folder  where `file.py:Name` is looked up (default: the current folder)
    own     objects that were passed to a study in Python, by reference
    """
    if own and reference in own:
        return own[reference]
    if ":" not in reference:
        entries = installed(kind)
        if reference not in entries:
            suffix = reference.rpartition("_")[2]  # for a statistic, its population
            with_suffix = [f"{name}_{suffix}" for name in entries] if kind == STATISTICS else []
            hint = did_you_mean(reference, [*entries, *with_suffix])
            what = kind.rsplit(".", 1)[-1]
            names = ", ".join(sorted(entries)) or "none; is calibrate installed?"
            raise PluginError(f"there is no '{reference}' among the installed {what}{hint}: {names}")
        try:
            return entries[reference].load()
        except Exception as error:
            where = entries[reference].value
            raise PluginError(f"cannot load {where}: {one_line(error)}") from error
    where, _, name = reference.rpartition(":")
    if where == PYTHON:
        raise PluginError(
            f"'{name}' was defined in a script or notebook; move it to a file and name it as FILE.py:{name}"
        )
    module = _from_file(where, folder) if where.endswith(".py") else _from_package(where)
    try:
        return getattr(module, name)
    except AttributeError:
        hint = did_you_mean(name, [public for public in vars(module) if not public.startswith("_")])
        raise PluginError(f"{where} has no '{name}'{hint}") from None


def _from_package(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:
        raise PluginError(f"cannot import {name}: {one_line(error)}") from error


def _from_file(where: str, folder: Path | None) -> ModuleType:
    path = (folder or Path.cwd()) / where
    if not path.is_file():
        raise PluginError(f"the file {path} does not exist")
    # The module name identifies the content of the file: an edited file is loaded again, an unchanged one
    # stays a single module, and other processes find its functions under the same name.
    try:
        identity = str(path.resolve()).encode() + b"\0" + path.read_bytes()
    except OSError as error:
        raise PluginError(f"{path} cannot be read: {error.strerror}") from error
    module_name = f"{FILE_MODULE}{hashlib.sha256(identity).hexdigest()[:16]}"
    if module_name in sys.modules:
        return sys.modules[module_name]
    spec = importlib.util.spec_from_file_location(module_name, path)
    if spec is None or spec.loader is None:
        raise PluginError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[module_name]
        raise PluginError(f"{path} cannot be imported: {one_line(error)}") from error
    return module


def version_of(distribution: str) -> str | None:
    """Return the version of an installed distribution; None if it is not installed (or only on the path)."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None
