"""Hardening a trial: from its network and the limits of a platform to fit, units, ladder and chips."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Protocol

from optuna.trial import FrozenTrial

from calibrate.calibration.hardening.chips import chips_of
from calibrate.calibration.hardening.fit import demands
from calibrate.calibration.hardening.hardening import Hardening, Ladder, Units
from calibrate.calibration.hardening.ladder import rounded_weights, rung_of
from calibrate.calibration.hardening.plan import Plan, check_carried
from calibrate.calibration.hardening.simulations import KeepsVariants, VariedTrial
from calibrate.calibration.hardening.units import (
    Scales,
    best_scales,
    in_units,
    rounding_errors,
    setting_of,
)
from calibrate.calibration.hardening.variants import Variant
from calibrate.calibration.search.optuna_trials import UUID
from calibrate.calibration.trials.candidate import gather_candidates
from calibrate.calibration.trials.simulation import Simulation
from calibrate.calibration.trials.summary import TrialSummary, summarize
from calibrate.calibration.validation.progress import Replicated
from calibrate.calibration.validation.validate import number_of_look
from calibrate.calibration.validation.verdict import Verdict
from calibrate.errors import SimulatorError
from calibrate.hardware import Limited
from calibrate.hardware.changes import notes
from calibrate.network import Network, Values
from calibrate.simulators.backends import described
from calibrate.study import Study
from calibrate.study.rules.hardware import WITHOUT_SYNAPSES


class Keeps(KeepsVariants, Protocol):
    """What hardening needs from a store."""

    def simulations(self, uuid: str) -> list[Simulation]:
        """All simulations of a candidate, without observations."""

    def hardenings_of(self, trial: int) -> list[Hardening]:
        """All hardenings of a trial, the oldest first."""

    def keep_hardening(self, hardening: Hardening) -> None:
        """Store a hardening."""


def harden_trial(
    study: Study,
    trial: FrozenTrial,
    plan: Plan,
    *,
    store: Keeps,
    slots: int | None = None,
    progress: Callable[[Replicated], None] = lambda _: None,
    interrupted: Callable[[], bool] = lambda: False,
) -> Hardening | None:
    """The hardening of a trial, which is also added to `store`; None if interrupted.

    study        names a simulator; its own limits do not count
    slots        number of processes, by default what cores and memory allow
    interrupted  called between batches: whether to stop. Finished simulations are stored and not repeated.

    Raises StudyError if the platform cannot carry the network, SimulatorError if no simulation completes.
    """
    duration_ms = study.validation.duration_ms or study.simulation.duration_ms
    study = study.with_hardware(None).simulated(duration_ms=duration_ms)
    candidate = gather_candidates(store.simulations(str(trial.user_attrs[UUID])))[0]
    check_carried(study, trial.params, plan.hardware)
    parameters = study.parameters_in(study.conditions[0], trial.params)
    network = study.model.network(parameters)
    subject = _Subject(
        study, summarize(study, trial, candidate.simulations), parameters, network,
        study.model.values(network, parameters),
    )  # fmt: skip
    scales = best_scales(network, subject.values, plan.hardware, dt_ms=plan.dt_ms(study))
    variants = _Planned.of(subject, plan, scales)
    found = VariedTrial(study, candidate, variants.wanted)
    found.simulate(store, slots=slots, progress=progress, interrupted=interrupted)
    if interrupted():
        return None
    hardening = variants.described(found, store.hardenings_of(trial.number))
    store.keep_hardening(hardening)
    return hardening


@dataclass(frozen=True)
class _Subject:
    """A trial and its network, of several conditions in the first."""

    study: Study
    trial: TrialSummary
    parameters: Mapping[str, Any]
    network: Network
    values: Values

    @property
    def rates_hz(self) -> dict[str, float | None]:
        """Mean rates of the populations."""
        first, found = self.study.conditions[0], self.trial.statistics
        return {one.name: found.get(first.named(f"rate_{one.name}")) for one in self.network.populations}


@dataclass(frozen=True)
class _Planned:
    """The variants of a plan, and the graphs on which each is wanted.

    best   the units with the smallest rounding error
    used   those of the ladder and of the chips
    chip   under all limits
    rungs  by projection (None: all) and bits
    """

    subject: _Subject
    plan: Plan
    best: Scales
    used: Scales
    chip: Variant
    rungs: Mapping[tuple[str | None, int], Variant]

    @classmethod
    def of(cls, subject: _Subject, plan: Plan, best: Scales) -> _Planned:
        used = best if plan.units == "best" else Scales()
        network, hardware = subject.network, plan.hardware
        # Raises ModelError before anything is simulated, if the platform does not hold the network in them.
        Limited(hardware, plan.dt_ms(subject.study)).of_values(network, used.of(network, subject.values))
        rounded = [projection.name for projection in network.projections]
        return cls(
            subject,
            plan,
            best,
            used,
            Variant(
                hardware=hardware,
                capacitance=used.capacitance,
                voltage=used.voltage,
                dt_ms=plan.dt_ms(subject.study),
            ),
            {
                (name, bits): rounded_weights(
                    network, hardware, bits, used, dt_ms=subject.study.simulation.dt_ms, projection=name
                )
                for name in (None, *rounded)
                for bits in plan.bits
            },
        )

    @property
    def graphs(self) -> Sequence[int]:
        """The graphs of the chips, of which the first are those of the ladder."""
        return self.subject.study.graphs.validation(max(self.plan.chips, self.plan.graphs))

    @property
    def exact(self) -> Variant:
        """The network without limits."""
        return Variant(dt_ms=self.subject.study.simulation.dt_ms)

    @property
    def wanted(self) -> dict[Variant, Sequence[int]]:
        """The variants, each with the graphs on which it is wanted."""
        few, many = self.graphs[: self.plan.graphs], self.graphs[: self.plan.chips]
        wanted: dict[Variant, Sequence[int]] = {self.exact: self.graphs}
        wanted |= dict.fromkeys((*self.rungs.values(), *self._in_units.values()), few)
        return wanted | {self.chip: many}

    @property
    def _in_units(self) -> dict[Scales, Variant]:
        """Weights rounded to the bits of the platform, in the units of the study and in the best."""
        if self.plan.hardware.weight_bits is None:
            return {}
        return {
            scales: rounded_weights(
                self.subject.network,
                self.plan.hardware,
                None,
                scales,
                dt_ms=self.subject.study.simulation.dt_ms,
            )
            for scales in (Scales(), self.best)
        }

    def described(self, found: VariedTrial, earlier: Sequence[Hardening]) -> Hardening:
        """Return the hardening that these simulations make, after `earlier` ones of the trial."""
        subject, plan = self.subject, self.plan
        study, hardware = subject.study, plan.hardware
        dt_ms = plan.dt_ms(study)
        many = self.graphs[: plan.chips]
        chips, exact = found.of(self.chip, many), found.of(self.exact, many)
        if all(one.failed for one in found.of(self.exact, self.graphs[: plan.graphs])):
            raise SimulatorError(f"no simulation without limits completed: {exact[0].reason}")
        finished = datetime.now(UTC).isoformat(timespec="seconds")
        looks: list[Verdict] = [
            one.chips.verdict
            for one in earlier
            if one.hardware == hardware.as_dict() and one.units == plan.units
        ]
        look = number_of_look(looks, replicates=len(chips), duration_ms=chips[0].duration_ms)
        return Hardening(
            trial=subject.trial.number,
            target=hardware.target,
            hardware=hardware.as_dict(),
            simulator=described(
                next(one.backend for one in found.of(self.exact, self.graphs) if not one.failed)
            ),
            duration_ms=chips[0].duration_ms,
            finished=finished,
            fit=tuple(demands(subject.network, hardware, dt_ms=dt_ms, rates_hz=subject.rates_hz)),
            notes=tuple(self._notes()),
            given=self._units(Scales(), found),
            best=self._units(self.best, found),
            units=plan.units,
            ladder=self._ladder(found),
            chips=chips_of(
                study, subject.trial, chips, exact, target=hardware.target, finished=finished, look=look
            ),
        )

    def _notes(self) -> Iterator[str]:
        subject, hardware, written_ms = self.subject, self.plan.hardware, self.subject.study.simulation.dt_ms
        dt_ms = self.plan.dt_ms(subject.study)
        if subject.study.simulation.backend == "poisson":
            yield WITHOUT_SYNAPSES
        if dt_ms != written_ms:
            yield (
                f"chips have the time step of {hardware.target}, {dt_ms:g} ms, the exact network that of the "
                f"study, {written_ms:g} ms"
            )
        if not hardware.differs_between_chips:
            yield f"{hardware.target} has no mismatch here: its chips differ in their graphs only"
        there = self.used.of(subject.network, subject.values)
        yield from notes(subject.network, there, hardware, dt_ms=dt_ms)

    def _units(self, scales: Scales, found: VariedTrial) -> Units:
        subject, hardware = self.subject, self.plan.hardware
        study = subject.study
        units = in_units(subject.network, subject.values, hardware, scales, dt_ms=self.plan.dt_ms(study))
        units = replace(units, setting=setting_of(study.model, subject.parameters, scales))
        if (variant := self._in_units.get(scales)) is None:
            return units
        rung = rung_of(study, found.of(variant, self.graphs[: self.plan.graphs]))
        return replace(units, loss=rung.loss, met=rung.met)

    def _ladder(self, found: VariedTrial) -> Ladder:
        study, few = self.subject.study, self.graphs[: self.plan.graphs]
        rungs = [
            rung_of(
                study,
                found.of(variant, few),
                projection=projection,
                bits=bits,
                errors=self._errors(projection, bits),
            )
            for (projection, bits), variant in self.rungs.items()
        ]
        return Ladder(
            graphs=len(few),
            targets=len(study.objectives),
            exact=rung_of(study, found.of(self.exact, few)),
            rungs=tuple(rungs),
        )

    def _errors(self, projection: str | None, bits: int) -> dict[str, float]:
        """Relative rounding errors of the weights that are rounded."""
        subject = self.subject
        errors = rounding_errors(
            subject.network,
            self.used.of(subject.network, subject.values),
            replace(self.plan.hardware, weight_bits=bits),
            dt_ms=self.plan.dt_ms(subject.study),
        )
        return {
            name: error
            for name, error in errors.items()
            if (name in subject.values.weights if projection is None else name == projection)
        }
