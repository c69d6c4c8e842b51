"""Whether both engines of the posterior are right: sbi's own diagnostics of them, and each against the other.

    python -m benchmarks.posterior_engines STUDY [--trials 200] [--networks 100] [--engines gp npe]

STUDY is a finished study whose trials come from the prior (sampler qmc or random). The engines are fitted to
its first `--trials` trials. Then the statistics of later trials, in which all are defined, are the data, and
their parameters the truth: nothing is simulated. The likelihood has the temperature that calibrate finds for
the first trials. Needs sbi: pip install 'calibrate-snn[posterior]'.

For each engine and parameter: the share of intervals of 90 % that contain the truth; p of sbi's test that
ranks are uniform (`check_sbc`, Talts et al. 2018); and once, sbi's test of accuracy with random points
(`check_tarp`, Lemos et al. 2023: area above the diagonal, negative if posteriors are too narrow, and p). For
both engines: how far their medians are apart, in half-widths of the interval of gp, and the ratio of the
widths of their intervals.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibrate import posterior, read_results
from calibrate.calibration.emulator.models import Trial
from calibrate.calibration.emulator.process import one_thread
from calibrate.results.posterior.engine import Datum
from calibrate.results.posterior.engines import engine_of
from calibrate.results.results import Results
from calibrate.study.space import Range

FloatArray = NDArray[np.float64]
SAMPLES = 500


def part_of(results: Results, start: int, stop: int) -> Results:
    """The results as if these were all trials."""
    part = Results(results.study, results.storage)
    part._trials = part._trials[start:stop]
    return part


def complete(later: Results, networks: int) -> list[Trial]:
    """Trials with all statistics."""
    names = [judged.name for judged in later.study.judged]
    found = [t for t in later.emulation.trials if all(t.estimates[name].defined for name in names)]
    return found[:networks]


def samples_of(early: Results, engine: str, asked: Sequence[Trial]) -> FloatArray:
    """Samples of the posterior for each network, as quantiles, shape (networks, samples, parameters)."""
    emulation = early.emulation
    models = {judged.name: emulation.model(judged.name) for judged in early.study.judged}
    temperature = posterior(early, engine=engine).coverage.temperature
    fitted = engine_of(engine, emulation.cube, models).fit(emulation.trials, seed=0)
    found = []
    for k, trial in enumerate(asked):
        values = {name: np.array([float(trial.estimates[name].value)]) for name in models}
        data = [
            Datum(name=name, value=float(model.scale.forward(values[name])[0]))
            for name, model in models.items()
        ]
        found.append(fitted.sample(data, n=SAMPLES, seed=k, temperature=temperature))
    print(f"{engine}: temperature {temperature:g}")
    return np.array(found)


def diagnose(engine: str, samples: FloatArray, truth: FloatArray, names: Sequence[str]) -> None:
    """Print coverage and sbi's diagnostics."""
    import torch
    from sbi.diagnostics import check_sbc, check_tarp, run_tarp

    class Drawn:
        """The samples, as sbi asks a posterior for them."""

        def sample_batched(self, *_: Any, **__: Any) -> Any:
            return thetas_of(samples).transpose(0, 1)

    def thetas_of(values: FloatArray) -> Any:
        return torch.as_tensor(values, dtype=torch.float32)

    torch.manual_seed(0)
    ranks = (samples < truth[:, None, :]).sum(axis=1)
    thetas = thetas_of(truth)
    checked = check_sbc(thetas_of(ranks), thetas, thetas_of(samples[:, 0]), num_posterior_samples=SAMPLES)
    low, high = np.quantile(samples, [0.05, 0.95], axis=1)
    inside = ((low <= truth) & (truth <= high)).mean(axis=0)
    widths = np.median(high - low, axis=0)
    for k, name in enumerate(names):
        p = float(checked["ks_pvals"][k])
        print(f"| {engine} | {name} | {inside[k]:.0%} | {p:.2f} | {widths[k]:.2f} |", flush=True)
    drawn: Any = Drawn()
    coverage, credibility = run_tarp(
        thetas, thetas, drawn, num_posterior_samples=SAMPLES, show_progress_bar=False
    )
    area, p = check_tarp(coverage, credibility)
    print(f"{engine}, all parameters together: TARP area {float(area):.2f}, p {float(p):.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("study", type=Path)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--networks", type=int, default=100)
    parser.add_argument("--engines", nargs="+", default=["gp", "npe"])
    chosen: Any = parser.parse_args()
    results = read_results(chosen.study)
    early = part_of(results, 0, chosen.trials)
    # Of more than 500 trials, models would use the best half first, which do not come from the prior.
    asked = complete(part_of(results, chosen.trials, chosen.trials + 500), chosen.networks)
    cube = early.emulation.cube
    truth = cube.quantiles(np.array([trial.point for trial in asked]))
    ranges = [k for k, domain in enumerate(results.study.space.values()) if isinstance(domain, Range)]
    names = [list(results.study.space)[k] for k in ranges]
    found = {}
    with one_thread():
        for engine in chosen.engines:
            begun = time.process_time()
            found[engine] = samples_of(early, engine, asked)[..., ranges]
            print(f"{engine}: {len(asked)} networks, {time.process_time() - begun:.0f} CPU s", flush=True)
    print(
        "| engine | parameter | coverage of 90 % | sbc p | median width of the range |\n|---|---|---|---|---|"
    )
    for engine, samples in found.items():
        diagnose(engine, samples, truth[:, ranges], names)
    if len(found) == 2:
        one, other = found.values()
        (low, middle, high), (below, centre, above) = (
            np.quantile(s, [0.05, 0.5, 0.95], axis=1) for s in (one, other)
        )
        shifts = np.abs(centre - middle) / ((high - low) / 2)
        ratios = (above - below) / (high - low)
        print("| parameter | medians apart | of 90 % below | ratio of widths |\n|---|---|---|---|")
        for k, name in enumerate(names):
            usual, most = np.quantile(shifts[:, k], [0.5, 0.9])
            print(f"| {name} | {usual:.2f} | {most:.2f} | {np.median(ratios[:, k]):.2f} |")


if __name__ == "__main__":
    main()
