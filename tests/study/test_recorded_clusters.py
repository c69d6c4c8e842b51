"""Recorded clusters are compared with as many simulated ones, or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calibrate import StudyError, find_statistic, observe_trains, read_study
from calibrate.objective.derived import of_clusters, subsampled
from tests.helpers.studies import RATE_I, write_study

OWN = """
import numpy as np
from calibrate import Needs, statistic

@statistic(needs=Needs())
def most(observation, *, population="E"):
    "Largest number of spikes of a cluster."
    totals, sizes = observation.totals(population), observation.group_sizes(population)
    return float(max(part.sum() for part in np.split(totals, np.cumsum(sizes)[:-1])))

@statistic(needs=Needs())
def spikes(observation, *, population="E"):
    "Number of spikes of a population."
    return float(observation.totals(population).sum())
"""


def switching(units: int = 8, *, seed: int = 1) -> list[np.ndarray]:
    """Ten seconds of units that are up together for half a second of each."""
    random = np.random.default_rng(seed)
    rate = np.tile(np.repeat([80.0, 5.0], 500), 10)
    return [1.0 * np.flatnonzero(random.random(rate.size) < rate / 1000) + 1 for _ in range(units)]


def aimed(folder: Path, statistic: str, recorded: int | None, *, simulated: int = 2, **keys: Any) -> Path:
    """A study of 40 neurons in clusters, and a recording of 8 units in `recorded` ones; None: unknown."""
    rows = ["time_ms,unit" + (",cluster" if recorded else "")]
    for unit, train in enumerate(switching()):
        cluster = f",{unit * recorded // 8}" if recorded else ""
        rows += [f"{time:.1f},{unit}{cluster}" for time in train]
    (folder / "units.csv").write_text("\n".join(rows) + "\n")
    (folder / "own.py").write_text(OWN)
    return write_study(
        folder,
        recording={"file": "units.csv"},
        parameters={"N_Q": simulated},
        objectives=[{"statistic": statistic, "target": "recording", "tolerance": 0.1, **keys}, RATE_I],
    )


@pytest.mark.parametrize(
    ("statistic", "scope"),
    [
        ("correlation_E", True),
        ("synchrony_E", True),
        ("dwell_time", False),
        ("active_clusters", False),
        ("switching_rate", False),
        ("bimodality_E", False),
        ("own.py:most", False),
    ],
)
def test_units_of_unknown_clusters_are_not_taken_for_one_cluster(tmp_path, statistic, scope):
    path, name = aimed(tmp_path, statistic, None), statistic.rpartition(":")[2]
    with pytest.raises(StudyError) as caught:
        read_study(path)
    message = str(caught.value)
    assert "\n" not in message
    assert f"{name} depends on the clusters of E, of which the recording has 1 and the network 2" in message
    assert ('options = { scope = "all" }' in message) == scope
    assert "name the cluster of each unit in the recording" in message
    assert read_study(path, searched=False).objectives[0].name == name  # what is stored can be shown


def test_neither_is_their_distribution(tmp_path):
    keys = {"target": None, "distribution": "recording"}
    with pytest.raises(StudyError, match="bimodality_E depends on the clusters of E"):
        read_study(aimed(tmp_path, "bimodality_E", 4, **keys))


@pytest.mark.parametrize("statistic", ["rate_E", "fano_E", "locking_E", "own.py:spikes"])
def test_what_does_not_depend_on_clusters_needs_none(tmp_path, statistic):
    assert read_study(aimed(tmp_path, statistic, None)).objectives


@pytest.mark.parametrize("statistic", ["correlation_E", "synchrony_E"])
def test_a_population_as_one_group_needs_none(tmp_path, statistic):
    study = read_study(aimed(tmp_path, statistic, None, options={"scope": "all"}))
    found = find_statistic(statistic)(observe_trains(switching(), duration_ms=10_000))
    assert study.objectives[0].target.value == pytest.approx(found.value, rel=0.05)


@pytest.mark.parametrize(
    ("recorded", "simulated", "clusters", "remedy"),
    [
        (4, 4, None, None),
        (4, 8, None, "compare as many (clusters = [0, 1, 2, 3])"),
        (8, 4, None, "compare as many (clusters = [0, 1, 2, 3])"),
        (4, 1, None, "compare one (clusters = [0])"),
        (4, 8, [4, 5, 6, 7], None),  # the recorded ones stand for these
        (8, 4, [0, 3], None),
        (None, 4, [3], None),
        (4, 8, [5, 6], "in the recording: statistic dwell_time raised ObservationError: E has no cluster 5"),
    ],
)
def test_as_many_clusters_are_compared(tmp_path, recorded, simulated, clusters, remedy):
    keys = {"clusters": clusters} if clusters else {}
    path = aimed(tmp_path, "dwell_time", recorded, simulated=simulated, **keys)
    if remedy is None:
        assert read_study(path).objectives
    else:
        with pytest.raises(StudyError) as caught:
            read_study(path)
        assert remedy in str(caught.value)


def test_a_sample_of_neurons_is_drawn_from_the_clusters_that_are_included(tmp_path):
    path = aimed(tmp_path, "own.py:spikes", None, simulated=4, clusters=[1], neurons=10, target=1.0)
    observation = observe_trains(
        {"E": [np.array([5.0])] * 10 + [np.array([5.0, 10.0])] * 30, "I": [[]] * 10},
        duration_ms=2000,
        clusters={"E": 4},
    )
    assert read_study(path).objectives[0].statistic(observation).value == 20  # all ten of cluster 1
    spikes = find_statistic("own.py:spikes", folder=tmp_path)
    assert of_clusters(subsampled(spikes, neurons=10), [0])(observation).value == 10


def test_another_number_of_neurons_is_said_where_it_matters(tmp_path):
    def said(statistic: str, **keys: Any) -> list[str]:
        found = read_study(aimed(tmp_path, statistic, None, **keys)).warnings
        return [warning for warning in found if "number of neurons" in warning]

    whole = {"scope": "all"}
    assert said("synchrony_E", options=whole) == [
        "synchrony_E depends on the number of neurons: 8 are recorded, and 40 simulated ones are measured; "
        "write neurons = 8"
    ]
    assert not said("synchrony_E", options=whole, neurons=8)
    assert not said("rate_E")
