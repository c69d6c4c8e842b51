"""What every built-in statistic keeps to, and one in a file as a user writes it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from calibrate import Needs, ObjectiveError, plugins, statistic
from calibrate.objective import Objective, Statistic, Value, find_statistic
from calibrate.observation import parts
from calibrate.testing import DURATION_MS, REGIMES, StatisticContract, observed

NAMES = sorted(plugins.installed(plugins.STATISTICS))
CHECKS = [name for name in dir(StatisticContract) if name.startswith("test_")]
ALWAYS_DEFINED = ["rate", "rate_sd", "silent_fraction", "active_clusters", "switching_rate"]
OWN = """
from calibrate import Needs, statistic

@statistic(unit="Hz", needs=Needs(bin_ms=5.0))
def peak_rate(observation, *, population="E"):
    "Highest rate of any cluster in a 5 ms bin; 0 for a silent network."
    counts = observation.group_counts(population, 5.0)
    return (counts / observation.group_sizes(population)[:, None]).max() / 0.005

@statistic(needs=Needs())
def careless(observation):
    return observation.totals("E").std() / observation.totals("E").mean()
"""


def contract(statistic: Statistic) -> StatisticContract:
    made = StatisticContract()
    made.statistic = statistic
    return made


every_statistic = pytest.mark.parametrize("name", NAMES)


@pytest.mark.parametrize("check", CHECKS)
@every_statistic
def test_a_built_in_statistic_keeps_the_contract(name, check):
    getattr(contract(find_statistic(name)), check)()


@pytest.mark.parametrize("check", CHECKS)
def test_a_statistic_in_a_users_file_keeps_it_too(tmp_path: Path, check):
    (tmp_path / "own.py").write_text(OWN)
    getattr(contract(find_statistic("own.py:peak_rate", folder=tmp_path)), check)()


@pytest.mark.filterwarnings("ignore:invalid value")
def test_the_contract_finds_what_is_wrong(tmp_path):
    (tmp_path / "own.py").write_text(OWN)
    careless = contract(find_statistic("own.py:careless", folder=tmp_path))
    with pytest.raises(AssertionError, match="silent"):
        careless.test_an_undefined_value_says_why()
    with pytest.raises(AssertionError, match="docstring is missing"):
        careless.test_it_says_what_it_is()


@every_statistic
def test_a_built_in_statistic_says_all_of_itself(name):
    found = find_statistic(name)
    assert found.depends_on is not None
    assert found.options.get("population", "E") == "E"
    # What a network does in its world is of no population.
    assert found.needs.episodes or "population" in found.options
    assert 10 < len(found.summary) < 100
    assert found.summary.endswith(".")
    text = found.function.__doc__ or ""
    for word in ("Support:", "spike", *(["population"] if "population" in found.options else [])):
        assert word in text
    assert "Undefined" in text or "always defined" in text


@pytest.mark.parametrize("name", ALWAYS_DEFINED)
def test_what_is_always_defined_is_so_in_every_regime(name):
    for trains in REGIMES.values():
        assert find_statistic(name)(observed(trains)).defined


@pytest.mark.parametrize("name", ["cv", "cv2", "lv", "lvr", "fano", "dwell_time"])
def test_undefined_losses_fall_from_deep_silence_to_almost_enough_activity(name):
    found, silent = find_statistic(name), REGIMES["silent"]
    almost = [50 * np.arange(2) + 400 * (i % 5) for i in range(len(silent))]
    ladder = [
        observed(silent),
        *(observed(silent, depolarisation=v) for v in (-1e6, -50.0, -1.0, 0.0, 0.5, 0.9, 0.999)),
        observed(REGIMES["one spike"], depolarisation=0.9),
        observed(REGIMES["a spike each"], depolarisation=-1.0),
        observed(almost),
    ]
    estimates = [found(observation) for observation in ladder]
    assert not any(estimate.defined for estimate in estimates)
    losses = [Objective(statistic=found, target=Value(1.0, 0.01)).loss(e) for e in estimates]
    assert losses == sorted(set(losses), reverse=True)


@pytest.mark.parametrize("name", ["synchrony", "locking", "correlation", "spectral_peak_power"])
def test_losses_of_silent_networks_fall_towards_threshold(name):
    found = find_statistic(name)
    estimates = [
        found(observed(REGIMES["silent"], depolarisation=v)) for v in (np.nan, -50.0, 0.0, 0.5, 0.99)
    ]
    losses = [Objective(statistic=found, target=Value(1.0, 0.01)).loss(e) for e in estimates]
    assert losses == sorted(set(losses), reverse=True)


OF_CLUSTERS = [
    "synchrony",
    "correlation",
    "dwell_time",
    "up_gap",
    "active_clusters",
    "active_sd",
    "multiple_active",
    "occupancy_entropy",
    "switching_rate",
    "bimodality",
    "dip",
    "cluster_rate_variance",
    "hmm_states",
]


@pytest.mark.parametrize("name", OF_CLUSTERS)
def test_a_statistic_of_clusters_says_so_since_its_value_differs(name):
    found = find_statistic(name)
    assert "clusters" in found.depends_on
    values = [found(observed(REGIMES["switching"], clusters=n)).value for n in (4, 1)]
    assert values[0] != pytest.approx(values[1])


@pytest.mark.parametrize("name", ["synchrony", "correlation"])
def test_the_population_as_one_group_is_what_one_cluster_is(name):
    whole = find_statistic(name, {"scope": "all"})
    assert "clusters" not in whole.depends_on
    for regime, trains in REGIMES.items():
        one = find_statistic(name)(observed(trains, clusters=1))
        assert whole(observed(trains)).value == pytest.approx(one.value, nan_ok=True), regime


@pytest.mark.parametrize("name", ["synchrony", "locking"])
def test_a_statistic_of_summed_spikes_says_that_their_number_matters(name):
    found = find_statistic(name)
    assert "neurons" in found.depends_on
    irregular = observed(REGIMES["irregular"])
    half = parts.of_neurons(irregular, np.arange(0, 40, 2))
    assert found(half).value > 1.2 * found(irregular).value


def test_what_matters_to_a_statistic_is_one_of_two_things():
    with pytest.raises(ObjectiveError, match='depends_on may hold "clusters" and "neurons"'):
        statistic(needs=Needs(), depends_on=["cluster"])(lambda _: 0.0)


def test_the_regimes_are_what_they_are_called():
    spikes = {name: sum(train.size for train in trains) for name, trains in REGIMES.items()}
    assert [spikes[name] for name in ("silent", "one spike", "two spikes")] == [0, 1, 2]
    assert spikes["saturated"] == 40 * DURATION_MS
    assert spikes["irregular"] == pytest.approx(8 * 40 * 2, rel=0.1)
