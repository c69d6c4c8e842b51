"""What finds the posterior from trials: an engine is fitted to trials once, and then asked for any data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from calibrate.calibration.emulator.models import Trial

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Datum:
    """What is known of a statistic: a value with its standard error, on the scale of the statistic.

    name   of the statistic
    value  that it had
    error  standard error of the value by itself; that of a trial on one graph comes on top of it
    ends   instead of a value: it lies between these, of which one may be infinite; `value` is in between
    """

    name: str
    value: float
    error: float = 0.0
    ends: tuple[float, float] | None = None


class Fitted(Protocol):
    """An engine that was fitted to trials."""

    def sample(self, data: Sequence[Datum], *, n: int, seed: int, temperature: float = 1.0) -> FloatArray:
        """Draw parameter sets from the posterior, as quantiles of the space, shape (n, parameters).

        data         one for each statistic of the engine, in order; all are defined
        temperature  one of those of the engine
        """
        ...


class Engine(Protocol):
    """A way to the posterior. It is made of the cube of a space, and of the models of the statistics by name.

    The scales of these models are those of the data. They were fitted to all trials.

    name          by which a user asks for it
    temperatures  by which the logarithm of the likelihood may be divided, so that intervals are wide enough:
                  trials that are left out show which one it takes; (1.0,) if the likelihood stays as it is
    """

    name: str
    temperatures: Sequence[float]

    def fit(self, trials: Sequence[Trial], *, seed: int) -> Fitted:
        """Learn from trials, of which some statistics may be undefined."""
        ...
