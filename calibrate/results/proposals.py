"""Proposals: who proposed the parameter sets of a study's trials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from calibrate.calibration.search.samplers import STRATEGIES
from calibrate.study import Study


@dataclass(frozen=True, kw_only=True)
class Proposals:
    """Numbers of trials by the origin of their parameter sets; they add up to all trials.

    given       points of [prior]
    independent proposed without any result: space-filling, random, or on a grid
    learned     proposed by the sampler from the results of others
    taken_over  of another study
    """

    given: int = 0
    independent: int = 0
    learned: int = 0
    taken_over: int = 0


def proposals_of(
    study: Study, asked: Sequence[tuple[int, Mapping[str, Any]]], *, taken_over: int = 0
) -> Proposals:
    """Count proposals from the index and the parameters of every trial that was asked for.

    A sampler's space-filling points follow from the study and their index, so they are known again.
    """
    points = list(study.prior.points)
    given = independent = 0
    strategy = STRATEGIES[type(study.sampler)](study.sampler, study.space, study.seed)
    for index, parameters in sorted(asked, key=lambda one: one[0]):
        known = next((point for point in points if point.items() <= parameters.items()), None)
        if known is not None:
            points.remove(known)
            given += 1
        elif not study.sampler.learns or (index >= 0 and strategy.points(index) == dict(parameters)):
            independent += 1
    learned = len(asked) - given - independent
    return Proposals(given=given, independent=independent, learned=learned, taken_over=taken_over)
