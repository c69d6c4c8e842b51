"""The progress of a validation or a hardening, for displays."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Replicated:
    """State of a validation: `done` of `total` simulations in a simulator, `new` of them in `elapsed_s`.

    doing  what the simulations are for
    """

    doing: str = "validating"
    simulator: str
    done: int
    new: int
    total: int
    elapsed_s: float
