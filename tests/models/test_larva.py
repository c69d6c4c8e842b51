"""The larva's network: its protocol by hand, its activity against a reimplementation of the authors' code.

The reference rates are means over ten wirings of a program written from the authors' published Brian code
(github.com/nawrotlab/PEcodingDosophilaMB), with Euler steps of 0.1 ms.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from calibrate import simulators
from calibrate.errors import ModelError
from calibrate.models.larva import ODOURS, larva, protocol, protocol_ms
from calibrate.network import wiring
from calibrate.observation import Observation
from calibrate.simulators.base import Member, RecordingPlan, simulate
from tests.helpers.simulators import both

NAIVE = {"protocol": "odour_only", "onset": 4000.0, "training": 10_000.0, "test": 0.0}
SPONTANEOUS = {"ORN": 3.27, "PN": 3.27, "LN": 0.0, "KC": 0.09}
FIRST_SECOND = {"ORN": (89.8, 2.0), "PN": (34.2, 3.0), "LN": (26.1, 2.0), "KC": (1.14, 0.3)}


def run(
    name: str, given: dict[str, Any], *, duration_ms: float, seeds: range = range(1), bin_ms: float = 1000.0
) -> list[tuple[Observation, np.ndarray]]:
    """Observations of graphs, with the weights from KC onto MBON+ and MBON- at the end, shape (72, 2)."""
    network = larva.network(given)
    simulator = simulators.create(name, dt_ms=0.1, precision="single")
    recording = RecordingPlan(bin_ms=bin_ms, window_ms=bin_ms)
    found = []
    with simulator.prepare(network, batch_size=1, recording=recording, wiring_seed=0) as prepared:
        for seed in seeds:
            member = Member(values=larva.values(network, given), seed=seed)
            (seen,) = simulate(prepared, [member], realisation=seed, warmup_ms=0.0, duration_ms=duration_ms)
            assert isinstance(seen, Observation)
            weights = prepared.weights("KC_to_MBON_all")  # type: ignore[attr-defined]
            found.append((seen, weights.reshape(72, 2)))
    return found


def rates(seen: Observation, population: str) -> np.ndarray:
    """Mean rate per neuron in seconds (Hz)."""
    counts = seen.group_counts(population, 1000.0)
    found: np.ndarray = counts.sum(axis=0) / seen.group_sizes(population).sum()
    return found


def test_it_has_142_neurons_and_every_kenyon_cell_two_to_six_claws():
    network = larva.network({})
    assert network.n_neurons == 142
    claws = next(p for p in network.projections if p.name == "PN_to_KC_all")
    drawn = wiring.draw(network, claws, wiring_seed=0, realisation=0)
    assert set(np.bincount(drawn.targets, minlength=72)) == {2, 3, 4, 5, 6}


def test_glomeruli_are_joined_one_to_one_and_valences_crosswise():
    network = larva.network({})
    for name, expected in (
        ("ORN_to_PN_within", [(k, k) for k in range(21)]),
        ("MBON_to_MBIN_between", [(0, 1), (1, 0)]),
        ("MBON_LN_to_MBIN_within", [(0, 0), (1, 1)]),
    ):
        projection = next(p for p in network.projections if p.name == name)
        drawn = wiring.draw(network, projection, wiring_seed=0, realisation=0)
        assert list(zip(drawn.sources.tolist(), drawn.targets.tolist(), strict=True)) == expected
    assert network.population("LN").size == 21
    assert network.expected_synapses(network.projections[2]) == 441  # LN onto all PN, its own too


def test_the_paired_protocol_is_an_odour_with_reinforcement_then_a_gap_then_the_test():
    given = larva.complete({"training": 60_000.0, "gap": 60_000.0, "test": 180_000.0})
    odour, reward, test = protocol(given)
    assert (odour.start_ms, odour.stop_ms) == (reward.start_ms, reward.stop_ms) == (300.0, 60_300.0)
    assert (reward.population, reward.clusters, reward.rates_hz) == ("MBIN", (0,), (600.0,))
    assert (test.start_ms, test.stop_ms) == (120_300.0, 300_300.0)  # the authors' single trial of a minute
    assert odour.clusters == tuple(np.flatnonzero(ODOURS["amylacetate"]))
    assert max(odour.rates_hz) == pytest.approx(5.76 * 500)
    assert protocol_ms(given) == 300_300.0


def test_unpaired_protocols_leave_a_gap_between_odour_and_reinforcement():
    for kind, first in (("odour_first", "ORN"), ("reinforcement_first", "MBIN")):
        given = larva.complete({"protocol": kind, "training": 60_000.0, "reinforcement": "punishment"})
        parts = protocol(given)
        assert [part.start_ms for part in parts] == [300.0, 120_300.0, 240_300.0]
        assert parts[0].population == first
        assert parts[2].population == "ORN"
        assert protocol_ms(given) == 420_300.0
        assert next(part for part in parts if part.population == "MBIN").clusters == (1,)


def test_the_tested_odour_may_be_another():
    given = larva.complete({"odour": "octanol", "test_odour": "amylacetate", "reinforcement_rate": 0.0})
    trained, tested = protocol(given)
    assert len(trained.clusters) == 8
    assert len(tested.clusters) == 13


def test_a_protocol_without_any_length_is_refused():
    with pytest.raises(ModelError, match="a training or a test longer than 0 ms"):
        larva.values(larva.network({}), {"training": 0.0, "test": 0.0})


@pytest.fixture(scope="module")
def naive() -> list[Observation]:
    """With GeNN, 4 s without and 10 s with an odour, on six graphs."""
    return [seen for seen, _ in run("genn", NAIVE, duration_ms=14_000.0, seeds=range(6))]


@pytest.mark.parametrize("name", both("nest", "genn"))
def test_activity_before_and_at_the_onset_of_an_odour_is_that_of_the_authors_code(name, request):
    if name == "genn":
        seen = request.getfixturevalue("naive")
    else:
        seen = [observation for observation, _ in run(name, NAIVE, duration_ms=5000.0, seeds=range(2))]
    for population, expected in SPONTANEOUS.items():
        found = np.mean([rates(one, population)[1:4].mean() for one in seen])
        assert found == pytest.approx(expected, rel=0.25, abs=0.06), population
    for population, (expected, tolerance) in FIRST_SECOND.items():
        found = np.mean([rates(one, population)[4] for one in seen])
        assert found == pytest.approx(expected, abs=tolerance), population
    assert 15 < np.mean([rates(one, "APL")[4] for one in seen]) < 40  # 27.8 +- 2 there
    assert np.mean([rates(one, "MBON")[4] for one in seen]) == pytest.approx(110, abs=12)
    assert sum(int(rates(one, "MBIN").sum()) for one in seen) == 0


@pytest.mark.genn
def test_sustained_responses_are_those_of_the_authors_code(naive):
    for population, expected in {"ORN": 65.4, "PN": 40.8, "LN": 15.1, "KC": 1.16, "MBON": 102.0}.items():
        found = np.mean([rates(one, population)[4:].mean() for one in naive])
        assert found == pytest.approx(expected, rel=0.08), population


TRAINED = {
    "onset": 1000.0,
    "training": 12_000.0,
    "gap": 3000.0,
    "test": 10_000.0,
    "reinforcement_rate": 800.0,
}
# After so much, the lost weights of any two rates below already differ on every one of six graphs.
BRIEFLY = {**TRAINED, "training": 6000.0}


@pytest.mark.genn
@pytest.mark.parametrize(("reinforcement", "sign"), [("reward", 1), ("punishment", -1)])
def test_reinforcement_leaves_a_preference_of_its_valence(reinforcement, sign):
    given = {**TRAINED, "reinforcement": reinforcement}
    for seen, weights in run("genn", given, duration_ms=26_000.0, seeds=range(2)):
        plus, minus = seen.group_counts("MBON", 1000.0)[:, 16:26].sum(axis=1)
        assert sign * (plus - minus) > 0.05 * (plus + minus)
        learnt, spared = (1, 0) if sign > 0 else (0, 1)
        assert weights[:, learnt].mean() < 75.0
        assert weights[:, spared].mean() > 79.0


@pytest.mark.genn
def test_stronger_reinforcement_is_learnt_more():
    lost = [
        np.mean(
            [
                80.0 - w.mean(axis=0)[1]
                for _, w in run(
                    "genn", {**BRIEFLY, "reinforcement_rate": rate}, duration_ms=7000.0, seeds=range(2)
                )
            ]
        )
        for rate in (10.0, 450.0, 600.0, 750.0)
    ]
    assert lost[0] == pytest.approx(0.0, abs=1e-6)  # too weak to make a dopaminergic neuron fire
    assert lost[1] < lost[2] < lost[3]


@pytest.mark.genn
def test_nothing_is_learnt_without_reinforcement():
    given = {**TRAINED, "protocol": "odour_only"}
    ((_, weights),) = run("genn", given, duration_ms=13_000.0)
    assert weights == pytest.approx(np.full((72, 2), 80.0))


@pytest.mark.genn
@pytest.mark.slow
def test_nest_and_genn_learn_alike():
    """From 6 s of training: the weight that is lost, over four graphs in each."""
    lost = {}
    for name in ("nest", "genn"):
        found = run(name, BRIEFLY, duration_ms=7000.0, seeds=range(4))
        lost[name] = np.array([80.0 - weights.mean(axis=0)[1] for _, weights in found])
    error = np.hypot(*(one.std(ddof=1) / np.sqrt(4) for one in lost.values()))
    assert abs(lost["nest"].mean() - lost["genn"].mean()) < 4 * error
    assert lost["genn"].mean() == pytest.approx(lost["nest"].mean(), rel=0.3)
