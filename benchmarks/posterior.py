"""Whether the posterior covers planted networks: parameters that are known, found from what they show.

    python -m benchmarks.posterior [--networks 100] [--trials 200] [--searches qmc bo] [--exact]

The quickstart's space with GeNN. One study of `--trials` trials is run for each search: points that fill the
ranges, and those of a sampler that crowds around the quickstart's targets. Networks are drawn from the ranges
and each simulated once, on a graph of its own; those with all statistics are kept. Each one's statistics then
are the targets of the study, with its tolerances, and its parameters are asked of the stored trials. The
standard error of a target, half the tolerance, is drawn; with `--exact` it is not, and intervals are then
wider than they need to be.

A line per network goes to `--csv` as soon as it is known; those that are there already are not asked again.
The table has, for each parameter, the share of intervals of 90 % that contain the true value, p of the
Kolmogorov-Smirnov test that its ranks are uniform, and the median width of the intervals, in parts of the
range; `printed` is the coverage that calibrate itself states, from trials that it left out.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from calibrate import posterior, read_results, read_study, run_study
from calibrate.objective import Objective, Value
from calibrate.results.posterior.predictive import simulate_networks
from calibrate.results.results import Results
from calibrate.study import Study
from calibrate.study.space import Range

STUDY = Path("studies/quickstart.toml")
NEVER = 1e-9  # a loss that ends no run
COLUMNS = ("search", "network", "parameter", "rank", "inside", "width", "printed", "temperature", "seconds")


def stored(path: Path, search: str, trials: int, folder: Path) -> Study:
    """The study with another sampler, after all its trials."""
    lines = path.read_text().splitlines()
    start = lines.index("[sampler]")
    stop = next(k for k in range(start + 1, len(lines)) if lines[k].startswith("["))
    lines[start:stop] = ["[sampler]", f'name = "{search}"', ""]
    copy = folder / f"{search}.toml"
    copy.write_text("\n".join(lines))
    changes = {"budget.trials": trials, "budget.loss": NEVER, "replicates.fresh": 0}
    study = read_study(copy, changes=changes)
    run_study(study)
    return study


def planted(study: Study, networks: int, file: Path) -> list[dict[str, Any]]:
    """Networks from the ranges with what they show, at least as many as are wanted with all statistics."""
    if file.exists():
        found: list[dict[str, Any]] = json.loads(file.read_text())
        return found
    random, found = np.random.default_rng(1), []
    while len(found) < networks:
        quantiles = random.random((networks, len(study.space)))
        drawn = [
            {name: domain.at(u) for (name, domain), u in zip(study.space.items(), point, strict=True)}
            for point in quantiles
        ]
        for parameters, estimates in zip(drawn, simulate_networks(study, drawn), strict=True):
            if estimates is not None and all(estimates[one.name].defined for one in study.objectives):
                values = {one.name: float(estimates[one.name].value) for one in study.objectives}
                found.append({"parameters": parameters, "statistics": values})
    file.write_text(json.dumps(found[:networks], indent=1))
    return found[:networks]


def aimed(objective: Objective, value: float, random: np.random.Generator | None) -> Objective:
    """The objective with another target; its error is drawn if `random` is given."""
    target = objective.target
    assert isinstance(target, Value)
    part = target.tolerance / target.value
    if objective.statistic.scale == "log":
        drawn = value * math.exp(0.0 if random is None else part / 2 * random.standard_normal())
        return replace(objective, target=Value(drawn, drawn * part))
    drawn = value + (0.0 if random is None else target.tolerance / 2 * random.standard_normal())
    return replace(objective, target=Value(drawn, target.tolerance))


def asked(results: Results, network: dict[str, Any], *, number: int, exact: bool) -> list[dict[str, Any]]:
    """A row for each parameter: its rank in the posterior of what the network shows."""
    random = None if exact else np.random.default_rng(number)
    objectives = tuple(aimed(o, network["statistics"][o.name], random) for o in results.study.objectives)
    begun = time.process_time()
    found = posterior(Results(replace(results.study, objectives=objectives), results.storage), seed=number)
    seconds = time.process_time() - begun
    rows = []
    for name, domain in results.study.space.items():
        assert isinstance(domain, Range)
        rank = float((found.samples[name] < network["parameters"][name]).mean())
        one = found.marginals[name]
        rows.append({
            "network": number,
            "parameter": name,
            "rank": rank,
            "inside": int(0.05 < rank < 0.95),
            "width": domain.quantile(one.high) - domain.quantile(one.low),
            "printed": found.coverage.parameters.get(name, math.nan),
            "temperature": found.coverage.temperature,
            "seconds": round(seconds, 2),
        })  # fmt: skip
    return rows


def table(rows: Sequence[dict[str, Any]]) -> str:
    """A line for each search and parameter, in Markdown."""
    from scipy.stats import kstest

    heads = ("search", "parameter", "networks", "coverage", "rank test p", "width", "printed", "temperature")
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for search, name in dict.fromkeys((row["search"], row["parameter"]) for row in rows):
        of = [row for row in rows if (row["search"], row["parameter"]) == (search, name)]
        ranks, width, printed, temperature, inside = (
            np.array([float(row[key]) for row in of])
            for key in ("rank", "width", "printed", "temperature", "inside")
        )
        lines.append(
            f"| {search} | {name} | {len(of)} | {inside.mean():.0%} | {kstest(ranks, 'uniform').pvalue:.2f} "
            f"| {np.median(width):.2f} | {np.nanmean(printed):.0%} | {np.median(temperature):g} |"
        )
    seconds = [float(row["seconds"]) for row in rows]
    return "\n".join([*lines, "", f"CPU seconds for each network, median: {np.median(seconds):.1f}"])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("study", type=Path, nargs="?", default=STUDY)
    parser.add_argument("--networks", type=int, default=100)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--searches", nargs="+", default=["qmc", "bo"])
    parser.add_argument("--exact", action="store_true", help="targets without error")
    parser.add_argument("--folder", type=Path, default=Path("posterior"), help="of studies and of networks")
    parser.add_argument("--csv", type=Path, default=None, help="default: posterior.csv in the folder")
    chosen: Any = parser.parse_args()
    chosen.folder.mkdir(parents=True, exist_ok=True)
    path = chosen.csv or chosen.folder / "posterior.csv"
    rows: list[dict[str, Any]] = []
    if path.exists():
        with path.open() as file:
            rows = list(csv.DictReader(file))
    known = {(row["search"], int(row["network"])) for row in rows}
    with path.open("a") as file:
        writer = csv.DictWriter(file, COLUMNS)
        if not rows:
            writer.writeheader()
        for search in chosen.searches:
            study = stored(chosen.study, search, chosen.trials, chosen.folder)
            results = read_results(study)
            networks = planted(study, chosen.networks, chosen.folder / "networks.json")
            for number, network in enumerate(networks[: chosen.networks]):
                if (search, number) in known:
                    continue
                added = [
                    {"search": search, **row}
                    for row in asked(results, network, number=number, exact=chosen.exact)
                ]
                writer.writerows(added)
                file.flush()
                rows += added
                print(search, number, *(f"{row['parameter']} {row['rank']:.3f}" for row in added), flush=True)
    print(table(rows))


if __name__ == "__main__":
    main()
