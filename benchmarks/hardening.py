"""What rounding and mismatch do to a clustered network: one line for each way to put it onto a chip.

    python -m benchmarks.hardening                   # with GeNN on two cores, about two minutes

The quickstart's network at its known parameters, with nothing but its weights rounded, or with mismatch: each
over --graphs graphs, scored by the quickstart's targets. SpiNNaker's rule is applied in the units of the
network, with 250 pF, and in those that `calibrate harden` finds.
"""

from __future__ import annotations

import argparse
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from tqdm import tqdm

from calibrate import Study, make_study
from calibrate.calibration.hardening.hardening import Rung
from calibrate.calibration.hardening.ladder import rounded_weights, rung_of
from calibrate.calibration.hardening.simulations import VariedTrial
from calibrate.calibration.hardening.units import Scales, best_scales
from calibrate.calibration.hardening.variants import Variant
from calibrate.calibration.search.optuna_trials import Proposal
from calibrate.calibration.trials.candidate import create_candidates
from calibrate.calibration.trials.simulation import Simulation
from calibrate.calibration.validation.progress import Replicated
from calibrate.hardware import hardware
from calibrate.simulators import choose

TRUTH = {"I_th_E": 2.13, "I_th_I": 1.24, "J_E+": 3.0, "R_J": 0.75}
SHOWN = ("rate_E", "rate_I", "fano_E", "dwell_time", "active_clusters")


class Forgetful:
    """A store that keeps nothing."""

    def variants_of(self, _: str) -> list[tuple[str, Simulation]]:
        return []

    def keep_variant(self, _: str, __: Simulation) -> None:
        pass


def quickstart(backend: str) -> Study:
    path = Path(__file__).parent.parent / "studies" / "quickstart.toml"
    tables = tomllib.loads(path.read_text())
    tables["simulation"]["backend"] = backend
    study = make_study(name="hardening", **tables)
    return study.on(choose(backend, study.network))


def variants(study: Study) -> Iterator[tuple[str, Variant]]:
    """Yield the lines of the table, with their names."""
    dt_ms = study.simulation.dt_ms
    network = study.model.network(study.parameters(TRUTH))
    values = study.model.values(network, study.parameters(TRUTH))
    yield "exact", Variant(dt_ms=dt_ms)
    for rounding, all_bits in (("nearest", (10, 8, 7, 6, 5, 4)), ("random", (6, 5, 4))):
        limits = hardware("custom", rounding=rounding)
        for bits in all_bits:
            name = f"{bits} bits, one signed scale, {rounding}"
            yield name, rounded_weights(network, limits, bits, Scales(), dt_ms=dt_ms)
    for limit, amounts in (("weight_cv", (0.2, 0.4)), ("threshold_cv", (0.02, 0.05))):
        for amount in amounts:
            limits = hardware("custom", **{limit: amount})
            yield f"mismatch: {limit} = {amount:g}", Variant(hardware=limits, dt_ms=dt_ms)
    spinnaker = hardware("spinnaker", dt_ms=dt_ms)
    best = best_scales(network, values, spinnaker, dt_ms=dt_ms)
    for scales in (Scales(), Scales(250.0), best):
        name = f"sPyNNaker's 16 bits, C_m = {scales.capacitance:g} pF, voltages x {scales.voltage:g}"
        yield name, rounded_weights(network, spinnaker, None, scales, dt_ms=dt_ms)


def measure(study: Study, *, graphs: int, slots: int | None = None) -> dict[str, Rung]:
    """Return what every line of the table shows, by its name."""
    lines = dict(variants(study))
    numbers = study.graphs.validation(graphs)
    (candidate,) = create_candidates([Proposal(index=0, parameters=TRUTH, asked=datetime.now(UTC))])
    trial = VariedTrial(study, candidate, dict.fromkeys(lines.values(), numbers))
    with tqdm(total=len(lines) * graphs, unit="simulation", leave=False) as bar:

        def show(progress: Replicated) -> None:
            bar.update(progress.done - bar.n)

        trial.simulate(Forgetful(), slots=slots, progress=show, interrupted=lambda: False)
    return {name: rung_of(study, trial.of(variant, numbers)) for name, variant in lines.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n", maxsplit=1)[0])
    parser.add_argument("--backend", default="auto")
    parser.add_argument("--graphs", type=int, default=8)
    parser.add_argument("--slots", type=int)
    arguments = parser.parse_args()
    study = quickstart(arguments.backend)
    print(f"| weights | loss | {' | '.join(SHOWN)} | regime | targets met |")
    print("|---" * (len(SHOWN) + 4) + "|")
    for name, rung in measure(study, graphs=arguments.graphs, slots=arguments.slots).items():
        values = [rung.statistics[one] for one in SHOWN]
        shown = " | ".join("none" if value is None else f"{value:.3g}" for value in values)
        met = f"{rung.met} of {len(study.objectives)}"
        print(f"| {name} | {rung.loss:.3g} | {shown} | {rung.regime} | {met} |")


if __name__ == "__main__":
    main()
