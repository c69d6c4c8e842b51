"""Conditions: the experiments that every candidate of a study is simulated in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from calibrate.errors import ModelError, StudyError, did_you_mean
from calibrate.network import Model, Network, Stimulus
from calibrate.objective import Statistic
from calibrate.simulation.jobs import Timing

if TYPE_CHECKING:
    from calibrate.study.study import Study


@dataclass(frozen=True, kw_only=True)
class Change:
    """A parameter that differs in a condition: its `value` there, or a `factor` of that of the candidate."""

    value: Any = None
    factor: float | None = None

    def of(self, name: str, before: Any) -> Any:
        """The value of parameter `name` in the condition. Raises ModelError if there is none."""
        if self.factor is None:
            return self.value
        if isinstance(before, bool) or not isinstance(before, int | float):
            raise ModelError(f"{name} is {before!r}, which cannot be scaled")
        scaled = before * self.factor
        # 80 x 1.1 is 88.00000000000001 in binary.
        whole = isinstance(before, int) and abs(scaled - round(scaled)) <= 1e-9 * max(abs(scaled), 1.0)
        return round(scaled) if whole else scaled


@dataclass(frozen=True, kw_only=True)
class Condition:
    """A condition of a study.

    Attributes
    ----------
    name : str
        Its name; "" for the only condition of a study that names none.
    held_out : bool
        Whether the search does not simulate it, so that it is predicted by the best network only.
    warmup_ms : float or None, ms
        Time before its measurement; None: that of [simulation].
    duration_ms : float or None, ms
        Length of its measurement; None: that of [simulation].
    changes : dict of str to Change
        Parameters that differ from those of the candidate.
    stimuli : tuple of Stimulus
        Currents of its protocol; their times count from the start of the measurement.
    statistics : tuple of Statistic
        The statistics that are computed for its simulations, under names such as "rate_E".
    judged : frozenset of str
        Names of those that objectives and constraints use, which must not raise.
    """

    name: str = ""
    held_out: bool = False
    warmup_ms: float | None = None
    duration_ms: float | None = None
    changes: Mapping[str, Change] = field(default_factory=dict)
    stimuli: tuple[Stimulus, ...] = ()
    statistics: tuple[Statistic, ...] = ()
    judged: frozenset[str] = frozenset()

    def named(self, statistic: str) -> str:
        """The name that a statistic of its simulations has in the study, such as "evoked.rate_E"."""
        return qualified((self.name,), statistic)

    def changed(self, model: Model, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Return complete `parameters` with the changes. Raises ModelError if the model refuses one."""
        found = dict(parameters)
        for name, change in self.changes.items():
            parameter = model.parameter(name)
            try:
                found[name] = parameter.checked(change.of(name, parameters.get(name, parameter.default)))
            except ModelError as error:
                raise ModelError(f"condition {self.name}: {error}") from None
        return found

    def reason(self, reason: str) -> str:
        """Why a simulation failed, with the name of the condition."""
        named = not self.name or reason.startswith("condition ")
        return reason if named else f"condition {self.name}: {reason}"


def qualified(conditions: Sequence[str], statistic: str) -> str:
    """The name of a statistic of one condition, or of its difference between two."""
    where = "-".join(conditions)
    return f"{where}.{statistic}" if where else statistic


@dataclass(frozen=True, kw_only=True)
class Difference:
    """An objective's statistic in condition `first` minus that in condition `second`, on the same graph."""

    name: str
    first: str
    second: str
    statistic: str


def differences_of(study: Study) -> tuple[Difference, ...]:
    """The objectives of a study that are differences between two conditions."""
    return tuple(
        Difference(
            name=objective.name,
            first=section.difference[0],
            second=section.difference[1],
            statistic=objective.name.partition(".")[2],
        )
        for objective, section in zip(study.targeted, study.file.objectives, strict=True)
        if section.difference is not None
    )


def timing_in(study: Study, condition: Condition, stage: int | None = None) -> Timing:
    """How long a condition is simulated in a stage, by default the last one, as also in those beyond it."""
    simulation = study.simulation
    warmup_ms = simulation.warmup_ms if condition.warmup_ms is None else condition.warmup_ms
    if stage is not None and stage < len(study.stages):
        section = study.file.stages[stage - 1]
        return Timing(
            warmup_ms=warmup_ms if section.warmup_ms is None else section.warmup_ms,
            duration_ms=section.duration_ms,
        )
    duration_ms = simulation.duration_ms if condition.duration_ms is None else condition.duration_ms
    return Timing(warmup_ms=warmup_ms, duration_ms=duration_ms)


def network_in(study: Study, condition: Condition) -> Network:
    """The network of a condition in the middle of the ranges."""
    return study.model.network(study.parameters_in(condition, {})) if condition.changes else study.network


def largest_network(study: Study) -> Network:
    """The largest network of all conditions, in the middle of the ranges."""
    networks = [network_in(study, condition) for condition in study.conditions]
    return max(networks, key=lambda network: network.n_neurons)


def find_condition(study: Study, name: str | None = None) -> Condition:
    """The condition of this name, by default the first. Raises StudyError if there is none."""
    names = [condition.name for condition in study.conditions]
    if name is None:
        return study.conditions[0]
    if name in names:
        return study.conditions[names.index(name)]
    if not study.file.conditions:
        raise StudyError(f"study '{study.name}' has no [[conditions]], so none is called '{name}'")
    hint = did_you_mean(name, names)
    raise StudyError(f"study '{study.name}' has no condition '{name}'{hint}; it has {', '.join(names)}")


def under_their_names(condition: Condition) -> tuple[Statistic, ...]:
    """The statistics of a condition under the names that they have in the study."""
    return tuple(replace(one, name=condition.named(one.name)) for one in condition.statistics)
