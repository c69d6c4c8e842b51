"""Spikes that leave: what is written is what was simulated, and reads back as a recording."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pynwb import NWBHDF5IO
from pynwb import validate as validated

from calibrate import Observation, observe_trains, read_recording, write_spikes
from calibrate.cli.commands import execute
from calibrate.errors import ObservationError, RecordingError
from calibrate.observation import Accumulator
from tests.helpers.spike_trains import poisson_trains
from tests.helpers.studies import write_study

FORMATS = [".csv", ".npz", ".nwb"]
DURATION_MS = 500.0


@pytest.fixture
def observation() -> Observation:
    """Two populations, the first in clusters of 3, 2 and 2 neurons; one neuron of each is silent."""
    random = np.random.default_rng(5)
    trains = [0.1 * (step + 1) for step in poisson_trains(random, 12, rate_hz=40, duration_ms=DURATION_MS)]
    trains[4], trains[11] = np.array([]), np.array([])
    trains[0] = np.array([0.1, 0.3, DURATION_MS])  # the first and the last step that count
    return observe_trains(
        {"E": trains[:7], "I": trains[7:]},
        duration_ms=DURATION_MS,
        clusters={"E": [3, 2, 2], "I": 1},
        dt_ms=0.1,
    )


def times(observation: Observation) -> list[list[float]]:
    """Spike times of each neuron, to a nanosecond."""
    spikes = observation.spikes
    assert spikes is not None
    of_each = [spikes.step[spikes.neuron == number] for number in range(observation.layout.n_neurons)]
    return [np.round((step + 1) * observation.dt_ms, 6).tolist() for step in of_each]


@pytest.mark.parametrize("suffix", [".csv", ".npz", ".nwb"])
def test_what_is_read_is_what_was_written(tmp_path, observation, suffix):
    path = tmp_path / f"spikes{suffix}"
    write_spikes(observation, path)
    read = read_recording(path, duration_ms=DURATION_MS if suffix == ".csv" else None)
    assert (read.start_ms, read.stop_ms) == (0.0, DURATION_MS)
    assert read.clusters == {"E": [3, 2, 2], "I": [5]}
    assert [np.round(t, 6).tolist() for name in "EI" for t in read.trains[name]] == times(observation)
    assert times(read.observe()) == times(observation)
    assert np.array_equal(read.observe().neuron_totals, observation.neuron_totals)


def test_nwb_keeps_the_schema_and_names_every_unit(tmp_path, observation):
    path = tmp_path / "spikes.nwb"
    write_spikes(observation, path)
    assert validated(path=path) == []
    with NWBHDF5IO(path, "r") as file:
        units = file.read().units.to_dataframe()
    assert units["population"].tolist() == ["E"] * 7 + ["I"] * 5
    assert units["cluster"].tolist() == [0, 0, 0, 1, 1, 2, 2, 0, 0, 0, 0, 0]
    assert [np.round(1000 * train, 6).tolist() for train in units["spike_times"]] == times(observation)
    assert np.array_equal(np.stack(units["obs_intervals"].tolist()), np.tile([[0.0, 0.5]], (12, 1, 1)))
    read = read_recording(path)
    assert (read.units, read.start_ms, read.stop_ms) == (12, 0.0, DURATION_MS)


@pytest.mark.parametrize("suffix", FORMATS)
def test_nothing_is_overwritten(tmp_path, observation, suffix):
    path = tmp_path / f"spikes{suffix}"
    path.write_text("mine")
    with pytest.raises(RecordingError, match="the file exists, and is not overwritten: name another one"):
        write_spikes(observation, path)
    assert path.read_text() == "mine"


def test_a_network_in_which_nothing_fires_can_be_written(tmp_path):
    silent = observe_trains([[], []], duration_ms=100.0)
    for suffix in FORMATS:
        path = tmp_path / f"silent{suffix}"
        write_spikes(silent, path)
        assert read_recording(path, duration_ms=100.0).units == 2


def test_without_spikes_or_a_place_for_them_one_line_says_so(tmp_path, observation, monkeypatch):
    counts = Accumulator(observation.layout, dt_ms=0.1, bin_ms=1.0, window_ms=50.0, keep_spikes=False)
    counts.add(np.zeros(0, int), np.zeros(0, int), 1000)
    with pytest.raises(ObservationError, match="only counts"):
        write_spikes(counts.finish(np.zeros(4)), tmp_path / "spikes.npz")
    with pytest.raises(RecordingError, match=r"as \.csv, \.npz or \.nwb"):
        write_spikes(observation, tmp_path / "spikes.h5")
    with pytest.raises(RecordingError, match="there is no folder"):
        write_spikes(observation, tmp_path / "nowhere" / "spikes.npz")
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(RecordingError, match=r"pip install 'calibrate-snn\[recordings\]', or write \.npz"):
        write_spikes(observation, tmp_path / "spikes.nwb")


@pytest.mark.usefixtures("in_tmp_path")
def test_the_command_writes_the_spikes_that_it_measures(tmp_path, capsys):
    write_study(tmp_path)
    command = ["simulate", "small.toml", "--set", "I_E=2", "--spikes", "spikes.csv"]
    assert execute([*command, "--json"]) == 0
    out, err = capsys.readouterr()
    assert "Spikes: spikes.csv (read it with duration_ms = 2000)" in err
    read = read_recording("spikes.csv", duration_ms=2000.0)
    assert read.clusters == {"E": [20, 20], "I": [10]}
    assert f'"rate_E": {read.observe().totals("E").mean() / 2}' in out
    assert execute(command) == 2
    assert "not overwritten" in capsys.readouterr().err
    assert Path("spikes.csv").read_text().startswith("time_ms,unit,population,cluster\n")
