"""The network of Litwin-Kumar & Doiron: closed forms, and rates and Fano factors of the paper's figure 2."""

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
            (seen,) = simulate(prepared, [member], realisation=0, warmup_ms=1000.0, duration_ms=duration_ms)
            assert isinstance(seen, Observation)
            found.append(seen)
    return found


def fano(seen: list[Observation], window_ms: float, neurons: slice = slice(None)) -> float:
    """Fano factor over trials, then the mean over neurons and windows, as in the paper."""
    counts = np.array([one.neuron_counts("E", window_ms)[neurons] for one in seen])
    mean, variance = counts.mean(axis=0), counts.var(axis=0, ddof=1)
    return float((variance[mean > 0] / mean[mean > 0]).mean())


def rate(seen: list[Observation]) -> float:
    return float(np.mean([one.totals("E").mean() / one.duration_ms * 1000 for one in seen]))


@pytest.mark.genn
@pytest.mark.slow
def test_clusters_make_rates_and_variability_as_published():
    """Figure 2: 2.0 and 3.2 Hz; Fano factors .8 without clusters and 1.4 to 1.6 with them."""
    uniform = trials(UNIFORM, 6, duration_ms=1500.0)
    clustered = trials({}, 6, duration_ms=1500.0)
    assert rate(uniform) == pytest.approx(2.0, abs=0.15)
    assert rate(clustered) == pytest.approx(3.2, abs=0.3)
    assert [fano(uniform, window) for window in (50.0, 100.0, 200.0)] == pytest.approx(
        [0.91, 0.86, 0.84], abs=0.06
    )
    grown = [fano(clustered, window) for window in (25.0, 50.0, 100.0, 200.0)]
    assert grown == sorted(grown)
    assert 1.2 < grown[2] < 2.2
    assert grown[3] > 1.6


@pytest.mark.genn
@pytest.mark.slow
def test_a_stimulus_to_some_clusters_quenches_the_variability_of_the_others():
    stimulus = {"stim_mu": 0.07, "stim_clusters": [0, 1, 2, 3, 4], "stim_intervals": [[2000.0, 2400.0]]}
    seen = trials(stimulus, 8, duration_ms=1400.0)
    others = slice(400, 4000)
    counts = np.array([one.neuron_counts("E", 100.0)[others] for one in seen])
    mean, variance = counts.mean(axis=0), counts.var(axis=0, ddof=1)
    factor = np.where(mean > 0, variance / np.maximum(mean, 1e-9), np.nan)
    before, during = np.nanmean(factor[:, 2:10]), np.nanmean(factor[:, 11:14])
    assert before > 1.2
    assert during < 0.8 * before
