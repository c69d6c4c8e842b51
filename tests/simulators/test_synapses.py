"""Synapses that differ, random input, and plasticity: NEST against GeNN, and closed forms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from calibrate import simulators
from calibrate.errors import SimulatorError
from calibrate.network import (
    Bernoulli,
    Distributed,
    Network,
    Plasticity,
    PoissonInput,
    Population,
    Projection,
    RateStimulus,
    UniformDelay,
    UniformIndegree,
    UniformPotential,
    Values,
    wiring,
)
from calibrate.observation import Observation
from calibrate.simulators.base import Member, Prepared, RecordingPlan, simulate
from calibrate.simulators.genn.code import Build, check_size
from calibrate.simulators.nest import plasticity as nest_plasticity
from tests.helpers.simulators import both

MEMBRANES = both("nest", "genn")


def prepare(name: str, network: Network) -> Prepared:
    simulator = simulators.create(name, dt_ms=0.1, precision="double")
    return simulator.prepare(network, batch_size=1, recording=RecordingPlan(spikes=True), wiring_seed=1)


def run(name: str, network: Network, values: Values, *, duration_ms: float = 300.0) -> Observation:
    with prepare(name, network) as prepared:
        for _ in range(2):  # the second time after a candidate that left weights and spikes in flight
            found = simulate(
                prepared,
                [Member(values=values, seed=3)],
                realisation=0,
                warmup_ms=0.0,
                duration_ms=duration_ms,
            )[0]
    assert isinstance(found, Observation)
    return found


def raster(observation: Observation) -> list[tuple[int, int]]:
    assert observation.spikes is not None
    return sorted(zip(observation.spikes.step.tolist(), observation.spikes.neuron.tolist(), strict=True))


def driven(**changes: Any) -> tuple[Network, Values]:
    """Neurons that fire by themselves excite others that do not."""
    settings = {"rule": Bernoulli(0.5), "delay_ms": 1.0, **changes}
    network = Network(
        populations=(
            Population(name="clocks", size=40, distributed=frozenset({"I_e"})),
            Population(name="cells", size=30, clusters=30),
        ),
        projections=(Projection(source="clocks", target="cells", receptor="ex", **settings),),
    )
    values = Values(
        neurons={"clocks": {"I_e": Distributed(450.0, 40.0)}, "cells": {"I_e": 200.0}},
        weights={"clocks_to_cells_all": 300.0},
        initial=dict.fromkeys(("clocks", "cells"), UniformPotential(-70.0, -56.0)),
    )
    return network, values


@pytest.mark.genn
@pytest.mark.parametrize(
    "changes",
    [
        {"weight_cv": 0.8},
        {"delay_ms": UniformDelay(0.1, 3.0)},
        {"weight_cv": 0.5, "delay_ms": UniformDelay(1.5, 6.0)},
        {"delay_ms": UniformDelay(20.0, 40.0)},  # more steps than 8 bits hold
        {"rule": UniformIndegree(2, 9)},
        {"rule": UniformIndegree(1, 30), "weight_cv": 1.0},
    ],
    ids=str,
)
def test_nest_and_genn_give_the_same_spikes_where_synapses_differ(changes):
    network, values = driven(**changes)
    nest, genn = run("nest", network, values), run("genn", network, values)
    assert (nest.totals("cells") > 0).mean() > 0.5
    assert raster(nest) == raster(genn)
    np.testing.assert_allclose(nest.depolarisation, genn.depolarisation, rtol=1e-8)


def test_delays_of_more_steps_than_genn_numbers_are_refused():
    network, _ = driven(delay_ms=UniformDelay(1.0, 6554.0))
    made = Build.of(network, dt_ms=0.1, batch_size=1, precision="single", record_spikes=False)
    with pytest.raises(SimulatorError, match=r"up to 65,540 steps of 0\.1 ms; GeNN supports up to 65,535"):
        check_size(made)


def test_weights_are_log_normal_with_mean_one_and_the_given_variation():
    network, _ = driven(weight_cv=0.8, rule=Bernoulli(1.0))
    (projection,) = network.projections
    found = np.concatenate(
        [
            wiring.weight_factors(
                projection,
                wiring.draw(network, projection, wiring_seed=1, realisation=k),
                wiring_seed=1,
                realisation=k,
            )
            for k in range(50)
        ]
    )
    assert found.size == 60_000
    assert found.mean() == pytest.approx(1.0, abs=0.015)  # 4.6 standard errors
    assert found.std() == pytest.approx(0.8, rel=0.06)
    assert np.log(found).std() == pytest.approx(np.sqrt(np.log(1.64)), rel=0.02)
    assert (found > 0).all()


def test_delays_are_uniform_over_the_steps_there_are():
    network, _ = driven(delay_ms=UniformDelay(0.5, 1.4), rule=Bernoulli(1.0))
    (projection,) = network.projections
    drawn = wiring.draw(network, projection, wiring_seed=1, realisation=0)
    found = wiring.synapse_delays(projection, drawn, dt_ms=0.1, wiring_seed=1, realisation=0)
    counts = np.bincount(found)
    assert list(np.flatnonzero(counts)) == list(range(5, 15))
    # Binomial: 1200 synapses over 10 steps, mean 120, SD 10.4.
    assert (np.abs(counts[5:15] - 120) < 45).all()


def test_uniform_in_degrees_lie_between_their_ends_and_are_of_different_sources():
    network, _ = driven(rule=UniformIndegree(2, 6))
    (projection,) = network.projections
    degrees: list[int] = []
    per_source = np.zeros(40)
    for k in range(100):
        drawn = wiring.draw(network, projection, wiring_seed=1, realisation=k)
        pairs = list(zip(drawn.sources.tolist(), drawn.targets.tolist(), strict=True))
        assert len(set(pairs)) == len(pairs)
        degrees += np.bincount(drawn.targets, minlength=30).tolist()
        per_source += drawn.row_lengths
    counts = np.bincount(degrees)
    assert list(np.flatnonzero(counts)) == [2, 3, 4, 5, 6]
    assert np.abs(counts[2:] / 3000 - 0.2).max() < 0.035  # 4.8 standard errors
    assert np.abs(per_source / 300 - 1).max() < 0.25  # mean 300, SD about 17


def gamma(shape: int, *, stimuli: tuple[RateStimulus, ...] = ()) -> tuple[Network, Values]:
    """Neurons that every input spike makes fire: their trains are their input's."""
    network = Network(
        populations=(Population(name="cells", size=400, clusters=2, noise=True, noise_shape=shape),),
        projections=(),
    )
    quick = {"tau_m": 1.0, "t_ref": 0.0, "tau_syn_ex": 0.05, "C_m": 1.0}
    values = Values(
        neurons={"cells": quick},
        weights={},
        initial={"cells": UniformPotential(-70.0, -70.0)},
        noise={"cells": PoissonInput(40.0, 1000.0)},
        stimuli=stimuli,
    )
    return network, values


