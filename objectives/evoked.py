"""Responses to stimuli: rate, latency, quenching of variability, and decoding."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import scipy  # loads its parts when they are first used
from numpy.typing import NDArray

from calibrate.objective import Estimate, Needs, ObjectiveError, jackknife, statistic
from calibrate.observation import Observation, Presentation
from objectives.windows import whole_bins

# Neurons are counted in windows of this width, so that stimuli need not begin at a multiple of window_ms.
_GRID_MS = 50.0


def _no_protocol(note: str) -> Estimate:
    # No activity of the network could make the statistic defined.
    return Estimate(math.nan, support=0, shortfall=1.0, note=note)


def _presentations(observation: Observation, population: str) -> list[Presentation]:
    return [shown for shown in observation.presentations if shown.population == population]


def _rows(observation: Observation, population: str) -> Mapping[int, int]:
    """Return the row of each cluster, by its number, in arrays of the clusters of `population`."""
    groups = observation.layout.groups[observation.layout.groups_of(population)]
    return {group.cluster: row for row, group in enumerate(groups)}


def _bins(bin_ms: float, before_ms: float) -> Needs:
    if not (math.isfinite(before_ms) and before_ms >= bin_ms):
        raise ObjectiveError(f"before_ms must be at least one bin of {bin_ms:g} ms, not {before_ms:g}")
    return Needs(bin_ms=bin_ms)


@statistic(unit="Hz", needs=_bins, sample="response to every presentation", depends_on=["clusters"])
def evoked_rate(
    observation: Observation, *, population: str = "E", bin_ms: float = 5.0, before_ms: float = 200.0
) -> Estimate:
    """Rate of stimulated clusters during a stimulus, minus their rate before it.

        evoked = < r(onset, offset) - r(onset - before, onset) >

    where r is the rate per neuron of the clusters that receive the stimulus, averaged over presentations.

    population  which neurons; only stimuli that they receive count
    bin_ms      width of the bins in which spikes are counted; those that contain an onset or an offset are
                left out
    before_ms   length of the baseline before the onset

    Returns Hz, negative if the stimulus suppresses activity; 0 without spikes, close to 0 for a single spike.
    Support: presentations, except those that begin before before_ms. Undefined, with shortfall 1, if there
    are none.
    """
    counts = observation.group_counts(population, bin_ms)
    sizes, rows = observation.group_sizes(population), _rows(observation, population)
    responses = []
    for shown in _presentations(observation, population):
        chosen = [rows[cluster] for cluster in shown.clusters if cluster in rows]
        during = counts[chosen, whole_bins(shown.start_ms, shown.stop_ms, bin_ms)]
        before = counts[chosen, whole_bins(shown.start_ms - before_ms, shown.start_ms, bin_ms)]
        if chosen and shown.start_ms >= before_ms and during.size and before.size:
            neuron_s = sizes[chosen].sum() * bin_ms / 1000
            response = during.sum() / during.shape[1] - before.sum() / before.shape[1]
            responses.append(response / neuron_s)
    if not responses:
        return _no_protocol(f"no stimulus begins after the first {before_ms:g} ms")
    return Estimate.mean_of(np.array(responses))


def _check_crossing(bin_ms: float, before_ms: float, sigma_ms: float, deviations: float) -> Needs:
    for name, value in (("sigma_ms", sigma_ms), ("deviations", deviations)):
        if not (math.isfinite(value) and value > 0):
            raise ObjectiveError(f"{name} must be above 0, not {value:g}")
    return _bins(bin_ms, before_ms)


@statistic(
    unit="ms",
    needs=_check_crossing,
    scale="log",
    sample="latency of every response",
    depends_on=("clusters", "neurons"),
)
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

    A response begins with the first whole bin, from onset to offset, in which the smoothed rate of the
    clusters that receive the stimulus exceeds the mean of all baselines by `deviations` times their standard
    deviation. Baselines are the rates of the same clusters before each onset.

    population  which neurons
    bin_ms      width of the bins
    before_ms   length of the baselines
    sigma_ms    SD of the Gaussian that smooths the rate: responses are detected up to 2 sigma_ms early
    deviations  standard deviations by which a response exceeds the baseline

    Returns ms, >= bin_ms / 2: from the onset to the middle of that bin. Support: presentations with a
    response. Undefined if fewer than half of them have one (as with 0 or 1 spikes): the shortfall is half the
    share of presentations without a response. Undefined with shortfall 1 if there are no stimuli.
    """
    counts = observation.group_counts(population, bin_ms)
    sizes, rows = observation.group_sizes(population), _rows(observation, population)
    pieces: list[tuple[NDArray[np.float64], NDArray[np.float64]]] = []
    delays: list[float] = []  # from each onset to the first whole bin after it
    for shown in _presentations(observation, population):
        chosen = [rows[cluster] for cluster in shown.clusters if cluster in rows]
        during = whole_bins(shown.start_ms, shown.stop_ms, bin_ms)
        before = whole_bins(shown.start_ms - before_ms, shown.start_ms, bin_ms)
        if (
            chosen
            and shown.start_ms >= before_ms
            and during.stop > during.start
            and before.stop > before.start
        ):
            rate = counts[chosen].sum(axis=0) / (sizes[chosen].sum() * bin_ms / 1000)
            smooth = scipy.ndimage.gaussian_filter1d(rate, sigma_ms / bin_ms, mode="reflect")
            # The end of the baseline, into which the kernel spreads the response, is left out.
            quiet = max(before.stop - math.ceil(3 * sigma_ms / bin_ms), before.start + 1)
            pieces.append((smooth[before.start : quiet], smooth[during]))
            delays.append(during.start * bin_ms - shown.start_ms)
    if not pieces:
        return _no_protocol(f"no stimulus begins after the first {before_ms:g} ms")
    baseline = np.concatenate([before for before, _ in pieces])
    threshold = baseline.mean() + deviations * baseline.std()
    crossed = [np.flatnonzero(response > threshold) for _, response in pieces]
    latencies = np.array(
        [delay + (bins[0] + 0.5) * bin_ms for delay, bins in zip(delays, crossed, strict=True) if bins.size]
    )
    if 2 * latencies.size < len(pieces):
        missing = 1 - latencies.size / len(pieces)
        note = f"only {latencies.size} of {len(pieces)} presentations have a response"
        return Estimate(math.nan, support=latencies.size, shortfall=missing / 2, note=note)
    error = 1.2533 * float(latencies.std()) / math.sqrt(latencies.size)  # of a median: sqrt(pi / 2)
    return Estimate(float(np.median(latencies)), support=latencies.size, error=error, sample=latencies)


