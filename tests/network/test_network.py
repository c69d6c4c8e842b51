"""Networks and the values that a model gives them: what does not fit is refused in one line."""

from __future__ import annotations

import sys
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calibrate import plugins
from calibrate.errors import ModelError, PluginError
from calibrate.network import (
    Bernoulli,
    Distributed,
    Model,
    Network,
    Plasticity,
    PoissonInput,
    Population,
    Projection,
    RateStimulus,
    Stimulus,
    UniformDelay,
    UniformIndegree,
    UniformPhase,
    UniformPotential,
    Values,
    check_stimuli,
    checked,
    find_model,
)


def projection(source: str, target: str, receptor: str, **changes: Any) -> Projection:
    settings: dict[str, Any] = {"rule": Bernoulli(0.1), "delay_ms": 1.0, **changes}
    return Projection(source=source, target=target, receptor=receptor, **settings)


NETWORK = Network(
    populations=(
        Population(name="E", size=40, clusters=4, distributed=frozenset({"V_th"}), noise=True),
        Population(name="I", size=10),
    ),
    projections=(projection("E", "I", "ex"), projection("I", "E", "in")),
)
VALUES = Values(
    neurons={"E": {"V_th": Distributed(-50.0, 1.0), "tau_m": np.float64(12.0)}, "I": {"t_ref": 0, "I_e": 1}},
    weights={"E_to_I_all": 3.0, "I_to_E_all": -3.0},
    initial={"E": UniformPotential(-70.0, -55.0), "I": UniformPhase()},
    noise={"E": PoissonInput(100.0, -1.0)},
    stimuli=(Stimulus("E", (0, 3), 5.0, 0.0, 10.0),),
)


def given_by_a_model(values: Values, network: Network = NETWORK) -> Values:
    model = Model(
        name="m", parameters=(), make_network=lambda _: network, make_values=lambda _network, _: values
    )
    return model.values(model.network({}), {})


def test_values_that_fit_the_network_are_handed_on_as_they_are():
    assert given_by_a_model(VALUES) is VALUES


def test_a_model_that_returns_no_values_is_told_so():
    with pytest.raises(ModelError, match="make_values must return Values, not NoneType"):
        given_by_a_model(None)  # type: ignore[arg-type]


def test_an_installed_model_that_cannot_be_loaded_is_one_line(monkeypatch):
    broken = EntryPoint("broken", "calibrate.no_such_module:model", plugins.MODELS)
    monkeypatch.setattr(plugins, "installed", lambda _: {"broken": broken})
    with pytest.raises(PluginError, match=r"cannot load calibrate\.no_such_module:model: ModuleNotFound"):
        find_model("broken")


def test_a_weight_of_nothing_fits_every_receptor():
    found = given_by_a_model(replace(VALUES, weights={"E_to_I_all": -0.0, "I_to_E_all": 0.0}))
    assert found.weights["I_to_E_all"] == 0


def neurons(**changes: Any) -> dict[str, Any]:
    return {"neurons": {**VALUES.neurons, "E": changes}}


def weights(**changes: Any) -> dict[str, Any]:
    return {"weights": {**VALUES.weights, **changes}}


def initial(value: Any) -> dict[str, Any]:
    return {"initial": {**VALUES.initial, "E": value}}