@pytest.mark.parametrize("name", MEMBRANES)
@pytest.mark.parametrize("shape", [1, 3, 8])
def test_random_input_is_a_gamma_process_of_its_shape(name, shape):
    network, values = gamma(shape)
    found = run(name, network, values, duration_ms=5000.0)
    intervals = found.intervals
    mean = intervals.sum.sum() / intervals.n.sum()
    variance = intervals.sum_sq.sum() / intervals.n.sum() - mean**2
    # Intervals that the end cuts off are the long ones: 200 of them in each train, so little of that.
    assert found.neuron_totals.mean() / 5 == pytest.approx(40.0, rel=0.02)
    assert mean == pytest.approx(25.0, rel=0.03)
    assert variance / mean**2 == pytest.approx(1 / shape, rel=0.06)


@pytest.mark.parametrize("name", MEMBRANES)
def test_a_stimulus_may_be_a_higher_rate_of_the_input_of_single_clusters(name):
    more = RateStimulus("cells", (1,), (160.0,), 500.0, 1500.0)
    network, values = gamma(3, stimuli=(more,))
    found = run(name, network, values, duration_ms=2000.0)
    rates = found.group_counts("cells", 500.0) / 200 / 0.5
    assert rates[0] == pytest.approx([40.0] * 4, rel=0.06)
    assert rates[1] == pytest.approx([40.0, 200.0, 200.0, 40.0], rel=0.06)


