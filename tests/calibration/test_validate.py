"""`calibrate validate`: what is simulated, kept, said and shown, and how it stops and goes on."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import optuna
import pytest
from optuna_dashboard import get_note, save_note

from calibrate import SimulatorError, StoreError, StudyError, read_results, read_study, run_study
from calibrate.cli.commands import execute
from calibrate.store import Reader, storage_url
from calibrate.tasks.run import validate
from tests.helpers.studies import RATE_E, RATE_I, Tables, small_study, write_study
from tests.helpers.waiting import PATIENCE_S, wait_until

pytestmark = pytest.mark.usefixtures("in_tmp_path")

FEW = {"validation": {"replicates": 4}}
MET = FEW | {"objectives": [RATE_E | {"target": 15.0}, RATE_I | {"interval": [0.1, 60]}]}
MISSED = {"objectives": [RATE_E, RATE_I | {"interval": [90, 110], "tolerance": 20.0}]}
PARETO = {"study": {"pareto": True}}

# A network that NEST and GeNN simulate in a second.
BALANCED = """
[model]
name = "balanced"
[parameters]
N_E = 240
N_I = 60
I_th_E = { low = 1.2, high = 2.0 }
I_th_I = { low = 0.8, high = 1.4 }
[simulation]
backend = "BACKEND"
warmup_ms = 100.0
duration_ms = 400.0
[[objectives]]
statistic = "rate_E"
target = 8.0
tolerance = 6.0
[sampler]
name = "random"
[budget]
trials = 3
[replicates]
confirm = 0
fresh = 0
[validation]
replicates = 6
"""


def ran(folder: Path, *changes: Tables):
    study = small_study(folder, *changes)
    run_study(study, slots=1, progress=False)
    return study


def printed(capfd: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> tuple[str, str]:
    assert execute(arguments) == code
    out, err = (text.replace("models may print\n", "") for text in capfd.readouterr())
    assert "Traceback" not in err
    return out, err


def rows(query: str) -> list[tuple]:
    with sqlite3.connect("small.db") as connection:
        return connection.execute(query).fetchall()


# --- one simulator ----------------------------------------------------------------------------------


def test_the_best_is_simulated_on_fresh_graphs_and_its_targets_are_met(tmp_path, capfd):
    study = ran(tmp_path, MET)
    best = read_results(study).best
    out, err = printed(capfd, "validate", "small.toml", "--slots", "1")
    conclusion = f"Trial {best.number}: targets met on 4 fresh graphs of 2 s"
    assert out.startswith(conclusion)
    assert out.endswith(f"\n{conclusion}\n")
    assert "rate_E (Hz)" in out
    assert "Statistics without a target" in out
    assert "confirmed" not in out
    assert "small: validating in Poisson, 4/4 simulations" in err
    found = rows("select trial, stage, realisation, duration_ms from calibrate_simulation where stage > 1")
    assert found == [(best.number, 2, 1000 + k, 2000.0) for k in range(4)]
    assert len(set(rows("select seed from calibrate_simulation where stage > 1"))) == 4


def test_targets_that_are_missed_are_said_with_exit_code_1(tmp_path, capfd):
    ran(tmp_path, FEW, MISSED)
    out, err = printed(capfd, "validate", "small.toml", "--slots", "1", "--quiet", code=1)
    assert "targets not met on 4 fresh graphs" in out
    assert err.startswith("error: trial ")
    assert "rate_I is " in err
    assert "target 90 to 110" in err


def test_json_has_the_verdict_of_every_trial_and_the_table(tmp_path, capfd):
    ran(tmp_path, MET)
    out, _ = printed(capfd, "validate", "small.toml", "--json", "--quiet", "--top", "2", "--replicates", "3")
    found = json.loads(out)
    assert (found["name"], found["verdict"]) == ("small", "targets_met")
    assert [trial["verdict"] for trial in found["trials"]] == ["targets_met", "targets_not_met"]
    losses = read_results(read_study("small.toml")).trials.loss
    numbers = [trial["trial"] for trial in found["trials"]]
    assert losses[numbers].tolist() == sorted(losses)[:2]
    first = found["trials"][0]
    assert first["replicates"] == 3
    names = [row["name"] for row in first["statistics"]]
    assert names[:2] == ["rate_E", "rate_I"]
    assert {"cv_E", "isi_E", "isi_I"} <= set(names)
    assert first["statistics"][0]["reference"]["defined"] == 3


def test_trials_can_be_named_and_the_pareto_front_is_taken_whole(tmp_path):
    study = ran(tmp_path, FEW, PARETO)
    results = read_results(study)
    assert len(results.front) > 1
    found = validate(study, slots=1, progress=False)
    assert [verdict.trial for verdict in found.verdicts] == [best.number for best in results.front]
    assert (
        len(validate(read_study("small.toml", changes={"validation.top": 1}), progress=False).verdicts) == 1
    )
    named = validate(study, [5, 2, 5], slots=1, progress=False)
    assert sorted(verdict.trial for verdict in named.verdicts) == [2, 5]


def test_what_cannot_be_validated_is_refused(tmp_path, capfd):
    study = small_study(tmp_path, FEW)
    with pytest.raises(StoreError, match="run it first"):
        validate(study, progress=False)
    ran(tmp_path, FEW)
    with pytest.raises(StudyError, match="study 'small' has no trial 99"):
        validate(study, [99], progress=False)
    _, err = printed(capfd, "validate", "small.toml", "--exact", code=1)
    assert "exact mode compares NEST and GeNN, but only Poisson can simulate this study" in err
    _, err = printed(capfd, "validate", "small.toml", "--exact", "--replicates", "4", code=2)
    assert "one graph of each trial" in err
    _, err = printed(capfd, "validate", "small.toml", "--replicates", "2", code=2)
    assert "[validation] replicates" in err
    _, err = printed(capfd, "validate", "small.toml", "--duration-ms", "100", code=2)
    assert "must not be shorter than that of [simulation]" in err


def test_a_failed_trial_is_refused(tmp_path):
    study = ran(tmp_path, FEW, {"parameters": {"wrong_above": 2.0}})
    states = read_results(study).trials.state
    with pytest.raises(StudyError, match="failed: there is nothing to validate"):
        validate(study, [int(states.index[states == "failed"][0])], progress=False)


def test_where_every_replicate_fails_it_says_why_and_the_next_validation_tries_again(tmp_path, capfd):
    study = ran(tmp_path, MET)
    slow = read_study("small.toml", changes={"simulation.timeout_s": 1e-9})
    with pytest.raises(SimulatorError, match=r"no simulation in Poisson completed: .* took longer than"):
        validate(slow, slots=1, progress=False)
    assert rows("select distinct status from calibrate_simulation where stage = 2") == [("failed",)]
    assert rows("select * from calibrate_verdict") == []
    _, err = printed(capfd, "validate", "small.toml", "--slots", "1")
    assert "4/4" in err
    assert validate(study, slots=1, progress=False).verdicts[0].failures == {}


# --- what is kept -----------------------------------------------------------------------------------


def test_a_second_validation_simulates_only_what_is_missing(tmp_path):
    study = ran(tmp_path, MET)
    first = validate(study, slots=1, progress=False).verdicts[0]
    before = rows("select id, finished from calibrate_simulation where stage > 1")
    again = validate(study, slots=1, progress=False).verdicts[0]
    assert rows("select id, finished from calibrate_simulation where stage > 1") == before
    assert again.statistics == first.statistics
    more = read_study("small.toml", changes={"validation.replicates": 6})
    assert validate(more, slots=1, progress=False).verdicts[0].replicates == 6
    assert len(rows("select id from calibrate_simulation where stage > 1")) == 6


def test_a_longer_measurement_takes_the_place_of_a_shorter_one(tmp_path):
    study = ran(tmp_path, MET)
    validate(study, slots=1, progress=False)
    longer = read_study("small.toml", changes={"validation.duration_ms": 4000.0})
    verdict = validate(longer, slots=1, progress=False).verdicts[0]
    assert verdict.duration_ms == 4000.0
    assert rows("select distinct duration_ms from calibrate_simulation where stage = 2") == [(4000.0,)]
    assert len(rows("select id from calibrate_simulation where stage = 2")) == 4


def test_results_and_a_run_that_goes_on_are_what_they_were(tmp_path):
    study = ran(tmp_path, MET)
    before = read_results(study)
    validate(study, slots=1, progress=False)
    after = read_results(study)
    assert after.best == before.best
    assert after.trials.equals(before.trials)
    assert after.observation(before.best.number).duration_ms == 2000.0
    result = run_study(read_study("small.toml", changes={"budget.trials": 10}), slots=1, progress=False)
    assert result.complete == 10


def test_the_verdict_is_in_the_table_in_show_and_in_the_dashboards_note(tmp_path, capfd):
    study = ran(tmp_path, MET)
    url = storage_url(study)
    of_optuna = optuna.load_study(study_name="small", storage=url)
    save_note(of_optuna, "Mine.")
    verdict = validate(study, slots=1, progress=False).verdicts[0]
    assert rows("select trial, exact, verdict from calibrate_verdict") == [(verdict.trial, 0, "targets_met")]
    assert read_results(study).verdicts == [verdict]
    out, _ = printed(capfd, "show", "small.toml")
    assert f"Trial {verdict.trial}: targets met on" in out
    out, _ = printed(capfd, "show", "small.toml", "--json")
    assert json.loads(out)["validation"][0]["verdict"] == "targets_met"
    validate(study, slots=1, progress=False)
    note = get_note(optuna.load_study(study_name="small", storage=url))
    assert note.startswith("Mine.")
    assert note.count("### Validation") == 1
    assert f"**Trial {verdict.trial}: targets met**" in note
    assert "| rate_E | 15 ± 1 |" in note


def test_a_study_of_older_tables_has_no_verdicts(tmp_path):
    study = ran(tmp_path, FEW)
    with sqlite3.connect("small.db") as connection:
        for table in ("verdict", "claim", "coordinator", "variant", "hardening"):
            connection.execute(f"drop table calibrate_{table}")
        for index in ("candidate", "trial"):
            connection.execute(f"drop index calibrate_simulation_by_{index}")
        connection.execute("alter table calibrate_study drop column taken")
        connection.execute("update calibrate_schema set version = 2")
    with Reader(study, storage_url(study)) as reader:
        assert reader.verdicts() == reader.hardenings() == []
    validate(study, slots=1, progress=False)
    assert len(read_results(study).verdicts) == 1


def test_a_run_validates_at_its_end_where_the_study_asks(tmp_path, capfd):
    at_end = {"validation": {"at_end": True}}
    write_study(tmp_path, MET, at_end)
    out, err = printed(capfd, "run", "small.toml", "--slots", "1")
    assert "targets met on" in out
    assert "validating in Poisson" in err
    out, _ = printed(capfd, "run", "small.toml", "--slots", "1", "--json", "--quiet")
    assert json.loads(out)["validation"][0]["verdict"] == "targets_met"
    assert len(rows("select id from calibrate_simulation where stage = 2")) == 4
    write_study(tmp_path, MISSED, FEW, at_end, name="missed")
    _, err = printed(capfd, "run", "missed.toml", "--slots", "1", "--quiet", code=1)
    assert "targets not met" in err


# --- stopping ---------------------------------------------------------------------------------------


def started(*more: str) -> subprocess.Popen[str]:
    """A validation of 500 slow replicates, some of them done."""
    command = [sys.executable, "-m", "calibrate.cli", "validate", "small.toml", "--replicates", "500", *more]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    wait_until(lambda: len(list(Path("small.observations").glob("*-2-*.npz"))) >= 3, "three observations")
    return process


def test_ctrl_c_stops_after_the_batch_and_the_same_command_goes_on(tmp_path):
    ran(tmp_path, MET, {"parameters": {"pause_s": 0.05}})
    process = started()
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130
    assert "Saved; resume with: calibrate validate small.toml --replicates 500" in err
    done = rows("select count(*) from calibrate_simulation where stage = 2 and status = 'complete'")[0][0]
    assert 3 <= done < 500
    assert rows("select * from calibrate_verdict") == []
    some = read_study("small.toml", changes={"validation.replicates": done + 2})
    assert validate(some, slots=1, progress=False).verdicts[0].replicates == done + 2


def test_killed_it_loses_at_most_what_was_being_simulated(tmp_path):
    study = ran(tmp_path, MET, {"parameters": {"pause_s": 0.05}})
    process = started()
    process.kill()
    process.communicate(timeout=PATIENCE_S)
    done = rows("select realisation, id from calibrate_simulation where stage = 2 order by realisation")
    assert len(done) >= 2
    verdict = validate(study, slots=1, progress=False).verdicts[0]
    assert (verdict.verdict, verdict.replicates) == ("targets_met", 4)
    kept = rows("select realisation, id from calibrate_simulation where stage = 2 order by realisation")
    # Of two at once the later may have been done when the earlier was lost.
    assert set(done) <= set(kept)


# --- two simulators ---------------------------------------------------------------------------------


def balanced(folder: Path, backend: str):
    path = folder / "balanced.toml"
    path.write_text(BALANCED.replace("BACKEND", backend))
    study = read_study(path, searched=False)
    run_study(study, slots=1, progress=False)
    return study


@pytest.mark.genn
@pytest.mark.parametrize("backend", ["genn", "nest"])
def test_nest_confirms_what_genn_found_and_the_other_way_round(tmp_path, capfd, backend):
    study = balanced(tmp_path, backend)
    verdict = validate(study, slots=2, progress=False).verdicts[0]
    assert verdict.verdict == "confirmed"
    assert [name.split()[0] for name in verdict.simulators] == ["NEST", "GeNN"]
    rate = verdict.statistics[0]
    assert (rate.name, rate.decision, rate.met) == ("rate_E", "equivalent", True)
    assert rate.reference.defined == rate.other.defined == 6
    assert {"rate_E", "isi_E"} <= {shift.name for shift in verdict.distributions}
    out, _ = printed(capfd, "validate", "balanced.toml", "--slots", "2")
    assert "difference" in out
    assert "Distributions, pooled over graphs" in out
    # The distributions of what was known already are computed again from the stored spikes.
    assert read_results(study).verdicts[0].distributions == verdict.distributions


@pytest.mark.genn
def test_exact_mode_on_the_command_line(tmp_path, capfd):
    balanced(tmp_path, "genn")
    out, _ = printed(capfd, "validate", "balanced.toml", "--exact", "--slots", "1")
    assert "confirmed on one fresh graph of 0.5 s" in out
    assert "GeNN 5.4.0 (CPU, double precision)" in out
    assert "spikes in 500 ms, identical to the end" in out
    out, _ = printed(capfd, "show", "balanced.toml", "--json")
    exact = json.loads(out)["validation"][0]
    assert exact["spikes"][0]["identical_ms"] == 500.0


@pytest.mark.genn
def test_exact_mode_compares_networks_with_random_input(tmp_path):
    """Both simulators draw it from the same hash."""
    noise = "noise_rate_E = 800.0\nnoise_weight_E = 0.3\nnoise_rate_I = 500.0\nnoise_weight_I = -0.2\n"
    path = tmp_path / "noisy.toml"
    path.write_text(BALANCED.replace("BACKEND", "nest").replace("N_I = 60\n", f"N_I = 60\n{noise}"))
    study = read_study(path, searched=False)
    run_study(study, slots=1, progress=False)
    (verdict,) = validate(study, exact=True, slots=1, progress=False).verdicts
    assert verdict.verdict == "confirmed"
    assert verdict.spikes[0].first is None


def test_without_a_second_simulator_nest_is_never_confirmed(tmp_path, monkeypatch):
    from calibrate.calibration.validation import validate as validation

    study = balanced(tmp_path, "nest")
    monkeypatch.setattr(validation, "find_spec", lambda _: None)
    verdict = validate(study, slots=2, progress=False).verdicts[0]
    assert (verdict.verdict, len(verdict.simulators)) == ("targets_met", 1)
