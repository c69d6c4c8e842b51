"""The methods paragraph of a report says what was done, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from calibrate import make_study
from calibrate.models.balanced import balanced
from calibrate.report.methods import methods

COUNTS = {"complete": 16, "failed": 0}


def written(model: Any, free: str, *, backend: str = "nest", **objective: Any) -> tuple[str, str]:
    """The paragraph of a study with one free parameter, and the texts that it cites."""
    statistic = "rate_PN" if model == "larva" else "rate_E"
    study = make_study(
        "written",
        model=model,
        parameters={free: {"low": 1.0, "high": 2.0}},
        simulation={"backend": backend, "warmup_ms": 100.0, "duration_ms": 1000.0},
        objectives=[{"statistic": statistic, "target": 5.0, "tolerance": 5.0, **objective}],
        budget={"trials": 16},
    )
    paragraph, cited = methods(SimpleNamespace(study=study, counts=COUNTS), None)  # type: ignore[arg-type]
    return paragraph, " | ".join(reference.text for reference in cited)


@pytest.mark.parametrize(
    ("model", "free", "author"),
    [
        ("ei_clustered", "I_th_E", "Rostami"),
        ("balanced", "I_th_E", "van Vreeswijk"),
        ("litwin_kumar_doiron", "J_plus", "Litwin-Kumar"),
    ],
)
def test_built_in_models_are_named_and_cited(model, free, author):
    paragraph, cited = written(model, free)
    assert f"network model {model} [1]" in paragraph
    assert cited.startswith(author)
    assert "by exact integration" in paragraph
    assert "Rotter" in cited


def test_conductances_are_not_integrated_exactly():
    paragraph, cited = written("larva", "w_PN_KC")
    assert "network model larva [1]" in paragraph
    assert "Jürgensen" in cited
    assert "exact" not in paragraph
    assert "Rotter" not in cited


def test_poisson_neurons_are_not_integrated():
    assert "exact" not in written("balanced", "I_th_E", backend="poisson")[0]


def test_a_model_of_ones_own_is_named_and_cited_as_it_says():
    paragraph, cited = written(replace(balanced, name="mine", cites="Me (2026). My network."), "I_th_E")
    assert "network model mine [1]" in paragraph
    assert "Me (2026). My network." in cited
    assert "Vreeswijk" not in cited
    assert "model mine (" in written(replace(balanced, name="mine", cites=""), "I_th_E")[0]


def test_a_robust_loss_is_said_to_be_one():
    paragraph, cited = written("balanced", "I_th_E", loss="robust")
    assert "beyond the tolerance it grew linearly" in paragraph
    assert "Huber" in cited
    assert "linearly" not in written("balanced", "I_th_E")[0]
