"""Stages, constraints, graphs and confirmation: what decides which candidate is the best."""

from __future__ import annotations

import sqlite3
from collections import Counter
from pathlib import Path

import numpy as np
import optuna
import pytest
from test_run import Bench, Shelf

from calibrate.cli.commands import execute
from calibrate.observation import Observation, SimulationFailure
from calibrate.run import run
from calibrate.score import INFEASIBLE
from calibrate.search import candidate_seed
from calibrate.session import run_study
from calibrate.store import storage_url
from calibrate.study import Study
from calibrate.worker import Candidate
from small_study import small_study

NO_REPLICATES = "confirm = 0\nfresh = 0"
CONSTRAINT = '\n[[constraints]]\nstatistic = "rate_E"\nmax = 10.0\n'
STAGE = "\n[[stages]]\nduration_ms = 500\n"


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch):
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    monkeypatch.delenv("OPTUNA_STORAGE", raising=False)


def study_with(folder: Path, replicates: str = NO_REPLICATES, *, more: str = "", trials: int = 8) -> Study:
    budget = ("trials = 8", f"trials = {trials}")
    return small_study(folder, budget, (NO_REPLICATES, replicates + "\n" + more))


class Graphs(Bench):
    """A bench whose networks fire more on some graphs than on others."""

    def __init__(self, extra: dict[int, float]) -> None:
        super().__init__()
        self._extra = extra

    def _simulate(self, candidate: Candidate) -> Observation | SimulationFailure:
        current = candidate.parameters["I_E"] + self._extra.get(candidate.realisation, 0.0)
        moved = Candidate(
            uuid=candidate.uuid, parameters={**candidate.parameters, "I_E": current}, seed=candidate.seed
        )
        return super()._simulate(moved)


def test_candidates_that_break_a_constraint_in_the_short_stage_are_not_simulated_in_full(tmp_path):
    shelf, bench = Shelf(), Bench()
    result = run(study_with(tmp_path, more=CONSTRAINT + STAGE, trials=30), pool=bench, store=shelf)
    short = {c.uuid for c, t in zip(bench.asked, bench.timings, strict=True) if t.duration_ms == 500}
    full = {c.uuid for c, t in zip(bench.asked, bench.timings, strict=True) if t.duration_ms == 2000}
    out = {t.user_attrs["uuid"] for t in shelf.trials if not t.user_attrs["feasible"]}
    assert len(shelf.trials) == len(short) == 30
    assert 0 < len(out) == result.infeasible < 30
    assert full == short - out
    for trial in shelf.trials:
        broken = trial.user_attrs["rate_E"] > 10
        assert broken != trial.user_attrs["feasible"]
        assert (trial.value >= INFEASIBLE) == broken
        assert (trial.constraints["rate_E"] > 0) == broken
        assert trial.user_attrs["stage"] == (1 if broken else 2)


def test_survivors_wait_for_a_full_batch(tmp_path):
    shelf, bench = Shelf(), Bench()
    sizes = []
    simulate = bench.run

    def counted(candidates, *, timing=None, progress=lambda _: None):
        sizes.append((timing.duration_ms, len(candidates)))
        return simulate(candidates, timing=timing, progress=progress)

    bench.run = counted
    run(study_with(tmp_path, more=CONSTRAINT + STAGE, trials=30), pool=bench, store=shelf)
    full = [n for length, n in sizes if length == 2000]
    assert all(n == bench.capacity for n in full[:-1])


def test_an_infeasible_candidate_is_never_the_best(tmp_path):
    # The target lies where the constraint is broken.
    constraint = '\n[[constraints]]\nstatistic = "rate_E"\nmax = 4.0\n'
    shelf = Shelf()
    result = run(study_with(tmp_path, more=constraint, trials=40), pool=Bench(), store=shelf)
    assert result.best is not None
    assert shelf.trials[result.best.number].user_attrs["feasible"]
    assert result.best.statistics["rate_E"] <= 4.0