def stimulus(*args: Any) -> dict[str, Any]:
    return {"stimuli": (Stimulus(*args),)}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"neurons": {"E": {}}}, "Values.neurons has no entry for the population 'I'"),
        ({"neurons": {**VALUES.neurons, "X": {}}}, "Values.neurons names 'X', which is not a population"),
        ({"initial": {"E": UniformPhase()}}, "Values.initial has no entry for the population 'I'"),
        ({"weights": {"E_to_I_all": 3.0}}, "Values.weights has no entry for the projection 'I_to_E_all'"),
        (weights(E_to_I_al=1.0), r"names 'E_to_I_al', .* \(did you mean 'E_to_I_all'\?\)"),
        ({"noise": {}}, "Values.noise has no entry for the population with noise 'E'"),
        (
            {"noise": {**VALUES.noise, "I": PoissonInput(1.0, 1.0)}},
            "'I', which is not a population with noise",
        ),
        ({"noise": {"E": (1.0, 1.0)}}, "population E: its noise must be a PoissonInput"),
        (weights(I_to_E_all=0.5), "weight of I_to_E_all must be at most 0 on receptor 'in', not 0.5"),
        (weights(E_to_I_all=-0.5), "weight of E_to_I_all must be at least 0 on receptor 'ex', not -0.5"),
        (weights(E_to_I_all=float("nan")), "weight of E_to_I_all must be a finite number, not nan"),
        (weights(E_to_I_all="1"), "weight of E_to_I_all must be a finite number, not '1'"),
        (neurons(tau_n=1.0), r"population E: iaf_psc_exp has no parameter 'tau_n' \(did you mean 'tau_m'"),
        (neurons(I_e=float("inf")), "population E: I_e must be a finite number, not inf"),
        (neurons(I_e=np.zeros(40)), "population E: I_e must be a finite number, not of type ndarray"),
        (neurons(tau_m=0.0), "population E: tau_m must be above 0 ms, not 0"),
        (neurons(C_m=-1.0), "population E: C_m must be above 0 pF, not -1"),
        (neurons(t_ref=-0.1), "population E: t_ref must be at least 0 ms, not -0.1"),
        (neurons(V_th=-70.0), "population E: V_th must be above V_reset; V_th - V_reset is 0 mV"),
        (neurons(V_th=Distributed(-75.0, 1.0)), "V_th must be above V_reset; V_th - V_reset is -5 mV"),
        (neurons(V_th=Distributed(float("nan"), 1.0)), "the mean of V_th must be a finite number"),
        (neurons(V_th=Distributed(-50.0, -1.0)), "the SD of V_th must be at least 0, not -1"),
        (neurons(I_e=Distributed(1.0, 1.0)), "I_e is not among the parameters declared as distributed"),
        (neurons(tau_syn_ex=Distributed(1.0, 0.1)), "tau_syn_ex is not among the parameters declared"),
        (initial(-60.0), "population E: the initial potential must be UniformPotential or UniformPhase"),
        (initial(UniformPotential(0.0, float("nan"))), "the initial potential: high must be a finite"),
        (initial(UniformPotential(1.0, 0.0)), "needs low <= high, not 1 > 0 mV"),
        (stimulus("e", (0,), 1.0, 0.0, 1.0), r"names 'e', which is not a population \(did you mean 'E'\?\)"),
        (stimulus("E", (4,), 1.0, 0.0, 1.0), "a stimulus onto E: 4 is not one of its clusters 0 to 3"),
        (stimulus("E", (1.0,), 1.0, 0.0, 1.0), "a stimulus onto E: 1.0 is not one of its clusters"),
        (stimulus("E", ("a",), 1.0, 0.0, 1.0), "a stimulus onto E: 'a' is not one of its clusters"),
        (stimulus("E", (0,), float("nan"), 0.0, 1.0), "current_pA must be a finite number"),
        (stimulus("E", (0,), 1.0, 0.0, float("inf")), "stop_ms must be a finite number"),
        (stimulus("E", (0,), 1.0, 2.0, 2.0), "needs 0 <= start < stop, not 2 and 2 ms"),
        (stimulus("E", (0,), 1.0, -1.0, 2.0), "needs 0 <= start < stop, not -1 and 2 ms"),
    ],
)
def test_values_that_do_not_fit_the_network_are_refused_in_one_line(change, message):
    with pytest.raises(ModelError, match=message) as error:
        given_by_a_model(replace(VALUES, **change))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("population", "message"),
    [
        ({"neuron": "iaf_psc_exq"}, "did you mean 'iaf_psc_exp'"),
        ({"distributed": frozenset({"V_thr"})}, "no parameter 'V_thr'"),
        (
            {"neuron": "iaf_psc_beta", "distributed": frozenset({"tau_decay_in"})},
            "population E: tau_decay_in cannot be distributed",
        ),
        ({"noise_shape": 0}, "the input of population E needs a shape of at least 1"),
    ],
)
def test_populations_of_unknown_neurons_and_parameters_are_refused(population, message):
    with pytest.raises(ModelError, match=message):
        Network(populations=(Population(name="E", size=40, **population),), projections=())


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (projection("E", "I", "exc"), r"E_to_I_all has the receptor 'exc', .*\(did you mean 'ex'\?\)"),
        (projection("E", "I", "ex", delay_ms=float("nan")), "delay of E_to_I_all must be above 0 ms"),
        (projection("E", "X", "ex"), "no population 'X'"),
        (projection("E", "I", "ex", part="within"), "as many source clusters as target clusters"),
    ],
)
def test_projections_that_lead_nowhere_are_refused(broken, message):
    with pytest.raises(ModelError, match=message):
        replace(NETWORK, projections=(broken,))


