"""Stimulus protocols of study files, and what is measured of the responses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from calibrate import Observation, StudyError, make_study, observe_trains, read_results, run_study, simulate
from calibrate.errors import ObjectiveError
from calibrate.observation import Presentation, during, of_clusters
from calibrate.store import archive
from objectives.evoked import decoding, evoked_latency, evoked_rate, fano_quenching
from tests.helpers.networks import SMALL
from tests.helpers.studies import RATE_E, RATE_I, small_study

ONSETS = np.arange(500, 30_000, 1000)
LENGTH, DELAY = 300, 40


@pytest.fixture(scope="module")
def planted() -> Observation:
    """Two clusters that take turns: 10 Hz, and 50 Hz from 40 ms after the onset of a stimulus to its end.

    The rate before an onset differs from time to time; while the stimulus is on it does not.
    """
    random = np.random.default_rng(3)
    steps = 30_500
    rate = np.zeros((2, steps))
    for k in range(31):
        rate[:, 1000 * k : 1000 * (k + 1)] = random.choice([2.0, 18.0])
    for k, onset in enumerate(ONSETS):
        rate[:, onset : onset + LENGTH] = 10.0
        rate[k % 2, onset + DELAY : onset + LENGTH] = 50.0
    fires = random.random((2, 40, steps)) < rate[:, None, :] / 1000
    trains = [np.flatnonzero(row) + 1.0 for row in fires.reshape(80, steps)]
    found = observe_trains(trains, duration_ms=float(steps), dt_ms=1.0, clusters=2)
    shown = tuple(Presentation("E", (k % 2,), float(o), float(o + LENGTH)) for k, o in enumerate(ONSETS))
    return replace(found, presentations=shown)


def test_the_evoked_rate_is_the_response_less_the_baseline(planted):
    found = evoked_rate(planted)
    response = (10 * DELAY + 50 * (LENGTH - DELAY)) / LENGTH
    assert found.value == pytest.approx(response - 10, abs=3 * found.error)
    assert found.support == len(ONSETS)


def test_the_latency_is_when_the_rate_rises(planted):
    found = evoked_latency(planted)
    assert found.value == pytest.approx(DELAY, abs=20)  # 2 sigma early at the most
    assert found.support == len(ONSETS)


def test_variability_is_quenched_where_rates_become_the_same(planted):
    found = fano_quenching(planted)
    # Before: a rate of 2 or 18 Hz in 200 ms, mean 2 spikes and variance of the mean 1.6^2; after: Poisson.
    assert found.value == pytest.approx(-(1.6**2) / 2, abs=0.35)
    assert found.error < 0.15


def test_the_stimulated_cluster_can_be_decoded_and_by_chance_where_it_shows_nothing(planted):
    found = decoding(planted)
    assert (found.value, found.note) == (1.0, "chance level 0.5")
    blind = replace(
        planted,
        presentations=tuple(
            replace(o, start_ms=o.start_ms - 400, stop_ms=o.start_ms) for o in planted.presentations
        ),
    )
    assert decoding(blind).value == pytest.approx(0.5, abs=0.3)


@pytest.mark.parametrize("offset_ms", [0, 3, 7, 24, 49])
def test_windows_do_not_depend_on_the_offset_of_stimuli_from_the_bins(offset_ms):
    """Every neuron fires 1 spike in 5 ms during stimuli of 300 ms, and nowhere else."""
    onsets = np.arange(500, 5000, 700) + offset_ms
    train = np.concatenate([np.arange(onset, onset + 300, 5) for onset in onsets])
    seen = observe_trains([train + 1.0] * 4, duration_ms=6000.0, dt_ms=1.0, clusters=2)
    shown = tuple(Presentation("E", (k % 2,), float(o), o + 300.0) for k, o in enumerate(onsets))
    seen = replace(seen, presentations=shown)
    coarse = evoked_rate.with_options(bin_ms=20.0)(seen)
    assert coarse.value == pytest.approx(200.0, rel=1e-9)
    assert evoked_latency.with_options(sigma_ms=0.1)(seen).value <= 7.5
    found = fano_quenching.with_options(min_count=0.5)(seen)
    assert not found.defined  # silent before every stimulus: no spike leaks into that window
    brief = replace(seen, presentations=tuple(replace(one, stop_ms=one.start_ms + 150) for one in shown))
    assert fano_quenching(brief).note == "no stimulus that contains a window is presented twice"


def test_without_stimuli_nothing_is_defined(planted):
    none = replace(planted, presentations=())
    for statistic in (evoked_rate, evoked_latency, fano_quenching, decoding):
        found = statistic(none)
        assert not found.defined
        assert found.shortfall == 1
        assert found.note


def test_a_part_of_the_time_and_some_clusters_keep_their_stimuli(planted):
    part = during(planted, 10_000.0, 20_000.0)
    assert [one.start_ms for one in part.presentations] == [500.0 + 1000 * k for k in range(10)]
    first = evoked_rate(of_clusters(planted, "E", [1]))
    assert first.support == len(ONSETS) // 2


def test_presentations_are_kept_with_an_observation(planted, tmp_path: Path):
    archive.save(planted, tmp_path / "x.npz")
    assert archive.load(tmp_path / "x.npz").presentations == planted.presentations


PROTOCOL = {
    "clusters": "each",
    "current_pA": 4.0,
    "duration_ms": 100,
    "first_ms": 300,
    "every_ms": 400,
    "repetitions": 4,
}
EVOKED = {"objectives": [RATE_E, RATE_I | {"interval": None, "statistic": "evoked_rate", "target": 20.0}]}


def test_a_study_with_a_protocol_measures_the_responses(tmp_path):
    study = small_study(tmp_path, EVOKED, stimuli=[PROTOCOL])
    assert [(s.clusters, s.start_ms) for s in study.conditions[0].stimuli] == [
        ((0,), 300.0), ((1,), 700.0), ((0,), 1100.0), ((1,), 1500.0)
    ]  # fmt: skip
    assert study.digest != small_study(tmp_path, EVOKED).digest
    found = simulate(study, {"I_E": 1.0})
    # A Poisson neuron of the tests fires 5 Hz for each pA.
    assert found.statistics["evoked_rate"] == pytest.approx(20.0, abs=4.0)
    assert found.observation.presentations[1] == Presentation("E", (1,), 700.0, 800.0)
    result = run_study(study, slots=2, progress=False)
    assert result.complete == 8
    results = read_results(study)
    assert results.observation(0).presentations == found.observation.presentations


def test_the_warm_up_does_not_shift_the_protocol(tmp_path):
    study = small_study(tmp_path, EVOKED, stimuli=[PROTOCOL], simulation={"warmup_ms": 250.0})
    found = simulate(study, {"I_E": 1.0})
    assert found.observation.presentations[0].start_ms == 300.0
    assert found.statistics["evoked_rate"] == pytest.approx(20.0, abs=4.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"clusters": [0, 2]}, "names a cluster that E does not have: 2; it has 0 to 1"),
        (
            {"clusters": "all"},
            'clusters must be a list of cluster numbers, or "each": "all"',
        ),
        (
            {"population": "X", "clusters": [0]},
            r"population is not a population: \"X\"; populations are",
        ),
        ({"duration_ms": 0}, "duration_ms must be above 0"),
        ({"duration_ms": 100.5}, "is not a whole number of 1 ms steps"),
        ({"repetitions": 9}, "a presentation outside the 2000 ms"),
        ({"repetitions": None}, "does not say when it is presented"),
        ({"repetitions": None, "onsets_ms": [1]}, "has both onsets_ms and a regular train"),
        ({"current_pA": None}, "current_pA is missing"),
    ],
)
def test_a_protocol_that_cannot_be_is_one_line(tmp_path, change, message):
    with pytest.raises(StudyError, match=message) as caught:
        small_study(tmp_path, EVOKED, stimuli=[PROTOCOL | change])
    assert "\n" not in str(caught.value)
    assert ": [stimuli 1]" in str(caught.value)


def test_options_that_cannot_be_are_refused():
    with pytest.raises(ObjectiveError, match="window_ms must be a multiple of 50 ms"):
        fano_quenching.with_options(window_ms=120.0)
    with pytest.raises(ObjectiveError, match="before_ms must be at least one bin"):
        evoked_rate.with_options(before_ms=1.0)


@pytest.mark.genn
def test_nest_and_genn_give_the_same_spikes_under_a_protocol(tmp_path):
    protocol = {"clusters": "each", "current_pA": 0.5, "duration_ms": 100.0}
    protocol |= {"first_ms": 200.0, "every_ms": 250.0, "repetitions": 3}
    found = []
    for backend in ("nest", "genn"):
        timing = (backend, 200.0, 1000.0, "double")
        study = make_study(
            "stimulated",
            model="ei_clustered",
            parameters=SMALL,
            simulation=dict(zip(("backend", "warmup_ms", "duration_ms", "precision"), timing, strict=True)),
            stimuli=[protocol],
            objectives=[{"statistic": "evoked_rate", "target": 5.0, "tolerance": 1.0}],
            budget={"trials": 1},
            folder=tmp_path,
        )
        found.append(simulate(study))
    nest, genn = found
    assert nest.statistics["evoked_rate"] > 3.0
    assert np.array_equal(nest.observation.spikes.step, genn.observation.spikes.step)
    assert np.array_equal(nest.observation.spikes.neuron, genn.observation.spikes.neuron)
    assert nest.observation.presentations == genn.observation.presentations
