"""The methods paragraph of a report says what was done, and nothing else."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from calibrate import make_study, plugins, read_results
from calibrate.models.balanced import balanced
from calibrate.neurons import neuron_models
from calibrate.report.bibliography import Bibliography
from calibrate.report.methods import methods
from calibrate.results.proposals import Proposals
from calibrate.study.file.samplers import SAMPLERS
from calibrate.tasks.run import run_study
from tests.helpers.studies import small_study

COUNTS = {"complete": 16, "failed": 0}


def written(
    model: Any = "balanced",
    free: str = "I_th_E",
    *,
    backend: str = "nest",
    objectives: list[dict[str, Any]] | None = None,
    proposals: Proposals | None = None,
    folder: Path = Path(),
    tables: dict[str, Any] | None = None,
    **objective: Any,
) -> tuple[str, str]:
    """The paragraph of a study with one free parameter, and the texts that it cites."""
    statistic = "rate_PN" if model == "larva" else "rate_E"
    one = {"statistic": statistic, "target": 5.0, "tolerance": 5.0, **objective}
    study = make_study(
        "written",
        model=model,
        parameters={free: {"low": 1.0, "high": 2.0}},
        simulation={"backend": backend, "warmup_ms": 100.0, "duration_ms": 1000.0},
        objectives=objectives or [one],
        budget={"trials": 16},
        folder=folder,
        **(tables or {}),
    )
    results = SimpleNamespace(study=study, counts=COUNTS, proposals=proposals or Proposals(independent=16))
    paragraph, cited = methods(results, None)  # type: ignore[arg-type]
    return paragraph, " | ".join(reference.text for reference in cited)


MODELS = {
    "ei_clustered": ("I_th_E", "Rostami", "iaf_psc_exp"),
    "balanced": ("I_th_E", "van Vreeswijk", "iaf_psc_exp"),
    "litwin_kumar_doiron": ("J_plus", "Litwin-Kumar", "iaf_psc_beta"),
    "larva": ("w_PN_KC", "Jürgensen", "iaf_cond_exp_sfa and iaf_cond_exp"),
}


def test_every_built_in_model_is_here():
    assert set(MODELS) == set(plugins.installed(plugins.MODELS))


@pytest.mark.parametrize("backend", ["nest", "genn", "poisson"])
@pytest.mark.parametrize("model", MODELS)
def test_models_are_named_and_cited_and_their_neurons_with_their_integration(model, backend):
    free, author, neurons = MODELS[model]
    paragraph, cited = written(model, free, backend=backend)
    assert f"network model {model} [1" in paragraph
    assert cited.startswith(author)
    exact = backend != "poisson" and model != "larva"
    assert (f"neurons ({neurons}) were integrated exactly" in paragraph) == exact
    assert ("Rotter" in cited) == exact
    assert ("integrated" in paragraph) == (backend != "poisson")


@pytest.mark.parametrize(
    ("backend", "by"), [("nest", "Runge-Kutta-Fehlberg"), ("genn", "Gauss-Lobatto quadrature")]
)
def test_conductances_are_not_integrated_exactly(backend, by):
    paragraph, cited = written("larva", "w_PN_KC", backend=backend)
    assert by in paragraph
    assert "integrated exactly" not in paragraph
    assert "olfactory processing" in cited


@pytest.mark.parametrize("neuron", neuron_models(), ids=lambda neuron: neuron.name)
def test_every_neuron_model_says_how_it_is_integrated(neuron):
    for simulator in (neuron.nest, neuron.genn):
        assert bool(simulator.integration) != neuron.exact


def test_a_model_of_ones_own_is_named_and_cited_as_it_says():
    paragraph, cited = written(replace(balanced, name="mine", cites="Me (2026). My network."))
    assert "network model mine [1]" in paragraph
    assert "Me (2026). My network." in cited
    assert "Vreeswijk" not in cited
    assert "model mine (" in written(replace(balanced, name="mine", cites=""))[0]
    assert "model mine [1, 2] (" in written(replace(balanced, name="mine", cites=("A.", "B.")))[0]


# Proposals ------------------------------------------------------------------------------------------------

LEARNED = {"tpe": "Bergstra", "nsga2": "Deb", "cmaes": "Hansen", "gp": "Jones", "bo": "Wilson"}
INDEPENDENT = {"random": "independent random draws", "grid": "points of a grid", "qmc": "Sobol"}


def of_sampler(name: str, proposals: Proposals) -> tuple[str, str]:
    free = {"I_th_E": {"low": 1.0, "high": 2.0}, "I_th_I": {"low": 1.0, "high": 2.0}}
    study = make_study(
        "written",
        model="balanced",
        parameters=free,
        simulation={"backend": "nest"},
        objectives=[{"statistic": "rate_E", "target": 5.0, "tolerance": 5.0}],
        budget={"trials": 16},
    )
    study = replace(study, file=study.file.model_copy(update={"sampler": SAMPLERS[name]()}))
    results = SimpleNamespace(study=study, counts=COUNTS, proposals=proposals)
    paragraph, cited = methods(results, None)  # type: ignore[arg-type]
    return paragraph, " | ".join(reference.text for reference in cited)


def test_every_sampler_is_here():
    assert {*LEARNED, *INDEPENDENT} == set(SAMPLERS)


@pytest.mark.parametrize("name", LEARNED)
def test_a_sampler_that_learns_proposed_only_what_it_learned(name):
    title = SAMPLERS[name].title
    paragraph, cited = of_sampler(name, Proposals(independent=16, learned=84))
    assert "Of 100 parameter sets, 16 were points of a scrambled Sobol sequence" in paragraph
    assert f"84 were proposed by {title} [" in paragraph
    assert LEARNED[name] in cited
    paragraph, cited = of_sampler(name, Proposals(independent=12))
    assert "The 12 parameter sets were points of a scrambled Sobol sequence" in paragraph
    assert title not in paragraph
    assert LEARNED[name] not in cited


@pytest.mark.parametrize("name", INDEPENDENT)
def test_a_sampler_that_does_not_learn_is_named_for_its_points(name):
    paragraph, cited = of_sampler(name, Proposals(independent=100))
    assert f"The 100 parameter sets were {SAMPLERS[name].title}" in paragraph
    assert INDEPENDENT[name] in paragraph
    assert "proposed" not in paragraph
    assert ("Sobol'" in cited) == (name == "qmc")


def test_points_that_were_given_or_taken_over_are_counted_apart():
    paragraph, _ = of_sampler("tpe", Proposals(given=1, taken_over=20, independent=15, learned=4))
    assert (
        "Of 40 parameter sets, 1 was given beforehand, 20 were taken over from an earlier study" in paragraph
    )
    assert "proposed" not in of_sampler("tpe", Proposals())[0]


def test_the_points_of_a_stored_study_are_known_again(tmp_path):
    prior = {"prior": {"points": [{"I_E": 1.5}]}}
    study = small_study(tmp_path, prior, sampler={"name": "tpe", "startup": 4}, budget={"trials": 9})
    run_study(study, slots=1, progress=False)
    assert read_results(study).proposals == Proposals(given=1, independent=3, learned=5)


# Losses and targets ---------------------------------------------------------------------------------------

RATE_I = {"statistic": "rate_I", "target": 8.0, "tolerance": 4.0}


def test_a_robust_loss_is_not_called_squared():
    paragraph, cited = written(loss="robust")
    assert "Huber's loss" in paragraph
    assert "square of" not in paragraph
    assert "Huber" in cited
    paragraph, cited = written()
    assert "was the square of the deviation" in paragraph
    assert "Huber" not in paragraph + cited


def test_robust_and_squared_losses_are_told_apart():
    one = {"statistic": "rate_E", "target": 5.0, "tolerance": 5.0, "loss": "robust"}
    paragraph, _ = written(objectives=[one, RATE_I])
    assert "was the square of the deviation" in paragraph
    assert "for rate_E, it was Huber's loss" in paragraph
    assert "the mean over two objectives" in paragraph
    assert "the weighted mean over" in written(objectives=[one, RATE_I | {"weight": 2.0}])[0]


def test_ratios_and_fronts_are_said():
    dwell = {"statistic": "dwell_time", "target": 100.0, "tolerance": 50.0}
    paragraph, _ = written("ei_clustered", objectives=[dwell, RATE_I], tables={"pareto": True})
    assert "dwell_time were compared by their logarithms" in paragraph
    assert "no other one dominates" in paragraph
    assert "mean over" not in paragraph
    assert "those on the Pareto front are reported" in paragraph
    assert "logarithms" not in written()[0]


def test_targets_given_as_numbers_have_their_source():
    paragraph, _ = written(source="Me 2026, table 1.")
    assert "The target of rate_E (5 ± 5 Hz) was taken from Me 2026, table 1." in paragraph
    assert "The target of rate_E (5 ± 5 Hz) was given without a source." in written()[0]
    interval = {"statistic": "rate_E", "interval": [4.0, 6.0], "tolerance": 1.0}
    assert "The target of rate_E (4 to 6 Hz) was" in written(objectives=[interval])[0]


@pytest.fixture
def _recorded(tmp_path):
    random = np.random.default_rng(0)
    rows = [f"{time:.2f},{unit}" for unit in range(12) for time in sorted(random.uniform(0, 9000, 60))]
    (tmp_path / "spikes.csv").write_text("\n".join(["time_ms,unit", *rows]))
    (tmp_path / "rates.txt").write_text("4.0\n5.0\n6.0\n")


@pytest.mark.usefixtures("_recorded")
def test_targets_of_a_recording_name_its_file_its_units_and_its_length(tmp_path):
    recording = {"recording": {"file": "spikes.csv", "duration_ms": 9000.0, "start_ms": 0.0}}
    given = [
        {"statistic": "rate_E", "target": "recording", "neurons": 12},
        {"statistic": "cv2_E", "target": "recording", "tolerance": 0.2},
        RATE_I,
    ]
    paragraph, _ = written(objectives=given, tables=recording, folder=tmp_path)
    assert "The targets of rate_E (6.667 ± " in paragraph
    units = "(12 units, 9 s; measured in 9 pieces of 1 s with 12 units)"
    assert f"were computed from the recording spikes.csv {units}, and the tolerance of rate_E" in paragraph
    assert "from 2 standard errors (jackknife over time, and random halves of the units)." in paragraph
    assert "The target of rate_I (8 ± 4 Hz) was given without a source." in paragraph
    assert (
        "rate_E was computed from 12 random neurons of each population, averaged over 20 draws." in paragraph
    )


@pytest.mark.usefixtures("_recorded")
@pytest.mark.parametrize(
    ("distribution", "distance", "said"),
    [
        ("recording", "wasserstein", "Wasserstein distance .* from that in the recording spikes.csv"),
        ("rates.txt", "ks", "Kolmogorov-Smirnov distance .* from that in the file rates.txt"),
        ([4.0, 5.0, 6.0], "wasserstein", "Wasserstein distance .* from that in three given values"),
    ],
)
def test_distributions_name_their_reference_and_their_distance(tmp_path, distribution, distance, said):
    one = {"statistic": "rate_E", "distribution": distribution, "distance": distance, "tolerance": 1.0}
    recording = {"recording": {"file": "spikes.csv"}}
    paragraph, _ = written(objectives=[one], tables=recording, folder=tmp_path)
    assert re.search(said, paragraph)


def test_times_that_were_not_simulated_as_they_are_written_are_said():
    assert "rounded" not in written("balanced", "I_th_E")[0]
    paragraph, _ = written(_with_delay(0.15))
    rounded = "the delay of E_to_E_all and 3 others of 0.15 ms is simulated as 0.2 ms"
    assert f"Times were rounded to whole steps: {rounded}." in paragraph


def _with_delay(delay_ms: float) -> Any:
    parameters = tuple(
        replace(one, default=delay_ms) if one.name == "delay" else one for one in balanced.parameters
    )
    return replace(balanced, parameters=parameters)


@pytest.mark.parametrize(
    ("confirm", "words"),
    [
        (0, None),
        (1, "was simulated on 1 further realisation before it counted [4]."),
        (4, "was simulated on 4 further realisations before it counted [4]."),
        (
            {"least": 2, "most": 9, "error": 0.15},
            "was simulated on 2 to 9 further realisations before it counted, until the standard error of the "
            "root of its loss was at most 0.15 tolerances or it could not become the best any more [4].",
        ),
    ],
)
def test_how_the_best_was_confirmed_is_said(confirm, words):
    paragraph, cited = written(tables={"replicates": {"confirm": confirm}})
    assert ("Wu S" in cited) == ("before it counted" in paragraph) == (words is not None)
    assert words is None or re.sub(r"\[\d+\]", "[4]", words) in re.sub(r"\[\d+\]", "[4]", paragraph)


def test_references_are_complete():
    """Each has authors, a year and a place; and a DOI where the publisher gives one."""
    bibliography = Bibliography()
    for key in (
        *LEARNED,
        "sobol",
        "optuna",
        "genn",
        "nest",
        "exact",
        "clusters",
        "balanced",
        "slow_dynamics",
    ):
        bibliography.cite(key)
    for key in ("larva", "larva_olfaction", "huber", "tost", "replicates"):
        bibliography.cite(key)
    for reference in bibliography.cited:
        assert re.match(r".+ \((19|20)\d\d\)\. .+\. .+\d", reference.text), reference.text
        assert reference.doi.startswith("10.") or "Bergstra" in reference.text


def test_the_methods_say_under_which_limits_networks_were_simulated():
    limits = {"target": "loihi", "search": True, "weight_cv": 0.2}
    paragraph, _ = written("ei_clustered", tables={"hardware": limits})
    assert "under the limits of neuromorphic hardware, known from brian2-loihi 0.5.2" in paragraph
    assert "weights of 8 bits, scaled per projection, rounded to the nearest level" in paragraph
    assert "mismatch of 20 % of weights" in paragraph
    assert "with a time step of 1 ms" in paragraph
    assert "A chip, with its mismatch, was drawn with each graph." in paragraph
    assert "hardware" not in written("ei_clustered", tables={"hardware": {"target": "loihi"}})[0]
