"""Graphs: fixed ones for all candidates, further ones for what may be the best, fresh ones for what is."""

from __future__ import annotations

import contextlib
import itertools
import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.trial import FrozenTrial

from calibrate import Estimate
from calibrate.calibration.confirmation import CONFIRMED_BELOW
from calibrate.calibration.loop import run
from calibrate.calibration.progress import Progress
from calibrate.calibration.result import as_json
from calibrate.calibration.search.search import candidate_seed
from calibrate.calibration.trials.score import score, weighted_mean
from calibrate.calibration.trials.simulation import Simulation
from calibrate.observation import Observation, SimulationFailure
from calibrate.simulation.jobs import Job
from calibrate.store import Store, storage_url
from calibrate.study import Study
from calibrate.study.graph_numbers import Purpose
from tests.helpers.in_memory import Dies, RateBench, Shelf, doubled
from tests.helpers.studies import CONSTRAINT, RATE_E, RATE_I, STAGE, Tables, small_study


def replicated(folder: Path, trials: int = 8, *changes: Tables, **replicates: int) -> Study:
    return small_study(folder, *changes, replicates=replicates, budget={"trials": trials})


# Most candidates are near enough to be confirmed.
LENIENT = {"objectives": [RATE_E | {"tolerance": 6.0}, RATE_I | {"tolerance": 8.0}]}


class Graphs(RateBench):
    """A bench on which some graphs make networks fire more, by so much current; some break on them."""

    def __init__(self, more: Mapping[int, float] | None = None, broken: frozenset[int] = frozenset()) -> None:
        super().__init__()
        self._more, self._broken = more or {}, broken

    def _simulate(self, candidate: Job) -> Observation | SimulationFailure:
        if candidate.realisation in self._broken:
            return SimulationFailure(f"graph {candidate.realisation} broke")
        current = candidate.parameters["I_E"] + self._more.get(candidate.realisation, 0.0)
        moved = {**candidate.parameters, "I_E": current}
        return super()._simulate(Job(uuid=candidate.uuid, parameters=moved, seed=candidate.seed))


def of(shelf: Shelf, uuid: str) -> list[Simulation]:
    return [kept for kept in shelf.kept if kept.uuid == uuid]


def graphs_of(shelf: Shelf, uuid: str) -> list[int]:
    return sorted(kept.realisation for kept in of(shelf, uuid))


def best_uuid(shelf: Shelf, number: int) -> str:
    return str(shelf.trials[number].user_attrs["uuid"])


def story(shelf: Shelf) -> list[tuple[Any, ...]]:
    return [(t.user_attrs["index"], t.user_attrs.get("graphs"), t.params, t.value) for t in shelf.trials]


# --- fixed graphs -----------------------------------------------------------------------------------


def test_every_candidate_is_simulated_on_the_same_graphs_and_its_loss_is_that_of_their_mean(tmp_path):
    shelf, study = Shelf(), replicated(tmp_path, graphs=3)
    run(study, pool=Graphs({1: 1.0, 2: 2.0}), store=shelf)
    for trial in shelf.trials:
        own = of(shelf, trial.user_attrs["uuid"])
        assert graphs_of(shelf, trial.user_attrs["uuid"]) == [0, 1, 2]
        each = [score(study, [one]).loss for one in own]
        assert len(set(each)) == 3
        means = [np.mean([one.estimates[name].value for one in own]) for name in ("rate_E", "rate_I")]
        losses = [o.loss(Estimate(mean)) for o, mean in zip(study.objectives, means, strict=True)]
        assert trial.value == pytest.approx(weighted_mean(study.objectives, losses))
        rates = [one.estimates["rate_E"].value for one in own]
        assert trial.user_attrs["rate_E"] == pytest.approx(np.mean(rates))
        assert trial.user_attrs["graphs"] == 3


def test_each_graph_of_a_candidate_has_its_own_seed_and_the_first_that_of_a_study_with_one(tmp_path):
    bench, alone = RateBench(), RateBench()
    run(replicated(tmp_path, graphs=3), pool=bench, store=Shelf())
    run(replicated(tmp_path), pool=alone, store=Shelf())
    seeds = {(c.uuid, c.realisation): c.seed for c in bench.asked}
    assert len(set(seeds.values())) == len(seeds) == 24
    index = {uuid: k for k, uuid in enumerate(dict.fromkeys(c.uuid for c in bench.asked))}
    assert all(seed == candidate_seed(3, index[uuid], graph) for (uuid, graph), seed in seeds.items())
    assert [c.seed for c in bench.asked if c.realisation == 0] == [c.seed for c in alone.asked]


