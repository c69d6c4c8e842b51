"""Behaviour: what a network in a closed loop achieves in its environment."""

from __future__ import annotations

import math

import numpy as np

from calibrate.objective import Estimate, Needs, ObjectiveError, statistic
from calibrate.observation import Episode, Observation

_EPISODES = Needs(episodes=True)


def _episodes(observation: Observation) -> tuple[Episode, ...]:
    if observation.episodes is None:
        raise ObjectiveError("behaviour needs a closed loop, but the study has no [loop]")
    return observation.episodes


def _average(observation: Observation, name: str) -> Estimate:
    """Average a measure over the episodes in which it is a finite number."""
    episodes = _episodes(observation)
    if not episodes:
        return Estimate(math.nan, support=0, shortfall=1.0, note="no episode ended")
    values = np.array([episode.measures.get(name, math.nan) for episode in episodes])
    finite = values[np.isfinite(values)]
    if finite.size:
        return Estimate.mean_of(finite)
    names = sorted({key for episode in episodes for key in episode.measures})
    if name not in names:
        raise ObjectiveError(
            f"the environment has no measure '{name}'; its measures are {', '.join(names) or 'none'}"
        )
    # An environment can report how far an episode was from having the measure, from 0 to 1.
    shortfalls = [episode.measures.get(f"{name}_shortfall", 1.0) for episode in episodes]
    shortfall = float(np.clip(np.mean(shortfalls), 0, 1))
    return Estimate(math.nan, support=0, shortfall=shortfall, note=f"no episode has {name}")


@statistic(needs=_EPISODES, sample="reward of every episode", depends_on=())
def reward(observation: Observation) -> Estimate:
    """Mean reward of an episode: the sum of the rewards of its steps.

    Equal for a silent network and for one with a single spike, unless the environment distinguishes them.
    Support: episodes that ended. Undefined, with shortfall 1, if there are none. Raises ObjectiveError
    without a closed loop.
    """
    episodes = _episodes(observation)
    if not episodes:
        return Estimate(math.nan, support=0, shortfall=1.0, note="no episode ended")
    return Estimate.mean_of(np.array([episode.reward for episode in episodes]))


@statistic(needs=_EPISODES, sample="whether every episode was correct", depends_on=())
def accuracy(observation: Observation) -> Estimate:
    """Share of episodes in which the decision was correct: the mean of the measure "correct".

    From 0 to 1. No decision counts as incorrect, so a silent network, or one with a single spike, has 0.
    Support: episodes that ended. Undefined, with shortfall 1, if there are none. Raises ObjectiveError
    without a closed loop, or if the environment does not have this measure.
    """
    return _average(observation, "correct")


@statistic(unit="ms", needs=_EPISODES, scale="log", sample="time of every decision", depends_on=())
def reaction_time(observation: Observation) -> Estimate:
    """Mean time to a decision: the mean of the measure "reaction_time_ms" over episodes with a decision.

    Support: these episodes. Undefined if there are none, as for a silent network or one with a single spike.
    The shortfall is then the mean of the measure "reaction_time_ms_shortfall": how far activity was from a
    decision, from 0 to 1. Raises ObjectiveError without a closed loop.
    """
    return _average(observation, "reaction_time_ms")


@statistic(needs=_EPISODES, sample="the measure in every episode", depends_on=())
def behaviour(observation: Observation, *, measure: str = "correct") -> Estimate:
    """Mean over episodes of any measure that the environment reports.

    measure  its name in the `info` that ends an episode

    Support: episodes with a finite value. Undefined if there are none, which is possible for a silent network
    or one with a single spike. Raises ObjectiveError without a closed loop, or without such a measure.
    """
    return _average(observation, measure)