def _check_quenching(window_ms: float, min_count: float) -> Needs:
    if not (window_ms >= _GRID_MS and math.isclose(window_ms / _GRID_MS, round(window_ms / _GRID_MS))):
        raise ObjectiveError(f"window_ms must be a multiple of {_GRID_MS:g} ms, not {window_ms:g}")
    if not (math.isfinite(min_count) and min_count > 0):
        raise ObjectiveError(f"min_count must be above 0, not {min_count:g}")
    return Needs(window_ms=_GRID_MS)


@statistic(needs=_check_quenching, sample="change of the Fano factor of each neuron", depends_on=())
def fano_quenching(
    observation: Observation, *, population: str = "E", window_ms: float = 200.0, min_count: float = 0.5
) -> Estimate:
    """Change of the Fano factor over presentations from before a stimulus to during it.

        quenching = < F_i(after the onset) - F_i(before it) >_i,    F_i = Var n_i / < n_i >

    where n_i is the number of spikes of neuron i in the window after or before the onset, over all
    presentations of one stimulus (the same clusters) that contain the window after the onset; averaged over
    stimuli that are presented so at least twice, then over all neurons with < n_i > >= min_count in both
    windows.

    population  which neurons
    window_ms   width of the windows, a multiple of 50 ms. If a stimulus does not begin at a multiple of 50 ms
                from the start of the measurement, one window ends at the last such time before its onset, and
                the other begins at the first after it
    min_count   mean count that a neuron must have to be included

    No unit; negative if a stimulus quenches variability. Support: neurons included. Undefined, with shortfall
    1/2, if there are none (as with 0 or 1 spikes), and with shortfall 1 if no such
    stimulus is presented twice.
    Source: Churchland et al. 2010.
    """
    counts = observation.neuron_counts(population, _GRID_MS)
    width = round(window_ms / _GRID_MS)
    onsets: dict[tuple[int, ...], list[tuple[int, int]]] = {}  # first grid windows during and before
    for shown in _presentations(observation, population):
        during = whole_bins(shown.start_ms, min(shown.stop_ms, observation.duration_ms), _GRID_MS)
        before = whole_bins(0.0, shown.start_ms, _GRID_MS).stop - width
        if before >= 0 and during.stop - during.start >= width:
            onsets.setdefault(shown.clusters, []).append((during.start, before))
    repeated = [times for times in onsets.values() if len(times) > 1]
    if not repeated:
        return _no_protocol("no stimulus that contains a window is presented twice")
    # The presentations in order of time: first windows, and number of the stimulus.
    presented = sorted((firsts, stimulus) for stimulus, times in enumerate(repeated) for firsts in times)

    def values(kept: NDArray[np.bool_]) -> NDArray[np.float64]:
        chosen = [one for one, keep in zip(presented, kept, strict=True) if keep]
        changes = []
        for stimulus in range(len(repeated)):
            times = [firsts for firsts, number in chosen if number == stimulus]
            if len(times) > 1:
                during, before = (
                    _fano_factors(counts, firsts, width, min_count) for firsts in zip(*times, strict=True)
                )
                changes.append(during - before)
        defined = np.isfinite(changes)
        with np.errstate(invalid="ignore"):
            return np.asarray(np.where(defined, changes, 0.0).sum(axis=0) / defined.sum(axis=0))

    changes = values(np.ones(len(presented), dtype=bool))
    included = changes[np.isfinite(changes)]
    if not included.size:
        note = f"no neuron has {min_count:g} spikes in a window"
        return Estimate(math.nan, support=0, shortfall=0.5, note=note)
    sizes = observation.group_sizes(population)
    return Estimate.mean_of(included, error=jackknife.over_neurons(values, len(presented), sizes))


