"""Search: which parameter sets to try next, from an Optuna study in memory.

Proposals depend only on the told trials, the study's seed and the indices of the candidates, so a study that
is stopped between batches and resumed continues as if it had never stopped.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
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

from calibrate.calibration.search.optuna_trials import (
    FEASIBLE,
    INDEX,
    LOSS,
    ORIGIN,
    Answer,
    Claim,
    Proposal,
    Told,
    front_of,
    is_feasible,
    loss_of,
    rank,
)
from calibrate.calibration.search.question import Question
from calibrate.calibration.search.samplers import SAMPLER_BRANCH, STRATEGIES, branch_seed
from calibrate.calibration.search.sight import as_seen
from calibrate.objective import Constraint, Objective
from calibrate.study import Sampler, Study
from calibrate.study.space import Domain, Range, Space, snapped


def candidate_seed(seed: int, index: int, realisation: int = 0) -> int:
    """Seed of candidate number `index` on graph number `realisation`, below 2^32."""
    return branch_seed(seed, 0, index, realisation) if realisation else branch_seed(seed, 0, index)


def distribution(domain: Domain) -> BaseDistribution:
    """Optuna's description of `domain`."""
    if not isinstance(domain, Range):
        return CategoricalDistribution(domain.values)
    if domain.multiple_of is not None:
        # Continuous, as it is written: rounded values need not lie on its steps, and trials of older versions
        # are not rounded.
        return FloatDistribution(domain.low, domain.high, log=domain.log)
    low, high = domain.ends
    if domain.integer:
        return IntDistribution(int(low), int(high), log=domain.log, step=int(domain.step or 1))
    return FloatDistribution(low, high, log=domain.log, step=domain.step)


def _grant_all(wanted: Sequence[Claim]) -> Sequence[Claim]:  # noqa: ARG001
    """The default of `claim` in `Search.ask`: no other run has taken any candidate."""
    return ()


