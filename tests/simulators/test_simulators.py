"""What every simulator must do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest

from calibrate import simulators
from calibrate.errors import SimulatorError
from calibrate.models.ei_clustered import ei_clustered
from calibrate.network import (
    Bernoulli,
    Network,
    PoissonInput,
    Population,
    Projection,
    UniformPotential,
    Values,
)
from calibrate.observation import IntervalMoments, Observation, SimulationFailure, observe_spikes
from calibrate.simulators.base import Member, Prepared, RecordingPlan, simulate
from calibrate.simulators.genn.batch import PreparedGenn
from tests.helpers.networks import SMALL
from tests.helpers.simulators import both

ALL = both("nest", "genn", "poisson")
MEMBRANES = both("nest", "genn")


def prepare(
    name: str,
    network: Network,
    *,
    precision: Any = "single",
    recording: RecordingPlan | None = None,
    seed: int = 1,
) -> Prepared:
    simulator = simulators.create(name, dt_ms=0.1, precision=precision)
    return simulator.prepare(
        network, batch_size=1, recording=recording or RecordingPlan(spikes=True), wiring_seed=seed
    )


def member(given: dict[str, Any], seed: int = 1) -> Member:
    return Member(values=ei_clustered.values(ei_clustered.network(given), given), seed=seed)


def run(
    prepared: Prepared,
    one: Member,
    *,
    realisation: int = 0,
    warmup_ms: float = 50.0,
    duration_ms: float = 400.0,
) -> Observation:
    found = simulate(prepared, [one], realisation=realisation, warmup_ms=warmup_ms, duration_ms=duration_ms)[
        0
    ]
    assert isinstance(found, Observation)
    return found


def raster(observation: Observation) -> list[tuple[int, int]]:
    assert observation.spikes is not None
    return list(zip(observation.spikes.step.tolist(), observation.spikes.neuron.tolist(), strict=True))


@pytest.mark.parametrize("name", ALL)
def test_a_result_does_not_depend_on_what_ran_before(name):
    network = ei_clustered.network(SMALL)
    with prepare(name, network) as prepared:
        first = run(prepared, member(SMALL))
        run(prepared, member({**SMALL, "I_th_E": 6.0, "tau_syn_E": 20.0}, seed=9))  # leaves much behind
        run(prepared, member({**SMALL, "I_th_E": 0.0, "I_th_I": 0.0}, seed=3), realisation=1)
        again = run(prepared, member(SMALL))
    with prepare(name, network) as prepared:
        fresh = run(prepared, member(SMALL))
    assert raster(first)
    assert raster(first) == raster(again) == raster(fresh)


@pytest.mark.parametrize("name", MEMBRANES)
@pytest.mark.parametrize(
    ("neuron", "wild"),
    [("aeif_cond_exp", {"weight": 1.0, "I_e": 4000.0}), ("iaf_psc_exp", {"weight": 3e38, "I_e": 1000.0})],
)
def test_a_candidate_that_explodes_leaves_no_spike_to_the_next(name, neuron, wild):
    if name == "nest" and wild["weight"] > 1e30:
        pytest.skip("NEST counts in double precision, in which this does not overflow")
    network = Network(
        populations=(Population(name="E", size=200, neuron=neuron),),
        projections=(Projection(source="E", target="E", rule=Bernoulli(0.1), delay_ms=3.0, receptor="ex"),),
    )

    def candidate(weight: float, I_e: float) -> Member:
        start = UniformPotential(-70.0, -70.0)
        given = {"weights": {"E_to_E_all": weight}, "initial": {"E": start}}
        return Member(values=Values(neurons={"E": {"I_e": I_e}}, **given), seed=1)

    with prepare(name, network) as prepared:
        prepared.load([candidate(**wild)], 0)
        prepared.advance(20.0)
        assert prepared.counted().sum() > 0
        after = run(prepared, candidate(1.0, 0.0), warmup_ms=0.0, duration_ms=50.0)
    assert after.totals("E").sum() == 0


@pytest.mark.parametrize("name", ALL)
def test_seeds_and_graphs_change_the_result(name):
    with prepare(name, ei_clustered.network(SMALL)) as prepared:
        plain = raster(run(prepared, member(SMALL)))
        assert raster(run(prepared, member(SMALL, seed=2))) != plain
        assert raster(run(prepared, member(SMALL), realisation=1)) != plain


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(("bin_ms", "window_ms"), [(1.0, 50.0), (0.1, 10.0), (2.0, 7.0), (5.0, 100.0)])
def test_what_is_accumulated_is_what_the_raster_holds(name, bin_ms, window_ms):
    recording = RecordingPlan(bin_ms=bin_ms, window_ms=window_ms, spikes=True)
    given = {**SMALL, "I_th_E": 4.0}
    with prepare(name, ei_clustered.network(given), recording=recording) as prepared:
        found = run(prepared, member(given))
    assert found.spikes is not None
    expected = observe_spikes(
        found.spikes.step,
        found.spikes.neuron,
        found.layout,
        dt_ms=0.1,
        duration_ms=400.0,
        bin_ms=bin_ms,
        window_ms=window_ms,
    )
    assert found.neuron_totals.sum() > 1000
    for array in ("group_bins", "neuron_windows", "neuron_totals"):
        assert np.array_equal(getattr(found, array), getattr(expected, array)), array
    for moment in fields(IntervalMoments):
        np.testing.assert_allclose(
            getattr(found.intervals, moment.name), getattr(expected.intervals, moment.name), rtol=1e-12
        )


@pytest.mark.parametrize("name", ALL)
def test_intervals_are_summed_in_blocks_of_time_however_long_the_measurement(name):
    recording = RecordingPlan(bin_ms=1.0, window_ms=50.0, spikes=True)
    with prepare(name, ei_clustered.network(SMALL), recording=recording) as prepared:
        found = run(prepared, member(SMALL), duration_ms=2700.0)
    assert found.spikes is not None
    expected = observe_spikes(
        found.spikes.step, found.spikes.neuron, found.layout, dt_ms=0.1, duration_ms=2700.0
    )
    assert found.interval_blocks.n.shape == (found.layout.n_neurons, 11)  # of 250 ms, and a last of 200 ms
    for moment in fields(IntervalMoments):
        one, other = (getattr(o.interval_blocks, moment.name) for o in (found, expected))
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", MEMBRANES)
@pytest.mark.parametrize("warmup_ms", [0.7, 20.3])
def test_a_warm_up_need_not_be_a_whole_number_of_bins(name, warmup_ms):
    with prepare(name, ei_clustered.network(SMALL)) as prepared:
        whole = run(prepared, member(SMALL), warmup_ms=0.0, duration_ms=200.0)
        cut = run(prepared, member(SMALL), warmup_ms=warmup_ms, duration_ms=150.0)
    first = round(warmup_ms / 0.1)
    assert whole.spikes is not None
    assert cut.spikes is not None
    inside = (whole.spikes.step >= first) & (whole.spikes.step < first + 1500)
    assert inside.sum() > 100
    assert np.array_equal(cut.spikes.step, whole.spikes.step[inside] - first)
    assert np.array_equal(cut.spikes.neuron, whole.spikes.neuron[inside])
    again = observe_spikes(cut.spikes.step, cut.spikes.neuron, cut.layout, dt_ms=0.1, duration_ms=150.0)
    assert np.array_equal(cut.group_bins, again.group_bins)
    assert np.array_equal(cut.neuron_windows, again.neuron_windows)


@pytest.mark.genn
def test_a_warm_up_off_the_bins_gives_the_same_spikes_in_nest_and_genn():
    found = {}
    for name in ("nest", "genn"):
        with prepare(name, ei_clustered.network(SMALL), precision="double") as prepared:
            found[name] = run(prepared, member(SMALL), warmup_ms=33.4, duration_ms=200.0)
    assert len(raster(found["nest"])) > 100
    assert raster(found["nest"]) == raster(found["genn"])
    assert np.array_equal(found["nest"].group_bins, found["genn"].group_bins)


@pytest.mark.parametrize("name", MEMBRANES)
def test_a_second_measurement_begins_with_nothing_counted(name):
    with prepare(name, ei_clustered.network(SMALL)) as prepared:
        prepared.load([member(SMALL)], 0)
        for _ in range(2):
            prepared.advance(20.3)
            prepared.measure()
            prepared.advance(100.0)
            seen = prepared.observe()[0]
            assert isinstance(seen, Observation)
            assert seen.spikes is not None
            assert seen.duration_ms == pytest.approx(100.0)
            expected = observe_spikes(
                seen.spikes.step, seen.spikes.neuron, seen.layout, dt_ms=0.1, duration_ms=100.0
            )
            assert seen.neuron_totals.sum() > 100
            for array in ("group_bins", "neuron_windows", "neuron_totals"):
                assert np.array_equal(getattr(seen, array), getattr(expected, array)), array
            assert np.array_equal(seen.intervals.n, expected.intervals.n)


@pytest.mark.genn
def test_the_counters_of_the_groups_start_over_with_a_measurement():
    """They hold 32 bits: what they carried along would wrap in a long series of measurements."""
    with prepare("genn", ei_clustered.network(SMALL)) as prepared:
        assert isinstance(prepared, PreparedGenn)
        counter = prepared._model.neuron_populations["monitor_E_counters"].vars["count"]

        def counted() -> int:
            counter.pull_from_device()
            return int(counter.view.sum())

        prepared.load([member(SMALL)], 0)
        prepared.advance(100.0)
        assert counted() > 100
        prepared.measure()
        assert counted() == 0


@pytest.mark.genn
@pytest.mark.parametrize("duration_ms", [127.0, 128.0, 129.0, 400.0])
def test_bins_are_the_same_however_many_rings_they_fill(duration_ms):
    """GeNN keeps bins in a ring of 128 on the device, which is read whenever it is full."""
    with prepare("genn", ei_clustered.network(SMALL)) as prepared:
        prepared.load([member(SMALL)], 0)
        prepared.advance(33.3)
        prepared.measure()
        for _ in range(2):  # observing changes nothing
            prepared.advance(duration_ms)
            (seen,) = prepared.observe()
            spikes = seen.spikes
            expected = observe_spikes(
                spikes.step, spikes.neuron, seen.layout, dt_ms=seen.dt_ms, duration_ms=seen.duration_ms
            )
            assert np.array_equal(seen.group_bins, expected.group_bins)
            assert np.array_equal(seen.neuron_windows, expected.neuron_windows)


@pytest.mark.parametrize("name", ALL)
def test_counters_alone_show_the_same_as_counters_beside_a_raster(name):
    with prepare(name, ei_clustered.network(SMALL)) as prepared:
        beside = run(prepared, member(SMALL))
    with prepare(name, ei_clustered.network(SMALL), recording=RecordingPlan()) as prepared:
        alone = run(prepared, member(SMALL))
    assert alone.spikes is None
    assert np.array_equal(alone.group_bins, beside.group_bins)
    assert np.array_equal(alone.neuron_windows, beside.neuron_windows)


@pytest.mark.parametrize("name", MEMBRANES)
def test_advancing_in_pieces_is_advancing_at_once(name):
    with prepare(name, ei_clustered.network(SMALL)) as prepared:
        whole = run(prepared, member(SMALL), warmup_ms=40.0, duration_ms=200.0)
        prepared.load([member(SMALL)], 0)
        prepared.advance(40.0)
        prepared.measure()
        for piece_ms in (0.1, 0.9, 13.7, 85.3, 100.0):
            prepared.advance(piece_ms)
        pieces = prepared.observe()[0]
    assert isinstance(pieces, Observation)
    assert raster(pieces) == raster(whole)
    assert np.array_equal(pieces.group_bins, whole.group_bins)


@pytest.mark.parametrize("name", ALL)
def test_stimuli_reach_their_clusters_in_their_intervals_only(name):
    given = {
        **SMALL,
        "I_th_E": 0.5,
        "I_th_I": 0.5,
        "J_EE": 0.0,
        "I_stim": 3.0,
        "stim_clusters": (1,),
        "stim_intervals": ((150.0, 250.0),),
    }
    with prepare(name, ei_clustered.network(given)) as prepared:
        found = run(prepared, member(given), warmup_ms=100.0, duration_ms=300.0)
    counts = found.group_counts("E", 10.0)
    if name == "poisson":
        assert counts[1, 5:15].mean() > 3 * counts[[0, 2], 5:15].mean()
    else:
        assert counts[[0, 2]].sum() == 0
        assert counts[1, 5:15].sum() > 0
    assert counts[1, 5:15].mean() > 3 * np.delete(counts[1], range(5, 15)).mean()


@pytest.mark.parametrize("name", MEMBRANES)
def test_depolarisation_grades_networks_that_do_not_fire(name):
    found = []
    for drive in (-0.5, 0.0, 0.4, 0.8):
        given = {**SMALL, "I_th_E": drive, "I_th_I": 0.0}
        with prepare(name, ei_clustered.network(given)) as prepared:
            seen = run(prepared, member(given), warmup_ms=200.0)
        assert seen.totals("E").sum() == 0
        found.append(float(seen.group_depolarisation("E").mean()))
    assert found == pytest.approx([-0.5, 0.0, 0.4, 0.8], abs=1e-3)


@pytest.mark.parametrize("name", MEMBRANES)
def test_noise_makes_free_membranes_fluctuate_as_campbell_says(name):
    """Shot noise: mean = rate w C' and variance = rate w^2 integral of the squared response."""
    rate_hz, weight = 2000.0, 0.02
    population = Population(name="E", size=4000, noise=True)
    network = Network(populations=(population,), projections=())
    neuron = {"C_m": 1.0, "tau_m": 20.0, "E_L": 0.0, "V_reset": 0.0, "V_th": 100.0, "tau_syn_ex": 3.0}
    values = Values(
        neurons={"E": neuron},
        weights={},
        initial={"E": UniformPotential(0.0, 0.0)},
        noise={"E": PoissonInput(rate_hz, weight)},
    )
    with prepare(name, network, recording=RecordingPlan()) as prepared:
        found = run(prepared, Member(values=values, seed=1), warmup_ms=0.0, duration_ms=300.0)
    mean = rate_hz / 1000 * weight * 20.0 * 3.0
    assert found.depolarisation[0] * 100.0 == pytest.approx(mean, rel=0.02)


