"""The ladder of a hardening: the network against the bits of its weights."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from calibrate.calibration.hardening.hardening import Rung
from calibrate.calibration.hardening.units import Scales
from calibrate.calibration.hardening.variants import Variant, noise_name
from calibrate.calibration.trials.averages import combine
from calibrate.calibration.trials.regimes import regime_in
from calibrate.calibration.trials.score import weighted_mean
from calibrate.calibration.trials.simulation import Simulation
from calibrate.calibration.trials.summary import finite
from calibrate.hardware import Hardware
from calibrate.network import Network
from calibrate.objective import Estimate
from calibrate.study import Study

# Bits of a ladder: in cortical networks, from where rounding begins to show to where no activity survives it.
_BITS = (12, 10, 8, 7, 6, 5, 4)

# Of a platform that has more, they are fewer than its own by these.
_FEWER = (0, 1, 2, 3, 4, 6, 8)


def default_bits(hardware: Hardware) -> tuple[int, ...]:
    """Return the bits of a ladder that no one has chosen; those of the platform are among them."""
    own = hardware.weight_bits
    if own is None:
        return _BITS
    return tuple(own - fewer for fewer in _FEWER) if own > max(_BITS) else (*_BITS, own)


def rounded_weights(
    network: Network,
    hardware: Hardware,
    bits: int | None,
    scales: Scales,
    *,
    dt_ms: float,
    projection: str | None = None,
) -> Variant:
    """Return the variant in which only weights are rounded, of one projection or of all.

    bits   None: those of the hardware
    dt_ms  time step of the simulation
    """
    every = [one.name for one in network.projections]
    every += [noise_name(population.name) for population in network.populations if population.noise]
    limits = replace(hardware, weight_cv=0.0, time_constant_cv=0.0, threshold_cv=0.0)
    return Variant(
        hardware=limits if bits is None else replace(limits, weight_bits=bits),
        only=tuple(every) if projection is None else (projection,),
        capacitance=scales.capacitance,
        voltage=scales.voltage,
        dt_ms=dt_ms,
    )


def rung_of(
    study: Study,
    simulations: Sequence[Simulation],
    *,
    projection: str | None = None,
    bits: int | None = None,
    errors: Mapping[str, float] | None = None,
) -> Rung:
    """Return a rung from its simulations by graph; if none completed, nothing is defined.

    errors  relative rounding errors of its weights
    """
    completed = [one.estimates for one in simulations if not one.failed]
    nothing = {objective.name: Estimate(math.nan) for objective in study.objectives}
    means = combine(completed or [nothing])
    losses = [objective.loss(means[objective.name]) for objective in study.objectives]
    missed = [one.name for one in study.objectives if not one.met(means[one.name])]
    statistics = {name: finite(estimate.value) for name, estimate in means.items()}
    reasons = [one.reason for one in simulations if one.reason is not None]
    return Rung(
        projection=projection,
        bits=bits,
        loss=weighted_mean(study.objectives, losses),
        met=len(study.objectives) - len(missed),
        missed=tuple(missed),
        regime=regime_in(study, statistics),
        statistics=statistics,
        error=max((errors or {}).values(), default=0.0),
        failures={reason: reasons.count(reason) for reason in dict.fromkeys(reasons)},
    )
