"""One parameter set in NEST and in GeNN on the same fresh graphs, with fresh seeds: do the statistics agree?

    python -m benchmarks.agreement studies/quickstart.toml --set I_th_E=2.03 --set I_th_I=1.16 [--seeds 10]

Prints, for every statistic of the panel, mean and standard deviation on both sides, and the difference of the
means in standard errors.
"""

from __future__ import annotations

import argparse
import json

import numpy as np

from calibrate.observation import Observation
from calibrate.panel import measure
from calibrate.pool import Pool
from calibrate.study import Study, read_study
from calibrate.worker import Candidate, Setup


def statistics(
    study: Study, backend: str, parameters: dict[str, object], seeds: int
) -> dict[str, np.ndarray]:
    """Each statistic over `seeds` graphs that no study uses (realisations from 1000 on)."""
    setup = Setup(
        model=study.file.model.name,
        folder=study.folder,
        backend=backend,
        wiring_seed=study.simulation_seed,
    )
    rows = []
    with Pool(setup, study.stages[-1]) as pool:
        for number in range(seeds):
            candidate = Candidate(
                uuid=str(number), parameters=parameters, seed=10_000 + number, realisation=1000 + number
            )
            (outcome,) = pool.run([candidate])
            if not isinstance(outcome.result, Observation):
                raise SystemExit(outcome.result.reason)
            rows.append({name: e.value for name, e in measure(outcome.result, study.statistics).items()})
    return {statistic.name: np.array([row[statistic.name] for row in rows]) for statistic in study.statistics}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("study")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--seeds", type=int, default=10)
    arguments = parser.parse_args()
    study = read_study(arguments.study)
    free = {name: json.loads(value) for name, value in (item.split("=", 1) for item in arguments.set)}
    parameters = study.parameters(free)
    nest = statistics(study, "nest", parameters, arguments.seeds)
    genn = statistics(study, "genn", parameters, arguments.seeds)
    print("| statistic | NEST mean | SD | GeNN mean | SD | difference / SE |")
    print("|---|---|---|---|---|---|")
    for name in nest:
        a, b = nest[name][np.isfinite(nest[name])], genn[name][np.isfinite(genn[name])]
        error = np.hypot(a.std(ddof=1) / np.sqrt(a.size), b.std(ddof=1) / np.sqrt(b.size))
        print(
            f"| {name} | {a.mean():.4g} | {a.std(ddof=1):.2g} | {b.mean():.4g} | {b.std(ddof=1):.2g} "
            f"| {(b.mean() - a.mean()) / error:+.1f} |"
        )


if __name__ == "__main__":
    main()
