# A complete study with an objective of its own, from start to finish. Every `# %%` starts a notebook cell.

# %% A statistic: the longest pause of the network. Without spikes it is undefined, and returns why.
import numpy as np

from calibrate import Estimate, Needs, make_study, raster_figure, read_results, run_study, statistic


@statistic(unit="ms", needs=Needs(bin_ms=5.0), scale="log")
def longest_pause(observation, *, population="E"):
    "Longest time in which no neuron of the population fires."
    silent = observation.group_counts(population, 5.0).sum(axis=0) == 0
    if silent.all():
        return Estimate(float("nan"), shortfall=1.0, note="no spikes")
    edges = np.flatnonzero(np.diff(np.concatenate(([0], silent, [0]))))
    pauses = edges[1::2] - edges[::2]
    return 5.0 * max(pauses.max(initial=0), 1)


# %% A study: the balanced network with two free parameters, a built-in statistic and our own.
study = make_study(
    "pauses",
    model="balanced",
    parameters={
        "N_E": 200,
        "N_I": 50,
        "I_th_E": {"low": 0.9, "high": 2.0},
        "I_th_I": {"low": 0.5, "high": 1.5},
    },
    simulation={"backend": "nest", "warmup_ms": 200.0, "duration_ms": 1000.0},
    objectives=[
        {"statistic": "rate_E", "target": 3.0, "tolerance": 1.0},
        {"statistic": longest_pause, "target": 20.0, "tolerance": 7.0},
    ],
    replicates={"confirm": 2, "fresh": 3},
    budget={"trials": 24, "loss": 0.5},
)

# %% Run it. Run this cell again to resume the study.
result = run_study(study)
print(result.best)

# %% Look at the results: one row per trial, and the spikes of the best network.
results = read_results(study)
print(results.trials[["loss", "I_th_E", "I_th_I", "rate_E", "longest_pause"]].sort_values("loss").head())
raster_figure(results.simulate(result.best.number).observation)
