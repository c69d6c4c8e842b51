"""How far a validation is: what displays show."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Replicated:
    """Where a validation is: simulations `done` of `total` in a simulator, `new` of them in `elapsed_s`."""

    simulator: str
    done: int
    new: int
    total: int
    elapsed_s: float
