"""The code that GeNN compiles, its cache, and what can be said of CUDA without a GPU."""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

from benchmarks.host import EmptyModel
from calibrate import simulators
from calibrate.errors import SimulatorError
from calibrate.models.ei_clustered import ei_clustered
from calibrate.models.larva import larva
from calibrate.network import Bernoulli, Network, Plasticity, Population, Projection
from calibrate.network.wiring import draw
from calibrate.neurons import IAF_PSC_EXP, Number
from calibrate.simulators.base import RecordingPlan
from calibrate.simulators.genn import cache as genn_cache
from calibrate.simulators.genn import code as genn_code
from calibrate.simulators.genn import cuda
from calibrate.simulators.genn.batch import PreparedGenn
from calibrate.simulators.genn.code import Build, assemble, check_size, row_length
from tests.helpers.cuda_driver import H100, install
from tests.helpers.networks import SMALL


def build(given: dict, **settings: object) -> Build:
    chosen = {"dt_ms": 0.1, "batch_size": 1, "precision": "single", "record_spikes": False, **settings}
    return Build.of(ei_clustered.network(given), **chosen)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "change",
    [
        {"I_th_E": 3.0, "J_E+": 1.5, "R_J": 0.2, "s": 2.0},
        {"tau_m_E": 15.0, "tau_syn_I": 4.0, "V_th_E": 18.0, "tau_r": 2.0, "C": 3.0},
        {"p_EE": 0.2001},
        {"initial": "phase"},
    ],
)
def test_values_and_nearby_probabilities_share_their_code(change):
    assert build({**SMALL, **change}).text() == build(SMALL).text()


@pytest.mark.parametrize(
    "change",
    [
        {"N_E": 480},
        {"delay": 0.5},
        {"connectivity": "bernoulli"},
        {"p_EE": 0.4},
        {"sd_V_th_E": 1.0},
        {"noise_rate_E": 1.0, "noise_weight_E": 1.0},
    ],
)
def test_structure_delays_and_rules_have_code_of_their_own(change):
    assert build({**SMALL, **change}).text() != build(SMALL).text()


@pytest.mark.parametrize("setting", [{"dt_ms": 0.05}, {"batch_size": 4}, {"precision": "double"}])
def test_step_batch_and_precision_have_code_of_their_own(setting):
    assert build(SMALL, **setting).text() != build(SMALL).text()


def edited(monkeypatch: pytest.MonkeyPatch, **changes: object) -> str:
    """The code of a network whose neuron model somebody edited."""
    model = replace(IAF_PSC_EXP, genn=replace(IAF_PSC_EXP.genn, **changes))  # type: ignore[arg-type]
    monkeypatch.setattr(genn_code, "neuron_model", lambda _: model)
    return build(SMALL).text()


def test_an_edited_neuron_model_has_code_of_its_own(monkeypatch):
    def constants(p: Mapping[str, Number], dt_ms: float) -> dict[str, Number]:
        found = dict(IAF_PSC_EXP.genn.constants(p, dt_ms))
        return {**found, "reset": np.full(2, found["reset"])}

    text = build(SMALL).text()
    assert edited(monkeypatch, integers=frozenset()) != text
    assert edited(monkeypatch, constants=constants) != text
    assert edited(monkeypatch, reset_code="V = reset;") != text
    assert edited(monkeypatch) == text


@pytest.mark.parametrize("connectivity", ["bernoulli", "fixed_indegree"])
def test_rows_have_room_for_any_graph_and_little_more(connectivity):
    network = ei_clustered.network({"connectivity": connectivity})
    for projection in network.projections:
        room = row_length(network, projection)
        longest = max(
            draw(network, projection, wiring_seed=1, realisation=k).row_lengths.max() for k in range(20)
        )
        mean = network.expected_synapses(projection) / network.population(projection.source).size
        assert longest <= room
        assert room <= 1.05 * stats.binom.isf(1e-9 / 1200, 1200, mean / 1200) + 1


def test_probability_one_needs_room_for_every_target():
    network = ei_clustered.network({"p_EE": 1.0})
    assert row_length(network, network.projections[0]) == 200


