"""Responses to stimuli: rate, latency, quenching of variability, and what can be decoded."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from calibrate.objective import Estimate, Needs, ObjectiveError, statistic
from calibrate.observation import Observation, Presentation

# Windows of neurons are counted in this grid, so that stimuli need not begin at whole windows.
_GRID_MS = 50.0


def _nothing(note: str) -> Estimate:
    # No activity changes it: the study has no such protocol.
    return Estimate(math.nan, support=0, shortfall=1.0, note=note)


def _shown(observation: Observation, population: str) -> list[Presentation]:
    return [one for one in observation.presentations if one.population == population]


def _rows(observation: Observation, population: str) -> Mapping[int, int]:
    """Row in arrays of the population's clusters, by number of the cluster."""
    groups = observation.layout.groups[observation.layout.groups_of(population)]
    return {group.cluster: row for row, group in enumerate(groups)}


def _bins(bin_ms: float, before_ms: float) -> Needs:
    if not (math.isfinite(before_ms) and before_ms >= bin_ms):
        raise ObjectiveError(f"before_ms must be at least a bin of {bin_ms:g} ms, not {before_ms:g}")
    return Needs(bin_ms=bin_ms)


@statistic(unit="Hz", needs=_bins, sample="response to every presentation")
def evoked_rate(
    observation: Observation, *, population: str = "E", bin_ms: float = 5.0, before_ms: float = 200.0
) -> Estimate:
    """Rate of stimulated clusters during a stimulus, less that before.

        evoked = < r(onset, offset) - r(onset - before, onset) >

    with r the rate per neuron of the clusters that receive it, averaged over presentations.

    population  which neurons; only stimuli that they receive count
    bin_ms      width of the bins in which spikes are counted
    before_ms   the time before the onset that is compared with

    Returns Hz, negative where the stimulus suppresses; 0 without a spike, and next to it for one. Support:
    presentations, without those that begin earlier than before_ms. Undefined, with shortfall 1, where there
    are none.
    """
    counts = observation.group_counts(population, bin_ms)
    sizes, rows = observation.group_sizes(population), _rows(observation, population)
    responses = []
    for one in _shown(observation, population):
        chosen = [rows[cluster] for cluster in one.clusters if cluster in rows]
        onset, offset = round(one.start_ms / bin_ms), round(one.stop_ms / bin_ms)
        first = onset - round(before_ms / bin_ms)
        if chosen and first >= 0 and offset > onset:
            neuron_s = sizes[chosen].sum() * bin_ms / 1000
            during = counts[chosen, onset:offset].sum() / (neuron_s * (offset - onset))
            before = counts[chosen, first:onset].sum() / (neuron_s * (onset - first))
            responses.append(during - before)
    if not responses:
        return _nothing(f"no stimulus begins after the first {before_ms:g} ms")
    return Estimate.mean_of(np.array(responses))


def _crossing(bin_ms: float, before_ms: float, sigma_ms: float, deviations: float) -> Needs:
    for name, value in (("sigma_ms", sigma_ms), ("deviations", deviations)):
        if not (math.isfinite(value) and value > 0):
            raise ObjectiveError(f"{name} must be above 0, not {value:g}")
    return _bins(bin_ms, before_ms)


@statistic(unit="ms", needs=_crossing, scale="log", sample="latency of every response")
def evoked_latency(
    observation: Observation,
    *,
    population: str = "E",
    bin_ms: float = 5.0,
    before_ms: float = 200.0,
    sigma_ms: float = 10.0,
    deviations: float = 3.0,
) -> Estimate:
    """Median time from the onset of a stimulus until the stimulated clusters respond.

    A response begins with the first bin, from onset to offset, in which the smoothed rate of the clusters
    that receive the stimulus exceeds the mean of all baselines by so many standard deviations of them.
    Baselines are of the same clusters in the time before each onset.

    population  which neurons
    bin_ms      width of the bins
    before_ms   length of the baselines
    sigma_ms    SD of the Gaussian that smooths the rate: responses are seen up to 2 sigma_ms early
    deviations  standard deviations that a response exceeds the baseline by

    Returns ms, >= bin_ms / 2: the middle of that bin. Support: presentations with a response. Undefined
    where fewer than half have one, so with 0 or 1 spikes: shortfall 1/2 of the share that has none; and with
    shortfall 1 where there are no stimuli.
    """
    counts = observation.group_counts(population, bin_ms)
    sizes, rows = observation.group_sizes(population), _rows(observation, population)
    pieces: list[tuple[NDArray[np.float64], NDArray[np.float64]]] = []
    for one in _shown(observation, population):
        chosen = [rows[cluster] for cluster in one.clusters if cluster in rows]
        onset, offset = round(one.start_ms / bin_ms), round(one.stop_ms / bin_ms)
        first = onset - round(before_ms / bin_ms)
        if chosen and first >= 0 and offset > onset:
            rate = counts[chosen].sum(axis=0) / (sizes[chosen].sum() * bin_ms / 1000)
            smooth = gaussian_filter1d(rate, sigma_ms / bin_ms, mode="reflect")
            # What the kernel brings from the response into the baseline is left out.
            quiet = max(onset - math.ceil(3 * sigma_ms / bin_ms), first + 1)
            pieces.append((smooth[first:quiet], smooth[onset:offset]))
    if not pieces:
        return _nothing(f"no stimulus begins after the first {before_ms:g} ms")
    baseline = np.concatenate([before for before, _ in pieces])
    threshold = baseline.mean() + deviations * baseline.std()
    crossed = [np.flatnonzero(response > threshold) for _, response in pieces]
    latencies = np.array([(found[0] + 0.5) * bin_ms for found in crossed if found.size])
    if 2 * latencies.size < len(pieces):
        missing = 1 - latencies.size / len(pieces)
        note = f"{latencies.size} of {len(pieces)} presentations have a response"
        return Estimate(math.nan, support=latencies.size, shortfall=missing / 2, note=note)
    error = 1.2533 * float(latencies.std()) / math.sqrt(latencies.size)  # of a median: sqrt(pi / 2)
    return Estimate(float(np.median(latencies)), support=latencies.size, error=error, sample=latencies)


