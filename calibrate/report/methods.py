"""The methods paragraph of a report, and its references."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files

from calibrate.calibration.validation.verdict import Verdict
from calibrate.neurons import neuron_model
from calibrate.plugins import version_of
from calibrate.results.results import Results
from calibrate.simulators.backends import BACKENDS
from calibrate.study import Study


@dataclass(frozen=True)
class Reference:
    """A citation; `doi` may be empty."""

    text: str
    doi: str


def methods(results: Results, verdict: Verdict | None) -> tuple[str, list[Reference]]:
    """Write a paragraph, for a paper, on how the parameters were found; with its references in order."""
    bibliography = _Bibliography(results.study.model.cites)
    sentences = [
        _what(results.study, bibliography),
        _how(results.study, bibliography),
        _loss(results.study, bibliography),
        *_replicates(results.study, bibliography),
        _outcome(results),
    ]
    if verdict is not None and not verdict.exact and len(verdict.simulators) > 1:
        sentences.append(_validation(verdict, bibliography))
    return " ".join(sentences), bibliography.cited


class _Bibliography:
    """Numbers references in the order in which they are cited.

    of_model  the model's source: a key of the references that come with calibrate, or the full citation
    """

    def __init__(self, of_model: str) -> None:
        text = (files("calibrate.report") / "references.toml").read_text(encoding="utf-8")
        self._references = tomllib.loads(text)
        if of_model and of_model not in self._references:
            self._references[of_model] = {"text": of_model, "doi": ""}
        self._keys: list[str] = []

    @property
    def cited(self) -> list[Reference]:
        return [Reference(**self._references[key]) for key in self._keys]

    def cite(self, key: str) -> str:
        """The number of a reference, in brackets; nothing if there is no such reference."""
        if key not in self._references:
            return ""
        if key not in self._keys:
            self._keys.append(key)
        return f" [{self._keys.index(key) + 1}]"


def _what(study: Study, bibliography: _Bibliography) -> str:
    free = list(study.space)
    source = bibliography.cite(study.model.cites)
    sizes = ", ".join(f"{p.size:,} {p.name}" for p in study.network.populations)
    return (
        f"{_count(len(free), 'parameter')} of the network model {study.model.name}{source} "
        f"({sizes} neurons in the middle of the ranges) "
        f"{'was' if len(free) == 1 else 'were'} calibrated ({_enumerate(free)}) with calibrate "
        f"{version_of('calibrate-snn') or '(not installed)'}, "
        f"which searches with Optuna {version_of('optuna')}{bibliography.cite('optuna')}."
    )


def _how(study: Study, bibliography: _Bibliography) -> str:
    simulation, backend = study.simulation, study.simulation.backend
    simulator = f"{BACKENDS[backend].in_methods}{bibliography.cite(backend)}"
    neurons = [neuron_model(population.neuron) for population in study.network.populations]
    exactly = ""
    if backend != "poisson" and all(neuron.exact for neuron in neurons):
        exactly = f" by exact integration{bibliography.cite('exact')}"
    return (
        f"Parameter sets were proposed by {study.sampler.title} and simulated in {simulator} with a time "
        f"step of {simulation.dt_ms:g} ms{exactly}, for {simulation.duration_ms / 1000:g} s after "
        f"{simulation.warmup_ms / 1000:g} s."
    )


def _loss(study: Study, bibliography: _Bibliography) -> str:
    targets = [objective.name for objective in study.objectives]
    robust = [objective.name for objective in study.objectives if objective.robust]
    one = len(targets) == 1
    linearly = ""
    if robust:
        of_some = "" if len(robust) == len(targets) else f" for {_enumerate(robust)}"
        linearly = f"; beyond the tolerance it grew linearly{bibliography.cite('huber')}{of_some}"
    return (
        f"The loss was the {'squared deviation' if one else 'weighted mean of the squared deviations'} of "
        f"{_enumerate(targets)} from the {'target' if one else 'targets'}, in units of the tolerances "
        f"(table of targets){linearly}."
    )


def _replicates(study: Study, bibliography: _Bibliography) -> Iterator[str]:
    replicates = study.replicates
    if replicates.graphs > 1:
        yield f"Every parameter set was simulated on {replicates.graphs} realisations of the connectivity."
    if replicates.confirm:
        yield (
            f"A parameter set that would have become the best was simulated on {replicates.confirm} further "
            f"realisations before it counted{bibliography.cite('replicates')}."
        )
    if study.constraints:
        names = _enumerate([constraint.name for constraint in study.constraints])
        yield f"Networks that violated the bounds on {names} were excluded."


def _outcome(results: Results) -> str:
    counts = results.counts
    unseen = " with its mean and standard deviation on realisations that the search had not seen"
    return (
        f"Of {counts['complete'] + counts['failed']} parameter sets, {counts['failed'] or 'none'} failed; "
        f"the best one is reported{unseen if results.study.replicates.fresh else ''}."
    )


def _validation(verdict: Verdict, bibliography: _Bibliography) -> str:
    first, second = verdict.names
    return (
        f"It was validated on {verdict.replicates} further realisations in {first}"
        f"{bibliography.cite('nest')} and {second}{bibliography.cite('genn')}; equivalence was tested by two "
        f"one-sided paired t-tests at 5 %{bibliography.cite('tost')} with the tolerances as margins: "
        f"{verdict.words}."
    )


def _count(n: int, noun: str) -> str:
    words = ("No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten")
    return f"{words[n] if n < len(words) else n} {noun}{'' if n == 1 else 's'}"


def _enumerate(names: Sequence[str]) -> str:
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"
