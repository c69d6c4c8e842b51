"""The network of Litwin-Kumar & Doiron: closed forms, and rates and Fano factors of the authors' program."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from calibrate import simulators
from calibrate.errors import ModelError
from calibrate.models.litwin_kumar_doiron import litwin_kumar_doiron, probabilities
from calibrate.observation import Observation
from calibrate.simulators.base import Member, RecordingPlan, simulate

UNIFORM = {"R_EE": 1.0, "J_plus": 1.0}


def test_the_probabilities_are_those_of_the_paper_and_their_mean_is_the_given_one():
    p = litwin_kumar_doiron.complete({})
    within, between = probabilities(p)
    assert (within, between) == pytest.approx((0.485437, 0.194175), abs=1e-6)
    assert (within + 49 * between) / 50 == pytest.approx(0.2)


def test_a_synaptic_current_brings_the_charge_that_its_weight_says():
    """The integral of J C (exp(-t/tau_d) - exp(-t/tau_r)) / (tau_d - tau_r) is J C."""
    network = litwin_kumar_doiron.network({})
    values = litwin_kumar_doiron.values(network, {})
    times = np.linspace(0, 60, 600_001)
    jumps = {"E_to_E_between": 0.0235702, "E_to_E_within": 1.9 * 0.0235702}
    jumps |= {"I_to_E_all": -0.0452548, "E_to_I_all": 0.0141421, "I_to_I_all": -0.0565685}
    for name, jump in jumps.items():
        fall = 2.0 if name.startswith("I") else 3.0
        kernel = np.exp(-times / fall) - np.exp(-times)
        charge = values.weights[name] * np.trapezoid(kernel / kernel.max(), times)
        assert charge == pytest.approx(jump, rel=1e-5), name


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"N_E": 4001}, "N_E = 4001 must be divisible by N_Q = 50"),
        ({"R_EE": 30.0, "p_EE": 0.5}, "a probability of .*, above 1, within a cluster"),
        ({"mu_E_low": 1.3}, "mu_E_low = 1.3 must not be above mu_E_high = 1.2"),
        ({"tau_r": 2.5}, "tau_r = 2.5 ms must not be above tau_d_I = 2"),
        ({"stim_clusters": [50], "stim_mu": 0.1}, "50 is not one of the clusters 0 to 49"),
        ({"stim_mu": 0.1}, "stim_mu needs stim_clusters and stim_intervals"),
    ],
)
def test_parameters_that_make_no_network_are_refused(given, message):
    with pytest.raises(ModelError, match=message):
        litwin_kumar_doiron.network(given)


def trials(given: dict[str, Any], n: int, *, duration_ms: float) -> list[Observation]:
    """Trials of one graph: other initial states."""
    network = litwin_kumar_doiron.network(given)
    simulator = simulators.create("genn", dt_ms=0.1, precision="single")
    recording = RecordingPlan(bin_ms=5.0, window_ms=25.0)
    members = [Member(values=litwin_kumar_doiron.values(network, given), seed=k) for k in range(n)]
    found = []
    with simulator.prepare(network, batch_size=1, recording=recording, wiring_seed=0) as prepared:
        for member in members:
            (seen,) = simulate(prepared, [member], realisation=0, warmup_ms=500.0, duration_ms=duration_ms)
            assert isinstance(seen, Observation)
            found.append(seen)
    return found


def as_the_authors_do(
    *, ratio: float, factor: float, steps: int = 25_000, warmup: int = 5000, seed: int = 1
) -> np.ndarray:
    """Counts of every E neuron in windows of 25 ms, of the network as the authors' program simulates it.

    Written anew after their program sim.jl of 2014: Euler steps of .1 ms, spikes arrive one step later, and
    synaptic traces go on during the refractory time.
    """
    random, n_E, n, dt = np.random.default_rng(seed), 4000, 5000, 0.1
    root = np.sqrt(800.0)
    p_out = 800 / (80 * (ratio - 1) + n_E)
    cluster = np.arange(n_E) // 80
    same = cluster[:, None] == cluster[None, :]
    weights = np.zeros((n, n), np.float32)  # from row to column
    drawn = random.random((n, n), np.float32)
    weights[:n_E, :n_E] = (drawn[:n_E, :n_E] < np.where(same, ratio, 1) * p_out) * np.where(same, factor, 1)
    weights[:n_E, :n_E] *= 10 / (15 * root)
    weights[:n_E, n_E:] = (drawn[:n_E, n_E:] < 0.5) * 4 / (10 * root)
    weights[n_E:, :n_E] = (drawn[n_E:, :n_E] < 0.5) * -16 * 1.2 / (15 * root)
    weights[n_E:, n_E:] = (drawn[n_E:, n_E:] < 0.5) * -16 / (10 * root)
    np.fill_diagonal(weights, 0.0)
    tau = np.repeat([15.0, 10.0], [n_E, n - n_E])
    drive = np.concatenate([random.uniform(1.1, 1.2, n_E), random.uniform(1.0, 1.05, n - n_E)])
    v, traces = random.random(n), np.zeros((4, n))  # rise and decay, from E and from I
    keep = 1 - dt / np.array([1.0, 3.0, 1.0, 2.0])[:, None]
    arriving, free = np.zeros((2, n)), np.zeros(n, int)
    counts = np.zeros((n_E, (steps - warmup) // 250), int)
    for step in range(steps):
        traces = traces * keep + np.repeat(arriving, 2, axis=0)
        current = (traces[1] - traces[0]) / 2 + (traces[3] - traces[2])
        v += np.where(step > free, dt * ((drive - v) / tau + current), 0.0)
        fired = np.flatnonzero(v > 1.0)
        v[fired], free[fired] = 0.0, step + 50
        excitatory, inhibitory = fired[fired < n_E], fired[fired >= n_E]
        arriving = np.array([weights[excitatory].sum(axis=0), weights[inhibitory].sum(axis=0)])
        if step >= warmup:
            counts[excitatory, (step - warmup) // 250] += 1
    return counts


def fano(counts: np.ndarray, windows: int) -> float:
    """Fano factor of counts in so many windows of 25 ms at a time: the mean over neurons that fired."""
    grouped = counts.reshape(len(counts), -1, windows).sum(axis=2)
    mean, variance = grouped.mean(axis=1), grouped.var(axis=1, ddof=1)
    return float((variance[mean > 0] / mean[mean > 0]).mean())


def counted(given: dict[str, Any]) -> np.ndarray:
    (seen,) = trials(given, 1, duration_ms=2000.0)
    return np.asarray(seen.neuron_counts("E", 25.0))


@pytest.mark.genn
@pytest.mark.slow
def test_without_clusters_rate_and_variability_are_those_of_the_authors_program():
    ours, theirs = counted(UNIFORM), as_the_authors_do(ratio=1.0, factor=1.0)
    rate = theirs.mean() / 0.025
    assert rate == pytest.approx(2.0, abs=0.15)
    assert ours.mean() / 0.025 == pytest.approx(rate, abs=0.15)
    for windows in (1, 2, 4, 8):  # 25 to 200 ms
        assert fano(ours, windows) == pytest.approx(fano(theirs, windows), abs=0.03)
        assert (
            fano(ours, windows) > 1 - rate * 0.025 * windows
        )  # which holds for all counts of a mean below 1


@pytest.mark.genn
@pytest.mark.slow
def test_clusters_make_the_rates_and_the_variability_of_the_authors_program():
    ours, theirs = counted({}), as_the_authors_do(ratio=2.5, factor=1.9)
    assert theirs.mean() / 0.025 == pytest.approx(3.2, abs=0.4)
    assert ours.mean() / 0.025 == pytest.approx(theirs.mean() / 0.025, abs=0.5)
    for counts in (ours, theirs):
        grown = [fano(counts, windows) for windows in (1, 2, 4, 8)]
        assert grown == sorted(grown)
        assert grown[2] > 1.0  # above every Poisson process; .87 and .84 without clusters
        assert grown[3] > 1.3


@pytest.mark.genn
@pytest.mark.slow
def test_a_stimulus_to_some_clusters_quenches_the_variability_of_the_others():
    stimulus = {"stim_mu": 0.07, "stim_clusters": [0, 1, 2, 3, 4], "stim_intervals": [[1500.0, 1900.0]]}
    seen = trials(stimulus, 8, duration_ms=1400.0)
    others = slice(400, 4000)
    counts = np.array([one.neuron_counts("E", 100.0)[others] for one in seen])
    mean, variance = counts.mean(axis=0), counts.var(axis=0, ddof=1)
    factor = np.where(mean > 0, variance / np.maximum(mean, 1e-9), np.nan)
    before, during = np.nanmean(factor[:, 2:10]), np.nanmean(factor[:, 11:14])
    assert before > 1.2
    assert during < 0.8 * before
