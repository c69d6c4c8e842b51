"""Random input is the same process, event for event, in NEST and GeNN, whatever was simulated before."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from scipy import stats

from calibrate import simulators
from calibrate.errors import SimulatorError
from calibrate.models.ei_clustered import ei_clustered
from calibrate.network import Network, PoissonInput, Population, RateStimulus, UniformPotential, Values
from calibrate.network.random_input import RandomInput
from calibrate.observation import Observation
from calibrate.simulators.base import Member, Prepared, RecordingPlan, simulate
from tests.helpers.networks import SMALL
from tests.helpers.simulators import both

NOISY = {
    **SMALL,
    "noise_rate_E": 1500.0,
    "noise_weight_E": 0.3,
    "noise_rate_I": 800.0,
    "noise_weight_I": -0.2,
}


def prepare(name: str, network: Network) -> Prepared:
    simulator = simulators.create(name, dt_ms=0.1, precision="double")
    return simulator.prepare(network, batch_size=1, recording=RecordingPlan(spikes=True), wiring_seed=1)


def raster(prepared: Prepared, values: Values, *, seed: int = 1, duration_ms: float = 300.0) -> np.ndarray:
    members = [Member(values=values, seed=seed)]
    found = simulate(prepared, members, realisation=0, warmup_ms=50.0, duration_ms=duration_ms)[0]
    assert isinstance(found, Observation)
    assert found.spikes is not None
    return np.stack([found.spikes.step, found.spikes.neuron])


def clustered(**changes: float) -> Values:
    given: dict[str, Any] = {**NOISY, **changes}
    return ei_clustered.values(ei_clustered.network(given), given)


@pytest.mark.genn
def test_clustered_networks_with_noise_fire_spike_for_spike_alike():
    found = []
    for name in ("nest", "genn"):
        with prepare(name, ei_clustered.network(NOISY)) as prepared:
            found.append(raster(prepared, clustered()))
    assert found[0].shape[1] > 100
    np.testing.assert_array_equal(*found)


def input_of_cells(shape: int, *, weight: float = 25.0) -> tuple[Network, Values]:
    """Two populations, the first of two clusters; a rate changes during the simulation, and at its start."""
    network = Network(
        populations=(
            Population(name="A", size=40, clusters=2, noise=True, noise_shape=shape),
            Population(name="B", size=30, noise=True, noise_shape=shape),
        ),
        projections=(),
    )
    values = Values(
        neurons={"A": {"I_e": 300.0}, "B": {"I_e": 500.0}},
        weights={},
        initial=dict.fromkeys("AB", UniformPotential(-70.0, -60.0)),
        noise={"A": PoissonInput(2000.0, weight), "B": PoissonInput(1000.0, -weight)},
        stimuli=(
            RateStimulus("A", (1,), (3000.0,), 0.0, 123.4),
            RateStimulus("A", (0,), (4000.0,), 200.0, 250.0),
        ),
    )
    return network, values


@pytest.mark.genn
@pytest.mark.parametrize("shape", [1, 3])
def test_input_of_any_shape_sign_and_changing_rate_is_the_same_in_nest_and_genn(shape):
    network, values = input_of_cells(shape)
    found = []
    for name in ("nest", "genn"):
        with prepare(name, network) as prepared:
            found.append(raster(prepared, values, duration_ms=400.0))
    assert (found[0][1] < 40).sum() > 100
    assert (found[0][1] >= 40).sum() > 10
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("shape", [1, 3])
def test_rates_that_change_between_advances_give_the_same_spikes_in_any_pieces(shape):
    """NEST gets input ahead of time, which new rates take back."""
    network, values = input_of_cells(shape)
    rates = np.array([2000.0, 2000.0, 1000.0])
    found = []
    with prepare("nest", network) as prepared:
        for pieces in ([37.0, 63.0, 100.0], [*[0.5] * 74, *[7.0] * 9, 99.9, 0.1], [1.0] * 200):
            prepared.load([Member(values=values, seed=1)], 0)
            now = 0.0
            for piece in pieces:
                factor = 1.0 + (now >= 36.9) + (now >= 99.9)
                prepared.drive_rates(0, rates * factor)
                prepared.advance(piece)
                now += piece
            (observed,) = prepared.observe()
            assert isinstance(observed, Observation)
            assert observed.spikes is not None
            found.append(np.stack([observed.spikes.step, observed.spikes.neuron]))
    assert found[0].shape[1] > 100
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])


@pytest.mark.parametrize("name", both("nest", "genn"))
def test_a_simulation_with_noise_does_not_depend_on_those_before_it(name):
    """Nor on the pieces in which it is simulated."""
    network = ei_clustered.network(NOISY)
    with prepare(name, network) as prepared:
        first = raster(prepared, clustered())
        raster(prepared, clustered(noise_rate_E=150_000.0), seed=5, duration_ms=30.0)
        raster(prepared, clustered(tau_syn_E=20.0), seed=6, duration_ms=33.0)
        again = raster(prepared, clustered())
        prepared.load([Member(values=clustered(), seed=1)], 0)
        for piece in (49.9, 0.1):
            prepared.advance(piece)
        prepared.measure()
        for piece in [0.1] * 20 + [298.0]:
            prepared.advance(piece)
        (pieces,) = prepared.observe()
    assert first.shape[1] > 100
    np.testing.assert_array_equal(first, again)
    assert isinstance(pieces, Observation)
    assert pieces.spikes is not None
    np.testing.assert_array_equal(first, [pieces.spikes.step, pieces.spikes.neuron])


SCRIPT = """
import sys
import numpy as np
from calibrate import simulators
from calibrate.network import Network, PoissonInput, Population, UniformPotential, Values
from calibrate.simulators.base import Member, RecordingPlan, simulate