def test_a_study_whose_trials_all_break_a_constraint_has_no_best(tmp_path):
    constraint = '\n[[constraints]]\nstatistic = "rate_E"\nmin = 100.0\n'
    result = run(study_with(tmp_path, more=constraint), pool=Bench(), store=Shelf())
    assert result.best is None
    assert (result.complete, result.infeasible) == (8, 8)


def test_a_survivor_of_an_earlier_run_is_not_screened_again(tmp_path):
    shelf = Shelf()
    study = study_with(tmp_path, more=CONSTRAINT + STAGE, trials=12)

    def stop() -> bool:
        return len(shelf.kept) >= 4

    run(study, pool=Bench(), store=shelf, interrupted=stop)
    before = {kept.uuid for kept in shelf.kept}
    bench = Bench()
    run(study, pool=bench, store=shelf)
    screened = [c.uuid for c, t in zip(bench.asked, bench.timings, strict=True) if t.duration_ms == 500]
    assert not before & set(screened)
    assert len(shelf.trials) == 12
    assert max(Counter((k.uuid, k.stage, k.realisation) for k in shelf.kept).values()) == 1


def test_the_loss_is_the_mean_over_the_fixed_graphs(tmp_path):
    shelf = Shelf()
    study = study_with(tmp_path, "graphs = 3\nconfirm = 0\nfresh = 0")
    run(study, pool=Graphs({1: 1.0, 2: 2.0}), store=shelf)
    for trial in shelf.trials:
        own = [kept for kept in shelf.kept if kept.uuid == trial.user_attrs["uuid"]]
        assert {kept.realisation for kept in own} == {0, 1, 2}
        index = trial.user_attrs["index"]
        assert {kept.seed for kept in own} == {candidate_seed(3, index, k) for k in range(3)}
        losses = [np.mean([o.loss(kept.estimates[o.name]) for o in study.objectives]) for kept in own]
        assert trial.value == pytest.approx(np.mean(losses))
        mean = np.mean([kept.estimates["rate_E"].value for kept in own])
        assert trial.user_attrs["rate_E"] == pytest.approx(mean)


def test_a_candidate_that_would_be_the_best_is_confirmed_before_it_counts(tmp_path):
    shelf = Shelf()
    study = study_with(tmp_path, "confirm = 2\nfresh = 0", trials=60)
    result = run(study, pool=Graphs({1: 0.3, 2: 0.3}), store=shelf)
    best = np.inf
    confirmed = 0
    for start in range(0, 60, 4):
        batch = shelf.trials[start : start + 4]
        for trial in batch:
            graphs = trial.user_attrs["graphs"]
            assert graphs in (1, 3)
            confirmed += graphs == 3
            # What was not confirmed is no better than the best of those that were, or not worth it.
            assert graphs == 3 or trial.value >= min(best, 4.0, *(t.value for t in batch))
        best = min(best, *(trial.value for trial in batch))
        winner = min((t for t in shelf.trials[: start + 4]), key=lambda t: t.value)
        assert winner.user_attrs["graphs"] == 3 or winner.value >= 4.0
    assert 0 < confirmed < 30
    assert result.best is not None
    assert result.best.graphs == 3


def test_the_best_is_shown_on_graphs_that_the_search_never_saw(tmp_path):
    shelf = Shelf()
    study = study_with(tmp_path, "confirm = 2\nfresh = 5", trials=12)
    bench = Graphs({3: 0.5, 4: 0.25})
    result = run(study, pool=bench, store=shelf)
    assert result.best is not None
    uuid = shelf.trials[result.best.number].user_attrs["uuid"]
    fresh = [kept for kept in shelf.kept if kept.realisation >= 3]
    assert {(kept.uuid, kept.realisation) for kept in fresh} == {(uuid, k) for k in range(3, 8)}
    rates = [kept.estimates["rate_E"].value for kept in fresh]
    shown = result.best.fresh["rate_E"]
    assert (shown.mean, shown.sd, shown.graphs) == (
        pytest.approx(np.mean(rates)),
        pytest.approx(np.std(rates, ddof=1)),
        5,
    )
    again = Graphs({})
    assert run(study, pool=again, store=shelf).best == result.best
    assert again.asked == []


