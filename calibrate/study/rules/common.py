"""Rules across the tables of a study file, and how a broken rule becomes a problem."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any, TypeVar

from calibrate.errors import CalibrateError, did_you_mean, one_line
from calibrate.network import Network
from calibrate.simulators import instead_of, refusal
from calibrate.study.file.problems import Place, Problems, listed
from calibrate.study.file.sections import StudyFile
from calibrate.study.space import Choice, Space

Result = TypeVar("Result")


def attempt(
    problems: Problems, place: Place, call: Callable[..., Result], *args: Any, remedy: str = ""
) -> Result | None:
    """Return `call(*args)`; if it raises, add a problem at `place` and return None."""
    try:
        return call(*args)
    except CalibrateError as error:
        problems.add_error(place, error, remedy)
    except OSError as error:  # a name that no file can have
        problems.add(place, f"cannot be read: {error.strerror or error}", None, remedy)
    except Exception as error:
        problems.add(place, f"raised {one_line(error)}", None, remedy)
    return None


def check_search(problems: Problems, file: StudyFile, space: Space) -> None:
    """The tables that say how, where and how long to search."""
    check_sampler(problems, file, space)
    check_replicates(problems, file)
    check_budget(problems, file)
    check_prior(problems, file, space)
    check_pool(problems, file)


def check_sampler(problems: Problems, file: StudyFile, space: Space) -> None:
    """The sampler must be installed, and able to search `space`."""
    place = ("sampler", "name")
    if file.sampler.name == "gp" and importlib.util.find_spec("torch") is None:
        size = "gigabytes, unless the CPU build of PyTorch is installed first"
        problems.add(place, "needs PyTorch", "gp", f'run pip install "calibrate-snn[gp]" ({size})')
    if file.sampler.name == "cmaes":
        for name, domain in space.items():
            if isinstance(domain, Choice):
                rule, remedy = "has choices, which cmaes cannot search", "fix it, or use tpe or nsga2"
                problems.add(("parameters", name), rule, None, remedy)
        if file.study.pareto:
            rule, remedy = "minimises one loss, but the study seeks a front", "use bo, tpe, nsga2 or gp"
            problems.add(place, rule, "cmaes", remedy)


def check_replicates(problems: Problems, file: StudyFile) -> None:
    """The fewest further graphs cannot be more than the most."""
    rule = file.replicates.confirmation
    if rule is not None and rule.least > rule.most:
        remedy = f"most is {rule.most}: raise it, or lower least"
        problems.add(("replicates", "confirm", "least"), "must not be above most", rule.least, remedy)


def check_backend(problems: Problems, file: StudyFile, network: Network) -> None:
    """The simulator that the study names must have the neuron models of its network."""
    backend = file.simulation.backend
    if backend != "auto" and (why := refusal(backend, network)):
        remedy = f'use backend = "{instead_of(backend, network)}", or "auto"'
        problems.add(("simulation", "backend"), f": {why}", None, remedy)


def check_prior(problems: Problems, file: StudyFile, space: Space) -> None:
    """Points to try first must lie in the ranges; a grid only tries its own points."""
    if file.sampler.name == "grid" and (file.prior.points or file.prior.study):
        problems.add(("prior",), "has no effect on a grid, which tries every point anyway", None, "remove it")
    for number, point in enumerate(file.prior.points, start=1):
        place = ("prior", "points")
        if not point:
            problems.add(
                place, f"point {number} names no parameter", None, f"free parameters are {listed(space)}"
            )
        for name, value in point.items():
            if name not in space:
                rule = f"point {number} names {name}, which is not free{did_you_mean(name, space)}"
                problems.add(place, rule, None, f"free parameters are {listed(space)}")
            elif not space[name].contains(value):
                problems.add(place, f"point {number} has {name} outside its range", value, "move it inside")
            elif isinstance(value, float) and getattr(space[name], "integer", False):
                rule = f"point {number} has {name}, which must be a whole number"
                problems.add(place, rule, value, f"write {value:.0f}")


def check_pool(problems: Problems, file: StudyFile) -> None:
    """A Dask cluster needs an address."""
    if file.pool.engine == "dask" and file.pool.address is None:
        remedy = 'write address = "tcp://HOST:8786", or a scheduler file'
        problems.add(("pool",), "names a Dask cluster without an address", None, remedy)


def check_budget(problems: Problems, file: StudyFile) -> None:
    """A study must have a limit, except a grid, which ends by itself."""
    budget = file.budget
    ends = (budget.trials, budget.wall_s, budget.plateau)
    if file.sampler.name != "grid" and all(end is None for end in ends):
        problems.add(("budget",), "sets no limit", None, "add trials = ... (or wall_s = ..., in seconds)")
