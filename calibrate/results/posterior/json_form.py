"""A posterior and its check as JSON."""

from __future__ import annotations

from typing import Any

from calibrate.calibration.trials.summary import finite
from calibrate.results.posterior.posterior import Posterior
from calibrate.results.posterior.predictive import PredictiveCheck


def posterior_json(found: Posterior) -> dict[str, Any]:
    """The posterior, without its samples."""
    parameters: dict[str, Any] = {}
    for name in found.study.space:
        if name in found.marginals:
            one = found.marginals[name]
            parameters[name] = {"median": one.median, "low": one.low, "high": one.high}
        else:
            parameters[name] = {"probabilities": {str(key): p for key, p in found.choices[name].items()}}
    return {
        "parameters": parameters,
        "coverage": dict(found.coverage.parameters),
        "ranks": {name: finite(p) for name, p in found.coverage.ranks.items()},
        "checked": found.coverage.trials,
        "temperature": found.coverage.temperature,
        "engine": found.engine,
        "trials": found.trials,
        "samples": len(found.samples),
        "errors": found.basis,
        "correlations": [
            {"parameters": list(pair), "correlation": value} for pair, value in found.correlations.items()
        ],
        "loosest": {name: list(ends) for name, ends in found.loosest.items()},
        "out_of_reach": list(found.out_of_reach),
        "warnings": list(found.warnings),
        "notes": list(found.notes),
    }


def check_json(check: PredictiveCheck) -> dict[str, Any]:
    """The predictive check."""
    return {
        "networks": check.networks,
        "failed": check.failed,
        "agrees": check.agrees,
        "met": list(check.met),
        "statistics": {
            one.name: {
                "simulated": [finite(value) for value in one.simulated],
                "inside": one.inside,
                "met": one.met,
                "agrees": one.agrees,
            }
            for one in check.statistics
        },
    }
