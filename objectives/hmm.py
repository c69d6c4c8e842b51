"""Metastability with a hidden Markov model: states of a whole population, without thresholds on rates."""

from __future__ import annotations

import contextlib
import logging
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibrate.objective import Estimate, Needs, ObjectiveError, Statistic, jackknife, statistic
from calibrate.observation import Observation
from objectives.activity import shortfall, spikes_towards

# Number of random starts of a fit, most states of a model, most iterations of a fit.
_STARTS = 3
_MOST_STATES = 10
_ITERATIONS = 100


@dataclass(frozen=True)
class Episodes:
    """Periods in which one state is nearly certain; arrays of shape (episodes,), in order of time.

    state      state of each episode
    length_ms  its duration
    complete   whether it begins and ends within the measurement
    """

    state: NDArray[np.int64]
    length_ms: NDArray[np.float64]
    complete: NDArray[np.bool_]
    duration_ms: float
    note: str


def _model(bin_ms: float, states: int, posterior: float, min_ms: float) -> Needs:
    if not 0 <= states <= _MOST_STATES or states == 1:
        raise ObjectiveError(f"states must be 0 (found by BIC) or from 2 to {_MOST_STATES}, not {states}")
    if not 0.5 <= posterior < 1:
        raise ObjectiveError(f"posterior must be a probability from 0.5 to below 1, not {posterior:g}")
    if not (math.isfinite(min_ms) and min_ms >= 0):
        raise ObjectiveError(f"min_ms must be 0 ms or more, not {min_ms:g}")
    return Needs(bin_ms=bin_ms)


def episodes(
    counts: NDArray[np.int64], *, bin_ms: float, states: int, posterior: float, min_ms: float
) -> Episodes:
    """Find the episodes in counts of shape (bins, clusters); deterministic.

    The model has Poisson counts that are independent given the state; the best of 3 fits by expectation
    maximisation is used. If `states` is 0, their number is increased from 1 up to 10 as long as BIC =
    -2 ln L + p ln n falls.
    """
    # Clusters are sorted by their counts, so that the random starts do not depend on their numbers.
    counts = counts[:, np.lexsort(counts[::-1])]
    best, least = _fit(counts, states or 1)
    for number in range(2, _MOST_STATES + 1) if not states else ():
        model, bic = _fit(counts, number)
        if bic >= least:
            break
        best, least = model, bic
    if best is None:
        none = np.zeros(0)
        note = f"a model with {states} states cannot be fitted"
        return Episodes(none.astype(int), none, none.astype(bool), len(counts) * bin_ms, note)
    certainty = best.predict_proba(counts)
    likely = certainty.argmax(axis=1)
    accepted = np.where(certainty.max(axis=1) > posterior, likely, -1)
    edges = np.flatnonzero(np.diff(accepted)) + 1
    starts, stops = np.concatenate([[0], edges]), np.concatenate([edges, [accepted.size]])
    state = accepted[starts]
    length_ms = (stops - starts) * bin_ms
    long_enough = (state >= 0) & (length_ms >= min_ms * (1 - 1e-9))
    return Episodes(
        state=state[long_enough],
        length_ms=length_ms[long_enough].astype(float),
        complete=((starts > 0) & (stops < accepted.size))[long_enough],
        duration_ms=accepted.size * bin_ms,
        note=f"a model with {best.n_components} states",
    )


def _fit(counts: NDArray[np.int64], number: int) -> tuple[Any, float]:
    """Fit a model with `number` states; return it and its BIC, or None and infinity if no start succeeds."""
    from hmmlearn.hmm import PoissonHMM

    best, highest = None, -math.inf
    with _silent_logger(), np.errstate(all="ignore"):
        for seed in range(_STARTS if number > 1 else 1):
            model = PoissonHMM(
                number,
                n_iter=_ITERATIONS,
                tol=1e-3 * len(counts),
                random_state=seed,
                # A tiny prior, so that a cluster that is silent in a state can still fire in it.
                lambdas_prior=1e-3,
                lambdas_weight=1e-3,
            )
            try:
                model.fit(counts)
                likelihood = float(model.score(counts))
            except ValueError:  # a state was never visited
                continue
            if likelihood > highest:
                best, highest = model, likelihood
    free = number * counts.shape[1] + number * (number - 1) + number - 1
    return best, -2 * highest + free * math.log(len(counts))


@contextlib.contextmanager
def _silent_logger() -> Iterator[None]:
    logger = logging.getLogger("hmmlearn")
    before = logger.level
    logger.setLevel(logging.ERROR)  # several starts are tried; slow convergence of one does not matter
    try:
        yield
    finally:
        logger.setLevel(before)


