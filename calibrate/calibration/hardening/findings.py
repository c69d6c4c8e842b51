"""What follows from a hardening, in sentences."""

from __future__ import annotations

from calibrate.calibration.hardening.hardening import Hardening, Ladder, Rung
from calibrate.objective.rounding import rounded


def findings(hardening: Hardening) -> list[str]:
    """What follows from fit, units and ladder, in one line each."""
    ladder, given, best = hardening.ladder, hardening.given, hardening.best
    lines = [f"{hardening.target} cannot carry {demand}" for demand in hardening.lacking]
    rows = hardening.chips.verdict.statistics
    missed = [row.name for row in rows if row.claimed is False and not row.predicted]
    if missed:
        lines.append(f"the trial itself misses {', '.join(missed)}: on chips, this does not count")
    if best.error < given.error:
        how = best.setting or f"C_m = {best.capacitances} pF and voltages × {best.voltage:g}"
        lines.append(
            f"with {how}, rounding errors are at most {percent(best.error)} instead of {percent(given.error)}"
        )
    kept = "every target" if not ladder.exact.missed else "every target that it meets as it is"
    least = hardening.least_bits
    if least is None:
        lines.append(f"not even {ladder.bits[0]} bits keep {kept}")
    else:
        lines.append(f"{least} bits keep {kept}")
    if (first := ladder.breaks_first) is not None:
        rung = next(rung for rung in ladder.of(first) if not ladder.keeps(rung))
        lost = "every target" if len(rung.missed) == ladder.targets else ", ".join(rung.missed)
        lines.append(
            f"of the projections, {first} breaks first: alone with {rung.bits} bits, it misses {lost}"
        )
    return lines


LEGEND = (
    "in brackets, the number of targets met, * if one is lost, and s, a, m or w for silent, asynchronous, "
    "metastable or winner-take-all, if that is not the regime of the network as it is."
)


def rung_in_short(ladder: Ladder, rung: Rung) -> str:
    """Loss and targets met, with the first letter of the regime if it has changed: 280 (0*w)."""
    regime = "" if rung.regime in (ladder.exact.regime, None) else str(rung.regime)[0]
    lost = "" if ladder.keeps(rung) else "*"
    return f"{rounded(rung.loss, 2)} ({rung.met}{lost}{regime})"


def percent(share: float) -> str:
    """A share in per cent, with two digits."""
    return f"{rounded(100 * share, 2)} %"
