"""Search: which parameter sets to try next, from an Optuna study in memory.

What is asked depends on the told trials, the study's seed and the candidates' indices only, so a study that
is stopped between batches and resumed goes on as if it had not been.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState, create_trial

from calibrate.samplers import SAMPLER_BRANCH, STRATEGIES, branch_seed
from calibrate.study import Sampler
from calibrate.study.space import Domain, Range, Space

# User attributes of a trial.
UUID, INDEX = "uuid", "index"


def candidate_seed(study_seed: int, index: int) -> int:
    """Seed of candidate number `index`, below 2^32."""
    return branch_seed(study_seed, 0, index)


def distribution(domain: Domain) -> BaseDistribution:
    """Optuna's description of `domain`."""
    if not isinstance(domain, Range):
        return CategoricalDistribution(domain.values)
    low, high = domain.ends
    if domain.integer:
        return IntDistribution(int(low), int(high), log=domain.log, step=int(domain.step or 1))
    return FloatDistribution(low, high, log=domain.log, step=domain.step)


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
        self._draw: Callable[[], dict[str, Any]] | None = None
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
        if strategy.propose is not None and index >= strategy.startup and self.best is not None:
            if first or self._draw is None:
                seed = branch_seed(self._seed, SAMPLER_BRANCH, index)
                self._draw = strategy.propose(self._replayed(), seed)
            return self._draw()
        if strategy.sampler is None:
            self._draw = None
            return strategy.points(index)
        if first:
            self._study = self._view(strategy.sampler(branch_seed(self._seed, SAMPLER_BRANCH, index)))
        assert self._study is not None  # the first of a batch made it
        # A sampler that knows too few results has nothing to go by.
        if index < strategy.startup or self._complete < strategy.least:
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
        limit, notes = self._strategy.history, self._strategy.notes
        if self._study is not None and len(self._told) <= limit and not self._running and not notes:
            self._study.sampler = sampler
            return self._study
        study = optuna.create_study(sampler=sampler)
        remembered = self._remembered(limit)
        if notes:
            remembered = [copy.copy(trial) for trial in remembered]
            for trial in remembered:
                trial.system_attrs = dict(notes)
        study.add_trials(remembered)
        self._running.clear()
        return study

    @property
    def _complete(self) -> int:
        return sum(trial.state == TrialState.COMPLETE for trial in self._told)

    def _replayed(self) -> list[tuple[int, Mapping[str, Any], float | None]]:
        """Index, parameters and loss (None: failed) of the told trials, by index."""
        told = [
            (int(t.user_attrs.get(INDEX, -1)), t.params, t.value if t.state == TrialState.COMPLETE else None)
            for t in self._told
        ]
        return sorted(told, key=lambda trial: trial[0])

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