@pytest.mark.parametrize("name", MEMBRANES)
def test_inhibitory_noise_lowers_the_membrane(name):
    population = Population(name="E", size=1000, noise=True)
    network = Network(populations=(population,), projections=())
    values = Values(
        neurons={
            "E": {"C_m": 1.0, "tau_m": 20.0, "E_L": 0.0, "V_reset": 0.0, "V_th": 10.0, "tau_syn_in": 2.0}
        },
        weights={},
        initial={"E": UniformPotential(0.0, 0.0)},
        noise={"E": PoissonInput(1000.0, -0.02)},
    )
    with prepare(name, network, recording=RecordingPlan()) as prepared:
        found = run(prepared, Member(values=values, seed=1), warmup_ms=0.0, duration_ms=300.0)
    assert found.depolarisation[0] * 10.0 == pytest.approx(-0.02 * 20.0 * 2.0, rel=0.03)


@pytest.mark.genn
@pytest.mark.slow
def test_rare_noise_draws_no_burst_in_single_precision():
    """2 10^8 draws, each of 2^24 levels: the last level alone would be a hundred events, not one or two."""
    population = Population(name="E", size=20_000, noise=True)
    network = Network(populations=(population,), projections=())
    # 3 mV in a step need 15 events at once; at 10 Hz two in 100 ms make less than 1 mV.
    neuron = {"C_m": 1.0, "tau_m": 20.0, "E_L": 0.0, "V_reset": 0.0, "V_th": 3.0, "tau_syn_ex": 2.0}
    values = Values(
        neurons={"E": neuron},
        weights={},
        initial={"E": UniformPotential(0.0, 0.0)},
        noise={"E": PoissonInput(10.0, 0.1)},
    )
    with prepare("genn", network, recording=RecordingPlan()) as prepared:
        found = run(prepared, Member(values=values, seed=1), warmup_ms=0.0, duration_ms=1000.0)
    assert found.neuron_totals.sum() == 0


