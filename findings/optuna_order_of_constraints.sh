#!/usr/bin/env bash
# Optuna 5.0.0: the constraints of a trial come back from an SQL database in another order than from memory.
#
# A trial has its constraints as a mapping by name. The storage in memory returns them in the order in which
# they were set, the SQL storage sorted by name. GPSampler builds one model for each *position* of
# `trial.constraints.values()`. Trials copied from a database into a study in memory, beside others that were
# added with constraints in another order, therefore mix the constraints up without a word.
#
# Observed: set as ("z", "a"), read from memory as ["z", "a"], and from SQLite as ["a", "z"].
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet optuna==5.0.0
FOLDER=$folder "$folder/venv/bin/python" - <<'PYTHON'
import inspect
import os
import sys

import optuna
from optuna.samplers._gp import sampler as gp

optuna.logging.set_verbosity(optuna.logging.ERROR)
orders = {}
for name, storage in (("memory", None), ("SQLite", f"sqlite:///{os.environ['FOLDER']}/study.db")):
    study = optuna.create_study(storage=storage)
    study.add_trial(optuna.trial.create_trial(value=1.0, constraints={"z": 1.0, "a": -1.0}))
    (trial,) = study.get_trials()
    orders[name] = list(trial.constraints)
    print(f"{name}: {orders[name]}")
by_position = "constraints.values()" in inspect.getsource(gp)
print(f"GPSampler takes the values by position: {by_position}")
if orders != {"memory": ["z", "a"], "SQLite": ["a", "z"]} or not by_position:
    sys.exit("changed: the order of constraints, or how GPSampler matches them")
PYTHON
