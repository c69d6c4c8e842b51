"""The methods paragraph of a report, and its references."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from calibrate.calibration.validation.verdict import Verdict
from calibrate.hardware.platforms import SOURCES
from calibrate.network import Network
from calibrate.network.own_simulation import OwnSimulation
from calibrate.neurons import NeuronModel, neuron_model
from calibrate.objective.losses import CAP, UNDEFINED
from calibrate.plugins import version_of
from calibrate.report.bibliography import Bibliography, Reference
from calibrate.report.prose import count, enumerated
from calibrate.report.targets_in_words import origins
from calibrate.results.proposals import Proposals
from calibrate.results.results import Results
from calibrate.simulators.backends import BACKENDS
from calibrate.study import Qmc, Study
from calibrate.study.conditions import timing_in
from calibrate.study.rules.whole_steps import simulated_otherwise


def methods(results: Results, verdict: Verdict | None) -> tuple[str, list[Reference]]:
    """Write a paragraph, for a paper, on how the parameters were found; with its references in order."""
    bibliography, study = Bibliography(), results.study
    sentences = [
        _what(study, bibliography),
        *_proposed(study, results.proposals, bibliography),
        _simulated(study, bibliography),
        *_conditions(study),
        *_limits(study),
        *_rounded(study),
        *origins(study),
        *_loss(study, bibliography),
        *_replicates(study, bibliography),
        _outcome(results),
    ]
    if verdict is not None and not verdict.exact and len(verdict.simulators) > 1:
        sentences.append(_validation(verdict, bibliography))
    return " ".join(sentences), bibliography.cited


def _what(study: Study, bibliography: Bibliography) -> str:
    free, model = list(study.space), study.model
    source = bibliography.cite(*([model.cites] if isinstance(model.cites, str) else model.cites))
    kind = "network model" if model.simulation is None else "simulation"
    summary = " ".join(model.doc.split()).rstrip(".")
    sizes = enumerated([f"{p.size:,} {p.name}" for p in study.network.populations])
    return (
        f"{count(len(free), 'parameter')} ({enumerated(free)}) of the {kind} {model.name}{source} "
        f"({f'{summary}; ' if summary else ''}{sizes} neurons in the middle of the ranges) "
        f"{'was' if len(free) == 1 else 'were'} calibrated with calibrate "
        f"{version_of('calibrate-snn') or '(not installed)'}, "
        f"which searches with Optuna {version_of('optuna')}{bibliography.cite('optuna')}."
    )


def _proposed(study: Study, proposals: Proposals, bibliography: Bibliography) -> Iterator[str]:
    """Say who proposed how many of the parameter sets."""
    sampler = study.sampler
    first = Qmc if sampler.learns else type(sampler)
    counted = {}
    if proposals.given:
        counted["given beforehand"] = proposals.given
    if proposals.taken_over:
        counted["taken over from an earlier study"] = proposals.taken_over
    if proposals.independent:
        counted[f"{first.title}{bibliography.cite(first.cites)}"] = proposals.independent
    if proposals.learned:
        by = f"proposed by {sampler.title}{bibliography.cite(sampler.cites)} from the results before them"
        counted[by] = proposals.learned
    total = sum(counted.values())
    if not total:
        return
    if len(counted) == 1:
        (words,) = counted
        yield f"The {count(total, 'parameter set').lower()} {'was' if total == 1 else 'were'} {words}."
        return
    each = [f"{n} {'was' if n == 1 else 'were'} {words}" for words, n in counted.items()]
    yield f"Of {total} parameter sets, {enumerated(each)}."


def _simulated(study: Study, bibliography: Bibliography) -> str:
    simulation, backend = study.simulation, study.simulation.backend
    if study.model.simulation is not None:
        return _simulated_by_user(study, study.model.simulation)
    precision = f" in {simulation.precision} precision" if backend == "genn" else ""
    source = bibliography.cite(backend) if backend in ("genn", "nest") else ""
    return (
        f"Networks were simulated {BACKENDS[backend].in_methods}{source}{precision} "
        f"with a time step of {simulation.dt_ms:g} ms, for {simulation.duration_ms / 1000:g} s after "
        f"{simulation.warmup_ms / 1000:g} s{_integrated(study.network, backend, bibliography)}."
    )


def _simulated_by_user(study: Study, own: OwnSimulation) -> str:
    """Say which code simulated the networks, and its digest, since calibrate did not."""
    simulation = study.simulation
    reference, files = study.file.model.name, study.content["files"]
    digest = files.get(reference.rpartition(":")[0]) or files.get(reference)
    code = f" (SHA-256 of its code {digest[:12]})" if digest else ""
    step = f" with a time step of {simulation.dt_ms:g} ms" if "dt_ms" in own.arguments.keywords else ""
    warmup = f" after {simulation.warmup_ms / 1000:g} s" if simulation.warmup_ms else ""
    return (
        f"Networks were simulated by the authors' own function {own.name}{code}{step}, for "
        f"{simulation.duration_ms / 1000:g} s{warmup}."
    )


def _conditions(study: Study) -> Iterator[str]:
    """Say in which conditions a network was simulated, how they differ, and which were held out."""
    if len(study.conditions) == 1:
        return
    names = enumerated([condition.name for condition in study.conditions])
    yield (
        f"Every network was simulated in {count(len(study.conditions), 'condition').lower()} ({names}), with "
        "the same connectivity, initial state and random input in each."
    )
    for section, condition in zip(study.file.conditions, study.conditions, strict=True):
        differs = [
            f"{name} was {f'{change.scale:g} times as large' if change.scale is not None else change.set}"
            for name, change in section.parameters.items()
        ]
        if condition.stimuli:
            shown = count(len(condition.stimuli), "stimulus presentation").lower()
            differs.append(f"there {'was' if len(condition.stimuli) == 1 else 'were'} {shown}")
        timing = timing_in(study, condition)
        if timing != study.stages[-1]:
            seconds = f"{timing.duration_ms / 1000:g} s after {timing.warmup_ms / 1000:g} s"
            differs.append(f"the simulation lasted {seconds}")
        if differs:
            yield f"In the condition {condition.name}, {enumerated(differs)}."
    if study.held_out:
        held_out = [condition.name for condition in study.held_out]
        s, were, them = ("s", "were", "them") if len(held_out) > 1 else ("", "was", "it")
        yield (
            f"The condition{s} {enumerated(held_out)} {were} held out: the search did not use {them}, and "
            f"the best network predicts {them}."
        )


def _limits(study: Study) -> Iterator[str]:
    """Say under which limits of hardware networks were simulated, and what of a chip was not."""
    if study.limits is None:
        return
    source = SOURCES.get(study.limits.target, "")
    known = f", known from {source}" if source else ""
    yield (
        f"Every network was simulated under the limits of neuromorphic hardware{known}: {study.limits}. "
        "State variables were in floating point."
    )
    if study.limits.differs_between_chips:
        yield "A chip, with its mismatch, was drawn with each graph."


def _rounded(study: Study) -> Iterator[str]:
    """Say which delays and refractory times were not simulated as the study file writes them."""
    simulation = study.simulation
    lines: dict[str, None] = {}
    for condition in study.conditions:
        complete = partial(study.parameters_in, condition)
        lines |= dict.fromkeys(
            simulated_otherwise(study.model, complete, study.space, simulation.dt_ms, simulation.backend)
        )
    if lines:
        yield f"Times were rounded to whole steps: {'; '.join(lines)}."


def _integrated(network: Network, backend: str, bibliography: Bibliography) -> str:
    """Say how each kind of neuron is integrated, unless nothing is known or there is no membrane."""
    methods: dict[str, list[str]] = {}
    for name in dict.fromkeys(population.neuron for population in network.populations):
        method = _method(neuron_model(name), backend, bibliography)
        if method:
            methods.setdefault(method, []).append(name)
    if not methods:
        return ""
    return "; " + enumerated(
        [f"neurons ({enumerated(names)}) were integrated {method}" for method, names in methods.items()]
    )


def _method(neuron: NeuronModel, backend: str, bibliography: Bibliography) -> str:
    if backend not in ("genn", "nest"):
        return ""
    if neuron.exact:
        return f"exactly{bibliography.cite('exact')}"
    integration = (neuron.nest if backend == "nest" else neuron.genn_code).integration
    return f"by {integration}" if integration else ""


def _loss(study: Study, bibliography: Bibliography) -> Iterator[str]:
    robust = [objective.name for objective in study.objectives if objective.robust]
    squared = [objective.name for objective in study.objectives if not objective.robust]
    ratios = [objective.name for objective in study.objectives if objective.statistic.scale == "log"]
    deviation = "the deviation from the target in units of the tolerance (table of targets)"
    huber = f"Huber's loss{bibliography.cite('huber')} of" if robust else ""
    if not squared:
        yield f"The loss of an objective was {huber} {deviation}: quadratic up to the tolerance, then linear."
    elif not robust:
        yield f"The loss of an objective was the square of {deviation}."
    else:
        yield (
            f"The loss of an objective was the square of {deviation}; for {enumerated(robust)}, "
            f"it was {huber} this deviation: quadratic up to the tolerance, then linear."
        )
    if ratios:
        yield f"Values of {enumerated(ratios)} were compared by their logarithms."
    yield (
        f"Losses above {CAP:g} were compressed, and the loss of a statistic that was undefined was at least "
        f"{UNDEFINED:g}."
    )
    if study.pareto:
        yield "The objectives were not combined: the search was for sets that no other one dominates."
    elif len(study.objectives) > 1:
        weights = {objective.weight for objective in study.objectives}
        kind = "mean" if len(weights) == 1 else "weighted mean"
        number = count(len(study.objectives), "objective").lower()
        yield f"The loss of a parameter set was the {kind} over {number}."


def _realisations(study: Study) -> str:
    """What differs between replicates: the graph, if there is one that has a seed of its own."""
    own = study.model.simulation
    return "realisations" if own is None or "graph_seed" in own.arguments.keywords else "random seeds"


def _replicates(study: Study, bibliography: Bibliography) -> Iterator[str]:
    replicates, realisations = study.replicates, _realisations(study)
    of_what = " of the connectivity" if realisations == "realisations" else ""
    if replicates.graphs > 1:
        yield (
            f"Every parameter set was simulated on {replicates.graphs} {realisations}{of_what}, and "
            "its loss is that of the means over them."
        )
    if rule := replicates.confirmation:
        number = f"{rule.least}" if rule.least == rule.most else f"{rule.least} to {rule.most}"
        further = realisations.removesuffix("s") if rule.most == 1 else realisations
        until = (
            f", until the standard error of the root of its loss was at most {rule.error:g} tolerances or it "
            "could not become the best any more"
        )
        yield (
            f"A parameter set that would have become the best was simulated on {number} further {further} "
            f"before it counted{until if rule.least < rule.most else ''}{bibliography.cite('replicates')}."
        )
    if study.constraints:
        names = enumerated([constraint.name for constraint in study.constraints])
        yield f"Networks that violated the bounds on {names} were excluded."


def _outcome(results: Results) -> str:
    counts = results.counts
    others = _realisations(results.study)
    unseen = f" with its mean and standard deviation on {others} that the search had not seen"
    reported = "those on the Pareto front are" if results.study.pareto else "the best one is"
    return (
        f"Of {counts['complete'] + counts['failed']} parameter sets, {counts['failed'] or 'none'} failed; "
        f"{reported} reported{unseen if results.study.replicates.fresh and not results.study.pareto else ''}."
    )


def _validation(verdict: Verdict, bibliography: Bibliography) -> str:
    first, second = verdict.names
    look = f" (look {verdict.look}, of an error rate of 5 % over all looks)" if verdict.look > 1 else ""
    return (
        f"It was validated on {verdict.replicates} further realisations in {first}"
        f"{bibliography.cite('nest')} and {second}{bibliography.cite('genn')}; equivalence was tested by two "
        f"one-sided paired t-tests at {100 * verdict.alpha:.2g} %{bibliography.cite('tost')} with the "
        f"tolerances as margins{look}: {verdict.words}."
    )