def test_stimuli_switch_at_whole_steps_only():
    check_stimuli(VALUES, 0.1)
    off = replace(VALUES, stimuli=(Stimulus("E", (0,), 1.0, 10.0, 20.05),))
    check_stimuli(off, 0.05)
    with pytest.raises(ModelError, match=r"stop of a stimulus onto E of 20\.05 ms is not a whole number"):
        check_stimuli(off, 0.1)


def test_a_file_that_was_edited_is_loaded_again_and_one_that_was_not_is_one_module(tmp_path):
    (tmp_path / "own.py").write_text("thing = [1]")
    first = plugins.load("own.py:thing", plugins.MODELS, folder=tmp_path)
    assert plugins.load("own.py:thing", plugins.MODELS, folder=tmp_path) is first
    (tmp_path / "own.py").write_text("thing = [2]")
    assert plugins.load("own.py:thing", plugins.MODELS, folder=tmp_path) == [2]


def beside(folder: Path, **files: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    return folder


def loaded(folder: Path) -> Any:
    return plugins.load("own.py:thing", plugins.MODELS, folder=folder)


def test_a_file_can_import_those_beside_it_also_when_its_functions_are_called(tmp_path):
    text = "import first\nfrom second import *\nfrom .third import c\n"
    late = "def thing():\n    import late\n    return first.a, b, c, late.d\n"
    files = {"second": "b = 2", "third": "from first import a\nc = a + 2", "late": "d = 4"}
    folder = beside(tmp_path, own=text + late, first="a = 1", **files)
    assert loaded(folder)() == (1, 2, 3, 4)
    names = ["first.py", "late.py", "second.py", "third.py"]
    assert [path.name for path in plugins.imported_beside(folder / "own.py")] == names
    assert str(folder) not in sys.path


def test_what_is_imported_is_that_of_the_same_folder_as_it_is_now(tmp_path):
    own = "from helper import value\nthing = [value]"
    one = beside(tmp_path / "one", own=own, helper="value = 1")
    two = beside(tmp_path / "two", own=own, helper="value = 2")
    assert (loaded(one), loaded(two)) == ([1], [2])
    assert loaded(one) is loaded(one)
    beside(one, helper="value = 3")
    assert loaded(one) == [3]


def test_a_file_beside_does_not_hide_the_standard_library(tmp_path):
    own = "from statistics import mean\nfrom calibrate import Model\nthing = mean([1, 3])"
    assert loaded(beside(tmp_path, own=own, statistics="", calibrate="")) == 2


def test_files_can_import_each_other_and_errors_name_the_file_that_is_wrong(tmp_path):
    folder = beside(tmp_path, own="thing = 1\nimport other", other="import own\nassert own.thing == 1")
    assert loaded(folder) == 1
    beside(folder, own="import other\nthing = 1", other="import nothing_of_this_name")
    with pytest.raises(
        PluginError, match=r"^\S*/other\.py cannot be imported: ModuleNotFoundError: No module"
    ):
        loaded(folder)
    beside(folder, other="(")
    with pytest.raises(PluginError, match=r"^\S*/other\.py cannot be imported: SyntaxError"):
        loaded(folder)


PLASTIC = Plasticity("dopamine", "M")


def plastic(**changes: Any) -> Network:
    """Neurons S onto T, whose synapses those of M change."""
    settings: dict[str, Any] = {"plasticity": PLASTIC, **changes}
    return Network(
        populations=(
            Population(name="S", size=4),
            Population(name="T", size=2, clusters=2),
            Population(name="M", size=3),
        ),
        projections=(
            Projection(
                source="S", target="T", rule=Bernoulli(1.0), receptor="ex", **{"delay_ms": 1.0, **settings}
            ),
        ),
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"plasticity": Plasticity("dopamin", "M")}, "no plasticity rule 'dopamin'.*did you mean 'dopamine'"),
        ({"plasticity": Plasticity("dopamine", "X")}, "no population 'X'"),
        (
            {"plasticity": replace(PLASTIC, part="within")},
            "as many modulator clusters as target clusters",
        ),
        ({"weight_cv": 0.5}, "S_to_T_all is plastic: its weights and delays cannot be distributed"),
        ({"delay_ms": UniformDelay(1.0, 2.0)}, "S_to_T_all is plastic"),
        ({"plasticity": None, "weight_cv": -0.5}, "weight_cv of S_to_T_all must be at least 0"),
    ],
)
def test_synapses_that_cannot_be_are_refused(changes, message):
    with pytest.raises(ModelError, match=message):
        plastic(**changes)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"learning_rat": 1.0}, "plasticity of S_to_T_all: dopamine has no parameter 'learning_rat'"),
        ({"learning_rate": -1.0}, "plasticity of S_to_T_all: learning_rate must be at least 0 nS, not -1"),
        ({"tau_eligibility": 0.0}, "tau_eligibility must be above 0 ms, not 0"),
        ({"recovery": float("nan")}, "recovery must be finite, not nan"),
    ],
)
def test_parameters_of_a_rule_are_checked_with_the_values(rule, message):
    network = plastic()
    given = Values(
        neurons={name: {} for name in "STM"},
        weights={"S_to_T_all": 1.0},
        initial=dict.fromkeys("STM", UniformPotential(-70.0, -60.0)),
        plasticity={"S_to_T_all": rule},
    )
    with pytest.raises(ModelError, match=message):
        checked(network, given)
    with pytest.raises(ModelError, match="has no entry for the plastic projection 'S_to_T_all'"):
        checked(network, replace(given, plasticity={}))


