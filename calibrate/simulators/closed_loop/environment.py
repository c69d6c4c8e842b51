"""Environments: what a network in a closed loop acts on, with the methods of a Gymnasium environment.

A Gymnasium environment (https://gymnasium.farama.org) is one; Gymnasium itself is not needed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, SupportsFloat

from calibrate import plugins
from calibrate.errors import PluginError, one_line


class Environment(Protocol):
    """A world that proceeds in steps as long as an interval of the loop.

    Its actions are the network's activity, shape (clusters of the output population,); its observations are
    the stimulation of the next interval, a number for all or shape (clusters of the input population,).
    An episode that ends, terminated or truncated, leaves its measures in `info`: the numbers in there.
    """

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin an episode; returns the first stimulation, and `info`.

        seed     given before the first episode only
        options  "interval_ms", "n_outputs" and "n_inputs" (clusters that are read, and stimulated)
        """

    def step(self, action: Any, /) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        """Proceed by one interval; returns stimulation, reward, terminated, truncated, info."""


Maker = Callable[..., Environment]


def find_environment(
    reference: str, *, folder: Path | None = None, own: Mapping[str, object] | None = None
) -> Maker:
    """What makes the environment that `reference` names: an installed one, or "file.py:Name".

    Raises PluginError in one line. An object that is an environment already is no good: every network of a
    batch needs one of its own.
    """
    made = plugins.load(reference, plugins.ENVIRONMENTS, folder=folder, own=own)
    if not callable(made) or (isinstance(made, type) and not _is_environment(made)):
        raise PluginError(f"{reference} must be a class, or a function that returns one, with reset and step")
    return made


def make_environment(maker: Maker, reference: str, options: Mapping[str, Any]) -> Environment:
    """An environment; raises PluginError in one line where it cannot be made."""
    try:
        made = maker(**options)
    except Exception as error:
        raise PluginError(f"{reference} cannot be made: {one_line(error)}") from error
    if not _is_environment(made):
        raise PluginError(f"{reference} made {type(made).__name__}, which has no reset and step")
    return made


def _is_environment(made: object) -> bool:
    return callable(getattr(made, "reset", None)) and callable(getattr(made, "step", None))