def _of_episodes(
    *, unit: str, scale: str = "linear", sample: str = ""
) -> Callable[[Callable[[Episodes], Estimate]], Statistic]:
    """Make a statistic from a function of the episodes, with the options of the model."""

    def decorate(function: Callable[[Episodes], Estimate]) -> Statistic:
        def of_observation(
            observation: Observation,
            *,
            population: str = "E",
            bin_ms: float = 10.0,
            states: int = 0,
            posterior: float = 0.8,
            min_ms: float = 50.0,
        ) -> Estimate:
            counts = observation.group_counts(population, bin_ms).T
            if len(counts) < 10:
                note = f"the measurement is shorter than 10 bins of {bin_ms:g} ms"
                return Estimate(math.nan, support=0, shortfall=1.0, note=note)
            # A model of only a few spikes has no states.
            needed = 10 * counts.shape[1]
            if counts.sum() < needed:
                totals = observation.totals(population)
                missing = shortfall(observation, population, spikes_towards(totals, needed / totals.size))
                return Estimate(math.nan, support=0, shortfall=missing, note=f"fewer than {needed} spikes")
            return function(
                episodes(counts, bin_ms=bin_ms, states=states, posterior=posterior, min_ms=min_ms)
            )

        of_observation.__name__, of_observation.__doc__ = function.__name__, function.__doc__
        of_observation.__module__ = function.__module__
        log = scale == "log"
        made = statistic(unit=unit, needs=_model, scale="log" if log else "linear", sample=sample)
        return made(of_observation)

    return decorate


@_of_episodes(unit="")
def hmm_states(detected: Episodes) -> Estimate:
    """Number of states of the population that a Poisson hidden Markov model finds.

    The model has a Poisson rate of every cluster in each state and is fitted to the binned counts of all
    clusters. A state counts if its posterior probability exceeds `posterior` for at least min_ms.

    population  which neurons; the counts are those of its clusters
    bin_ms      width of the bins
    states      number of states of the model; 0 to choose it by the lowest BIC, up to 10
    posterior   probability above which a state is accepted
    min_ms      how long it must be accepted

    No unit, a whole number from 0 (no state is ever certain) to the number of states; 1 for constant rates.
    Support: episodes; the standard error is a jackknife that leaves out a tenth of them at a time, with the
    same model. Fitting 10 s in bins of 10 ms takes seconds, longer with more clusters, so this statistic is
    computed only if a study asks for it.
    Undefined with fewer than 10 spikes per cluster (as with 0 or 1 spikes): the shortfall is
    (1 - progress) / 2, where progress is the share of these spikes that the neurons have; it is larger for
    silent networks, depending on their distance from threshold. Undefined with shortfall 1 in fewer than 10
    bins. Source: Mazzucato et al. 2015.
    """

    def number(included: NDArray[np.bool_]) -> float:
        return float(np.unique(detected.state[included]).size)

    episodes = detected.state.size
    error = jackknife.over_time(number, episodes)
    return Estimate(number(np.ones(episodes, dtype=bool)), support=episodes, error=error, note=detected.note)


@_of_episodes(unit="ms", scale="log", sample="duration of every complete episode of a state")
def hmm_dwell(detected: Episodes) -> Estimate:
    """Mean time in a state of the hidden Markov model, including episodes that the measurement cuts off.

        dwell = total time in accepted states / number of complete episodes

    The model, the population and the other options are those of `hmm_states`.

    Returns ms, > 0. Support: complete episodes, which begin and end within the measurement; the standard
    error, dwell / sqrt(support), is that of exponential durations. If there are none, as for constant rates,
    the total time is returned: a lower bound.
    Undefined, with shortfall 0, if no state is ever certain, and with few spikes (as with 0 or 1), as
    `hmm_states`. Source: Mazzucato et al. 2015.
    """
    if not detected.state.size:
        return Estimate(math.nan, support=0, note="no state is ever certain")
    total_ms, complete = float(detected.length_ms.sum()), int(detected.complete.sum())
    if not complete:
        return Estimate(total_ms, support=0, lower_bound=True, note="lower bound: no state began and ended")
    value = total_ms / complete
    return Estimate(
        value,
        support=complete,
        error=value / math.sqrt(complete),
        note=detected.note,
        sample=detected.length_ms[detected.complete],
    )


@_of_episodes(unit="Hz")
def hmm_switching(detected: Episodes) -> Estimate:
    """Changes from one state of the hidden Markov model to another, per second.

        switching = number of successive episodes of different states / duration

    The model, the population and the other options are those of `hmm_states`.

    Returns Hz, >= 0; 0 for constant rates. Support: changes; the standard error is that of a Poisson count.
    Undefined with few spikes (as with 0 or 1), as `hmm_states`. Source: Mazzucato et al. 2015.
    """
    changes = int((np.diff(detected.state) != 0).sum())
    seconds = detected.duration_ms / 1000
    return Estimate(
        changes / seconds, support=changes, error=math.sqrt(changes) / seconds, note=detected.note
    )