def learning(part: str = "between", **rule: float) -> tuple[Network, Values]:
    """Twelve sources onto two targets, each with a modulator of its own; all fire by themselves."""
    drives = {"sources": (5, 20.0), "targets": (2, 15.0), "modulators": (2, 20.0)}
    network = Network(
        populations=tuple(
            Population(name=name, size=size, clusters=size, distributed=frozenset({"I_e"}))
            for name, (size, _) in drives.items()
        ),
        projections=(
            Projection(
                source="sources",
                target="targets",
                rule=Bernoulli(1.0),
                delay_ms=1.5,
                receptor="ex",
                plasticity=Plasticity("dopamine", "modulators", part=part),  # type: ignore[arg-type]
            ),
        ),
    )
    values = Values(
        neurons={name: {"I_e": Distributed(450.0, sd)} for name, (_, sd) in drives.items()},
        weights={"sources_to_targets_all": 20.0},
        initial=dict.fromkeys(drives, UniformPotential(-70.0, -56.0)),
        plasticity={"sources_to_targets_all": rule},
    )
    return network, values


RULE = {"learning_rate": 2.0, "tau_eligibility": 30.0, "recovery": 0.05}


def by_hand(observation: Observation, rule: Mapping[str, float], *, opposite: bool) -> np.ndarray:
    """The weights at the end, from all spikes; shape (sources, targets).

    Those of a source count once they have arrived; those of a target act two steps later, modulating ones
    three.
    """
    weights = np.full((5, 2), 20.0)
    last = np.full(5, -np.inf)
    acts = [(step + (15 if n < 5 else 2 if n < 7 else 3), n, step) for step, n in raster(observation)]
    for now, neuron, step in sorted(act for act in acts if act[0] < 4000):
        if neuron < 5:
            last[neuron] = step
        elif neuron < 7:
            weights[:, neuron - 5] += rule["recovery"] * (20.0 - weights[:, neuron - 5])
        else:
            target = neuron - 7 if not opposite else 1 - (neuron - 7)
            trace = np.exp(-(now - last) * 0.1 / rule["tau_eligibility"])
            weights[:, target] = np.maximum(0.0, weights[:, target] - rule["learning_rate"] * trace)
    return weights


@pytest.mark.parametrize("name", MEMBRANES)
@pytest.mark.parametrize("part", ["within", "between"])
def test_weights_follow_the_rule(name, part, monkeypatch):
    monkeypatch.setattr(nest_plasticity, "INTERVAL_MS", 0.1)
    network, values = learning(part, **RULE)
    with prepare(name, network) as prepared:
        for _ in range(2):
            found = simulate(
                prepared, [Member(values=values, seed=3)], realisation=0, warmup_ms=0.0, duration_ms=400.0
            )[0]
        weights = prepared.weights("sources_to_targets_all")[0]  # type: ignore[attr-defined]
    assert isinstance(found, Observation)
    expected = by_hand(found, RULE, opposite=part == "between")
    assert found.totals("modulators").sum() > 10
    assert np.ptp(expected) > 1.0
    np.testing.assert_allclose(weights.reshape(5, 2), expected, rtol=1e-4, atol=1e-3)


@pytest.mark.genn
def test_plastic_networks_fire_alike_in_nest_and_genn(monkeypatch):
    monkeypatch.setattr(nest_plasticity, "INTERVAL_MS", 0.1)
    network, values = learning(**RULE)
    nest, genn = run("nest", network, values), run("genn", network, values)
    ours, theirs = np.array(raster(genn)), np.array(raster(nest))
    assert ours.shape == theirs.shape
    assert np.array_equal(genn.neuron_totals, nest.neuron_totals)
    assert np.abs(ours[:, 0] - theirs[:, 0]).max() <= 1


@pytest.mark.parametrize("name", MEMBRANES)
def test_weights_stay_above_zero_and_start_over_with_a_candidate(name):
    network, values = learning(learning_rate=500.0, tau_eligibility=1000.0, recovery=0.0)
    with prepare(name, network) as prepared:
        for duration_ms, expected in ((400.0, 0.0), (0.1, 20.0)):
            prepared.load([Member(values=values, seed=3)], 0)
            prepared.advance(duration_ms)
            weights = prepared.weights("sources_to_targets_all")  # type: ignore[attr-defined]
            assert weights == pytest.approx(np.full((1, 10), expected))