def test_graphs_are_no_trials(tmp_path):
    bench = RateBench()
    result = run(replicated(tmp_path, 10, graphs=2), pool=bench, store=Shelf())
    assert (result.complete, len(bench.asked)) == (10, 20)


def test_a_candidate_that_fails_on_one_of_its_graphs_has_failed(tmp_path):
    shelf = Shelf()
    result = run(replicated(tmp_path, 4, graphs=2), pool=Graphs(broken=frozenset({1})), store=shelf)
    assert (result.complete, result.failed) == (0, 4)
    assert {trial.user_attrs["reason"] for trial in shelf.trials} == {"graph 1 broke"}


def test_a_constraint_is_broken_if_the_mean_over_graphs_breaks_it(tmp_path):
    constraint = {"constraints": [{"statistic": "rate_E", "max": 21.0}]}
    shelf = Shelf()
    run(replicated(tmp_path, 12, constraint, graphs=2), pool=Graphs({1: 2.0}), store=shelf)
    for trial in shelf.trials:
        rates = [one.estimates["rate_E"].value for one in of(shelf, trial.user_attrs["uuid"])]
        assert trial.user_attrs["feasible"] == (np.mean(rates) <= 21)
    assert {trial.user_attrs["feasible"] for trial in shelf.trials} == {True, False}


# --- confirmation -----------------------------------------------------------------------------------


def test_a_candidate_that_would_be_the_best_is_told_with_its_mean_over_further_graphs(tmp_path):
    shelf, study = Shelf(), replicated(tmp_path, 40, confirm=2)
    result = run(study, pool=Graphs({1: 0.3, 2: 0.3}), store=shelf)
    assert result.best is not None
    assert result.best.graphs == 3
    own = of(shelf, best_uuid(shelf, result.best.number))
    assert result.best.loss == pytest.approx(score(study, own).loss)
    confirmed = [trial for trial in shelf.trials if trial.user_attrs["graphs"] == 3]
    assert 0 < len(confirmed) < 20
    for trial in shelf.trials:
        assert graphs_of(shelf, trial.user_attrs["uuid"]) == list(range(trial.user_attrs["graphs"]))


def test_only_what_would_be_the_best_is_confirmed(tmp_path):
    shelf, study = Shelf(), replicated(tmp_path, 60, confirm=2)
    run(study, pool=Graphs({1: 0.3, 2: 0.3}), store=shelf)
    best = np.inf
    for start in range(0, 60, 4):
        batch = shelf.trials[start : start + 4]
        for trial in batch:
            alone = score(study, of(shelf, trial.user_attrs["uuid"])[:1]).loss
            if trial.user_attrs["graphs"] == 3:
                assert alone < min(best, CONFIRMED_BELOW)
        best = min(best, *(trial.value for trial in batch))
        winner = min(shelf.trials[: start + 4], key=lambda trial: trial.value)
        assert winner.user_attrs["graphs"] == 3 or winner.value >= CONFIRMED_BELOW