class Search:
    """Proposes parameter sets in `space`, and learns from their results."""

    def __init__(
        self,
        space: Space,
        sampler: Sampler,
        *,
        seed: int,
        n_values: int = 1,
        objectives: Sequence[Objective] = (),
        constraints: Sequence[Constraint] = (),
    ) -> None:
        self._seed, self._n_values = seed, n_values
        self._steps = {
            name: domain
            for name, domain in space.items()
            if isinstance(domain, Range) and (domain.step or domain.multiple_of)
        }
        self._distributions = {name: distribution(domain) for name, domain in space.items()}
        self._strategy = STRATEGIES[type(sampler)](
            sampler,
            Question(
                space=space,
                seed=seed,
                objectives=objectives,
                constraints=constraints,
                pareto=n_values > 1,
            ),
        )
        self._told: list[FrozenTrial] = []
        self._best: FrozenTrial | None = None
        self._counts: Counter[TrialState] = Counter()
        self._infeasible = 0
        self._next_number = 0
        self._indices: set[int] = set()  # of told and open candidates
        self._adopted: set[int] = set()  # indices adopted from another study
        self._study: optuna.Study | None = None
        self._is_whole = True  # whether `_study` contained all told trials when it was created
        self._draw: Callable[[], dict[str, Any]] | None = None
        self._seen: Sequence[FrozenTrial] = ()  # the told trials that the current batch may use
        self._late: Mapping[int, Mapping[str, Any]] = {}  # parameters of the other told trials, by index
        self._has_view = False  # whether the study in memory is ready for the current batch
        self._open: dict[int, Proposal] = {}  # asked for and not told yet, by index
        self._running: dict[int, int] = {}  # trial number in the study in memory, by candidate index
        self._points: Sequence[Mapping[str, Any]] = ()  # points to try first

    @property
    def trials(self) -> Sequence[FrozenTrial]:
        """Finished trials, in the order in which they became known."""
        return self._told

    @property
    def best(self) -> FrozenTrial | None:
        """The feasible trial of lowest loss, the first if several are equal; None if there is none."""
        return self._best

    def count(self, state: TrialState) -> int:
        """Number of finished trials in `state`."""
        return self._counts[state]

    @property
    def infeasible(self) -> int:
        """Number of finished trials that break a constraint."""
        return self._infeasible

    @property
    def front(self) -> list[FrozenTrial]:
        return front_of(self._told)

    def restore(self, trials: Sequence[FrozenTrial]) -> None:
        """Take in finished trials of earlier or concurrent runs."""
        for trial in trials:
            if trial.state.is_finished():
                self._take(trial)

    def reopen(self, proposals: Sequence[Proposal]) -> None:
        """Take in proposals of other runs that this run will tell; it does not ask for these indices."""
        self._open |= {proposal.index: proposal for proposal in proposals}
        self._indices.update(proposal.index for proposal in proposals)
        self._adopted.update(proposal.index for proposal in proposals if proposal.adopted)

    def enqueue(self, points: Sequence[Mapping[str, Any]]) -> None:
        """Propose these points next, unless they were before; parameters that they lack are space-filling."""
        self._points = [snapped(self._steps, point) for point in points]

    def ask(
        self,
        n: int,
        *,
        trials: int | None = None,
        claim: Callable[[Sequence[Claim]], Sequence[Claim]] = _grant_all,
        lag: int = 0,
    ) -> list[Proposal]:
        """Up to `n` proposals with the lowest free indices; fewer if the points run out.

        trials  maximum number of candidates in total, without adopted ones
        claim   claims candidates; returns those that other runs have taken, which are not proposed
        lag     number of indices before the first proposed one whose results are ignored
        """
        elsewhere: dict[int, Claim] = {}
        ours: list[Claim] = []
        while len(ours) < n and (wanted := self._find_free(n - len(ours), trials, ours, elsewhere)):
            elsewhere |= {taken.index: taken for taken in claim(wanted)}
            ours += [wish for wish in wanted if wish.index not in elsewhere]
        now = datetime.now()
        proposals: list[Proposal] = []
        self._look(min((own.index for own in ours), default=0), lag)
        self._draw, self._has_view = None, False
        for own in ours:
            parameters = self._propose(own.index, own.parameters)
            proposals.append(Proposal(index=own.index, parameters=parameters, asked=now))
            self._open[own.index] = proposals[-1]
        self._indices.update(proposal.index for proposal in proposals)
        return proposals

    def expect(self, answers: Sequence[Answer], *, graphs: int) -> Sequence[float]:
        """The losses that are to be expected over so many graphs; none of a sampler that has no model.

        answers  to proposals that are open, from fewer graphs
        """
        if self._strategy.expect is None or not answers:
            return ()
        told = _by_index([*map(Told.of_trial, self._told), *map(Told.of_answer, answers)])
        return self._strategy.expect(told, [answer.proposal.parameters for answer in answers], graphs)

    def tell(
        self,
        answers: Sequence[Answer],
        *,
        mirror: Callable[[Sequence[FrozenTrial]], Sequence[int]] | None = None,
    ) -> list[FrozenTrial]:
        """Finish trials, in this order; returns them for storage, without attributes of the sampler.

        mirror  stores the trials and returns their numbers; by default they are numbered as they are told
        """
        trials = [self._freeze(answer, self._next_number + k) for k, answer in enumerate(answers)]
        if mirror is not None:
            for trial, number in zip(trials, mirror(trials), strict=True):
                trial.number = number
        for trial in trials:
            self._take(trial)
        return trials

    def _take(self, trial: FrozenTrial) -> None:
        index = int(trial.user_attrs.get(INDEX, -1))
        self._told.append(trial)
        # These are updated with each trial, because they are read after every outcome of a batch.
        self._next_number = max(self._next_number, trial.number + 1)
        self._counts[trial.state] += 1
        self._infeasible += any(value > 0 for value in trial.constraints.values())
        if is_feasible(trial) and (self._best is None or rank(trial) < rank(self._best)):
            self._best = trial
        self._indices.add(index)
        if ORIGIN in trial.user_attrs:
            self._adopted.add(index)
        self._open.pop(index, None)
        self._finish(trial, self._running.pop(index, None))

    def _find_free(
        self, n: int, trials: int | None, ours: Sequence[Claim], elsewhere: Mapping[int, Claim]
    ) -> list[Claim]:
        """Up to `n` claims for the lowest free indices, with those points to try first that are unasked."""
        used = self._indices | elsewhere.keys() | {own.index for own in ours}
        adopted = self._adopted | {other.index for other in elsewhere.values() if other.adopted}
        free: list[int] = []
        asked = 0
        for index in range(sys.maxsize if self._strategy.size is None else self._strategy.size):
            if len(free) == n or (trials is not None and asked >= trials):
                break
            asked += index not in adopted
            if index not in used:
                free.append(index)
        points = self._find_unasked([*ours, *elsewhere.values()]) if self._points else []
        return [
            Claim(index=index, parameters=points[k] if k < len(points) else {})
            for k, index in enumerate(free)
        ]

    def _find_unasked(self, claims: Sequence[Claim]) -> list[Mapping[str, Any]]:
        """The points to try first that neither this search nor these claims contain."""
        told = [(int(trial.user_attrs.get(INDEX, -1)), trial.params) for trial in self._told]
        waiting = [(index, proposal.parameters) for index, proposal in self._open.items()]
        others = [(claim.index, claim.parameters) for claim in claims if claim.index not in self._indices]
        by_index = sorted([*told, *waiting, *others], key=lambda entry: entry[0])
        # Trials that are stored can have other digits.
        asked = [snapped(self._steps, parameters) for _, parameters in by_index]
        unasked = []
        for point in self._points:
            # One candidate accounts for one point only: {x = 1} is asked for although {x = 1, y = 2} was.
            number = next((k for k, params in enumerate(asked) if point.items() <= params.items()), None)
            if number is None:
                unasked.append(point)
            else:
                del asked[number]
        if not unasked and not others:
            self._points = ()
        return unasked

    def _look(self, first: int, lag: int) -> None:
        """Decide which told trials a batch may use; `first` is its first index."""
        by_index = {int(trial.user_attrs.get(INDEX, -1)): trial for trial in self._told} if lag else {}
        late = [k for k in range(first - lag, first) if k in by_index and k not in self._adopted]
        self._late = {index: by_index[index].params for index in late}
        hidden = {by_index[index].number for index in late}
        self._seen = [trial for trial in self._told if trial.number not in hidden] if hidden else self._told

    def _propose(self, index: int, wanted: Mapping[str, Any]) -> dict[str, Any]:
        strategy = self._strategy
        if wanted or (strategy.sampler is None and not self._can_draw(index)):
            return snapped(self._steps, {**strategy.points(index), **wanted})
        if strategy.propose is not None:
            if self._draw is None:
                seed = branch_seed(self._seed, SAMPLER_BRANCH, index)
                running = self._unseen
                waiting = [running[number] for number in sorted(running)]
                self._draw = strategy.propose(_by_index(map(Told.of_trial, self._seen)), waiting, seed)
            return self._draw()
        assert strategy.sampler is not None  # else the first branch returned the point
        if not self._has_view or self._study is None:
            self._has_view = True
            self._study = self._view(strategy.sampler(branch_seed(self._seed, SAMPLER_BRANCH, index)))
        # With too few results, a sampler has nothing to learn from.
        if index < strategy.startup or self._n_complete < strategy.least:
            parameters = strategy.points(index)
            self._add_running(index, parameters)
            return parameters
        trial = self._study.ask(self._distributions)
        self._running[index] = trial.number
        return snapped(self._steps, trial.params)

    def _can_draw(self, index: int) -> bool:
        propose, startup = self._strategy.propose, self._strategy.startup
        return propose is not None and index >= startup and self._n_complete > 0

    def _add_running(self, index: int, parameters: Mapping[str, Any]) -> None:
        assert self._study is not None
        trial = create_trial(
            state=TrialState.RUNNING, params=dict(parameters), distributions=self._distributions
        )
        self._study.add_trial(trial)
        self._running[index] = len(self._study.get_trials(deepcopy=False)) - 1

    def _view(self, sampler: BaseSampler) -> optuna.Study:
        """The study in memory that `sampler` uses, with a limited number of trials."""
        limit, notes = self._strategy.history, self._strategy.notes
        whole = len(self._told) <= limit and len(self._seen) == len(self._told)
        if self._study is not None and self._is_whole and whole and not self._open and not notes:
            self._study.sampler = sampler
            return self._study
        study = optuna.create_study(sampler=sampler, directions=["minimize"] * self._n_values)
        remembered = self._choose_history(limit)
        study.add_trials(as_seen(remembered, notes))
        self._study, self._is_whole = study, whole
        self._running.clear()
        running = self._unseen
        for index in sorted(running):
            self._add_running(index, running[index])
        return study

    @property
    def _unseen(self) -> dict[int, Mapping[str, Any]]:
        """The parameter sets whose results the current batch may not use, by index."""
        return {**{index: proposal.parameters for index, proposal in self._open.items()}, **self._late}

    @property
    def _n_complete(self) -> int:
        return sum(trial.state == TrialState.COMPLETE for trial in self._seen)

    def _choose_history(self, limit: int) -> list[FrozenTrial]:
        if len(self._seen) <= limit:
            return list(self._seen)
        complete = [trial for trial in self._seen if trial.state == TrialState.COMPLETE]
        best = sorted(complete, key=lambda trial: (loss_of(trial), trial.number))[: limit // 2]
        chosen = {trial.number for trial in best}
        latest = [trial for trial in reversed(complete) if trial.number not in chosen]
        chosen |= {trial.number for trial in latest[: limit - len(best)]}
        return [trial for trial in complete if trial.number in chosen]

    def _finish(self, trial: FrozenTrial, number: int | None) -> None:
        if self._study is None:
            return
        if trial.constraints or (self._steps and number is not None):
            # How infeasible trials are seen depends on all others, and only an added trial can have other
            # digits than Optuna proposed: the next view adds them.
            self._study = None
            return
        (seen,) = as_seen([trial])
        if number is None:
            self._study.add_trial(seen)
        else:
            self._study.tell(number, seen.values, state=seen.state)

    def _freeze(self, answer: Answer, number: int) -> FrozenTrial:
        trial = create_trial(
            state=TrialState.FAIL if answer.loss is None else TrialState.COMPLETE,
            values=None if answer.loss is None else list(answer.values) or [answer.loss],
            params=dict(answer.proposal.parameters),
            distributions=self._distributions,
            user_attrs={INDEX: answer.proposal.index, **answer.attributes},
            constraints=dict(answer.constraints),
        )
        if len(answer.values) > 1:
            trial.user_attrs[LOSS] = answer.loss
        if answer.constraints:
            # Optuna's dashboard ignores constraints.
            trial.user_attrs[FEASIBLE] = all(value <= 0 for value in answer.constraints.values())
        trial.number = number
        trial.datetime_start = answer.proposal.asked
        return trial


def _by_index(told: Iterable[Told]) -> list[Told]:
    return sorted(told, key=lambda trial: trial.index)


def search_for(study: Study) -> Search:
    """The search of a study, without trials."""
    return Search(
        study.space,
        study.sampler,
        seed=study.seed,
        n_values=len(study.objectives) if study.pareto else 1,
        objectives=study.objectives,
        constraints=study.constraints,
    )
