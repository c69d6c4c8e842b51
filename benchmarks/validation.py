"""How often a verdict is right: identical networks, and networks with a planted error, against replicates.

    python -m benchmarks.validation                  # with GeNN on two cores, half an hour

The quickstart's network at its known parameters is simulated on --graphs graphs, and again with other initial
states (as another simulator's rounding makes them within a fifth of a second): once unchanged, once for each
planted error. Every R graphs are a validation of their own, judged as `calibrate validate` does, with the
quickstart's targets and tolerances. Prints how many of them found what, and in how many a statistic differed
by more than chance, however little (Holm-adjusted, 5 %).
"""

from __future__ import annotations

import argparse
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tqdm import tqdm

from calibrate import Model, Network, Study, TrialSummary, Values, find_model, make_study
from calibrate.calibration.search.optuna_trials import Proposal
from calibrate.calibration.study_pool import pool_for
from calibrate.calibration.trials.averages import combine
from calibrate.calibration.trials.candidate import Candidate
from calibrate.calibration.trials.simulation import Simulation
from calibrate.calibration.trials.summary import target_results
from calibrate.calibration.validation.verdict import Verdict, judge

TRUTH = {"I_th_E": 2.13, "I_th_I": 1.24, "J_E+": 3.0, "R_J": 0.75}
REPLICATES = (4, 6, 8, 12, 16, 24, 48)

Change = Callable[[Values], Values]


def weight(projection: str, factor: float) -> Change:
    """An error in the weight of a projection."""
    return lambda v: replace(v, weights={**v.weights, projection: factor * v.weights[projection]})


def neuron(name: str, factor: float) -> Change:
    """An error in a parameter of all neurons."""

    def change(values: Values) -> Values:
        changed = {kind: {**p, name: factor * p[name]} for kind, p in values.neurons.items()}  # type: ignore[operator]
        return replace(values, neurons=changed)

    return change


ERRORS: Mapping[str, Change] = {
    "none": lambda values: values,
    "weight E to E, within clusters, 10 % more": weight("E_to_E_within", 1.1),
    "weight E to I, between clusters, 10 % less": weight("E_to_I_between", 0.9),
    "weight I to E, between clusters, 10 % more": weight("I_to_E_between", 1.1),
    "membrane time constant 20 % more": neuron("tau_m", 1.2),
    "decay of inhibition 20 % more": neuron("tau_syn_in", 1.2),
}


def planted(model: Model, change: Change) -> Model:
    """`model` with an error in its values."""
    correct = model.make_values

    def make_values(network: Network, parameters: Any) -> Values:
        return change(correct(network, parameters))

    return replace(model, make_values=make_values)


def study_of(change: Change) -> Study:
    """The quickstart with an error."""
    tables = tomllib.loads(Path("studies/quickstart.toml").read_text())
    study = make_study(
        "quickstart",
        model=planted(find_model("ei_clustered"), change),
        parameters=tables["parameters"],
        simulation={**tables["simulation"], "backend": "genn"},
        objectives=tables["objectives"],
        budget={"trials": 1},
    )
    return replace(study, statistics=tuple(objective.statistic for objective in study.objectives))


def simulated(study: Study, graphs: int, *, index: int, what: str) -> list[Simulation]:
    """The known network on so many graphs; `index` keys the initial states."""
    candidate = Candidate(str(index), Proposal(index=index, parameters=TRUTH, asked=datetime.now(UTC)))
    jobs = candidate.jobs(study, 1, study.graphs.validation(graphs))
    with pool_for(study) as pool, tqdm(total=graphs, desc=what) as bar:
        for start in range(0, graphs, 8 * pool.capacity):
            for outcome in pool.run(jobs[start : start + 8 * pool.capacity]):
                found = candidate.simulation(study, outcome, 1)
                candidate.simulations.append(replace(found, observation=None))
                bar.update()
    return candidate.simulations_of(1)


def verdicts(
    study: Study, best: TrialSummary, one: Sequence[Simulation], other: Sequence[Simulation], replicates: int
) -> list[Verdict]:
    """The verdicts of as many validations as there are graphs for."""
    return [
        judge(
            study,
            best,
            one[start : start + replicates],
            other[start : start + replicates],
            simulators=("one", "other"),
            finished="",
        )
        for start in range(0, len(one) - replicates + 1, replicates)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--graphs", type=int, default=480)
    graphs = parser.parse_args().graphs
    study = study_of(ERRORS["none"])
    base = simulated(study, graphs, index=0, what="correct")
    targets = target_results(study.objectives, combine([found.estimates for found in base]))
    best = TrialSummary(
        number=0, params=TRUTH, parameters={}, loss=0.0, graphs=1, statistics={}, targets=targets
    )
    print(
        "| planted error | replicates | validations | confirmed | not confirmed | undecided | differ at all |"
    )
    print("|---|---|---|---|---|---|---|")
    for what, change in ERRORS.items():
        other = simulated(study_of(change), graphs, index=1, what=what)
        for replicates in REPLICATES:
            found = verdicts(study, best, base, other, replicates)
            if found:
                words = [verdict.verdict for verdict in found]
                counts = [words.count(word) for word in ("confirmed", "not_confirmed", "undecided")]
                counts.append(sum(any(row.differs for row in verdict.statistics) for verdict in found))
                print(f"| {what} | {replicates} | {len(found)} | {' | '.join(map(str, counts))} |")


if __name__ == "__main__":
    main()
