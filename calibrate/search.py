"""Search: which parameter sets to try next, from an Optuna study in memory.

What is asked depends on the told trials, the study's seed and the candidates' indices only, so a study that
is stopped between batches and resumed goes on as if it had not been.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState, create_trial

from calibrate.study import Grid, Random, Sampler, Tpe
from calibrate.study.space import Domain, Range, Space, grid_point, grid_size

# User attributes of a trial.
UUID, INDEX = "uuid", "index"

# Branches of the study's seed; candidates have branch 0.
_SAMPLER_BRANCH, _POINTS_BRANCH = 1, 2


def candidate_seed(study_seed: int, index: int) -> int:
    """Seed of candidate number `index`, below 2^32."""
    return _seed(study_seed, 0, index)


def _seed(study_seed: int, *key: int) -> int:
    return int(np.random.SeedSequence(study_seed, spawn_key=key).generate_state(1)[0])


def distribution(domain: Domain) -> BaseDistribution:
    """Optuna's description of `domain`."""
    if not isinstance(domain, Range):
        return CategoricalDistribution(domain.values)
    low, high = domain.ends
    if domain.integer:
        return IntDistribution(int(low), int(high), log=domain.log, step=int(domain.step or 1))
    return FloatDistribution(low, high, log=domain.log, step=domain.step)


Points = Callable[[int], dict[str, Any] | None]


@dataclass(frozen=True, kw_only=True)
class Strategy:
    """How a sampler proposes.

    points   the point of each candidate index, for points that do not depend on results; None after the last
    startup  so many candidates take their point even if there is a sampler
    sampler  from a seed, Optuna's sampler; None where `points` are all there is
    history  number of trials that the sampler looks at
    """

    points: Points
    startup: int = 0
    sampler: Callable[[int], BaseSampler] | None = None
    history: int = 1000


def _tpe(options: Sampler, space: Space, seed: int) -> Strategy:
    assert isinstance(options, Tpe)

    def sampler(batch_seed: int) -> BaseSampler:
        return TPESampler(
            n_startup_trials=0,
            n_ei_candidates=options.candidates,
            multivariate=options.multivariate,
            constant_liar=True,
            seed=batch_seed,
        )

    return Strategy(
        points=_sobol(space, seed), startup=options.startup, sampler=sampler, history=options.history
    )


def _random(options: Sampler, space: Space, seed: int) -> Strategy:  # noqa: ARG001
    def points(index: int) -> dict[str, Any]:
        random = np.random.default_rng(_seed(seed, _POINTS_BRANCH, index))
        return {name: domain.at(random.random()) for name, domain in space.items()}

    return Strategy(points=points)


def _grid(options: Sampler, space: Space, seed: int) -> Strategy:  # noqa: ARG001
    size = grid_size(space)
    return Strategy(points=lambda index: grid_point(space, index) if index < size else None)


def _sobol(space: Space, seed: int) -> Points:
    from scipy.stats import qmc  # takes a second to import

    def points(index: int) -> dict[str, Any]:
        sequence = qmc.Sobol(len(space), scramble=True, rng=_seed(seed, _POINTS_BRANCH))
        cube = sequence.fast_forward(index).random(1)[0] if index else sequence.random(1)[0]
        # Scrambling may round up to 1.
        return {
            name: domain.at(min(float(u), 1 - 1e-9))
            for (name, domain), u in zip(space.items(), cube, strict=True)
        }

    return points


