"""The plan of a hardening: for which platform, with how many bits, graphs and chips."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from optuna.trial import FrozenTrial
from pydantic import ValidationError

from calibrate.calibration.hardening.ladder import default_bits
from calibrate.calibration.search.optuna_trials import front_of
from calibrate.calibration.validation.agreement import FEWEST_PAIRS
from calibrate.calibration.validation.validate import choose_trials
from calibrate.errors import ModelError, StudyError, did_you_mean
from calibrate.hardware import PLATFORMS, Hardware, hardware
from calibrate.hardware.carried import refusals, refused_stimuli, refused_values
from calibrate.study import Study
from calibrate.study.file.hardware import HardwareSection
from calibrate.study.rules.hardware import refused_times

FEWEST_BITS, MOST_BITS = 2, 32

GRAPHS = 6
"""Graphs of every rung, by default."""

In = Literal["best", "given"]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is simulated for a hardening.

    hardware  the limits
    bits      of the weights on the ladder, from many to few
    graphs    number of graphs of every rung
    chips     number of chips
    units     those of the ladder and of the chips
    """

    hardware: Hardware
    bits: tuple[int, ...]
    graphs: int = GRAPHS
    chips: int
    units: In = "best"

    def dt_ms(self, study: Study) -> float:
        """Return the time step on the platform."""
        return self.hardware.dt_ms or study.simulation.dt_ms

    @classmethod
    def of(
        cls,
        study: Study,
        hardware: Hardware,
        *,
        bits: Sequence[int] | None = None,
        graphs: int | None = None,
        chips: int | None = None,
        units: In = "best",
    ) -> Plan:
        """Make a plan, with defaults. Raises StudyError if a number is out of its range."""
        wanted = default_bits(hardware) if bits is None else bits
        for number in wanted:
            if not FEWEST_BITS <= number <= MOST_BITS:
                raise StudyError(
                    f"bits of a weight must be from {FEWEST_BITS} to {MOST_BITS}, not {number} (--bits)"
                )
        if not wanted:
            raise StudyError("a ladder needs at least one number of bits (--bits)")
        for name, given, least in (("graphs", graphs, 1), ("chips", chips, FEWEST_PAIRS)):
            if given is not None and given < least:
                raise StudyError(f"{name} must be at least {least}, not {given} (--{name})")
        if units not in ("best", "given"):
            raise StudyError(f'units must be "best" or "given", not "{units}" (--units)')
        return cls(
            hardware=hardware,
            bits=tuple(sorted(set(wanted), reverse=True)),
            graphs=GRAPHS if graphs is None else graphs,
            chips=study.validation.replicates if chips is None else chips,
            units=units,
        )


def check_carried(study: Study, free: Mapping[str, Any], hardware: Hardware) -> None:
    """Raise StudyError with one line for everything that a platform cannot carry.

    free  the free parameters of the trial, whose networks in all conditions count
    """
    stimuli = any(condition.stimuli for condition in study.conditions)
    of_networks = dict[str, str]()
    for condition in study.conditions:
        given = study.parameters_in(condition, free)
        network = study.model.network(given)
        values = study.model.values(network, given)
        for reason in (*refusals(network, hardware), *refused_values(values, hardware)):
            of_networks.setdefault(reason, condition.reason(reason))
    lines = [
        *of_networks.values(),
        *refused_stimuli(hardware, stimuli=stimuli, loop=study.loop is not None),
        *refused_times(study, hardware),
    ]
    if lines:
        raise StudyError("\n".join(f"{study.path}: {line}" for line in lines))


def limits_for(study: Study, target: str | None = None, limits: Mapping[str, Any] | None = None) -> Hardware:
    """Return the limits of a platform, by default those of [hardware], with `limits` in place of its own.

    Raises StudyError if neither names a platform, or if there is no such platform or limit.
    """
    section = study.hardware
    if target is None and section is None:
        raise StudyError(
            f"study '{study.name}' has no [hardware]: name a platform with --target: {', '.join(PLATFORMS)}"
        )
    if limits is not None and "target" in limits:
        raise StudyError("the platform is no limit of itself: name it with --target")
    own = section.as_dict() if section is not None and target in (None, section.target) else {}
    given = {**own, "target": target or own["target"], **(limits or {})}
    try:
        return _checked(given)
    except ModelError as error:
        raise StudyError(f"{error} (--target, --limit)") from None


def _checked(given: Mapping[str, Any]) -> Hardware:
    """Return these limits. Raises ModelError if one is unknown or out of its range."""
    hardware(given["target"])
    names = [name for name in HardwareSection.model_fields if name not in ("target", "search")]
    for name in given:
        if name not in (*names, "target"):
            hint = did_you_mean(name, names)
            raise ModelError(f"there is no limit '{name}'{hint}: there are {', '.join(names)}")
    try:
        return HardwareSection.model_validate(given).hardware
    except ValidationError as refused:
        first = refused.errors()[0]
        raise ModelError(
            f"{first['loc'][0]} is {first['input']!r}: {first['msg'][0].lower()}{first['msg'][1:]}"
        ) from None


def choose_trial(study: Study, trials: Sequence[FrozenTrial], number: int | None = None) -> FrozenTrial:
    """Return the trial with this number, by default the best one.

    Raises StudyError if there is none, or if the study has a Pareto front and no number is given.
    """
    if number is None and study.pareto:
        front = ", ".join(str(trial.number) for trial in front_of(trials))
        has = f"its front has trials {front}" if front else "it has no complete trial yet"
        raise StudyError(f"study '{study.name}' has a Pareto front: choose a trial with --trial; {has}")
    return choose_trials(study, trials, () if number is None else (number,))[0]
