"""The rules of platforms, against the released software that they are from."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from calibrate.errors import ModelError
from calibrate.hardware import PLATFORMS, Hardware, Limited, hardware, state
from calibrate.hardware.platforms import SOURCES
from calibrate.hardware.steps import weight_steps
from calibrate.network import (
    Bernoulli,
    FixedIndegree,
    Network,
    PoissonInput,
    Population,
    Projection,
    UniformDelay,
    UniformIndegree,
    UniformPotential,
    Values,
)

POTENTIALS = UniformPotential(-70.0, -55.0)


def made(
    rule: dict[str, object],
    weights: dict[str, float],
    delays: dict[str, object],
    noise: PoissonInput | None = None,
) -> tuple[Network, Values]:
    """Populations of 80 and 20 neurons; weights in nA, as sPyNNaker has them."""
    pairs = [name.split("_to_") for name in weights]
    network = Network(
        populations=(Population(name="E", size=80, noise=noise is not None), Population(name="I", size=20)),
        projections=tuple(
            Projection(
                source=source,
                target=target,
                rule=rule[f"{source}_to_{target}"],
                delay_ms=delays.get(f"{source}_to_{target}", 1.0),
                receptor="ex" if source == "E" else "in",
            )
            for source, target in pairs
        ),
    )
    values = Values(
        neurons={"E": {}, "I": {}},
        weights={f"{name}_all": 1000 * weight for name, weight in weights.items()},
        initial={"E": POTENTIALS, "I": POTENTIALS},
        noise={} if noise is None else {"E": noise},
    )
    return network, values


ALL = {"E_to_E": 0.5, "I_to_E": -1.3, "E_to_I": 0.37, "I_to_I": -0.02}
FIXED = {
    "E_to_E": FixedIndegree(16 / 80),
    "I_to_E": FixedIndegree(8 / 20),
    "E_to_I": FixedIndegree(12 / 80),
    "I_to_I": FixedIndegree(5 / 20),
}
RANDOM = {
    "E_to_E": Bernoulli(0.2),
    "I_to_E": Bernoulli(0.5),
    "E_to_I": Bernoulli(0.3),
    "I_to_I": Bernoulli(0.5),
}
SPREAD = {"E_to_E": 0.5, "E_to_I": 3.7, "I_to_I": -0.02, "I_to_E": -0.5}
MANY = {
    "E_to_E": FixedIndegree(40 / 80),
    "E_to_I": FixedIndegree(60 / 80),
    "I_to_I": FixedIndegree(10 / 20),
    "I_to_E": FixedIndegree(10 / 20),
}
DELAYS = {
    "E_to_E": UniformDelay(1.0, 5.0),
    "E_to_I": UniformDelay(1.0, 4.0),
    "I_to_E": UniformDelay(1.0, 3.0),
}

# Results of `get_ring_buffer_shifts` of sPyNNaker 1!7.4.1, for IF_curr_exp with FixedNumberPreConnector or
# FixedProbabilityConnector (FIXED, RANDOM), by population: excitatory, inhibitory.
SHIFTS = [
    (made(FIXED, ALL, {}), 1.0, {"E": (4, 4), "I": (3, 0)}),
    (made(RANDOM, ALL, {}), 1.0, {"E": (5, 5), "I": (5, 0)}),
    (made(MANY, SPREAD, DELAYS), 1.0, {"E": (2, 1), "I": (5, 0)}),
    (made(MANY, SPREAD, DELAYS), 0.1, {"E": (0, 0), "I": (4, 0)}),
    (made(FIXED, ALL, {}, PoissonInput(400.0, 2000.0)), 1.0, {"E": (4, 4), "I": (3, 0)}),
    (made(FIXED, ALL, {}, PoissonInput(50.0, 2000.0)), 0.1, {"E": (4, 4), "I": (3, 0)}),
]


@pytest.mark.parametrize(("given", "dt_ms", "shifts"), SHIFTS)
def test_weights_have_the_steps_of_spynnaker(given, dt_ms, shifts):
    network, values = given
    steps = weight_steps(network, values, hardware("spinnaker"), dt_ms=dt_ms)
    for projection in network.projections:
        shift = shifts[projection.target][0 if projection.receptor == "ex" else 1]
        assert steps[projection.name] == 1000 * 2.0 ** (shift - 15)


def test_weights_are_rounded_as_spynnaker_writes_them():
    """`numpy.rint(abs(weight) * scale)`, with the scales 2^(15 - shift) that it returned for this network."""
    network, values = SHIFTS[0][0]
    given = Limited(hardware("spinnaker"), 1.0).of_values(network, values).weights
    for name, scale in {"E_to_E": 2048, "I_to_E": 2048, "E_to_I": 4096, "I_to_I": 32768}.items():
        written = np.copysign(np.rint(abs(ALL[name]) * scale), ALL[name])
        assert given[f"{name}_all"] == pytest.approx(1000 * written / scale, rel=1e-14)


# A run of brian2-loihi 0.5.2 (Brian2 2.9.0): three neurons with decay_v = 200, decay_I = 1300, a threshold of
# 400 x 64 and refractory = 2. A source that fires at steps 1, 4, 5, 9, 20 and 21 excites them with the
# mantissas 200, 131 and 77 (delay 1), and inhibits the third with -37, exponent -2, both signs (delay 0). The
# first inhibits the second with -65, and the second the third with -30, exponent 1 (delay 0).
LOIHI_V = """
0 0 12800 20912 0 0 24316 0 0 7734 25435 0 0 5750 \
9394 11614 12874 13492 13684 13595 13326 0 0 14827 24224 0 0 3218 \
5256 6498 7203 7549 7656 7606 7455 7240 6988 6715 6434 6151
0 0 8384 13697 16934 18837 0 0 -3546 -5792 1224 5760 295 -3258 \
-5513 -6891 -7678 -8070 -8198 -8154 -7998 612 6256 9823 11986 13204 5470 363 \
-2958 -5067 -6357 -7095 -7464 -7587 -7549 -7407 -7199 -6952 -6683 -6404
0 -576 3988 6888 8087 13092 21066 22077 22391 21671 0 0 2415 3945 \
4876 5404 5663 5743 5705 5591 4854 8652 15912 20379 22962 24283 24764 24691 \
24261 23605 22813 21945 21040 20125 19219 18332 17471 16640 15842 15078
"""
LOIHI_SPIKES = [(0, 4), (1, 6), (0, 7), (2, 10), (0, 11), (0, 21), (0, 25)]


def test_three_neurons_of_loihi_are_equal_to_brian2_loihi_step_for_step():
    weight = state.loihi_weight
    excite = np.array([weight(200, 0), weight(131, 0), weight(77, 0)])
    inhibit = {0: (1, weight(-65, 1)), 1: (2, weight(-30, 1))}
    both_signs = weight(-37, -2, mixed=True)
    assert [*excite, inhibit[0][1], inhibit[1][1], both_signs] == [12800, 8384, 4928, -8320, -3840, -576]
    source, threshold = {1, 4, 5, 9, 20, 21}, 400 * 64
    v, current, frozen = np.zeros((3, 3), dtype=np.int64)
    rows, spikes, fired = [], [], []
    for t in range(40):
        arriving = np.zeros(3, dtype=np.int64)
        arriving += excite * (t - 1 in source)
        arriving[2] += both_signs * (t in source)
        for neuron in fired:
            if neuron in inhibit:
                arriving[inhibit[neuron][0]] += inhibit[neuron][1]
        stepped, current = state.loihi_step(v, current, arriving, decay_v=200, decay_i=1300)
        v = np.where(frozen > 0, v, stepped)
        frozen -= frozen > 0
        fired = np.flatnonzero(v > threshold).tolist()
        v[fired], frozen[fired] = 0, 1  # refractory = 2 is the step of the spike and one more
        spikes += [(neuron, t) for neuron in fired]
        rows.append(v.copy())
    assert np.transpose(rows).tolist() == [[*map(int, row.split())] for row in LOIHI_V.split("\n")[1:-1]]
    assert spikes == LOIHI_SPIKES


def test_the_state_in_fixed_point_is_equal_to_exact_rational_arithmetic():
    unit = Fraction(1, 2**15)
    left, resistance, rest = 31_170, round(20 / 0.25 * 2**15), -65 * 2**15  # exp(-1 / 20), 80 MOhm
    random = np.random.default_rng(0)
    v = np.array([-70 * 2**15])
    of_fractions = Fraction(-70)

    def nearest(value: Fraction) -> Fraction:
        return math.floor(value / unit + Fraction(1, 2)) * unit

    for given in random.integers(-(2**14), 2**15, 300):
        v = state.fixed_point_step(
            v, np.array([given]), rest=rest, resistance=resistance, left=left, places=15
        )
        equilibrium = nearest(int(given) * unit * resistance * unit) + rest * unit
        of_fractions = equilibrium - nearest(left * unit * (equilibrium - of_fractions))
        assert int(v[0]) * unit == of_fractions


def test_every_platform_has_a_source_but_the_custom_one():
    assert SOURCES.keys() == PLATFORMS.keys()
    assert [target for target, source in SOURCES.items() if not source] == ["custom"]
    assert all(one.target == target for target, one in PLATFORMS.items())
    assert PLATFORMS["custom"] == Hardware()


def test_the_unit_of_loihi_holds_the_threshold_and_the_largest_weight():
    network, values = made(FIXED, ALL, {})
    loihi = hardware("loihi")
    steps = weight_steps(network, values, loihi, dt_ms=1.0)
    gap_pA = 15.0 * 250.0  # V_th - E_L times C_m / dt
    for target in ("E", "I"):
        onto = {p.name: abs(values.weights[p.name]) for p in network.projections if p.target == target}
        finest = max(max(onto.values()) / (255 * 2**7), gap_pA / (2**17 - 1))
        for name, weight in onto.items():
            places = math.log2(steps[name] / finest)
            assert places == pytest.approx(round(places), abs=1e-9)
            assert 127 < weight / steps[name] <= 255 * (1 + 1e-12) or steps[name] == pytest.approx(finest)


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"weight_bit": 8}, "there is no limit 'weight_bit' (did you mean 'weight_bits'?)"),
        ({"rounding": "down"}, "rounding must be one of nearest, random, optimal, not 'down'"),
        ({"weight_bits": 1}, "weight_bits must be from 2 to 32, not 1"),
        ({"min_delay_steps": 9, "max_delay_steps": 3}, "min_delay_steps = 9 is above max_delay_steps = 3"),
        (
            {"scaling": "ring_buffer", "scale": "receptor", "rounding": "optimal"},
            'rounding = "optimal" needs a choice of steps',
        ),
        ({"scaling": "ring_buffer"}, 'has a step for each receptor: scale must be "receptor"'),
        ({"threshold_bits": 17}, 'threshold_bits counts in the unit of scaling = "power_of_two"'),
    ],
)
def test_a_wrong_limit_is_an_error_that_names_it(limits, message):
    with pytest.raises(ModelError) as error:
        hardware("custom", **limits)
    assert message in str(error.value)


def test_an_unknown_platform_is_an_error_with_a_suggestion():
    with pytest.raises(ModelError, match=r"no platform 'spinaker' \(did you mean 'spinnaker'\?\)"):
        hardware("spinaker")


def test_delays_are_cut_to_the_range_and_rounded_to_the_step():
    limits = hardware("custom", delay_step_ms=0.5, min_delay_steps=2, max_delay_steps=8)
    assert [limits.delay_ms(ms, 0.1) for ms in (0.1, 1.2, 1.3, 9.0)] == [1.0, 1.0, 1.5, 4.0]
    assert hardware("custom").delay_ms(0.13, 0.1) == 0.13
    network, _ = made({**FIXED, "E_to_E": UniformIndegree(1, 3)}, ALL, DELAYS)
    found = {p.name: p.delay_ms for p in Limited(limits, 0.1).of_network(network).projections}
    assert found["E_to_E_all"] == UniformDelay(1.0, 4.0)
    assert found["I_to_I_all"] == 1.0


@pytest.mark.parametrize(("places", "differs"), [(15, False), (4, True)])
def test_what_the_rounding_of_the_state_changes_is_counted_in_steps(places, differs):
    """Without it, V reaches the threshold after tau ln(drive / (drive - gap)); t_ref is 20 steps."""
    network, values = made(FIXED, ALL, {})
    neurons = {name: {"I_e": 480.0, "tau_m": 16.0} for name in "EI"}
    values = replace(values, neurons=neurons)
    limits = hardware("custom", state_fraction_bits=places)
    drive = 480.0 * 16.0 / 250.0
    steps = math.ceil(16.0 * math.log(drive / (drive - 15.0)) / 0.1) + 20
    for one in state.alone(network, values, values, limits, dt_ms=0.1):
        assert one.exact == steps
        assert one.on_chip is None or abs(one.on_chip - steps) < 5 or differs
        assert (one.on_chip != steps) == differs
    assert not list(state.alone(network, values, values, hardware("custom"), dt_ms=0.1))


def test_a_neuron_on_loihi_fires_by_itself_as_it_does_in_floating_point():
    network, values = made(FIXED, ALL, {})
    values = replace(values, neurons={name: {"I_e": 480.0, "tau_m": 16.0} for name in "EI"})
    for one in state.alone(network, values, values, hardware("loihi"), dt_ms=1.0):
        assert one.exact is not None
        assert one.on_chip in (one.exact, one.exact + 1)
    silent = replace(values, neurons={name: {"I_e": 100.0} for name in "EI"})
    for one in state.alone(network, silent, silent, hardware("loihi"), dt_ms=1.0):
        assert (one.exact, one.on_chip) == (None, None)


def test_a_population_without_input_has_a_threshold_on_loihi():
    network, values = made({"E_to_E": FIXED["E_to_E"]}, {"E_to_E": 0.5}, {})
    found = Limited(hardware("loihi"), 1.0).of_values(network, values)
    assert found.neurons["I"]["V_th"] == pytest.approx(-55.0, abs=1e-4)
    assert len(list(state.alone(network, values, found, hardware("loihi"), dt_ms=1.0))) == 2
