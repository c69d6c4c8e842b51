"""The methods paragraph of a report, and its references."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

from calibrate.calibration.validation.verdict import Verdict
from calibrate.neurons import neuron_model
from calibrate.plugins import version_of
from calibrate.results.results import Results
from calibrate.simulators.backends import BACKENDS


@dataclass(frozen=True)
class Reference:
    """A citation; `doi` may be empty."""

    text: str
    doi: str


SAMPLERS = {
    "tpe": "the tree-structured Parzen estimator",
    "cmaes": "covariance matrix adaptation (CMA-ES)",
    "gp": "a Gaussian process",
    "nsga2": "the genetic algorithm NSGA-II",
    "qmc": "a Sobol sequence",
    "random": "independent random points",
    "grid": "every point of a grid",
}


def methods(results: Results, verdict: Verdict | None) -> tuple[str, list[Reference]]:
    """Write a paragraph, for a paper, on how the parameters were found; with its references in order."""
    study, cited = results.study, list[str]()
    references = tomllib.loads((files("calibrate.report") / "references.toml").read_text(encoding="utf-8"))

    def cite(*keys: str) -> str:
        for key in keys:
            if key not in cited:
                cited.append(key)
        return "[" + ", ".join(str(cited.index(key) + 1) for key in keys) + "]"

    if study.model.cites and study.model.cites not in references:  # a user's model gives the full citation
        references[study.model.cites] = {"text": study.model.cites, "doi": ""}
    source = f" {cite(study.model.cites)}" if study.model.cites else ""
    sizes = ", ".join(f"{p.size:,} {p.name}" for p in study.network.populations)
    free, targets = list(study.space), [objective.name for objective in study.objectives]
    backend = study.simulation.backend
    neurons = [neuron_model(population.neuron) for population in study.network.populations]
    exact = backend != "poisson" and all(neuron.exact for neuron in neurons)
    robust = [objective.name for objective in study.objectives if objective.robust]
    sentences = [
        f"{_count(len(free), 'parameter')} of the network model {study.model.name}{source} "
        f"({sizes} neurons in the middle of the ranges) "
        f"{'was' if len(free) == 1 else 'were'} calibrated ({_enumerate(free)}) with calibrate "
        f"{version_of('calibrate-snn') or '(not installed)'}, "
        f"which searches with Optuna {version_of('optuna')} {cite('optuna')}.",
        f"Parameter sets were proposed by {SAMPLERS[study.sampler.name]} and simulated in "
        f"{BACKENDS[backend].in_methods}{f' {cite(backend)}' if backend in references else ''} with a time "
        f"step of {study.simulation.dt_ms:g} ms"
        + (f" by exact integration {cite('exact')}" if exact else "")
        + f", for {study.simulation.duration_ms / 1000:g} s after {study.simulation.warmup_ms / 1000:g} s.",
        f"The loss was the {'' if len(targets) == 1 else 'weighted mean of the '}squared deviation"
        f"{'' if len(targets) == 1 else 's'} of {_enumerate(targets)} from the target"
        f"{'' if len(targets) == 1 else 's'}, in units of the tolerances (table of targets)"
        + (
            f"; beyond the tolerance it grew linearly {cite('huber')}"
            f"{'' if len(robust) == len(targets) else f' for {_enumerate(robust)}'}"
            if robust
            else ""
        )
        + ".",
    ]
    replicates = study.replicates
    if replicates.graphs > 1:
        sentences.append(
            f"Every parameter set was simulated on {replicates.graphs} realisations of the connectivity."
        )
    if replicates.confirm:
        sentences.append(
            f"A parameter set that would have become the best was simulated on {replicates.confirm} further "
            f"realisations before it counted {cite('replicates')}."
        )
    if study.constraints:
        names = _enumerate([constraint.name for constraint in study.constraints])
        sentences.append(f"Networks that violated the bounds on {names} were excluded.")
    counts = results.counts
    sentences.append(
        f"Of {counts['complete'] + counts['failed']} parameter sets, "
        f"{counts['failed'] or 'none'} failed; the best one is reported"
        + (
            " with its mean and standard deviation on realisations that the search had not seen."
            if replicates.fresh
            else "."
        )
    )
    if verdict is not None and not verdict.exact and len(verdict.simulators) > 1:
        first, second = (name.partition(" ")[0] for name in verdict.simulators)
        sentences.append(
            f"It was validated on {verdict.replicates} further realisations in {first} {cite('nest')} and "
            f"{second} {cite('genn')}; equivalence was tested by two one-sided paired t-tests at 5 % "
            f"{cite('tost')} with the tolerances as margins: {verdict.words}."
        )
    return " ".join(sentences), [Reference(**references[key]) for key in cited]


def _count(n: int, noun: str) -> str:
    words = ("No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten")
    return f"{words[n] if n < len(words) else n} {noun}{'' if n == 1 else 's'}"


def _enumerate(names: Sequence[str]) -> str:
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"