def test_a_run_stops_on_a_plateau(tmp_path):
    shelf = Shelf()
    study = small_study(tmp_path, ("trials = 8", "trials = 500\nplateau = 15"))
    result = run(study, pool=Bench(), store=shelf)
    assert result.stopped == "plateau"
    assert result.best is not None
    assert 15 <= len(shelf.trials) - 1 - result.best.number < 15 + 4


def test_a_pareto_study_keeps_a_value_per_objective_and_finds_the_front(tmp_path):
    study = small_study(tmp_path, ("seed = 3", "seed = 3\npareto = true"), ("trials = 8", "trials = 16"))
    result = run_study(study, url=storage_url(study), slots=2)
    kept = optuna.load_study(study_name="small", storage=f"sqlite:///{tmp_path}/small.db")
    assert len(kept.directions) == 2
    trials = kept.get_trials()
    front = {
        trial.number
        for trial in trials
        if not any(
            all(a <= b for a, b in zip(other.values, trial.values, strict=True))
            and other.values != trial.values
            for other in trials
        )
    }
    assert {best.number for best in result.front} == front
    means = [np.mean(trial.values) for trial in trials]
    assert result.best is not None
    assert result.best.loss == pytest.approx(min(means))


def test_points_that_are_known_before_are_tried_first_and_once(tmp_path):
    prior = ("[budget]", "[prior]\npoints = [{ I_E = 1.0, I_I = 2.0 }, { I_E = 3.0 }]\n\n[budget]")
    study = small_study(tmp_path, prior)
    shelf, bench = Shelf(), Bench()
    run(study, pool=bench, store=shelf)
    first, second = (trial.params for trial in shelf.trials[:2])
    assert first == {"I_E": 1.0, "I_I": 2.0}
    assert second["I_E"] == 3.0
    more = small_study(tmp_path, prior, ("trials = 8", "trials = 12"))
    run(more, pool=Bench(), store=shelf)
    assert sum(trial.params["I_E"] == 3.0 for trial in shelf.trials) == 1


def test_a_changed_study_takes_over_the_trials_inside_its_ranges(tmp_path):
    assert execute(["run", str(small_study(tmp_path).path), "--quiet"]) == 0
    changed = small_study(
        tmp_path,
        ("I_E = { low = 0.1, high = 4.0 }", "I_E = { low = 1.0, high = 2.5 }"),
        ("target = 5.0", "target = 7.0"),
    )
    assert execute(["run", str(changed.path), "--quiet"]) == 2
    assert execute(["run", str(changed.path), "--quiet", "--new", "--import"]) == 0
    assert execute(["run", str(changed.path), "--quiet"]) == 0
    with sqlite3.connect(tmp_path / "small.db") as connection:
        names = [name for (name,) in connection.execute("select study_name from studies order by study_id")]
    assert names[0] == "small"
    assert names[1] == f"small-{changed.digest[:8]}"
    storage = f"sqlite:///{tmp_path}/small.db"
    old, new = (optuna.load_study(study_name=name, storage=storage).get_trials() for name in names)
    inside = {t.user_attrs["uuid"] for t in old if 1.0 <= t.params["I_E"] <= 2.5}
    taken = [t for t in new if t.user_attrs.get("origin") == "small"]
    assert inside
    assert {t.user_attrs["uuid"] for t in taken} == inside
    assert len(new) == 8 + len(inside)
    for trial in taken:  # the loss is that of the new target
        rate, other = trial.user_attrs["rate_E"], trial.user_attrs["rate_I"]
        beyond = max(9 - other, other - 11, 0) / 2
        expected = ((rate - 7) ** 2 + beyond**2) / 2
        assert expected > 100 or trial.value == pytest.approx(expected)
