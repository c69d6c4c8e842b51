"""Subnormal numbers: what decays for long must not slow a simulation down."""

from __future__ import annotations

import time

import numpy as np
import pytest

from calibrate import simulators
from calibrate.network import Bernoulli, Network, Population, Projection, UniformPotential, Values
from calibrate.observation import Observation
from calibrate.simulators.base import Member, Precision, RecordingPlan
from calibrate.simulators.subnormals import subnormals_are_zero

SMALLEST = float(np.nextafter(0.0, 1.0))


def test_subnormal_numbers_are_zero_inside_and_numbers_again_outside():
    with subnormals_are_zero():
        assert SMALLEST * 2.0 == 0.0  # an operand
        assert np.finfo(float).tiny * 0.5 == 0.0  # a result
        assert np.finfo(float).tiny * 2.0 > 0.0
    assert SMALLEST * 2.0 > SMALLEST


@pytest.mark.parametrize(
    ("backend", "precision", "tau_syn_ms"),
    [("nest", "double", 0.2), pytest.param("genn", "single", 1.5, marks=pytest.mark.genn)],
)
def test_a_network_that_fell_silent_is_not_slower_than_before(
    backend: str, precision: Precision, tau_syn_ms: float
):
    population = Population(name="E", size=2000)
    within = Projection(source="E", target="E", rule=Bernoulli(0.02), delay_ms=1.0, receptor="ex")
    network = Network(populations=(population,), projections=(within,))
    values = Values(
        neurons={"E": {"tau_syn_ex": tau_syn_ms}},
        weights={within.name: 0.01},
        initial={"E": UniformPotential(-60.0, -50.0)},
    )
    simulator = simulators.create(backend, dt_ms=0.1, precision=precision)
    recording = RecordingPlan(bin_ms=10.0, window_ms=100.0)
    with simulator.prepare(network, batch_size=1, recording=recording, wiring_seed=0) as prepared:
        prepared.load([Member(values=values, seed=1)], 0)
        prepared.measure()
        seconds = []  # for the volley with its currents, and for silence
        for _ in range(6):
            before = time.process_time()
            prepared.advance(100.0)
            seconds.append(time.process_time() - before)
        (observed,) = prepared.observe()
    assert isinstance(observed, Observation)
    assert observed.neuron_totals.sum() > 500  # half of the neurons spike once, at the beginning
    assert min(seconds[3:]) < 3 * seconds[0]
