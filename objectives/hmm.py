"""Metastability with a hidden Markov model: states of a whole population, without thresholds on rates."""

from __future__ import annotations

import contextlib
import functools
import logging
import math
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibrate.objective import Estimate, Needs, ObjectiveError, Statistic, jackknife, statistic
from calibrate.observation import Observation
from objectives.activity import shortfall, spikes_towards

# Number of starts of a fit, of the k-means in each, most iterations of a fit, and chance to stay in a state
# for a bin at its start.
_STARTS = 3
_MEANS = 10
_ITERATIONS = 100
_STAY = 0.9
# Fits that are remembered in each process.
_REMEMBERED = 8


@dataclass(frozen=True)
class Episodes:
    """Periods in which one state is nearly certain; arrays of shape (episodes,), in order of time.

    state   state of each episode
    start   its first bin
    stop    the first bin after it
    n_bins  of the measurement
    capped  whether a model with more states than allowed might be better
    """

    state: NDArray[np.int64]
    start: NDArray[np.int64]
    stop: NDArray[np.int64]
    n_bins: int
    bin_ms: float
    note: str
    capped: bool = False

    @property
    def length_ms(self) -> NDArray[np.float64]:
        """Duration of each episode, shape (episodes,)."""
        return np.asarray((self.stop - self.start) * self.bin_ms, dtype=np.float64)

    @property
    def ends(self) -> NDArray[np.bool_]:
        """Whether each episode ends within the measurement, shape (episodes,)."""
        return self.stop < self.n_bins

    @property
    def complete(self) -> NDArray[np.bool_]:
        """Whether each episode begins and ends within the measurement, shape (episodes,)."""
        return (self.start > 0) & self.ends

    @property
    def accepted(self) -> NDArray[np.bool_]:
        """Whether each bin belongs to an episode, shape (bins,)."""
        change = np.zeros(self.n_bins + 1, dtype=np.int64)
        np.add.at(change, self.start, 1)
        np.add.at(change, self.stop, -1)
        return np.asarray(np.cumsum(change)[:-1] > 0)

    def count(self, bins: NDArray[np.int64]) -> NDArray[np.int64]:
        """Number of events in each bin, shape (bins,), given the bins of the events."""
        return np.bincount(bins, minlength=self.n_bins)


def _model(bin_ms: float, states: int, most_states: int, posterior: float, min_ms: float) -> Needs:
    if states < 0 or states == 1:
        raise ObjectiveError(f"states must be 0 (found by BIC) or at least 2, not {states}")
    if most_states < 2:
        raise ObjectiveError(f"most_states must be at least 2, not {most_states}")
    if not 0.5 <= posterior < 1:
        raise ObjectiveError(f"posterior must be a probability from 0.5 to below 1, not {posterior:g}")
    if not (math.isfinite(min_ms) and min_ms >= 0):
        raise ObjectiveError(f"min_ms must be 0 ms or more, not {min_ms:g}")
    return Needs(bin_ms=bin_ms)


def episodes(
    counts: NDArray[np.int64],
    *,
    bin_ms: float,
    states: int,
    most_states: int,
    posterior: float,
    min_ms: float,
) -> Episodes:
    """Find the episodes in counts of shape (bins, clusters); deterministic.

    The model has Poisson counts that are independent given the state. Expectation maximisation starts from
    k-means of the square roots of the counts, whose variance does not depend on the rate, and from states
    that last; the best of 3 fits is used. Random starts merge states. If `states` is 0, their number is
    increased from 1 up to `most_states` until BIC = -2 ln L + p ln n has not fallen twice.
    """
    best, capped = _choose(counts.tobytes(), counts.shape, states, most_states)
    if best is None:
        none = np.zeros(0, dtype=np.int64)
        note = f"a model with {states} states cannot be fitted"
        return Episodes(none, none, none, len(counts), bin_ms, note)
    certainty = best.predict_proba(_sorted(counts))
    likely = certainty.argmax(axis=1)
    accepted = np.where(certainty.max(axis=1) > posterior, likely, -1)
    edges = np.flatnonzero(np.diff(accepted)) + 1
    starts, stops = np.concatenate([[0], edges]), np.concatenate([edges, [accepted.size]])
    state = accepted[starts]
    long_enough = (state >= 0) & ((stops - starts) * bin_ms >= min_ms * (1 - 1e-9))
    more = ", the most that were tried: there may be more" if capped else ""
    return Episodes(
        state=state[long_enough],
        start=starts[long_enough],
        stop=stops[long_enough],
        n_bins=accepted.size,
        bin_ms=bin_ms,
        note=f"a model with {best.n_components} states{more}",
        capped=capped,
    )


