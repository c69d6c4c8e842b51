"""Evaluators: they compute the statistics of what was simulated, in the process that simulated it.

So the statistics cost as little as there are cores, and what comes back is small: estimates, and the
observation as its file will hold it. A slot that simulates one network at a time computes them itself. One
that simulates hundreds (a GPU's) has processes beside it that share them.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass

import cloudpickle

from calibrate.objective import Statistic
from calibrate.objective.panel import Evaluation, evaluate
from calibrate.observation import Observation
from calibrate.observation.packing import Packed, pack
from calibrate.simulation.lifetime import end_with


@dataclass(frozen=True, kw_only=True)
class Evaluated:
    """An observation, packed, and its statistics."""

    observation: Packed
    evaluation: Evaluation


class Evaluators:
    """Computes `statistics` in this process, or of several observations in up to `processes` others."""

    def __init__(self, statistics: Sequence[Statistic], *, processes: int = 0) -> None:
        self._statistics, self._processes = tuple(statistics), processes
        self._executor: ProcessPoolExecutor | None = None

    def evaluate(self, observations: Sequence[Observation]) -> list[Evaluated]:
        """Each observation packed, with its statistics, in their order."""
        if self._processes and len(observations) > 1:
            # One that dies of a statistic would take all: here it takes its slot, whose batch is tried again.
            with contextlib.suppress(BrokenProcessPool):
                return self._shared(observations)
            self._executor = None
        return [_evaluate(self._statistics, observation) for observation in observations]

    def _shared(self, observations: Sequence[Observation]) -> list[Evaluated]:
        if self._executor is None:
            self._executor = ProcessPoolExecutor(
                self._processes,
                mp_context=multiprocessing.get_context("spawn"),  # a GPU's context cannot be forked
                initializer=_begin,
                initargs=(cloudpickle.dumps(self._statistics), os.getpid()),
            )
        futures = [self._executor.submit(_evaluate_packed, pack(one, compression=0)) for one in observations]
        return [future.result() for future in futures]


def _evaluate(statistics: Sequence[Statistic], observation: Observation) -> Evaluated:
    return Evaluated(observation=pack(observation), evaluation=evaluate(observation, statistics))


# --- in the processes of their own --------------------------------------------------------------------

_statistics: tuple[Statistic, ...] = ()


def _begin(statistics: bytes, parent: int) -> None:
    global _statistics  # what the executor calls has no other place to find it
    end_with(parent)
    _statistics = pickle.loads(statistics)


def _evaluate_packed(observation: Packed) -> Evaluated:
    return _evaluate(_statistics, observation.unpack())
