"""The split of GeNN's loop over neurons: it is found in what PyGeNN generates, and changes no spike."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from calibrate import simulators
from calibrate.models.ei_clustered import ei_clustered
from calibrate.observation import Observation, Spikes
from calibrate.simulators.base import Member, RecordingPlan, simulate
from calibrate.simulators.genn import cpu_loops as genn_vector
from tests.helpers.networks import SMALL


def spikes(cache: Path, monkeypatch: pytest.MonkeyPatch, precision: str) -> Spikes:
    monkeypatch.setenv("CALIBRATE_CACHE", str(cache))
    network = ei_clustered.network(SMALL)
    one = Member(values=ei_clustered.values(network, SMALL), seed=1)
    simulator = simulators.create("genn", dt_ms=0.1, precision=precision)  # type: ignore[arg-type]
    if simulator.describe()["device"] != "cpu":
        pytest.skip("only a CPU's loop is split")
    recording = RecordingPlan(spikes=True)
    with simulator.prepare(network, batch_size=1, recording=recording, wiring_seed=1) as prepared:
        found = simulate(prepared, [one], realisation=0, warmup_ms=50.0, duration_ms=400.0)[0]
    assert isinstance(found, Observation)
    assert found.spikes is not None
    return found.spikes


@pytest.mark.parametrize("precision", ["single", "double"])
def test_the_split_loop_is_in_the_compiled_code_and_gives_the_same_spikes(tmp_path, monkeypatch, precision):
    pytest.importorskip("pygenn")
    split = spikes(tmp_path / "split", monkeypatch, precision)
    (code,) = (tmp_path / "split").glob("*/network_CODE/neuronUpdate.cc")
    assert "spiked[" in code.read_text()
    assert (code.parent / "neuronUpdate.o").stat().st_mtime >= code.stat().st_mtime

    monkeypatch.setattr(genn_vector, "split_loops", lambda source: source)
    plain = spikes(tmp_path / "plain", monkeypatch, precision)
    assert split.step.size > 100
    assert np.array_equal(split.step, plain.step)
    assert np.array_equal(split.neuron, plain.neuron)


def test_code_that_looks_otherwise_stays_as_it_is():
    for source in (
        "",
        "for(unsigned int i = 0; i < 3; i++) {\n    x[i] = 0;\n}\n",
        # Without reset code the loop ends before the next loop's reset.
        "for(unsigned int i = 0; i < 3; i++) {\n// test for and register a true spike\nif (x) {\ny;\n}\n}\n"
        "for(unsigned int i = 0; i < 3; i++) {\nz;\n// spike reset code\n}\n",
        # Events of plastic synapses are appended where the neurons are updated.
        "for(unsigned int i = 0; i < 3; i++) {\nif (e) {\nevents[n[0]++] = i;\n}\n"
        "// test for and register a true spike\nif (x) {\ny;\n// spike reset code\nr;\n}\n}\n",
    ):
        assert genn_vector.split_loops(source) == source
