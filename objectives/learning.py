"""Associative learning: sparse responses to odours, and the preference that training leaves.

Odours are stimuli of one population. The last one to begin is the test; the earlier ones are the training.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from calibrate.objective import Estimate, Needs, ObjectiveError, jackknife, statistic
from calibrate.observation import Observation, Presentation
from objectives.windows import whole_bins

# Neurons are counted in windows of at most this width, so that stimuli need not begin at multiples of
# window_ms.
_GRID_MS = 50.0


def _presentations(observation: Observation, stimulus: str) -> list[Presentation]:
    return [shown for shown in observation.presentations if shown.population == stimulus]


def _check_windows(window_ms: float, min_spikes: int) -> Needs:
    if not (math.isfinite(window_ms) and window_ms > 0):
        raise ObjectiveError(f"window_ms must be above 0, not {window_ms:g}")
    if min_spikes < 1:
        raise ObjectiveError(f"min_spikes must be at least 1, not {min_spikes}")
    return Needs(window_ms=_grid(window_ms))


def _grid(window_ms: float) -> float:
    """Return the greatest common divisor of the window and 50 ms, or the window if that is below 5 ms."""
    common = Needs.merge([Needs(window_ms=window_ms), Needs(window_ms=_GRID_MS)]).widths["window_ms"]
    return common if common >= 5.0 else window_ms


@statistic(needs=_check_windows, depends_on=())
def active_fraction(
    observation: Observation,
    *,
    population: str = "E",
    stimulus: str = "ORN",
    window_ms: float = 1000.0,
    min_spikes: int = 1,
) -> Estimate:
    """Share of the neurons of a population that respond to the onset of a stimulus: its sparseness.

        active = < (1 / N) sum_i [n_i >= min_spikes] >

    where n_i is the number of spikes of neuron i in the first window within a presentation and N the number
    of neurons; the mean is over presentations.

    population  which neurons
    stimulus    population that receives the stimulus
    window_ms   width of the window. It begins with the stimulus if this begins at a multiple of 50 ms (of
                their greatest common divisor, if window_ms is no multiple of 50 ms), and at the next multiple
                if not. It lies within the stimulus
    min_spikes  number of spikes from which a neuron is active

    No unit, in [0, 1]: 0 without spikes; a single spike adds at most 1 / N in one presentation. Support:
    neurons times presentations. Undefined, with shortfall 1, if no presentation contains such a window.
    Source: population sparseness as in Juergensen et al. 2021; how many Kenyon cells respond depends on the
    window (5 to 10 % are quoted; in the larva model 2 % in 100 ms, 20 % in 1 s).
    """
    # An observation of an older version may hold whole windows only.
    grid_ms = _grid(window_ms) if observation.window_ms <= _grid(window_ms) else window_ms
    counts, width = observation.neuron_counts(population, grid_ms), round(window_ms / grid_ms)
    active = []
    for shown in _presentations(observation, stimulus):
        within = whole_bins(shown.start_ms, min(shown.stop_ms, observation.duration_ms), grid_ms)
        if within.stop - within.start >= width:
            spikes = counts[:, within.start : within.start + width].sum(axis=1)
            active.append(spikes >= min_spikes)
    if not active:
        return Estimate(
            math.nan, support=0, shortfall=1.0, note=f"no presentation to {stimulus} contains a window"
        )
    responses = np.array(active, dtype=np.float64)
    error = jackknife.over_neurons(
        lambda kept: responses[kept].mean(axis=0), len(responses), observation.group_sizes(population)
    )
    return Estimate(float(responses.mean()), support=responses.size, error=error)


def _check_bins(bin_ms: float) -> Needs:
    if not (math.isfinite(bin_ms) and bin_ms > 0):
        raise ObjectiveError(f"bin_ms must be above 0, not {bin_ms:g}")
    return Needs(bin_ms=bin_ms)


def _check_part(bin_ms: float, from_ms: float, to_ms: float) -> Needs:
    if not 0 <= from_ms < to_ms:
        raise ObjectiveError(f"from_ms must be at least 0 and below to_ms, not {from_ms:g} and {to_ms:g}")
    return _check_bins(bin_ms)


def _pair(observation: Observation, population: str, bin_ms: float) -> NDArray[np.float64]:
    """Return spikes per neuron of the first two clusters in bins, shape (2, bins)."""
    counts = observation.group_counts(population, bin_ms)
    if counts.shape[0] < 2:
        raise ObjectiveError(f"population {population} needs two clusters, one for each valence")
    return counts[:2] / observation.group_sizes(population)[:2, np.newaxis]


def _bias(pair: NDArray[np.float64]) -> float:
    """Return (M+ - M-) / (M+ + M-) for spikes of shape (2, bins); nan without spikes."""
    plus, minus = pair.sum(axis=1)
    return float((plus - minus) / (plus + minus)) if plus + minus else math.nan


def _estimate(pair: NDArray[np.float64], where: str) -> Estimate:
    """Estimate the bias, with its error from a jackknife over blocks of time."""
    value, bins = _bias(pair), pair.shape[1]
    if not bins:
        return Estimate(math.nan, support=0, shortfall=1.0, note=f"{where} is outside the measurement")
    if not math.isfinite(value):
        return Estimate(math.nan, support=0, shortfall=0.5, note=f"no spike in {where}")
    error = jackknife.over_time(lambda included: _bias(pair[:, included]), bins)
    return Estimate(value, support=float(pair.sum()), error=error)


def _test(observation: Observation, stimulus: str) -> Presentation | None:
    presentations = _presentations(observation, stimulus)
    return max(presentations, key=lambda shown: shown.start_ms, default=None)


def _slice(pair: NDArray[np.float64], start_ms: float, stop_ms: float, bin_ms: float) -> NDArray[np.float64]:
    return pair[:, whole_bins(start_ms, stop_ms, bin_ms)]


_NO_TEST = "no stimulus was presented"


@statistic(needs=_check_part, depends_on=("clusters", "neurons"))
def preference(
    observation: Observation,
    *,
    population: str = "E",
    stimulus: str = "ORN",
    from_ms: float = 0.0,
    to_ms: float = 180_000.0,
    bin_ms: float = 1000.0,
) -> Estimate:
    """Preference for the tested odour: bias between output neurons of the two valences.

        preference = (M+ - M-) / (M+ + M-)

    where M+ and M- are the rates of the first two clusters of the population, appetitive and aversive, in a
    part of the last presentation.

    population  output neurons
    stimulus    population that receives the odours
    from_ms, to_ms  the part of the presentation, from its onset; it is cut at the end of the presentation
    bin_ms      width of the bins in which spikes are counted

    No unit, in [-1, 1]: 0 is no preference; a single spike gives -1 or 1. Support: spikes per neuron; the
    standard error is a jackknife over 10 blocks of time. Undefined with shortfall 1/2 without spikes, and
    with shortfall 1 if there is no presentation in the measurement. Source: Juergensen et al. 2024.
    """
    pair, test = _pair(observation, population, bin_ms), _test(observation, stimulus)
    if test is None:
        return Estimate(math.nan, support=0, shortfall=1.0, note=_NO_TEST)
    stop = min(test.stop_ms, test.start_ms + to_ms)
    return _estimate(_slice(pair, test.start_ms + from_ms, stop, bin_ms), "the test")


@statistic(needs=_check_bins, depends_on=("clusters", "neurons"))
def learning_index(
    observation: Observation,
    *,
    population: str = "E",
    stimulus: str = "ORN",
    window_ms: float = 10_000.0,
    bin_ms: float = 1000.0,
) -> Estimate:
    """Change of the preference by training: at the onset of the test minus at the onset of the training.

        learning = bias(test, first window) - bias(first presentation, first window)

    with the bias (M+ - M-) / (M+ + M-) of `preference`.

    population  output neurons
    stimulus    population that receives the odours
    window_ms   time after each onset
    bin_ms      width of the bins in which spikes are counted

    No unit, in [-2, 2]: 0 if nothing was learnt, negative for aversion. Support: spikes per neuron in both
    windows. Undefined with shortfall 1/2 if one of them has no spikes (as with 0 or 1 spikes), and with
    shortfall 1 if fewer than two presentations are in the measurement.
    """
    pair, test = _pair(observation, population, bin_ms), _test(observation, stimulus)
    presentations = _presentations(observation, stimulus)
    if test is None or len(presentations) < 2:
        return Estimate(math.nan, support=0, shortfall=1.0, note="there is no training before a test")
    first = min(presentations, key=lambda shown: shown.start_ms)
    before, after = (
        _estimate(
            _slice(pair, shown.start_ms, min(shown.stop_ms, shown.start_ms + window_ms), bin_ms), "an onset"
        )
        for shown in (first, test)
    )
    for estimate in (before, after):
        if not estimate.defined:
            return estimate
    return Estimate(
        after.value - before.value,
        support=before.support + after.support,
        error=math.hypot(before.error, after.error),
    )


@statistic(needs=_check_bins, depends_on=("clusters", "neurons"))
def preference_decay(
    observation: Observation,
    *,
    population: str = "E",
    stimulus: str = "ORN",
    window_ms: float = 30_000.0,
    bin_ms: float = 1000.0,
    least: float = 0.02,
) -> Estimate:
    """Share of the preference that is lost during the test: extinction.

        decay = 1 - bias(last window) / bias(first window)

    with the bias (M+ - M-) / (M+ + M-) of `preference` in windows at the start and the end of the last
    presentation.

    population  output neurons
    stimulus    population that receives the odours
    window_ms   width of the two windows
    bin_ms      width of the bins in which spikes are counted
    least       smallest absolute value of the first bias that counts as a preference

    No unit: 0 if the preference lasts, 1 if it is gone, more than 1 if it reverses. Support: spikes per
    neuron in both windows. Undefined if there is no preference to lose: the shortfall is
    (1 - |first bias| / least) / 2, or 1/2 if a window has no spikes (as with 0 or 1 spikes). Undefined with
    shortfall 1 if the test is shorter than two windows.
    """
    pair, test = _pair(observation, population, bin_ms), _test(observation, stimulus)
    if test is None:
        return Estimate(math.nan, support=0, shortfall=1.0, note=_NO_TEST)
    end = min(test.stop_ms, observation.duration_ms)
    if end - test.start_ms < 2 * window_ms:
        return Estimate(math.nan, support=0, shortfall=1.0, note="the test is shorter than two windows")
    first = _estimate(_slice(pair, test.start_ms, test.start_ms + window_ms, bin_ms), "the start of the test")
    last = _estimate(_slice(pair, end - window_ms, end, bin_ms), "the end of the test")
    for estimate in (first, last):
        if not estimate.defined:
            return estimate
    if abs(first.value) < least:
        short = 0.5 * (1 - abs(first.value) / least)
        return Estimate(math.nan, support=0, shortfall=short, note="there is no preference to lose")
    ratio = last.value / first.value
    error = math.hypot(last.error, ratio * first.error) / abs(first.value)
    return Estimate(1 - ratio, support=first.support + last.support, error=error)
