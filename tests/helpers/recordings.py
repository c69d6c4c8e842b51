"""Recorded spike trains, and the files that hold them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.helpers.spike_trains import gamma_trains


def trains(
    units: int = 40, *, rate_hz: float = 8.0, duration_ms: float = 20_000, seed: int = 1, shape: float = 1
) -> list[np.ndarray]:
    steps = gamma_trains(
        np.random.default_rng(seed), units, shape=shape, rate_hz=rate_hz, duration_ms=duration_ms
    )
    return [0.1 * (step + 1) for step in steps]


def written(path: Path, found: list[np.ndarray]) -> Path:
    rows = ["time_ms,unit"] + [f"{t:.1f},{unit}" for unit, train in enumerate(found) for t in train]
    path.write_text("\n".join(rows) + "\n")
    return path
