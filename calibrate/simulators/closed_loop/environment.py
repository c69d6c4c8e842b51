"""Environments: what a network in a closed loop acts on, with the methods of a Gymnasium environment.

Every Gymnasium environment (https://gymnasium.farama.org) can be used; Gymnasium itself is not required.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, SupportsFloat

from calibrate import plugins
from calibrate.errors import PluginError, one_line


class Environment(Protocol):
    """A world that advances in steps of one interval of the loop.

    Its actions are the network's activity, shape (clusters of the output population,). Its observations are
    the stimulation of the next interval: one number for all clusters, or shape (clusters of the input
    population,). When an episode ends, terminated or truncated, the numbers in `info` are its measures.
    """

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin an episode and return the first stimulation and `info`.

        seed     None except before the first episode
        options  "interval_ms", "n_outputs" and "n_inputs" (numbers of clusters that are read and stimulated)
        """

    def step(self, action: Any, /) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        """Advance by one interval and return stimulation, reward, terminated, truncated, info."""


Maker = Callable[..., Environment]


def find_environment(
    reference: str, *, folder: Path | None = None, own: Mapping[str, object] | None = None
) -> Maker:
    """The class or function that makes the environment `reference`: installed, or "file.py:Name".

    Raises PluginError with a message of one line. An environment itself is not accepted, because every
    network of a batch needs its own.
    """
    maker = plugins.load(reference, plugins.ENVIRONMENTS, folder=folder, own=own)
    if not callable(maker) or (isinstance(maker, type) and not _is_environment(maker)):
        raise PluginError(
            f"{reference} must be an environment class, with reset and step, or a function that returns an "
            "environment"
        )
    return maker


def make_environment(maker: Maker, reference: str, options: Mapping[str, Any]) -> Environment:
    """Make an environment. Raises PluginError with a message of one line if that fails."""
    try:
        environment = maker(**options)
    except Exception as error:  # a user's class or function can raise anything
        raise PluginError(f"{reference} cannot be made: {one_line(error)}") from error
    if not _is_environment(environment):
        raise PluginError(
            f"{reference} returned an object of type {type(environment).__name__}, which lacks reset or step"
        )
    return environment


def _is_environment(value: object) -> bool:
    return callable(getattr(value, "reset", None)) and callable(getattr(value, "step", None))
