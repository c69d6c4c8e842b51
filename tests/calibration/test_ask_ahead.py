"""Asking ahead: the next batch is asked while this one simulates, with a lag that no timing changes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from calibrate.calibration.clock import Clock
from calibrate.calibration.loop import run
from calibrate.calibration.search.ask_ahead import Asking
from calibrate.calibration.search.optuna_trials import Answer, Claim
from calibrate.calibration.search.search import Search
from calibrate.simulation.jobs import Job, Outcome
from calibrate.study import Cmaes, Nsga2, Random, Sampler, Study, Tpe
from calibrate.study.space import Domain, Range
from tests.helpers.in_memory import Bench, Shelf
from tests.helpers.studies import small_study

SQUARE: dict[str, Domain] = {f"x{k}": Range(low=0.0, high=1.0) for k in range(3)}
SAMPLERS: list[Sampler] = [Tpe(startup=4), Cmaes(startup=4, population=4), Nsga2(population=4), Random()]


def answers(proposals) -> list[Answer]:
    return [
        Answer(proposal=p, loss=sum((float(value) - 0.3) ** 2 for value in p.parameters.values()))
        for p in proposals
    ]


def asking_ahead(sampler: Sampler, batches: int) -> list[dict[str, float]]:
    search, asked = Search(SQUARE, sampler, seed=1), []
    waiting = search.ask(4, lag=4)
    for _ in range(batches):
        batch, waiting = waiting, search.ask(4, lag=4)
        search.tell(answers(batch))
        asked += [dict(one.parameters) for one in batch]
    return asked


@pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda sampler: sampler.name)
def test_what_is_asked_with_a_lag_does_not_depend_on_when_the_results_came(sampler):
    search, asked = Search(SQUARE, sampler, seed=1), []
    for _ in range(6):
        batch = search.ask(4, lag=4)
        search.tell(answers(batch))  # known in time, and left out of account
        asked += [dict(one.parameters) for one in batch]
    assert asked == asking_ahead(sampler, 6)


@pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda sampler: sampler.name)
def test_a_search_with_a_lag_that_was_stopped_goes_on_as_if_it_had_not_been(sampler):
    first = Search(SQUARE, sampler, seed=1)
    for _ in range(3):
        first.tell(answers(first.ask(4, lag=4)))
    resumed, asked = Search(SQUARE, sampler, seed=1), []
    resumed.restore(first.trials)
    for _ in range(3):
        batch = resumed.ask(4, lag=4)
        resumed.tell(answers(batch))
        asked += [dict(one.parameters) for one in batch]
    assert asked == asking_ahead(sampler, 6)[12:]


def test_a_batch_with_a_lag_learns_from_the_batch_before_the_last():
    blind = [dict(one.parameters) for one in Search(SQUARE, Tpe(startup=4), seed=1).ask(12)]
    asked = asking_ahead(Tpe(startup=4), 3)
    assert asked[:8] == blind[:8]  # nothing was known
    assert all(one != other for one, other in zip(asked[8:], blind[8:], strict=True))


def test_without_a_lag_again_all_is_known_again():
    def told(lag: int) -> Search:
        search = Search(SQUARE, Tpe(startup=4), seed=1)
        search.tell(answers(search.ask(4)))
        search.tell(answers(search.ask(4)))
        if lag:
            search.tell(answers(search.ask(4, lag=lag)))
        else:
            search.restore(told(4).trials[8:])
        return search

    one, other = (search.ask(4) for search in (told(4), told(0)))
    assert [p.parameters for p in one] == [p.parameters for p in other]


class Slow(Bench):
    """A bench whose batches take a while, in which the test looks at what else goes on."""

    def __init__(self, look: Callable[[], None]) -> None:
        super().__init__()
        self._look = look

    def run(
        self,
        candidates: Sequence[Job],
        *,
        progress: Callable[[Outcome], None] = lambda _: None,
    ) -> list[Outcome]:
        self._look()
        return super().run(candidates, progress=progress)


def ahead(folder: Path, *, trials: int = 16, sampler: Mapping[str, Any] | None = None) -> Study:
    return small_study(folder, budget={"trials": trials}, pool={"ask_ahead": True}, sampler=sampler or {})


def test_the_next_batch_is_asked_while_this_one_simulates(tmp_path):
    claimed: list[int] = []
    busy = threading.Event()
    while_busy: list[list[int]] = []

    class Counting(Shelf):
        def claim(self, wanted: Sequence[Claim]) -> Sequence[Claim]:
            claimed.extend(one.index for one in wanted)
            busy.set()
            return []

    def look() -> None:
        if len(claimed) < 12:
            busy.wait(5)
            time.sleep(0.05)
        busy.clear()
        while_busy.append(list(claimed))

    result = run(ahead(tmp_path, trials=12), pool=Slow(look), store=Counting())
    assert result.complete == 12
    assert claimed == list(range(12))
    assert while_busy[1][:12] == list(range(12))  # the third, while the second simulated


@pytest.mark.parametrize(
    "sampler",
    [
        {"name": "random"},
        {"name": "tpe", "startup": 4},
        {"name": "cmaes", "startup": 4},
        {"name": "bo", "startup": 4},
    ],
    ids=lambda sampler: sampler["name"],
)
def test_the_same_seed_gives_the_same_trials_however_long_anything_takes(tmp_path, sampler):
    found = []
    for pause_s in (0.0, 0.1):
        shelf = Shelf()
        run(ahead(tmp_path, sampler=sampler), pool=Slow(lambda s=pause_s: time.sleep(s)), store=shelf)
        found.append([(trial.number, trial.params, trial.value) for trial in shelf.trials])
    stopped = Shelf()
    run(
        ahead(tmp_path, sampler=sampler),
        pool=Bench(),
        store=stopped,
        interrupted=lambda: len(stopped.kept) >= 8,
    )
    assert len(stopped.trials) == 8
    run(ahead(tmp_path, sampler=sampler), pool=Bench(), store=stopped)
    found.append([(trial.number, trial.params, trial.value) for trial in stopped.trials])
    assert found[0] == found[1] == found[2]


def test_asking_ahead_is_off_by_default(tmp_path):
    search = Search(SQUARE, Random(), seed=1)
    asking = Asking(search, trials=None, clock=Clock(), claim=lambda _: [])
    with asking.meanwhile(4, batch=4) as proposals:
        pass
    assert proposals == []
    assert small_study(tmp_path).file.pool.ask_ahead is False


def test_what_goes_wrong_while_asking_ahead_is_raised_after_the_batch():
    def refused(_: Sequence[Claim]) -> Sequence[Claim]:
        raise OSError("the database is gone")

    search = Search(SQUARE, Random(), seed=1)
    asking = Asking(search, trials=None, clock=Clock(), claim=refused, ahead=True)
    done = []
    with pytest.raises(OSError, match="gone"), asking.meanwhile(4, batch=4):
        done.append(True)
    assert done
