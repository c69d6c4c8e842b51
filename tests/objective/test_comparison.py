"""Statistics of some clusters and of a part of the time, against the same spikes observed alone."""

from __future__ import annotations

import numpy as np
import pytest

from calibrate import Observation, ObservationError, StudyError, find_statistic, measure, observe_trains
from calibrate.errors import ObjectiveError
from calibrate.objective.derived import during, of_clusters
from calibrate.observation import parts
from tests.helpers.spike_trains import gamma_trains
from tests.helpers.studies import RATE_E, RATE_I, small_study


def trains(n: int, rate_hz: float, seed: int) -> list[np.ndarray]:
    steps = gamma_trains(np.random.default_rng(seed), n, shape=2, rate_hz=rate_hz, duration_ms=4000)
    return [0.1 * (step + 1) for step in steps]


SLOW, FAST, OTHERS = trains(10, 4, 1), trains(10, 20, 2), trains(8, 10, 3)


@pytest.fixture
def both() -> Observation:
    return observe_trains({"E": SLOW + FAST, "I": OTHERS}, duration_ms=4000, clusters={"E": 2})


def test_some_clusters_alone_have_what_they_have_when_they_are_all_there_is(both):
    alone = measure(observe_trains({"E": FAST, "I": OTHERS}, duration_ms=4000))
    for name in ("rate_E", "cv2_E", "fano_E", "synchrony_E", "locking_E"):
        found = of_clusters(find_statistic(name), [1])(both)
        assert found.value == alone[name].value
        assert found.support == alone[name].support
    rest = parts.of_clusters(both, "E", [1])
    assert rest.spikes is not None
    assert measure(rest)["rate_I"].value == alone["rate_I"].value


def test_a_part_of_the_time_has_what_it_has_when_it_is_all_there_is(both):
    alone = observe_trains(
        {"E": SLOW + FAST, "I": OTHERS}, start_ms=1000, duration_ms=2000, clusters={"E": 2}
    )
    expected = measure(alone)
    for name in ("rate_E", "cv2_I", "fano_E", "locking_E"):
        assert during(find_statistic(name), 1000.0, 3000.0)(both).value == expected[name].value


def test_what_is_not_there_is_refused(both):
    with pytest.raises(ObservationError, match="E has no cluster 2; it has 0 to 1"):
        of_clusters(find_statistic("rate_E"), [2])(both)
    with pytest.raises(ObservationError, match="is not part of a measurement of 4000 ms"):
        during(find_statistic("rate_E"), 1000.0, 5000.0)(both)


def test_a_study_file_names_clusters_and_parts(tmp_path):
    study = small_study(tmp_path, objectives=[RATE_E | {"clusters": [1], "during_ms": [500, 1500]}, RATE_I])
    assert study.needs.spikes
    assert study.digest != small_study(tmp_path).digest


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (
            {"clusters": [2]},
            r":23: \[objectives 1\] clusters names a cluster that E does not have: 2; it has 0 to 1",
        ),
        ({"clusters": []}, "must be a list of at least 1 values"),
        ({"during_ms": [0, 9000]}, r"during_ms must lie between 0 and 2000 ms.*\[0.0, 9000.0\]"),
        ({"during_ms": [500, 100]}, "the earlier time first"),
        ({"during_ms": [0.5, 100.5]}, "a time of 0.5 ms is not a whole number"),
        ({"during_ms": [0]}, "must be a list of 2 values"),
    ],
)
def test_clusters_and_parts_that_are_not_there_are_one_line(tmp_path, more, message):
    with pytest.raises(StudyError, match=message) as caught:
        small_study(tmp_path, objectives=[RATE_E | more, RATE_I])
    assert "\n" not in str(caught.value)


def test_a_statistic_of_no_population_has_no_clusters():
    from dataclasses import replace

    with pytest.raises(ObjectiveError, match="has no population"):
        of_clusters(replace(find_statistic("rate_E"), options={}), [0])