@pytest.mark.parametrize(
    ("stimulus", "message"),
    [
        (RateStimulus("I", (0,), (5.0,), 0.0, 1.0), "a stimulus onto I changes the rate .* it has none"),
        (RateStimulus("E", (0, 1), (5.0,), 0.0, 1.0), "a rate for each of its 2 clusters, not 1"),
        (RateStimulus("E", (0,), (-5.0,), 0.0, 1.0), "a rate must be at least 0 Hz, not -5"),
        (RateStimulus("E", (7,), (5.0,), 0.0, 1.0), "7 is not one of its clusters 0 to 3"),
    ],
)
def test_rates_need_random_input_and_one_for_each_cluster(stimulus, message):
    with pytest.raises(ModelError, match=message):
        checked(NETWORK, replace(VALUES, stimuli=(stimulus,)))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: UniformIndegree(3, 2), "0 <= low <= high, not 3 and 2"),
        (lambda: UniformDelay(0.0, 1.0), "0 < low <= high"),
        (lambda: projected(UniformIndegree(1, 50)), "draws up to 50 sources, but only 40 exist"),
        (lambda: projected(UniformIndegree(1, 2), target="E", part="within"), 'its part must be "all"'),
    ],
)
def test_drawn_in_degrees_and_delays_must_be_possible(make, message):
    with pytest.raises(ModelError, match=message):
        make()


def projected(rule: UniformIndegree, **changes: Any) -> Network:
    return replace(NETWORK, projections=(replace(projection("E", "I", "ex"), rule=rule, **changes),))
