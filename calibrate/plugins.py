"""From a name in a study file to a Python object.

Three forms: a plain name of an installed entry point (`ei_clustered`, `rate`), `package.module:Name`,
and `file.py:Name`, the file being looked up beside the study file. It can import the files beside it.
"""

from __future__ import annotations

import ast
import builtins
import contextlib
import hashlib
import importlib
import importlib.util
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from importlib.machinery import SourceFileLoader
from importlib.metadata import EntryPoint, PackageNotFoundError, entry_points, version
from pathlib import Path
from types import CodeType, FunctionType, ModuleType

from calibrate.errors import PluginError, did_you_mean, one_line

MODELS = "calibrate.models"
STATISTICS = "calibrate.statistics"
ENVIRONMENTS = "calibrate.environments"

# `python:NAME` refers to an object that was passed to a study in Python.
PYTHON = "python"

# Prefix of the names of plug-in files in sys.modules.
FILE_MODULE = "calibrate_file_"

_OWN_PACKAGES = ("calibrate", "objectives")


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
            if reference.endswith(".py"):
                raise PluginError(
                    f"{reference} is a file: write {reference}:NAME, with a name that it defines"
                )
            _, with_population, suffix = reference.rpartition("_")
            of_population = [f"{name}_{suffix}" for name in entries] if with_population else []
            hint = did_you_mean(reference, [*entries, *(of_population if kind == STATISTICS else [])])
            if not hint and ((folder or Path.cwd()) / f"{reference}.py").is_file():
                hint = f" (for that in your file, write {reference}.py:NAME)"
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
        raise PluginError(f"{where} has no '{name}'{did_you_mean(name, _defined_in(module))}") from None


def _defined_in(module: ModuleType) -> list[str]:
    """The public names of a module, without those that it imports."""
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and not isinstance(value, ModuleType)
        and not (isinstance(value, type | FunctionType) and value.__module__ != module.__name__)
    ]


def _from_package(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:
        raise PluginError(f"cannot import {name}: {one_line(error)}") from error


class _Source(SourceFileLoader):
    """Compiles the file as it is: Python's cache takes an edit for none, if second and size stay the same."""

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        code: CodeType = self.source_to_code(self.get_data(path), path)
        return code


def _from_file(where: str, folder: Path | None) -> ModuleType:
    path = (folder or Path.cwd()) / where
    if not path.is_file():
        raise PluginError(f"the file {path} does not exist")
    return _load(path)


def _load(path: Path) -> ModuleType:
    # The module name identifies the content of the file and of those that it imports from beside it: an
    # edited file is loaded again, an unchanged one stays a single module, and other processes find its
    # functions under the same name.
    identity = hashlib.sha256(str(path.resolve()).encode())
    try:
        for used in (path, *imported_beside(path)):
            identity.update(b"\0" + used.read_bytes())
    except OSError as error:
        raise PluginError(f"{path} cannot be read: {error.strerror}") from error
    module_name = f"{FILE_MODULE}{identity.hexdigest()[:16]}"
    if module_name in sys.modules:
        return sys.modules[module_name]
    spec = importlib.util.spec_from_file_location(module_name, path, loader=_Source(module_name, str(path)))
    if spec is None or spec.loader is None:
        raise PluginError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    vars(module)["__builtins__"] = {**vars(builtins), "__import__": _importer(path.parent)}
    sys.modules[module_name] = module
    try:
        with _printing_to_stderr():
            spec.loader.exec_module(module)
    except PluginError:  # names the file that it imports
        del sys.modules[module_name]
        raise
    except (Exception, SystemExit) as error:
        del sys.modules[module_name]
        raise PluginError(f"{path} cannot be imported: {one_line(error)}") from error
    return module


@contextlib.contextmanager
def _printing_to_stderr() -> Iterator[None]:
    """Keep what a file prints when it is imported off standard output, which is for results.

    Also what libraries print to file descriptor 1, such as simulators that say hello.
    """
    os.environ.setdefault("PYNEST_QUIET", "1")
    sys.stdout.flush()
    try:
        before = os.dup(1)
    except OSError:  # it is closed
        yield
        return
    try:
        os.dup2(2, 1)
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        os.dup2(before, 1)
        os.close(before)


def _importer(folder: Path) -> Callable[..., ModuleType]:
    """`__import__` for the files of a folder, which can import each other by name.

    The folder is not added to `sys.path`, where its files would also be found by other modules, and by the
    files of another study.
    """

    def import_module(
        name: str,
        globals: Mapping[str, object] | None = None,
        locals: Mapping[str, object] | None = None,
        fromlist: Sequence[str] = (),
        level: int = 0,
    ) -> ModuleType:
        path = _beside(folder, name, level)
        return __import__(name, globals, locals, fromlist, level) if path is None else _load(path)

    return import_module


def _beside(folder: Path, name: str, level: int) -> Path | None:
    """The file that `import name` in a file of `folder` finds beside it; None if it is imported as usual.

    The standard library and calibrate come first: a file named statistics.py can hold statistics.
    """
    first = name.partition(".")[0]
    if level > 1 or (level == 0 and (first in sys.stdlib_module_names or first in _OWN_PACKAGES)):
        return None
    path = folder / f"{name}.py"
    return path if path.is_file() else None


def imported_beside(path: Path) -> list[Path]:
    """The files beside `path` that it imports, and those that they import; found without running them."""
    found: dict[Path, None] = {}
    waiting = [path]
    while waiting:
        for node in ast.walk(_parsed(waiting.pop())):
            names: list[tuple[str, int]] = []
            if isinstance(node, ast.Import):
                names = [(alias.name, 0) for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [(node.module or "", node.level)]
            for name, level in names:
                beside = _beside(path.parent, name, level)
                if beside is not None and beside != path and beside not in found:
                    found[beside] = None
                    waiting.append(beside)
    return sorted(found)


def _parsed(path: Path) -> ast.Module:
    try:
        return ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):  # reported when it is imported
        return ast.Module(body=[], type_ignores=[])


def version_of(distribution: str) -> str | None:
    """Return the version of an installed distribution; None if it is not installed (or only on the path)."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None