network = Network(
    populations=(Population(name="E", size=20, noise=True, noise_shape=2, neuron=sys.argv[1]),),
    projections=(),
)
def values(rate_hz):
    return Values(
        neurons={"E": {"t_ref": 2.0}}, weights={}, initial={"E": UniformPotential(-70.0, -60.0)},
        noise={"E": PoissonInput(rate_hz, float(sys.argv[2]))},
    )
simulator = simulators.create("nest", dt_ms=0.1, precision="double")
recording = RecordingPlan(spikes=True)
with simulator.prepare(network, batch_size=1, recording=recording, wiring_seed=1) as prepared:
    for rate_hz, seed in [(float(rate), k) for k, rate in enumerate(sys.argv[3:])]:
        found = simulate(prepared, [Member(values=values(rate_hz), seed=int(rate_hz))],
                         realisation=0, warmup_ms=0.0, duration_ms=200.0)[0]
    print(found.neuron_totals.sum(), found.spikes.step.tolist(), found.spikes.neuron.tolist())
    print(repr(found.depolarisation.tolist()))
"""


@pytest.mark.parametrize(
    ("neuron", "weight"),
    [("iaf_psc_exp", 60.0), ("iaf_psc_beta", 200.0), ("iaf_cond_exp", 12.0), ("aeif_cond_exp", 30.0)],
)
def test_another_process_repeats_a_simulation_of_nest_to_the_last_bit(neuron, weight):
    """With adaptive integration too, whose step size the kernel keeps from one simulation to the next."""
    said = [
        subprocess.run(
            [sys.executable, "-c", SCRIPT, neuron, str(weight), *rates],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.splitlines()[-2:]
        for rates in (["4000"], ["9000", "300", "4000"])
    ]
    assert int(said[0][0].split()[0]) > 20
    assert said[0] == said[1]


def drawn(shape: int, rate_hz: float, *, pieces: tuple[int, ...]) -> np.ndarray:
    """Counts of shape (neurons, steps)."""
    population = Population(name="E", size=60, noise=True, noise_shape=shape)
    given = RandomInput(population, first_neuron=7, seed=3, dt_ms=0.1)
    given.set_rates(rate_hz)
    counts = np.zeros((60, pieces[-1]), dtype=int)
    for start, stop in pairwise(pieces):
        events = given.draw(start, stop)
        counts[events.neuron, events.step] += events.count
    return counts


@pytest.mark.parametrize("shape", [1, 3])
def test_input_does_not_depend_on_the_pieces_in_which_it_is_drawn(shape):
    whole = drawn(shape, 3000.0, pieces=(0, 2000))
    assert whole.sum() > 1000
    np.testing.assert_array_equal(whole, drawn(shape, 3000.0, pieces=(0, 1, 2, 700, 2000)))


@pytest.mark.parametrize("rate_hz", [3.0, 1000.0, 30_000.0, 390_000.0])
def test_counts_of_a_step_are_poisson(rate_hz):
    counts = drawn(1, rate_hz, pieces=(0, 20_000))
    mean = rate_hz * 1e-4
    seen = np.bincount(counts.ravel(), minlength=200)
    expected = counts.size * stats.poisson.pmf(np.arange(seen.size), mean)
    often = expected > 10
    chi2 = ((seen - expected)[often] ** 2 / expected[often]).sum()
    assert stats.chi2.sf(chi2, often.sum()) > 1e-3
    assert counts.mean() == pytest.approx(mean, abs=4.5 * np.sqrt(mean / counts.size))


def test_gamma_input_faster_than_the_steps_keeps_its_variability():
    """3065 Hz of shape 3 at 0.1 ms: counts in 20 ms have the Fano factor of the renewal process.

    That of a stationary gamma process of shape k in a window of m events is 1/k + (1 - 1/k^2) / (6 m)
    (Cox 1962, Renewal Theory, 4.5).
    """
    counts = drawn(3, 3065.0, pieces=(0, 40_000)).reshape(60, -1, 200).sum(axis=2)
    m = 3065.0 * 0.02
    expected = 1 / 3 + (1 - 1 / 9) / (6 * m)
    assert counts.mean() == pytest.approx(m, rel=0.005)
    assert counts.var() / counts.mean() == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize("name", both("nest", "genn"))
def test_input_of_too_many_events_a_step_is_refused_by_both_simulators(name):
    message = pytest.raises(SimulatorError, match="more than 40: use a smaller rate with a larger weight")
    with prepare(name, ei_clustered.network(NOISY)) as prepared, message:
        raster(prepared, clustered(noise_rate_E=401_000.0))
