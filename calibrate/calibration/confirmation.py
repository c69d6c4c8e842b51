"""Confirmation: the lowest of many noisy losses is biased, so would-be best candidates get more graphs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from calibrate.calibration.search.search import Search
from calibrate.calibration.trials.candidate import Candidate
from calibrate.calibration.trials.score import Deviation, Score, deviation_of, score
from calibrate.calibration.trials.simulation import Simulation
from calibrate.study import Study
from calibrate.study.file.replicates import ConfirmSection

# A candidate is confirmed only if its loss is below this, a root mean square deviation of two tolerances. The
# noise is about one tolerance, so farther from the targets it decides nothing.
CONFIRMED_BELOW = 4.0


class Confirmation:
    """Chooses the candidates of a batch that are to be confirmed, and their graphs.

    Rivals, which would be the best, are confirmed in groups. All of a group get the least number of further
    graphs, and those that are open then get more. What is decided depends on complete groups only, so it does
    not matter which simulation ends first, or which of them an earlier run has stored.

    best        deviation of the best trial so far; None if there is none
    search      whose sampler may have a model of the statistics
    capacity    number of networks that are simulated at once
    batch_size  number of those that one process simulates together, on one graph
    """

    def __init__(
        self,
        study: Study,
        batch: Sequence[Candidate],
        rule: ConfirmSection,
        *,
        best: Deviation | None,
        search: Search,
        capacity: int,
        batch_size: int,
    ) -> None:
        self._study, self._batch, self._rule = study, batch, rule
        self._batch_size, self._batches = batch_size, capacity // batch_size
        # A batch takes the same time however full it is, so it is filled with rivals.
        each = len(study.searched)
        self._at_once = max(1, capacity // (rule.least * each), batch_size // each)
        self._last, self._further = len(study.stages), study.graphs.confirmation
        far = Deviation(loss=CONFIRMED_BELOW)
        self._best = far if best is None else min(best, far)
        # Numbers of further graphs that count. All graphs count that came with a trial of another study.
        self._counted = {one.uuid: 0 if one.origin is None else len(self._simulated(one)) for one in batch}
        self._expected = self._expected_losses(search)
        self._closed: dict[str, Deviation | None] = {}  # None: it failed or breaks a constraint

    def rounds(self) -> Iterator[tuple[Sequence[Candidate], range]]:
        """The candidates to simulate next, with their further graphs, some of which may have been simulated.

        The body of the loop must add the simulations to the candidates.
        """
        yield from self._confirm()
        # What an earlier run began counts, also if that run could simulate more at once than this one.
        if begun := [candidate for candidate in self._batch if self._is_begun(candidate)]:
            for candidate in begun:
                yield self._count([candidate], self._simulated(candidate)[-1] + 1 - self._further.start)
            self._closed.clear()
            yield from self._confirm()

    def _confirm(self) -> Iterator[tuple[Sequence[Candidate], range]]:
        while group := self._rivals()[: self._at_once]:
            n = self._rule.least
            while group:
                yield self._count(group, n)
                group = self._close(group, n)
                n = min(n + self._graphs(len(group)), self._rule.most) if group else n

    def _count(self, group: Sequence[Candidate], n: int) -> tuple[Sequence[Candidate], range]:
        self._counted |= {one.uuid: max(n, self._counted[one.uuid]) for one in group}
        return group, self._further[:n]

    def _graphs(self, candidates: int) -> int:
        """Number of graphs on which so many candidates are simulated at once."""
        return max(1, self._batches // -(-candidates * len(self._study.searched) // self._batch_size))

    def _expected_losses(self, search: Search) -> Mapping[str, float]:
        """What a sampler that models the statistics expects of candidates that are confirmed, by UUID."""
        found = [candidate.on_graphs(self._study.graphs.search) for candidate in self._batch]
        complete = [candidate for candidate in found if candidate.failure is None]
        answers = [candidate.answer(self._study) for candidate in complete]
        losses = search.expect(answers, graphs=self._further.start + self._rule.least)
        return dict(zip([candidate.uuid for candidate in complete], losses, strict=False))

    def _rivals(self) -> list[Candidate]:
        """The others that are or will probably be better than the best confirmed one, the lowest first."""
        losses = {
            one.uuid: min(result.loss, self._expected.get(one.uuid, math.inf))
            for one in self._batch
            if one.uuid not in self._closed and (result := self._score(one)) is not None
        }
        bar = self._bar.loss
        rivals = [one for one in self._batch if losses.get(one.uuid, bar) < bar]
        return sorted(rivals, key=lambda candidate: losses[candidate.uuid])

    def _close(self, group: Sequence[Candidate], n: int) -> list[Candidate]:
        """Close those of a group that need no more than `n` further graphs; returns the others."""
        deviations = {
            one.uuid: None if self._score(one) is None else deviation_of(self._study, self._simulations(one))
            for one in group
        }
        self._closed |= {
            uuid: found
            for uuid, found in deviations.items()
            if found is None or n >= self._rule.most or found.error <= self._rule.error
        }
        bar = self._bar
        self._closed |= {
            uuid: found for uuid, found in deviations.items() if found is not None and found.exceeds(bar)
        }
        return [one for one in group if one.uuid not in self._closed]

    @property
    def _bar(self) -> Deviation:
        """The deviation of the best that is confirmed."""
        return min([self._best, *(one for one in self._closed.values() if one is not None)])

    def _score(self, candidate: Candidate) -> Score | None:
        """The score over the graphs that count; None if it failed on one or breaks a constraint."""
        simulations = self._simulations(candidate)
        if any(simulation.failed for simulation in simulations):
            return None
        found = score(self._study, simulations)
        return found if found.feasible else None

    def _simulations(self, candidate: Candidate) -> list[Simulation]:
        """Its simulations on the graphs that count."""
        stop = self._further.start + self._counted[candidate.uuid]
        return [one for one in candidate.simulations if one.stage < self._last or one.realisation < stop]

    def _simulated(self, candidate: Candidate) -> list[int]:
        """Numbers of the further graphs on which it was simulated, in one condition at least."""
        graphs = (simulation.realisation for simulation in candidate.simulations_of(self._last))
        return sorted({graph for graph in graphs if graph in self._further})

    def _is_begun(self, candidate: Candidate) -> bool:
        """Whether it was simulated on graphs that do not count yet."""
        stop = self._further.start + self._counted[candidate.uuid]
        return candidate.failure is None and max(self._simulated(candidate), default=-1) >= stop