def count_builds(root: str, mark: str) -> str:
    os.environ["CALIBRATE_CACHE"] = root

    def make(folder: Path) -> None:
        with Path(mark).open("a") as file:
            file.write("built\n")
        time.sleep(0.3)
        (folder / "code").write_text("whole")

    return (genn_cache.built("key", make) / "code").read_text()


def test_processes_that_want_the_same_code_build_it_once(tmp_path):
    mark = tmp_path / "mark"
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        found = pool.starmap(count_builds, [(str(tmp_path / "cache"), str(mark))] * 4)
    assert found == ["whole"] * 4
    assert mark.read_text() == "built\n"


def test_a_build_that_is_broken_off_leaves_nothing_that_would_be_used(tmp_path, monkeypatch):
    monkeypatch.setenv("CALIBRATE_CACHE", str(tmp_path))

    def break_off(folder: Path) -> None:
        (folder / "code").write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        genn_cache.built("key", break_off)
    assert not (tmp_path / "key").exists()
    assert count_builds(str(tmp_path), str(tmp_path / "mark")) == "whole"


def test_a_cache_that_cannot_be_written_is_one_clear_line(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CALIBRATE_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(SimulatorError, match="compiled code cannot be stored in"):
        genn_cache.built("key", lambda _: None)


def test_without_a_compiler_the_error_says_so(monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(SimulatorError, match="GeNN needs a C\\+\\+ compiler"):
        genn_cache.compiler()


@pytest.mark.genn
def test_a_batch_for_cuda_has_values_per_member_and_one_connectivity():
    """The model that a CUDA device would get, as far as GeNN tells without one: its variables and sizes."""
    import pygenn

    members = 40
    model = pygenn.GeNNModel("float", "network", backend="single_threaded_cpu", time_precision="double")
    assemble(pygenn, model, build({**SMALL, "noise_rate_E": 10.0, "noise_weight_E": 1.0}, batch_size=members))
    assert model.batch_size == members
    batch = pygenn.genn_groups.VarAccessDim.BATCH
    element = pygenn.genn_groups.VarAccessDim.ELEMENT

    def dims(variables: object) -> dict[str, tuple[bool, bool]]:
        found = {}
        for variable in variables:  # type: ignore[attr-defined]
            access = pygenn.genn_groups.get_var_access_dim(variable.access)
            found[variable.name] = (bool(access & batch), bool(access & element))
        return found

    neurons = dims(model.neuron_populations["E"].model.get_vars())
    assert neurons["V"] == neurons["refractory"] == neurons["I_e"] == (True, True)
    assert all(neurons[name] == (True, False) for name in ("P22", "P20", "P21_ex", "threshold", "reset"))
    projections = [s for name, s in model.synapse_populations.items() if not name.startswith("monitor")]
    assert len(projections) == 8
    for synapses in projections:
        weights = dims(synapses.ps_initialiser.snippet.get_vars())
        assert weights == {"weight": (True, False)}
        assert not synapses.wu_initialiser.snippet.get_vars()  # no weight per synapse
    with pytest.raises(RuntimeError, match="batch size of 1"):
        model.build("unused")


@pytest.mark.genn
def test_a_batch_of_learning_networks_has_weights_per_member_and_one_connectivity():
    import pygenn

    network = larva.network({})
    made = Build.of(network, dt_ms=0.1, batch_size=40, precision="single", record_spikes=False)
    model = pygenn.GeNNModel("float", "network", backend="single_threaded_cpu", time_precision="double")
    assemble(pygenn, model, made)
    plastic = model.synapse_populations["KC_to_MBON_all"].wu_initialiser.snippet
    dims = pygenn.genn_groups.VarAccessDim
    (weight,) = plastic.get_vars()
    access = pygenn.genn_groups.get_var_access_dim(weight.access)
    assert access & dims.BATCH
    assert access & dims.ELEMENT


def test_more_plastic_weights_than_can_be_numbered_are_refused():
    populations = (Population(name="S", size=40_000), Population(name="T", size=40_000))
    learns = Plasticity("dopamine", "S")
    projection = Projection(
        source="S", target="T", rule=Bernoulli(0.01), delay_ms=1.0, receptor="ex", plasticity=learns
    )
    network = Network(populations=populations, projections=(projection,))
    settings = {"dt_ms": 0.1, "precision": "single", "record_spikes": False}
    check_size(Build.of(network, batch_size=40, **settings))  # type: ignore[arg-type]
    with pytest.raises(SimulatorError, match=r"S_to_T_all has up to .* choose a smaller"):
        check_size(Build.of(network, batch_size=400, **settings))  # type: ignore[arg-type]


@pytest.mark.genn
@pytest.mark.parametrize("clusters", [2, 20])
def test_the_amount_of_code_does_not_grow_with_the_number_of_clusters(clusters):
    import pygenn

    model = pygenn.GeNNModel("float", "network", backend="single_threaded_cpu", time_precision="double")
    assemble(pygenn, model, build({"N_Q": clusters, "J_E+": 1.5}))
    assert (len(model.neuron_populations), len(model.synapse_populations)) == (4, 10)


@pytest.mark.genn
def test_compiled_code_is_used_again(tmp_path, monkeypatch):
    monkeypatch.setenv("CALIBRATE_CACHE", str(tmp_path))
    network = ei_clustered.network(SMALL)
    simulator = simulators.create("genn", dt_ms=0.1, precision="single")
    seen = []
    for _ in range(2):
        simulator.prepare(network, batch_size=1, recording=RecordingPlan(), wiring_seed=0)
        seen.append({path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.so")})
    assert len(seen[0]) == 1
    assert seen[0] == seen[1]


# --- CUDA, without a device ---------------------------------------------------------------------------


def network_of(sources: int, targets: int, probability: float) -> Network:
    populations = Population(name="S", size=sources), Population(name="T", size=targets)
    projection = Projection(source="S", target="T", rule=Bernoulli(probability), delay_ms=1.0, receptor="ex")
    return Network(populations=populations, projections=(projection,))


@pytest.mark.genn
@pytest.mark.parametrize(
    ("targets", "probability", "safe"),
    [(20, 1.0, False), (60, 0.1, False), (60, 0.9, True), (128, 0.9, True), (129, 0.9, False)],
)
def test_spikes_do_not_race_for_targets_that_share_a_block_of_threads(targets, probability, safe):
    import pygenn

    made = Build.of(
        network_of(45, targets, probability), dt_ms=0.1, batch_size=4, precision="single", record_spikes=False
    )
    model = pygenn.GeNNModel("float", "network", backend="single_threaded_cpu", time_precision="double")
    assemble(pygenn, model, made)
    hint = model.synapse_populations["S_to_T_all"].parallelism_hint
    assert (hint == pygenn.ParallelismHint.PRESYNAPTIC) is safe


@pytest.mark.genn
def test_modulating_spikes_do_not_race_either():
    import pygenn

    network = larva.network({})
    made = Build.of(network, dt_ms=0.1, batch_size=4, precision="single", record_spikes=False)
    model = pygenn.GeNNModel("float", "network", backend="single_threaded_cpu", time_precision="double")
    assemble(pygenn, model, made)
    for name, synapses in model.synapse_populations.items():
        targets, row = synapses.trg.num_neurons, synapses.max_connections
        presynaptic = synapses.parallelism_hint == pygenn.ParallelismHint.PRESYNAPTIC
        assert presynaptic or row <= 32 or targets > 128, name


class Compiling:
    """A GeNN model that writes down how it is built."""

    def __init__(self) -> None:
        self.builds: list[tuple[Path, dict[str, bool], str]] = []

    def build(self, path: str, **how: bool) -> None:
        self.builds.append((Path(path), how, os.environ.get("NVCC_APPEND_FLAGS", "")))
        (Path(path) / f"measured{len(self.builds)}").write_text("")


@pytest.fixture
def on_cuda(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Makes GeNN objects that compile for an H100, and the models that they build."""
    from calibrate.simulators.genn import simulator as genn

    monkeypatch.setenv("CALIBRATE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("NVCC_APPEND_FLAGS", raising=False)
    monkeypatch.setattr(genn, "_load_pygenn", lambda: SimpleNamespace(__version__="5.4.0"))
    monkeypatch.setattr(simulators, "on_gpu", lambda _: True)
    monkeypatch.setattr(genn, "PreparedGenn", lambda *_, **more: SimpleNamespace(**more))
    monkeypatch.setattr(cuda, "compiler", lambda: "release 13.0")
    install(monkeypatch, H100)
    model = Compiling()

    def made(precision: str = "double") -> genn.GeNN:
        simulator = genn.GeNN(dt_ms=0.1, precision=precision)  # type: ignore[arg-type]
        simulator._model = lambda _: model  # type: ignore[method-assign]
        return simulator

    return made, model


def prepare(simulator: object, batch_size: int = 8) -> SimpleNamespace:
    network = ei_clustered.network(SMALL)
    return simulator.prepare(network, batch_size=batch_size, recording=RecordingPlan(), wiring_seed=0)  # type: ignore[attr-defined]


def test_double_precision_is_not_contracted_on_a_gpu(on_cuda, monkeypatch):
    made, model = on_cuda
    prepare(made("double"))
    prepare(made("single"))
    monkeypatch.setenv("NVCC_APPEND_FLAGS", "-lineinfo")
    prepare(made("double"))
    compiled = [flags for _, how, flags in model.builds if how == {"always_rebuild": True}]
    assert compiled == ["-fmad=false", "", "-lineinfo -fmad=false"]
    assert os.environ["NVCC_APPEND_FLAGS"] == "-lineinfo"


def test_code_for_a_gpu_is_prepared_in_a_copy_of_the_cached_folder(on_cuda, tmp_path):
    made, model = on_cuda
    first, second = prepare(made()), prepare(made())
    (compiled, _, _), (one, how, _), (other, _, _) = model.builds
    assert how == {"never_rebuild": True}
    assert len({compiled, one, other}) == 3
    (cached,) = [path for path in (tmp_path / "cache").iterdir() if path.is_dir()]
    assert [path.name for path in cached.iterdir()] == ["measured1"]
    assert Path(first.folder.name) == one
    assert Path(second.folder.name) == other
    assert (other / "measured1").exists()


def test_a_batch_that_genn_would_abort_on_is_refused(on_cuda):
    made, model = on_cuda
    with pytest.raises(SimulatorError, match="at most 1023 networks at once, not 1024"):
        prepare(made(), batch_size=1024)
    assert model.builds == []


def test_a_copy_is_removed_with_its_network():
    folder = tempfile.TemporaryDirectory()
    made = build(SMALL, batch_size=4)
    model = EmptyModel(made.network, 4, bin_steps=10, dt_ms=0.1)
    with PreparedGenn(model, made, RecordingPlan(), 0, folder=folder):
        assert Path(folder.name).exists()
    assert not Path(folder.name).exists()


def test_code_for_a_gpu_depends_on_the_device_and_its_compiler_alone(on_cuda, tmp_path, monkeypatch):
    made, _ = on_cuda

    def builds() -> int:
        prepare(made())
        return len([path for path in (tmp_path / "cache").iterdir() if path.is_dir()])

    assert builds() == 1
    monkeypatch.setattr(genn_cache, "processor", lambda: "another processor")
    monkeypatch.setattr("platform.python_version", lambda: "3.99")
    assert builds() == 1
    monkeypatch.setattr(cuda, "compiler", lambda: "release 14.0")
    assert builds() == 2
    install(monkeypatch, replace(H100, capability="10.0"))
    assert builds() == 3
    monkeypatch.setenv("NVCC_PREPEND_FLAGS", "-lineinfo")
    assert builds() == 4


def test_code_for_a_cpu_depends_on_its_processor(monkeypatch):
    from calibrate.simulators.genn import simulator as genn

    monkeypatch.setattr(genn, "_load_pygenn", lambda: SimpleNamespace(__version__="5.4.0"))
    monkeypatch.setattr(simulators, "on_gpu", lambda _: False)
    monkeypatch.setattr(genn_cache, "processor", lambda: "avx512f")
    assert "avx512f" in genn.GeNN(dt_ms=0.1, precision="single")._target()