# The statistics of one population are computed one after another and share the model. The key is what the
# model is fitted to, so that parts of an observation, which are made anew for every statistic, share it too.
@functools.lru_cache(maxsize=_REMEMBERED)
def _choose(content: bytes, shape: tuple[int, int], states: int, most_states: int) -> tuple[Any | None, bool]:
    """Return the model of the counts, and whether one with more than `most_states` might be better."""
    counts = _sorted(np.frombuffer(content, dtype=np.int64).reshape(shape))
    if states:
        return _fit(counts, states)[0], False
    best, least = _fit(counts, 1)
    for number in range(2, min(most_states, len(counts)) + 1):
        model, bic = _fit(counts, number)
        if bic < least:
            best, least = model, bic
        elif number > best.n_components + 1:
            return best, False
    return best, best.n_components == most_states


def _sorted(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the counts sorted by cluster: a fit must not depend on the numbers of clusters."""
    return counts[:, np.lexsort(counts[::-1])]


def _fit(counts: NDArray[np.int64], number: int) -> tuple[Any, float]:
    """Fit a model with `number` states; return it and its BIC, or None and infinity if no start succeeds."""
    best, highest = None, -math.inf
    with _silent_logger(), np.errstate(all="ignore"):
        for seed in range(_STARTS if number > 1 else 1):
            try:
                model = _start(counts, number, seed).fit(counts)
                likelihood = float(model.score(counts))
            except ValueError:  # a state was never visited
                continue
            if likelihood > highest:
                best, highest = model, likelihood
    free = number * counts.shape[1] + number * (number - 1) + number - 1
    return best, -2 * highest + free * math.log(len(counts))


def _start(counts: NDArray[np.int64], number: int, seed: int) -> Any:
    """Return a model whose states are the means of similar bins. Raises ValueError for too few bins."""
    from hmmlearn.hmm import PoissonHMM
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits

    # On so few numbers, several threads only wait for one another: for long, if other programs compute too.
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer different bins than states
        similar = KMeans(number, n_init=_MEANS, random_state=seed).fit_predict(np.sqrt(counts))
    model = PoissonHMM(
        number,
        n_iter=_ITERATIONS,
        tol=1e-3 * len(counts),
        init_params="",
        # A tiny prior, so that a cluster that is silent in a state can still fire in it.
        lambdas_prior=1e-3,
        lambdas_weight=1e-3,
    )
    members = similar == np.arange(number)[:, None]
    model.startprob_ = np.full(number, 1 / number)
    model.transmat_ = _STAY * np.eye(number) + (1 - _STAY) / number
    model.lambdas_ = (members @ counts + 1e-3) / (members.sum(axis=1, keepdims=True) + 1e-3)
    return model


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
            most_states: int = 50,
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
                episodes(
                    counts,
                    bin_ms=bin_ms,
                    states=states,
                    most_states=most_states,
                    posterior=posterior,
                    min_ms=min_ms,
                )
            )

        of_observation.__name__, of_observation.__doc__ = function.__name__, function.__doc__
        of_observation.__module__ = function.__module__
        log = scale == "log"
        return statistic(
            unit=unit,
            needs=_model,
            scale="log" if log else "linear",
            sample=sample,
            depends_on=("clusters", "neurons"),
        )(of_observation)

    return decorate


@_of_episodes(unit="")
def hmm_states(detected: Episodes) -> Estimate:
    """Number of states of the population that a Poisson hidden Markov model finds.

    The model has a Poisson rate of every cluster in each state and is fitted to the binned counts of all
    clusters. A state counts if its posterior probability exceeds `posterior` for at least min_ms.

    population  which neurons; the counts are those of its clusters
    bin_ms      width of the bins
    states      number of states of the model; 0 to choose it by the lowest BIC
    most_states  the most that this choice tries
    posterior   probability above which a state is accepted
    min_ms      how long it must be accepted

    No unit, a whole number from 0 (no state is ever certain) to the number of states; 1 for constant rates.
    If BIC is lowest for most_states, there may be more: a lower bound, which meets no target. BIC can merge
    states that are seen seldom: it found 9 or 10 of ten states in 10 s with about 40 changes.
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
    return Estimate(
        number(np.ones(episodes, dtype=bool)),
        support=episodes,
        error=error,
        lower_bound=detected.capped,
        note=detected.note,
    )


@_of_episodes(unit="ms", scale="log", sample="duration of every complete episode of a state")
def hmm_dwell(detected: Episodes) -> Estimate:
    """Mean time in a state of the hidden Markov model, including episodes that the measurement cuts off.

        dwell = total time in accepted states / number of episodes that end

    The time of episodes that are cut off by the start or the end of the measurement counts like any other.
    For exponential durations this is the maximum-likelihood estimate: since they have no memory, the rest of
    the first episode is as long as a whole one, and its end counts, while the last one adds time only. Its
    bias is about 1 + 1/n for n episodes that end. Episodes shorter than min_ms are dropped, so that
    exponential durations of mean tau give about tau + min_ms. The model, the population and the other options
    are those of `hmm_states`.

    Returns ms, > 0. Support: episodes that end within the measurement; with fewer than 10, the standard error
    is that of exponential durations, dwell / sqrt(support). The sample is the complete episodes. If none
    ends, as for constant rates, the total time is returned: a lower bound.
    Undefined, with shortfall 0, if no state is ever certain, and with few spikes (as with 0 or 1), as
    `hmm_states`. Source: Mazzucato et al. 2015.
    """
    if not detected.state.size:
        return Estimate(math.nan, support=0, note="no state is ever certain")
    total_ms, ended = float(detected.length_ms.sum()), int(detected.ends.sum())
    if not ended:
        return Estimate(total_ms, support=0, lower_bound=True, note="lower bound: no state ended")
    value, error = total_ms / ended, math.nan
    if ended >= jackknife.BLOCKS:
        time_ms, ends = detected.accepted * detected.bin_ms, detected.count(detected.stop[detected.ends])
        error = jackknife.over_time(
            lambda kept: float(time_ms @ kept) / max(float(ends @ kept), 0.5), detected.n_bins
        )
    return Estimate(
        value,
        support=ended,
        error=value / math.sqrt(ended) if math.isnan(error) else error,
        note=detected.note,
        sample=detected.length_ms[detected.complete],
    )


@_of_episodes(unit="Hz")
def hmm_switching(detected: Episodes) -> Estimate:
    """Changes from one state of the hidden Markov model to another, per second.

        switching = number of successive episodes of different states / duration

    The model, the population and the other options are those of `hmm_states`.

    Returns Hz, >= 0; 0 for constant rates. Support: changes; the standard error is a jackknife over time.
    Undefined with few spikes (as with 0 or 1), as `hmm_states`. Source: Mazzucato et al. 2015.
    """
    changes = detected.count(detected.start[1:][np.diff(detected.state) != 0])

    def rate(kept: NDArray[np.bool_]) -> float:
        return float(changes[kept].mean()) * 1000 / detected.bin_ms

    whole = rate(np.ones(detected.n_bins, dtype=bool))
    error = jackknife.over_time(rate, detected.n_bins)
    return Estimate(whole, support=int(changes.sum()), error=error, note=detected.note)
