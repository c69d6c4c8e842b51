"""Asking: when a run asks its search for candidates, before a batch or while the one before it simulates."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from calibrate.calibration.clock import Clock
from calibrate.calibration.search.search import Search
from calibrate.calibration.search.trials import Claim, Proposal


class Asking:
    """Asks `search` for batches.

    trials  as many candidates may be asked in all; None: no limit
    clock   counts the time in which a run only asks
    claim   takes candidates for this run; returns what other runs have taken
    ahead   whether `meanwhile` asks. Then no batch knows the results of the one before it, which may simulate
            while it is asked; nor where that has ended, as after an interruption: so what is asked depends on
            no timing
    """

    def __init__(
        self,
        search: Search,
        *,
        trials: int | None,
        clock: Clock,
        claim: Callable[[Sequence[Claim]], Sequence[Claim]],
        ahead: bool = False,
    ) -> None:
        self._search, self._trials, self._claim, self._ahead = search, trials, claim, ahead
        self._clock = clock

    def ask(self, n: int, *, batch: int) -> list[Proposal]:
        """Up to `n` proposals, where `batch` candidates are simulated at once."""
        with self._clock.counts("asking"):
            return self._proposals(n, batch)

    @contextmanager
    def meanwhile(self, n: int, *, batch: int) -> Iterator[list[Proposal]]:
        """Ask while the body runs: what it gives holds up to `n` proposals then, none without `ahead`.

        The body must not use the search, nor tell anything.
        """
        found: list[Proposal] = []
        if not self._ahead or n <= 0:
            yield found
            return
        # Leaving it waits for the thread, after an exception too.
        with ThreadPoolExecutor(1, thread_name_prefix="asking") as thread:
            asked = thread.submit(self._proposals, n, batch)
            yield found
            with self._clock.counts("asking"):
                found += asked.result()

    def _proposals(self, n: int, batch: int) -> list[Proposal]:
        lag = batch if self._ahead else 0
        return self._search.ask(n, trials=self._trials, claim=self._claim, lag=lag) if n > 0 else []
