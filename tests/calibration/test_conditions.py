"""Several conditions: a candidate is simulated in all of them, on the same graphs with the same seeds."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from calibrate import make_study, read_results, simulators
from calibrate.calibration.loop import run
from calibrate.calibration.search.optuna_trials import Proposal
from calibrate.calibration.study_pool import setup_of
from calibrate.calibration.trials.candidate import Candidate
from calibrate.calibration.validation.spike_trains import compare_spikes
from calibrate.cli.commands import execute
from calibrate.simulation.jobs import Job, Timing
from calibrate.simulation.pool import batched
from calibrate.simulation.worker import Worker
from calibrate.study import Study
from calibrate.study.conditions import find_condition, timing_in
from calibrate.tasks.run import rescore
from calibrate.tasks.selftest import selftest
from tests.helpers.conditions import ALL, BOTH, DRUG, EVOKED, GAIN, SPONTANEOUS, done, losses, of
from tests.helpers.in_memory import Bench, Dies, Shelf, doubled
from tests.helpers.networks import SMALL
from tests.helpers.studies import RATE_E, RATE_I, Tables, small_study, write_study


def simulated(study: Study, condition: str, *, graph: int = 0, **free: float) -> Any:
    """One simulation in this process."""
    chosen = find_condition(study, condition)
    job = Job(
        uuid="u",
        parameters=study.parameters_in(chosen, {"I_E": 2.0, "I_I": 1.0, **free}),
        seed=7,
        realisation=graph,
        condition=condition,
    )
    (outcome,) = Worker(setup_of(study)).run([job], timing_in(study, chosen))
    return outcome.observation


def test_a_study_without_conditions_does_not_mention_any(tmp_path):
    study = small_study(tmp_path)
    assert "conditions" not in study.content
    assert [one.name for one in study.conditions] == [""]
    assert study.statistics == study.conditions[0].statistics


def test_one_condition_is_the_study_without_conditions_in_every_number(tmp_path):
    changes: Tables = {"replicates": {"graphs": 2, "confirm": 2, "fresh": 2}, "sampler": {"name": "tpe"}}
    plain, shelf = done(small_study(tmp_path, changes))
    named, other = done(small_study(tmp_path, changes, conditions=[SPONTANEOUS], name="other"))
    assert losses(other) == losses(shelf)
    assert [(job.seed, job.realisation, job.parameters) for job in named.asked] == [
        (job.seed, job.realisation, job.parameters) for job in plain.asked
    ]
    assert [repr(kept.estimates) for kept in other.kept] == [repr(kept.estimates) for kept in shelf.kept]
    assert {kept.condition for kept in other.kept} == {"spontaneous"}
    for trial, same in zip(shelf.trials, other.trials, strict=True):
        assert trial.params == same.params
        assert trial.user_attrs["rate_E"] == same.user_attrs["spontaneous.rate_E"]


def test_a_candidate_has_the_same_graphs_and_seeds_in_all_conditions(tmp_path):
    study = small_study(tmp_path, BOTH, replicates={"graphs": 2})
    bench, _ = done(study)
    seen: dict[tuple[str, int], dict[str, Job]] = {}
    for job in bench.asked:
        seen.setdefault((job.uuid, job.realisation), {})[job.condition] = job
    assert len(seen) == 8 * 2
    for jobs in seen.values():
        assert jobs.keys() == {"spontaneous", "evoked"}
        assert jobs["spontaneous"].seed == jobs["evoked"].seed
        assert jobs["evoked"].parameters["I_E"] == 1.5 * jobs["spontaneous"].parameters["I_E"]
        assert jobs["evoked"].parameters["I_I"] == jobs["spontaneous"].parameters["I_I"]


def test_a_step_asks_for_as_many_candidates_as_fill_the_pool_with_all_their_conditions(tmp_path):
    batches = []

    class Counts(Bench):
        def run(self, candidates, **more):  # type: ignore[no-untyped-def]
            batches.append(len(candidates))
            return super().run(candidates, **more)

    run(small_study(tmp_path, BOTH), pool=Counts(), store=Shelf())
    assert batches == [Bench.capacity] * 4


def test_set_and_scale_are_a_study_with_these_values(tmp_path):
    study = small_study(tmp_path, ALL)
    plain = small_study(tmp_path, name="plain")
    for condition, changed in (("evoked", {"I_E": 3.0}), ("drug", {"I_I": 2.0}), ("spontaneous", {})):
        shown, same = simulated(study, condition), simulated(plain, "", **changed)
        assert shown.neuron_totals.tolist() == same.neuron_totals.tolist()


def test_a_derived_parameter_keeps_its_value_when_what_it_follows_from_is_changed(tmp_path):
    derived = {"I_I": {"expression": "I_E / 2"}}
    study = small_study(tmp_path, BOTH, parameters=derived)
    changed = study.parameters_in(find_condition(study, "evoked"), {"I_E": 2.0})
    assert (changed["I_E"], changed["I_I"]) == (3.0, 1.0)


def test_a_parameter_that_the_study_does_not_name_is_scaled_from_its_default(tmp_path):
    more = {"name": "larger", "parameters": {"N_E": {"scale": 1.1}, "J+": {"scale": 3}}}
    study = small_study(tmp_path, BOTH, conditions=[SPONTANEOUS, EVOKED, {**more, "held_out": True}])
    changed = study.parameters_in(find_condition(study, "larger"), {"I_E": 2.0})
    assert changed["N_E"] == 44
    assert isinstance(changed["N_E"], int)
    assert changed["J+"] == 6.0
    assert simulated(study, "larger").size("E") == 44  # another network
    assert simulated(study, "spontaneous").size("E") == 40


def test_a_stimulus_in_one_condition_changes_only_this_one(tmp_path):
    stimulus = {"clusters": [0], "current_pA": 5.0, "duration_ms": 500.0, "onsets_ms": [1000.0]}
    same: Tables = {"conditions": [SPONTANEOUS, {"name": "evoked"}]}
    without = small_study(tmp_path, BOTH, same)
    study = small_study(tmp_path, BOTH, same, name="s", stimuli=[{**stimulus, "condition": "evoked"}])
    everywhere = small_study(tmp_path, BOTH, same, name="e", stimuli=[stimulus])
    spontaneous, evoked = simulated(study, "spontaneous"), simulated(study, "evoked")
    assert spontaneous.neuron_totals.tolist() == simulated(without, "spontaneous").neuron_totals.tolist()
    assert not spontaneous.presentations
    assert evoked.totals("E").sum() > spontaneous.totals("E").sum()
    assert [(one.start_ms, one.stop_ms) for one in evoked.presentations] == [(1000.0, 1500.0)]
    stimulated = simulated(everywhere, "spontaneous")
    assert stimulated.neuron_totals.tolist() == evoked.neuron_totals.tolist()


def test_conditions_in_one_batch_show_what_each_shows_alone(tmp_path):
    stimulus = {"clusters": [0], "current_pA": 5.0, "duration_ms": 500.0, "onsets_ms": [1000.0]}
    study = small_study(tmp_path, ALL, stimuli=[{**stimulus, "condition": "evoked"}])
    free, names = {"I_E": 2.0, "I_I": 1.0}, ("spontaneous", "evoked", "drug")
    jobs = [
        Job(
            uuid="u",
            parameters=study.parameters_in(find_condition(study, name), free),
            seed=7,
            condition=name,
        )
        for name in names
    ]
    outcomes = Worker(setup_of(study, batch_size=3)).run(jobs, study.stages[-1])
    assert [outcome.condition for outcome in outcomes] == list(names)
    for name, outcome in zip(names, outcomes, strict=True):
        alone = simulated(study, name)
        assert outcome.observation.neuron_totals.tolist() == alone.neuron_totals.tolist()
        assert outcome.observation.presentations == alone.presentations


def test_conditions_of_one_length_share_a_batch():
    short, long = (Timing(warmup_ms=0.0, duration_ms=duration) for duration in (10.0, 20.0))
    asked = [
        Job(uuid=uuid, parameters={}, seed=1, realisation=graph, condition=condition, timing=timing)
        for uuid in "ab"
        for graph in (0, 1)
        for condition, timing in (("one", short), ("two", short), ("three", long))
    ]
    batches = [[(job.uuid, job.realisation, job.condition) for job in batch] for batch in _batches(asked)]
    assert batches == [
        [("a", 0, "one"), ("a", 0, "two"), ("b", 0, "one"), ("b", 0, "two")],
        [("a", 0, "three"), ("b", 0, "three")],
        [("a", 1, "one"), ("a", 1, "two"), ("b", 1, "one"), ("b", 1, "two")],
        [("a", 1, "three"), ("b", 1, "three")],
    ]


def _batches(asked: list[Job]) -> list[Any]:
    return list(batched(asked, batch_size=10, devices=1))


@pytest.mark.genn
def test_in_genn_conditions_of_other_values_share_a_compilation_and_a_batch_and_fire_as_in_nest(
    tmp_path, monkeypatch
):
    lively = {"name": "evoked", "parameters": {"I_th_E": {"scale": 1.1}, "J_E+": {"set": 3.0}}}
    stimulus = {"clusters": [0], "current_pA": 0.3, "duration_ms": 50.0, "onsets_ms": [100.0]}
    study = make_study(
        "genn",
        model="ei_clustered",
        parameters={**SMALL, "I_th_E": {"low": 1.9, "high": 2.3}},
        conditions=[SPONTANEOUS, lively],
        stimuli=[{**stimulus, "condition": "evoked"}],
        objectives=[of("spontaneous", RATE_E), of("evoked", RATE_E)],
        simulation={"backend": "genn", "precision": "double", "warmup_ms": 0.0, "duration_ms": 200.0},
        budget={"trials": 1},
        folder=tmp_path,
    )
    candidate = Candidate("u", Proposal(index=0, parameters={"I_th_E": 2.1}, asked=datetime.now(UTC)))
    jobs = candidate.jobs(study, 1, [0])
    assert len(_batches(jobs)) == 1  # on a GPU; the CPU simulates one network at a time
    built, shown = [], {}
    for backend in ("genn", "nest"):
        kind = type(simulators.create(backend, dt_ms=0.1, precision="double"))
        prepare = kind.prepare
        monkeypatch.setattr(kind, "prepare", lambda *a, of=prepare, **more: built.append(1) or of(*a, **more))
        worker = Worker(setup_of(study.on(backend), spikes=True))
        outcomes = [worker.run([job], timing_in(study, study.conditions[0]))[0] for job in jobs]
        shown[backend] = [outcome.observation for outcome in outcomes]
    assert len(built) == 2  # once in each simulator
    for here, there in zip(shown["genn"], shown["nest"], strict=True):
        assert compare_spikes(there, here, graph=0, names=("NEST", "GeNN")).first is None
    spontaneous, evoked = (one.totals("E").sum() for one in shown["genn"])
    assert evoked > spontaneous > 100


def test_stages_screen_all_conditions_of_the_search_with_the_constraints_of_each(tmp_path):
    changes: Tables = {
        "stages": [{"duration_ms": 500, "warmup_ms": 100}],
        "constraints": [of("evoked", {"statistic": "rate_E", "max": 12.0})],
    }
    study = small_study(tmp_path, ALL, changes, conditions=[SPONTANEOUS, {**EVOKED, "warmup_ms": 50}, DRUG])
    assert timing_in(study, study.conditions[1], 1) == Timing(warmup_ms=100.0, duration_ms=500.0)
    assert timing_in(study, study.conditions[1]) == Timing(warmup_ms=50.0, duration_ms=2000.0)
    _, shelf = done(study)
    broken = {t.user_attrs["uuid"] for t in shelf.trials if t.constraints["evoked.rate_E"] > 0}
    assert 0 < len(broken) < len(shelf.trials)
    for trial in shelf.trials:
        stages = {(s.stage, s.condition) for s in shelf.simulations(trial.user_attrs["uuid"])}
        assert {(1, "spontaneous"), (1, "evoked")} <= stages
        assert ((2, "evoked") in stages) == (trial.user_attrs["uuid"] not in broken)


@pytest.mark.parametrize("after", [1, 2, 5, 9, 14, 19])
def test_a_run_that_dies_between_two_conditions_is_resumed_as_if_it_had_not(tmp_path, after):
    study = small_study(
        tmp_path,
        ALL,
        stages=[{"duration_ms": 500}],
        constraints=[of("evoked", {"statistic": "rate_E", "max": 12.0})],
        replicates={"graphs": 2, "confirm": 1, "fresh": 2},
    )
    whole, shelf = done(study)
    broken = Dies(after)
    with pytest.raises(KeyboardInterrupt):
        run(study, pool=Bench(), store=broken)
    broken.after = 10_000
    run(study, pool=Bench(), store=broken)
    assert losses(broken) == losses(shelf)
    assert _done_twice(broken) == []
    assert len(broken.kept) == len(shelf.kept) == len(whole.asked)


def _done_twice(shelf: Shelf) -> list[Any]:
    keys = [(kept.uuid, kept.stage, kept.realisation, kept.condition) for kept in shelf.kept]
    assert doubled(shelf)  # the same graph, in several conditions
    return [key for key in set(keys) if keys.count(key) > 1]


def test_trials_are_scored_again_in_all_conditions(tmp_path):
    path = write_study(tmp_path, BOTH, budget={"trials": 3})
    assert execute(["run", str(path), "--quiet", "--slots", "1"]) == 0
    before = read_results(path).trials
    changed = [of("spontaneous", RATE_E), of("evoked", RATE_I), {**GAIN, "target": 5.0}]
    study = small_study(tmp_path, BOTH, budget={"trials": 3}, objectives=changed)
    rescore(study, say=lambda _: None)
    after = read_results(study).trials
    assert len(after) == 3
    name = "evoked-spontaneous.rate_E"
    assert after[name].tolist() == before[name].tolist()
    assert after["loss"].tolist() != before["loss"].tolist()


def test_a_selftest_recovers_a_network_from_its_conditions_without_those_that_are_held_out(tmp_path):
    study = small_study(tmp_path, ALL, budget={"trials": 3})
    found = selftest(study, {"I_E": 2.0}, slots=1, progress=False)
    assert found is not None
    assert [target.name for target in found.best.targets] == [one.name for one in study.objectives]
