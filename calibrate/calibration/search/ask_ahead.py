"""Asking the search for candidates, before a batch or while the previous batch simulates."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from calibrate.calibration.clock import Clock
from calibrate.calibration.search.optuna_trials import Claim, Proposal
from calibrate.calibration.search.search import Search


class Asking:
    """Asks `search` for batches.

    trials  maximum number of candidates in total; None: no limit
    clock   counts the time in which a run only asks
    claim   claims candidates for this run; returns those that are taken already
    ahead   whether `meanwhile` asks. If so, no proposals use the results of the previous batch, even if that
            has ended, as after an interruption: proposals must not depend on timing
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
        """Up to `n` proposals; `batch` candidates are simulated at once."""
        with self._clock.counts("asking"):
            return self._propose(n, batch)

    @contextmanager
    def meanwhile(self, n: int, *, batch: int) -> Iterator[list[Proposal]]:
        """Ask while the body runs; afterwards the list holds up to `n` proposals, or none without `ahead`.

        The body must not use the search or tell candidates.
        """
        proposals: list[Proposal] = []
        if not self._ahead or n <= 0:
            yield proposals
            return
        # On leaving the executor, it waits for its thread, also after an exception.
        with ThreadPoolExecutor(1, thread_name_prefix="asking") as executor:
            future = executor.submit(self._propose, n, batch)
            yield proposals
            with self._clock.counts("asking"):
                proposals += future.result()

    def _propose(self, n: int, batch: int) -> list[Proposal]:
        lag = batch if self._ahead else 0
        return self._search.ask(n, trials=self._trials, claim=self._claim, lag=lag) if n > 0 else []