# A sampler is one entry here and its options in `calibrate.study.file`.
STRATEGIES: Mapping[type[Sampler], Callable[[Sampler, Space, int], Strategy]] = {
    Tpe: _tpe,
    Random: _random,
    Grid: _grid,
}


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """A parameter set to try: values of the free parameters; `index` keys the candidate's seed."""

    index: int
    parameters: Mapping[str, Any]
    asked: datetime


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What became of a proposal: its loss (finite; None: it failed), and what its trial carries."""

    proposal: Proposal
    loss: float | None
    attributes: Mapping[str, Any] = field(default_factory=dict)


class Search:
    """Proposes parameter sets in `space`, and learns what became of them."""

    def __init__(self, space: Space, sampler: Sampler, *, seed: int) -> None:
        self._space, self._seed = space, seed
        self._distributions = {name: distribution(domain) for name, domain in space.items()}
        self._strategy = STRATEGIES[type(sampler)](sampler, space, seed)
        self._told: list[FrozenTrial] = []
        self._indices: set[int] = set()
        self._study: optuna.Study | None = None
        self._running: dict[int, int] = {}  # trial number in the study in memory, by candidate index

    @property
    def trials(self) -> Sequence[FrozenTrial]:
        """Finished trials, numbered as they were told."""
        return self._told

    @property
    def best(self) -> FrozenTrial | None:
        """The trial of lowest loss, the first of equals; None before one is complete."""
        complete = [trial for trial in self._told if trial.state == TrialState.COMPLETE]
        return min(complete, key=lambda trial: (trial.value, trial.number), default=None)

    def restore(self, trials: Sequence[FrozenTrial]) -> None:
        """Take in the finished trials of earlier runs, before anything is asked."""
        for trial in trials:
            if trial.state.is_finished():
                self._told.append(trial)
                self._indices.add(int(trial.user_attrs.get(INDEX, -1)))

    def reserve(self, indices: Sequence[int]) -> None:
        """Ask no candidates with these indices: they are known already and will be told."""
        self._indices.update(indices)

    def ask(self, n: int) -> list[Proposal]:
        """Up to `n` proposals, with the lowest indices that are not used; fewer where the points run out."""
        now = datetime.now()
        proposals: list[Proposal] = []
        for index in itertools.islice(self._unused(), n):
            parameters = self._next(index, first=not proposals)
            if parameters is None:
                break
            proposals.append(Proposal(index=index, parameters=parameters, asked=now))
        self._indices.update(proposal.index for proposal in proposals)
        return proposals

    def tell(self, verdicts: Sequence[Verdict]) -> list[FrozenTrial]:
        """Finish trials, in this order; returns them as they may be kept, without the sampler's own notes."""
        finished = []
        for verdict in verdicts:
            trial = self._frozen(verdict)
            finished.append(trial)
            self._told.append(trial)
            self._finish(trial, self._running.pop(verdict.proposal.index, None))
        return finished

    def _unused(self) -> Iterator[int]:
        return (index for index in itertools.count() if index not in self._indices)

    def _next(self, index: int, *, first: bool) -> dict[str, Any] | None:
        strategy = self._strategy
        if strategy.sampler is None:
            return strategy.points(index)
        if first:
            self._study = self._view(strategy.sampler(_seed(self._seed, _SAMPLER_BRANCH, index)))
        assert self._study is not None  # the first of a batch made it
        # A sampler that knows no result yet has nothing to go by.
        if index < strategy.startup or self.best is None:
            parameters = strategy.points(index)
            if parameters is not None:
                running = create_trial(
                    state=TrialState.RUNNING, params=parameters, distributions=self._distributions
                )
                self._study.add_trial(running)
                self._running[index] = len(self._study.get_trials(deepcopy=False)) - 1
            return parameters
        trial = self._study.ask(self._distributions)
        self._running[index] = trial.number
        return dict(trial.params)

    def _view(self, sampler: BaseSampler) -> optuna.Study:
        """The study in memory that `sampler` sees, with a limited number of trials."""
        limit = self._strategy.history
        if self._study is not None and len(self._told) <= limit and not self._running:
            self._study.sampler = sampler
            return self._study
        study = optuna.create_study(sampler=sampler)
        study.add_trials(self._remembered(limit))
        self._running.clear()
        return study

    def _remembered(self, limit: int) -> list[FrozenTrial]:
        if len(self._told) <= limit:
            return self._told
        complete = [trial for trial in self._told if trial.state == TrialState.COMPLETE]
        best = sorted(complete, key=lambda trial: (trial.value, trial.number))[: limit // 2]
        chosen = {trial.number for trial in best}
        latest = [trial for trial in reversed(complete) if trial.number not in chosen]
        chosen |= {trial.number for trial in latest[: limit - len(best)]}
        return [trial for trial in complete if trial.number in chosen]

    def _finish(self, trial: FrozenTrial, number: int | None) -> None:
        if self._study is None:
            return
        if number is None:
            self._study.add_trial(trial)
        elif trial.state == TrialState.FAIL:
            self._study.tell(number, state=TrialState.FAIL)
        else:
            self._study.tell(number, trial.value)

    def _frozen(self, verdict: Verdict) -> FrozenTrial:
        trial = create_trial(
            state=TrialState.FAIL if verdict.loss is None else TrialState.COMPLETE,
            value=verdict.loss,
            params=dict(verdict.proposal.parameters),
            distributions=self._distributions,
            user_attrs={INDEX: verdict.proposal.index, **verdict.attributes},
        )
        trial.number = self._told[-1].number + 1 if self._told else 0
        trial.datetime_start = verdict.proposal.asked
        return trial