def _quenching(window_ms: float, min_count: float) -> Needs:
    if not (window_ms >= _GRID_MS and math.isclose(window_ms / _GRID_MS, round(window_ms / _GRID_MS))):
        raise ObjectiveError(f"window_ms must be a multiple of {_GRID_MS:g} ms, not {window_ms:g}")
    if not (math.isfinite(min_count) and min_count > 0):
        raise ObjectiveError(f"min_count must be above 0, not {min_count:g}")
    return Needs(window_ms=_GRID_MS)


@statistic(needs=_quenching, sample="change of the Fano factor of each neuron", per_neuron=True)
def fano_quenching(
    observation: Observation, *, population: str = "E", window_ms: float = 200.0, min_count: float = 0.5
) -> Estimate:
    """Change of the Fano factor over presentations from before a stimulus to during it.

        quenching = < F_i(after the onset) - F_i(before it) >_i,    F_i = Var n_i / < n_i >

    with n_i the spikes of neuron i in the window that begins with the onset, and in the one that ends there,
    over all presentations of one stimulus (the same clusters); averaged over stimuli that are presented twice
    or more, then over all neurons with < n_i > >= min_count in both windows.

    population  which neurons
    window_ms   width of the windows, in multiples of 50 ms; stimuli should begin at such times too
    min_count   mean count that a neuron must have to take part

    No unit; negative where a stimulus quenches variability. Support: neurons that take part. Undefined where
    there are none, so with 0 or 1 spikes, with shortfall 1/2, and where no stimulus is presented twice,
    with 1. Source: Churchland et al. 2010.
    """
    counts = observation.neuron_counts(population, _GRID_MS)
    width = round(window_ms / _GRID_MS)
    onsets: dict[tuple[int, ...], list[int]] = {}
    for one in _shown(observation, population):
        onset = round(one.start_ms / _GRID_MS)
        if onset >= width and onset + width <= counts.shape[1]:
            onsets.setdefault(one.clusters, []).append(onset)
    repeated = [times for times in onsets.values() if len(times) > 1]
    if not repeated:
        return _nothing("no stimulus is presented twice")
    changes = []
    for times in repeated:
        factors = []
        for shift in (0, -width):
            n = np.stack([counts[:, t + shift : t + shift + width].sum(axis=1) for t in times], axis=1)
            mean = n.mean(axis=1)
            with np.errstate(divide="ignore", invalid="ignore"):
                factors.append(np.where(mean >= min_count, n.var(axis=1, ddof=1) / mean, np.nan))
        changes.append(factors[0] - factors[1])
    known = np.isfinite(changes)
    taking_part = known.any(axis=0)
    if not taking_part.any():
        note = f"no neuron has {min_count:g} spikes in a window"
        return Estimate(math.nan, support=0, shortfall=0.5, note=note)
    summed = np.where(known, changes, 0.0).sum(axis=0)[taking_part]
    return Estimate.mean_of(summed / known.sum(axis=0)[taking_part])


@statistic(needs=_bins)
def decoding(
    observation: Observation, *, population: str = "E", bin_ms: float = 5.0, before_ms: float = 5.0
) -> Estimate:
    """How often the stimulus can be told from the spike counts of the clusters while it is on.

    One presentation of every stimulus at a time is left out, and given to the stimulus whose mean counts it
    is nearest to (nearest class mean, of the counts of all clusters per bin while the stimulus is on).

    population  which neurons
    bin_ms      width of the bins
    before_ms   stimuli that begin earlier do not count

    No unit, from 0 to 1: the share that is told right; by chance one in the number of stimuli, which the note
    says. Support: presentations. Undefined, with shortfall 1, where there are not two stimuli that are
    presented twice each; without a spike the first of equals is taken, which is chance too.
    """
    counts = observation.group_counts(population, bin_ms)
    shown = [
        one
        for one in _shown(observation, population)
        if one.start_ms >= before_ms and one.stop_ms - one.start_ms >= bin_ms
    ]
    labels = {clusters: k for k, clusters in enumerate(dict.fromkeys(one.clusters for one in shown))}
    label = np.array([labels[one.clusters] for one in shown], dtype=np.int64)
    if len(labels) < 2 or np.bincount(label).min() < 2:
        return _nothing("there are no two stimuli that are presented twice each")
    features = np.array(
        [counts[:, round(o.start_ms / bin_ms) : round(o.stop_ms / bin_ms)].mean(axis=1) for o in shown]
    )
    # Number of each presentation among those of its stimulus. One of every stimulus is left out at a time:
    # with one alone, the mean of its own stimulus would move away from it, and chance be missed from below.
    turn = np.array([int((label[:k] == label[k]).sum()) for k in range(len(shown))])
    right = 0
    for left_out in range(int(turn.max()) + 1):
        kept, tested = turn != left_out, np.flatnonzero(turn == left_out)
        means = np.array([features[kept & (label == k)].mean(axis=0) for k in range(len(labels))])
        distances = np.linalg.norm(features[tested][:, None] - means, axis=2)
        right += int((distances.argmin(axis=1) == label[tested]).sum())
    share = right / len(shown)
    error = math.sqrt(share * (1 - share) / len(shown))
    return Estimate(share, support=len(shown), error=error, note=f"by chance {1 / len(labels):.2g}")