@pytest.mark.parametrize("name", MEMBRANES)
def test_a_batch_that_does_not_fit_is_refused(name, monkeypatch):
    monkeypatch.setattr(simulators, "on_gpu", lambda _: False)
    simulator = simulators.create(name, dt_ms=0.1, precision="single")
    with pytest.raises(SimulatorError, match="one network at a time"):
        simulator.prepare(ei_clustered.network(SMALL), batch_size=2, recording=RecordingPlan(), wiring_seed=0)
    with prepare(name, ei_clustered.network(SMALL)) as prepared, pytest.raises(SimulatorError):
        prepared.load([member(SMALL), member(SMALL)], 0)


@pytest.mark.genn
def test_a_network_that_explodes_is_a_failure_with_its_reason():
    given = {**SMALL, "J_EE": 1e30, "s": 1e30}
    with prepare("genn", ei_clustered.network(given)) as prepared:
        found: Sequence[Observation | SimulationFailure] = simulate(
            prepared, [member(given)], realisation=0, warmup_ms=0.0, duration_ms=100.0
        )
    assert isinstance(found[0], SimulationFailure)
    assert "infinite" in found[0].reason


@pytest.mark.parametrize("name", MEMBRANES)
def test_populations_without_projections_between_them_can_be_simulated(name):
    network = Network(
        populations=(Population(name="A", size=10), Population(name="B", size=7)),
        projections=(Projection(source="A", target="B", rule=Bernoulli(1.0), delay_ms=0.5, receptor="ex"),),
    )
    drive = {"C_m": 1.0, "tau_m": 10.0, "E_L": 0.0, "V_reset": 0.0, "V_th": 10.0}
    values = Values(
        neurons={"A": {**drive, "I_e": 2.0}, "B": drive},
        weights={"A_to_B_all": 0.0},
        initial={"A": UniformPotential(0.0, 0.0), "B": UniformPotential(0.0, 0.0)},
    )
    with prepare(name, network) as prepared:
        seen = run(prepared, Member(values=values, seed=1), warmup_ms=0.0, duration_ms=100.0)
        driven = run(
            prepared,
            Member(values=replace(values, weights={"A_to_B_all": 5.0}), seed=1),
            warmup_ms=0.0,
            duration_ms=100.0,
        )
    # T = tau ln(20 / (20 - 10)) = 6.93 ms from reset to threshold, 70 steps, and 2 ms refractory: 11 spikes.
    assert seen.totals("A").tolist() == [11] * 10
    assert seen.totals("B").sum() == 0
    assert driven.totals("B").min() > 0


def test_simulators_are_chosen_by_name_and_unknown_ones_refused():
    assert simulators.choose("nest") == "nest"
    assert simulators.choose("auto") in ("genn", "nest")
    with pytest.raises(SimulatorError, match="did you mean 'nest'"):
        simulators.choose("nets")


@pytest.mark.parametrize("name", MEMBRANES)
def test_a_simulator_says_what_it_is(name):
    described = simulators.create(name, dt_ms=0.1, precision="double").describe()
    assert described["name"] == name
    assert described["precision"] == "double"
    assert described["version"][0].isdigit()
    assert described["device"] in ("cpu", "cuda")
