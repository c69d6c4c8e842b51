"""Evaluators: they compute the statistics of observations in, or beside, the process that simulated them.

So the work is spread over all cores, and the data that come back are small: estimates, and the observation in
the form of its file. A slot that simulates one network at a time computes the statistics itself. One that
simulates hundreds, on a GPU, shares them among additional processes.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
from collections.abc import Mapping, Sequence
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
    """A packed observation and its statistics."""

    observation: Packed
    evaluation: Evaluation


class Evaluators:
    """Computes statistics in this process, or for several observations in up to `processes` others.

    statistics  by condition of the study
    """

    def __init__(self, statistics: Mapping[str, Sequence[Statistic]], *, processes: int = 0) -> None:
        self._statistics, self._processes = dict(statistics), processes
        self._executor: ProcessPoolExecutor | None = None

    def evaluate(self, observations: Sequence[Observation], conditions: Sequence[str]) -> list[Evaluated]:
        """Pack each observation and compute the statistics of its condition; the order stays the same."""
        if self._processes and len(observations) > 1:
            # A statistic that kills its process breaks the executor. Computed here again, it kills the slot,
            # and the pool then looks for the job that is to blame.
            with contextlib.suppress(BrokenProcessPool):
                return self._evaluate_in_parallel(observations, conditions)
            self._executor = None
        return [
            _evaluate(self._statistics[condition], observation)
            for observation, condition in zip(observations, conditions, strict=True)
        ]

    def _evaluate_in_parallel(
        self, observations: Sequence[Observation], conditions: Sequence[str]
    ) -> list[Evaluated]:
        if self._executor is None:
            self._executor = ProcessPoolExecutor(
                self._processes,
                mp_context=multiprocessing.get_context("spawn"),  # a GPU's context cannot be forked
                initializer=_begin,
                initargs=(cloudpickle.dumps(self._statistics), os.getpid()),
            )
        futures = [
            self._executor.submit(_evaluate_packed, pack(observation, compression=0), condition)
            for observation, condition in zip(observations, conditions, strict=True)
        ]
        return [future.result() for future in futures]


def _evaluate(statistics: Sequence[Statistic], observation: Observation) -> Evaluated:
    return Evaluated(observation=pack(observation), evaluation=evaluate(observation, statistics))


# --- in the additional processes ----------------------------------------------------------------------

_statistics: Mapping[str, Sequence[Statistic]] = {}


def _begin(statistics: bytes, parent: int) -> None:
    global _statistics  # functions that the executor calls can find them only here
    end_with(parent)
    _statistics = pickle.loads(statistics)


def _evaluate_packed(observation: Packed, condition: str) -> Evaluated:
    return _evaluate(_statistics[condition], observation.unpack())