def test_the_next_of_a_batch_is_confirmed_until_the_best_of_all_has_been(tmp_path):
    # On graph 0 every network fires less than on the others: whoever seems best is not.
    shelf, bench = Shelf(), Graphs(dict.fromkeys(range(1, 5), 3.0))
    result = run(replicated(tmp_path, 40, confirm=4), pool=bench, store=shelf)
    assert result.best is not None
    unconfirmed = [trial.value for trial in shelf.trials if trial.user_attrs["graphs"] == 1]
    assert result.best.graphs == 5 or result.best.loss >= CONFIRMED_BELOW
    assert min(unconfirmed) >= min(result.best.loss, CONFIRMED_BELOW)
    per_batch = Counter(t.number // 4 for t in shelf.trials if t.user_attrs["graphs"] == 5)
    assert max(per_batch.values()) > 1


def test_far_from_the_targets_nothing_is_confirmed(tmp_path):
    far = {"objectives": [RATE_E | {"target": 500.0, "tolerance": 25.0}, RATE_I]}
    bench = RateBench()
    result = run(replicated(tmp_path, 12, far, confirm=4, fresh=0), pool=bench, store=Shelf())
    assert result.best is not None
    assert result.best.loss > CONFIRMED_BELOW
    assert {candidate.realisation for candidate in bench.asked} == {0}


def test_a_candidate_that_fails_on_a_further_graph_has_failed_and_another_is_the_best(tmp_path):
    shelf = Shelf()
    result = run(replicated(tmp_path, 20, confirm=1), pool=Graphs(broken=frozenset({1})), store=shelf)
    failed = [trial for trial in shelf.trials if trial.value is None]
    assert failed
    assert {trial.user_attrs["reason"] for trial in failed} == {"graph 1 broke"}
    assert result.best is None or result.best.loss >= CONFIRMED_BELOW


def test_a_candidate_that_breaks_a_constraint_on_a_further_graph_is_not_the_best(tmp_path):
    constraint = {"constraints": [{"statistic": "rate_E", "max": 21.0}]}
    shelf = Shelf()
    study = replicated(tmp_path, 30, constraint, confirm=1)
    result = run(study, pool=Graphs({1: 12.0}), store=shelf)
    turned = [t for t in shelf.trials if t.user_attrs["graphs"] == 2 and not t.user_attrs["feasible"]]
    assert turned
    assert result.best is None or shelf.trials[result.best.number].user_attrs["feasible"]


def test_infeasible_candidates_are_not_confirmed(tmp_path):
    never = {"constraints": [{"statistic": "rate_I", "min": 900.0}]}
    bench = RateBench()
    run(replicated(tmp_path, 12, never, confirm=4), pool=bench, store=Shelf())
    assert {candidate.realisation for candidate in bench.asked} == {0}


def test_confirming_fills_the_pool_and_is_announced(tmp_path):
    seen: list[Progress] = []
    study = replicated(tmp_path, 20, LENIENT, confirm=2)
    run(study, pool=Graphs({1: 2.0, 2: 2.0}), store=Shelf(), progress=seen.append)
    sizes = {progress.batch for progress in seen if progress.batch and progress.doing == Purpose.CONFIRMATION}
    assert sizes <= {2, 4}
    assert 4 in sizes


def test_batches_of_one_graph_are_filled_with_rivals(tmp_path):
    def confirmed(batch_size: int) -> list[int]:
        """How many were confirmed at once, on two graphs each."""
        seen: list[Progress] = []
        study = replicated(tmp_path, 20, LENIENT, confirm=2)
        run(study, pool=Graphs({1: 2.0, 2: 1.5}), store=Shelf(), progress=seen.append, batch_size=batch_size)
        return [p.batch // 2 for p in seen if p.doing == Purpose.CONFIRMATION and p.batch and not p.returned]

    one, four = confirmed(1), confirmed(4)
    assert max(one) == 2  # four networks at once, one of each graph
    assert 2 < max(four) <= 4
    assert len(four) <= len(one)


# A batch of four, the confirmation of the first two, of the next, and so on: killed in all of them.
@pytest.mark.parametrize("after", [*range(3, 13), 17])
def test_a_run_that_is_killed_while_it_confirms_loses_and_repeats_nothing(tmp_path, after):
    study, graphs = replicated(tmp_path, 12, LENIENT, confirm=2, fresh=0), {1: 2.0, 2: 1.5}
    shelf = Dies(after)
    with pytest.raises(KeyboardInterrupt):
        run(study, pool=Graphs(graphs), store=shelf)
    before = [(kept.uuid, kept.realisation) for kept in shelf.kept]
    shelf.after = -1
    again = Graphs(graphs)
    result = run(study, pool=again, store=shelf)
    assert result.complete == 12
    assert not set(before) & {(c.uuid, c.realisation) for c in again.asked}
    assert doubled(shelf) == []
    assert {uuid for uuid, _ in before} <= {trial.user_attrs["uuid"] for trial in shelf.trials}
    assert sorted(trial.user_attrs["index"] for trial in shelf.trials) == list(range(12))
    assert result.best is not None
    assert result.best.graphs == 3
    for trial in shelf.trials:
        own = of(shelf, trial.user_attrs["uuid"])
        assert trial.user_attrs["graphs"] == len(own)
        assert len(own) in (1, 3)  # confirmed on all further graphs or on none
        assert trial.value == pytest.approx(score(study, own).loss)


def test_a_run_that_is_interrupted_goes_on_as_if_it_had_not_been(tmp_path):
    study, unbroken, shelf = replicated(tmp_path, 20, graphs=2, confirm=2), Shelf(), Shelf()
    run(study, pool=Graphs({2: 0.3}), store=unbroken)
    run(study, pool=Graphs({2: 0.3}), store=shelf, interrupted=lambda: len(shelf.kept) >= 20)
    assert len(shelf.trials) < 20
    run(study, pool=Graphs({2: 0.3}), store=shelf)
    assert story(shelf) == story(unbroken)


# --- fresh graphs -----------------------------------------------------------------------------------


def test_the_best_is_shown_on_graphs_that_the_search_never_saw(tmp_path):
    shelf = Shelf()
    result = run(
        replicated(tmp_path, 12, graphs=2, confirm=2, fresh=3), pool=Graphs({4: 0.5, 5: 0.25}), store=shelf
    )
    assert result.best is not None
    fresh = [kept for kept in shelf.kept if kept.realisation >= 4]
    uuid = best_uuid(shelf, result.best.number)
    assert [(kept.uuid, kept.realisation) for kept in sorted(fresh, key=lambda k: k.realisation)] == [
        (uuid, 4),
        (uuid, 5),
        (uuid, 6),
    ]
    index = shelf.trials[result.best.number].user_attrs["index"]
    assert {kept.seed for kept in fresh} == {candidate_seed(3, index, k) for k in (4, 5, 6)}
    rates = [kept.estimates["rate_E"].value for kept in fresh]
    shown = result.best.fresh["rate_E"]
    assert shown.graphs == 3
    assert shown.mean == pytest.approx(np.mean(rates))
    assert shown.sd == pytest.approx(np.std(rates, ddof=1))
    target = result.best.targets[0]
    assert target.fresh == shown
    assert target.fresh_met == (abs(np.mean(rates) - 5) <= 1)
    assert as_json(result)["best"]["fresh"]["statistics"]["rate_E"]["mean"] == shown.mean


def test_fresh_graphs_count_neither_for_the_loss_nor_for_what_the_best_reached(tmp_path):
    with_fresh, without = Shelf(), Shelf()
    one = run(
        replicated(tmp_path, 12, confirm=2, fresh=3),
        pool=Graphs(dict.fromkeys((3, 4, 5), 2.0)),
        store=with_fresh,
    )
    other = run(replicated(tmp_path, 12, confirm=2), pool=Graphs(), store=without)
    assert one.best is not None
    assert other.best is not None
    assert story(with_fresh) == story(without)
    assert (one.best.loss, one.best.statistics) == (other.best.loss, other.best.statistics)
    assert [target.reached for target in one.best.targets] == [t.reached for t in other.best.targets]


def test_the_next_run_shows_the_same_again_and_simulates_nothing(tmp_path):
    shelf, study = Shelf(), replicated(tmp_path, 12, confirm=2, fresh=3)
    first = run(study, pool=Graphs({3: 0.5}), store=shelf)
    bench = RateBench()
    again = run(study, pool=bench, store=shelf)
    assert bench.asked == []
    assert repr(again.best) == repr(first.best)  # nan is not nan
    assert again.best is not None
    assert again.best.fresh


def test_more_fresh_graphs_are_added_to_those_that_are_known(tmp_path):
    shelf = Shelf()
    run(replicated(tmp_path, 12, fresh=2), pool=RateBench(), store=shelf)
    bench = RateBench()
    result = run(replicated(tmp_path, 12, fresh=4), pool=bench, store=shelf)
    assert [candidate.realisation for candidate in bench.asked] == [3, 4]
    assert result.best is not None
    assert result.best.fresh["rate_E"].graphs == 4
    fewer = run(replicated(tmp_path, 12, fresh=1), pool=bench, store=shelf)
    assert fewer.best is not None
    assert fewer.best.fresh["rate_E"].graphs == 1


def test_a_study_that_goes_on_never_searches_on_fresh_graphs(tmp_path):
    shelf = Shelf()
    run(replicated(tmp_path, 8, confirm=1, fresh=2), pool=Graphs({1: 0.2}), store=shelf)
    result = run(replicated(tmp_path, 40, confirm=1, fresh=2), pool=Graphs({1: 0.2}), store=shelf)
    assert result.best is not None
    assert {trial.user_attrs["graphs"] for trial in shelf.trials} == {1, 2}
    shown = {kept.uuid for kept in shelf.kept if kept.realisation >= 2}
    assert best_uuid(shelf, result.best.number) in shown
    assert len(shown) <= 2


def test_an_interrupted_run_shows_its_best_without_fresh_graphs(tmp_path):
    shelf = Shelf()
    study = replicated(tmp_path, 12, fresh=3)
    result = run(study, pool=RateBench(), store=shelf, interrupted=lambda: len(shelf.kept) >= 4)
    assert result.stopped == "interrupted"
    assert result.best is not None
    assert not result.best.fresh
    assert {kept.realisation for kept in shelf.kept} == {0}


def test_a_fresh_graph_on_which_the_best_fails_is_left_out_and_changes_no_trial(tmp_path):
    shelf = Shelf()
    study = replicated(tmp_path, 12, fresh=3)
    result = run(study, pool=Graphs(broken=frozenset({1})), store=shelf)
    assert result.failed == 0
    assert result.best is not None
    assert result.best.fresh["rate_E"].graphs == 2
    again = run(study, pool=RateBench(), store=shelf)
    assert repr(again.best) == repr(result.best)  # nan is not nan
    assert again.last_failure is None


@pytest.mark.parametrize("after", [12, 13, 14])
def test_a_run_that_is_killed_on_fresh_graphs_goes_on_with_those_that_are_left(tmp_path, after):
    shelf, study = Dies(after), replicated(tmp_path, 12, fresh=3)
    with pytest.raises(KeyboardInterrupt):
        run(study, pool=RateBench(), store=shelf)
    shelf.after = -1
    bench = RateBench()
    result = run(study, pool=bench, store=shelf)
    assert len(bench.asked) == 15 - after
    assert result.best is not None
    assert result.best.fresh["rate_E"].graphs == 3


# --- all of it, in a database -----------------------------------------------------------------------


def test_a_study_that_is_killed_again_and_again_loses_and_doubles_nothing(tmp_path):
    more = {"constraints": [CONSTRAINT], "stages": [STAGE], "sampler": {"name": "tpe", "startup": 6}}
    study = replicated(tmp_path, 20, LENIENT, more, graphs=2, confirm=2, fresh=2)
    url = storage_url(study)

    class DiesInBetween(Store):
        left = 0

        def record(self, simulation: Simulation) -> None:
            if not self.left:
                raise KeyboardInterrupt
            self.left -= 1
            super().record(simulation)

        def mirror(self, trials: Sequence[FrozenTrial]) -> list[int]:
            if self.left == 1:
                super().mirror(trials[:-1])
                raise KeyboardInterrupt
            return super().mirror(trials)

    result, left = None, itertools.cycle([5, 9, 2, 14, 7])
    for _ in range(40):
        with DiesInBetween(study, url) as store:
            store.left = next(left)
            with contextlib.suppress(KeyboardInterrupt):
                result = run(study, pool=Graphs({1: 0.3, 2: -0.4, 3: 0.3}), store=store)
        if result is not None:
            break
    assert result is not None
    assert result.complete == 20
    assert result.best is not None
    assert result.best.fresh["rate_E"].graphs == 2
    trials = optuna.load_study(study_name="small", storage=url).trials
    assert len({trial.user_attrs["uuid"] for trial in trials}) == len(trials) == 20
    assert {trial.user_attrs["index"] for trial in trials} == set(range(20))
    with sqlite3.connect(tmp_path / "small.db") as connection:
        rows = connection.execute(
            "select uuid, trial, stage, realisation from calibrate_simulation"
        ).fetchall()
    numbers = {trial.user_attrs["uuid"]: trial.number for trial in trials}
    assert all(numbers[uuid] == number for uuid, number, *_ in rows)
    for trial in trials:
        own = sorted(tuple(row[2:]) for row in rows if row[0] == trial.user_attrs["uuid"])
        full = [(2, graph) for graph in range(trial.user_attrs["graphs"])]
        fresh = [(2, 4), (2, 5)] if trial.number == result.best.number else []
        assert own == ([(1, 0), *full, *fresh] if trial.user_attrs["stage"] == 2 else [(1, 0)])
