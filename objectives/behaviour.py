"""Behaviour: what a network in a closed loop achieves in its environment."""

from __future__ import annotations

import math

import numpy as np

from calibrate.objective import Estimate, Needs, ObjectiveError, statistic
from calibrate.observation import Episode, Observation

_EPISODES = Needs(episodes=True)


def _episodes(observation: Observation) -> tuple[Episode, ...]:
    if observation.episodes is None:
        raise ObjectiveError("behaviour needs a closed loop: the study has no [loop]")
    return observation.episodes


def _measured(observation: Observation, name: str) -> Estimate:
    """The mean of a measure over the episodes that have it, those where it is no finite number left out."""
    episodes = _episodes(observation)
    if not episodes:
        return Estimate(math.nan, support=0, shortfall=1.0, note="no episode came to its end")
    values = np.array([episode.measures.get(name, math.nan) for episode in episodes])
    there = values[np.isfinite(values)]
    if there.size:
        return Estimate.mean_of(there)
    known = sorted({key for episode in episodes for key in episode.measures})
    if name not in known:
        raise ObjectiveError(
            f"the environment measures no '{name}'; it measures {', '.join(known) or 'nothing'}"
        )
    # An environment may say how far from it an episode was, from 0 to 1.
    far = [episode.measures.get(f"{name}_shortfall", 1.0) for episode in episodes]
    shortfall = float(np.clip(np.mean(far), 0, 1))
    return Estimate(math.nan, support=0, shortfall=shortfall, note=f"{name} in none of the episodes")


@statistic(needs=_EPISODES, sample="reward of every episode")
def reward(observation: Observation) -> Estimate:
    """Mean over episodes of the reward that the environment gave, summed over the steps of the episode.

    The same for a silent network and for one of a single spike, unless their environment tells them apart.
    Support: episodes that came to their end. Undefined, with shortfall 1, where there are none;
    ObjectiveError where there was no closed loop.
    """
    episodes = _episodes(observation)
    if not episodes:
        return Estimate(math.nan, support=0, shortfall=1.0, note="no episode came to its end")
    return Estimate.mean_of(np.array([episode.reward for episode in episodes]))


@statistic(needs=_EPISODES, sample="whether every episode was correct")
def accuracy(observation: Observation) -> Estimate:
    """Share of episodes in which the decision was correct: the mean of the measure "correct".

    From 0 to 1; no decision is not correct, so a silent network, or one of a single spike, has 0. Support:
    episodes that came to their end. Undefined, with shortfall 1, where there are none; ObjectiveError where
    there was no closed loop, or the environment measures no such thing.
    """
    return _measured(observation, "correct")


@statistic(unit="ms", needs=_EPISODES, scale="log", sample="time of every decision")
def reaction_time(observation: Observation) -> Estimate:
    """Mean time to a decision: of the environment's measure "reaction_time_ms", over episodes with one.

    Support: these episodes. Undefined where there are none, as for a silent network or one of a single spike,
    with the mean of the measure "reaction_time_ms_shortfall" as shortfall: how far activity stayed from a
    decision, from 0 to 1. ObjectiveError where there was no closed loop.
    """
    return _measured(observation, "reaction_time_ms")


@statistic(needs=_EPISODES, sample="the measure in every episode")
def behaviour(observation: Observation, *, measure: str = "correct") -> Estimate:
    """Mean over episodes of a measure that the environment takes, whatever it is.

    measure  its name in the `info` that ends an episode

    Support: episodes with a finite value. Undefined where there are none, as it may be for a silent network
    or one of a single spike; ObjectiveError where there was no closed loop, or no such measure.
    """
    return _measured(observation, measure)