def _fano_factors(
    counts: NDArray[np.int64], starts: Sequence[int], width: int, min_count: float
) -> NDArray[np.float64]:
    """Return the Fano factor of each neuron over windows that begin at `starts`; nan below `min_count`."""
    n = np.stack([counts[:, start : start + width].sum(axis=1) for start in starts], axis=1)
    mean = n.mean(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(mean >= min_count, n.var(axis=1, ddof=1) / mean, np.nan))


@statistic(needs=_bins, depends_on=("clusters", "neurons"))
def decoding(
    observation: Observation, *, population: str = "E", bin_ms: float = 5.0, before_ms: float = 5.0
) -> Estimate:
    """How often a stimulus can be decoded from the spike counts of the clusters during it.

    Cross-validated: one presentation of every stimulus at a time is left out and assigned to the stimulus
    with the nearest mean counts (nearest class mean of the counts of all clusters per bin during a stimulus).

    population  which neurons
    bin_ms      width of the bins; those that contain an onset or an offset are left out
    before_ms   stimuli that begin earlier are left out

    No unit, from 0 to 1: the share of correct assignments. The note gives the chance level, one divided by
    the number of stimuli. Support: presentations. Undefined, with shortfall 1, without two stimuli that are
    each presented at least twice. Without spikes, all stimuli are equally near and the first one is chosen:
    chance level.
    """
    counts = observation.group_counts(population, bin_ms)
    presentations = [
        shown
        for shown in _presentations(observation, population)
        if shown.start_ms >= before_ms and counts[:, whole_bins(shown.start_ms, shown.stop_ms, bin_ms)].size
    ]
    n = len(presentations)
    labels = {clusters: k for k, clusters in enumerate(dict.fromkeys(p.clusters for p in presentations))}
    label = np.array([labels[p.clusters] for p in presentations], dtype=np.int64)
    if len(labels) < 2 or np.bincount(label).min() < 2:
        return _no_protocol("no two stimuli, of different clusters, are each presented at least twice")
    features = np.array(
        [counts[:, whole_bins(p.start_ms, p.stop_ms, bin_ms)].mean(axis=1) for p in presentations]
    )
    # Number of each presentation among those of its stimulus. One presentation of every stimulus is left out
    # at a time: leaving out a single one would move only the mean of its own stimulus away from it, and bias
    # the result below chance.
    turn = np.array([int((label[:k] == label[k]).sum()) for k in range(n)])
    correct = 0
    for left_out in range(int(turn.max()) + 1):
        training, tested = turn != left_out, np.flatnonzero(turn == left_out)
        means = np.array([features[training & (label == k)].mean(axis=0) for k in range(len(labels))])
        distances = np.linalg.norm(features[tested][:, None] - means, axis=2)
        correct += int((distances.argmin(axis=1) == label[tested]).sum())
    share = correct / n
    error = math.sqrt(share * (1 - share) / n)
    return Estimate(share, support=n, error=error, note=f"chance level {1 / len(labels):.2g}")
