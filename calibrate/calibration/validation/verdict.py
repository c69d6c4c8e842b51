"""The verdict on a trial, from simulations on fresh graphs in NEST and a second simulator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import TypeAdapter

from calibrate.calibration.trials.averages import format_statistic, mean_over
from calibrate.calibration.trials.simulation import Simulation
from calibrate.calibration.trials.summary import TrialSummary, predicted_in_words
from calibrate.calibration.validation.agreement import (
    FEWEST_PAIRS,
    Agreement,
    Estimates,
    Shift,
    agreements,
    shifts,
)
from calibrate.calibration.validation.paired_tests import ALPHA, alpha_of
from calibrate.study import Study

Word = Literal["confirmed", "not_confirmed", "undecided", "targets_met", "targets_not_met"]


@dataclass(frozen=True, kw_only=True)
class SpikesCompared:
    """The spike trains of one graph in both simulators, in double precision.

    identical_ms  how long they are identical, from the start of the simulation
    spikes        number of spikes of the reference in `duration_ms`
    first         the first spike that only one of them has; None: they are identical
    condition     of the study; "" if it has none
    """

    graph: int
    identical_ms: float
    duration_ms: float
    spikes: int
    first: str | None
    condition: str = ""

    @property
    def where(self) -> str:
        """The graph and the condition for a reader."""
        return f"graph {self.graph}" + (f" in {self.condition}" if self.condition else "")


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What the validation of a trial found.

    Attributes
    ----------
    trial : int
        Number of the trial.
    verdict : {"confirmed", "not_confirmed", "undecided", "targets_met", "targets_not_met"}
        confirmed: all statistics with objectives are equivalent in both simulators, and NEST meets every
        target that the trial met. not_confirmed: not so, for the `reasons`. undecided: `needed` replicates
        would decide. targets_met and targets_not_met: there was only one simulator.
    reasons : tuple of str
        Why, in one line each.
    simulators : tuple of str
        The reference, NEST if it is installed, and the second simulator.
    replicates : int
        Number of graphs.
    duration_ms : float, ms
        Length of each measurement.
    finished : str
        Time of the verdict in ISO format.
    needed : int or None
        Replicates that would decide; None if more than 10,000 or if the verdict is not undecided.
    power : float or None
        Probability, at least, that two identical simulators are found equivalent in all statistics.
    failures : dict of str to int
        Reasons of failed simulations, and how often each was given.
    statistics : tuple of Agreement
        Each statistic in both simulators.
    distributions : tuple of Shift
        Each distribution in both simulators.
    spikes : tuple of SpikesCompared
        Spike trains of each graph, in exact mode, which compares these instead of statistics.
    look : int
        How often, this time included, the simulators were compared on this trial with another number of
        replicates or another duration.
    alpha : float
        Error rate of the tests, 5 % over all looks together.
    held_out : tuple of str
        Names of conditions that the search did not use. The verdict counts their statistics where the
        simulators are compared, but not whether their targets are met: this is `predicted`.

    Examples
    --------
    The best trial of `study.toml` was validated in NEST and GeNN:

    >>> from calibrate import read_results, read_study
    >>> results = read_results(read_study("study.toml"))
    >>> (verdict,) = (one for one in results.verdicts if one.trial == results.best.number)
    >>> verdict.simulators, verdict.exact
    (('NEST', 'GeNN'), False)
    """

    trial: int
    verdict: Word
    reasons: tuple[str, ...]
    simulators: tuple[str, ...]
    replicates: int
    duration_ms: float
    finished: str
    needed: int | None = None
    power: float | None = None
    failures: Mapping[str, int]
    statistics: tuple[Agreement, ...] = ()
    distributions: tuple[Shift, ...] = ()
    spikes: tuple[SpikesCompared, ...] = ()
    look: int = 1
    alpha: float = ALPHA  # of older versions, which did not count looks
    held_out: tuple[str, ...] = ()

    @property
    def exact(self) -> bool:
        """Whether spike trains were compared."""
        return bool(self.spikes)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the simulators, without version and device."""
        return tuple(simulator.partition(" ")[0] for simulator in self.simulators)

    @property
    def good(self) -> bool:
        """Whether the trial is confirmed, or meets its targets in the only simulator."""
        return self.verdict in ("confirmed", "targets_met")

    @property
    def interval(self) -> str:
        """Coverage of the confidence intervals for a reader: 92 % CI."""
        return f"{100 * (1 - 2 * self.alpha):.3g} % CI"

    @property
    def differing(self) -> list[str]:
        """Names of statistics that differ by more than chance, however little, with a target or without."""
        return [row.name for row in self.statistics if row.differs]

    @property
    def words(self) -> str:
        """The verdict for a reader."""
        if self.verdict == "confirmed" and (missed := self.missed):
            own = "misses its target" if len(missed) == 1 else "miss their targets"
            return f"the simulators agree, but {', '.join(missed)} {own}"
        return self.verdict.replace("_", " ")

    @property
    def missed(self) -> list[str]:
        """Names of the statistics whose targets the reference misses, whether or not the trial met them."""
        return [row.name for row in self.statistics if row.met is False and not row.predicted]

    @property
    def predicted(self) -> str:
        """How many targets of conditions that are held out the reference meets, for a reader; "" if none."""
        met = [bool(row.met) for row in self.statistics if row.predicted]
        return predicted_in_words(met, self.held_out, self.replicates)

    @property
    def graphs(self) -> str:
        """The number of graphs for a reader."""
        return "one fresh graph" if self.replicates == 1 else f"{self.replicates} fresh graphs"

    def __repr__(self) -> str:
        return f"<Verdict on {self}>"

    def __str__(self) -> str:
        head = f"trial {self.trial}: {self.words} on {self.graphs}"
        return head + (f": {'; '.join(self.reasons)}" if self.reasons else "")


_ADAPTER: TypeAdapter[Verdict] = TypeAdapter(Verdict)


def as_json(verdict: Verdict) -> dict[str, Any]:
    """A verdict as JSON; unknown numbers are null."""
    printed: dict[str, Any] = _ADAPTER.dump_python(verdict, mode="json")
    return printed


def from_json(content: Mapping[str, Any]) -> Verdict:
    """The verdict from which `as_json` made this content."""
    return _ADAPTER.validate_python(content)


def judge(
    study: Study,
    trial: TrialSummary,
    reference: Sequence[Simulation],
    other: Sequence[Simulation] | None,
    *,
    simulators: Sequence[str],
    finished: str,
    samples: tuple[Estimates, Estimates] | None = None,
    look: int = 1,
    pairs: str = "replicates",
) -> Verdict:
    """The verdict on `trial` from simulations in the reference simulator, and in a second one if available.

    Both used the same graphs, in the same order; graphs on which one of them failed are left out. `samples`
    are estimates with samples on both sides, for the distributions. `look` is this look's number, and `pairs`
    what a reader calls the graphs.
    """
    completed = [k for k, a in enumerate(reference) if not a.failed and not (other and other[k].failed)]
    rows = agreements(
        study,
        {target.name: target for target in trial.targets},
        [reference[k].estimates for k in completed],
        None if other is None else [other[k].estimates for k in completed],
        look=look,
    )
    word, why = _decide(
        study,
        rows,
        [reference[k].estimates for k in completed],
        paired=other is not None,
        look=look,
        called=pairs,
    )
    judged = [row for row in rows if row.margin is not None]
    needed = [row.needed for row in judged if row.decision == "undecided"]
    possible = [n for n in needed if n is not None]
    reasons = [s.reason for s in [*reference, *(other or ())] if s.reason is not None]
    return Verdict(
        trial=trial.number,
        verdict=word,
        reasons=tuple(why),
        simulators=tuple(simulators),
        replicates=len(reference),
        duration_ms=reference[0].duration_ms,
        finished=finished,
        needed=max(possible) if word == "undecided" and possible and len(possible) == len(needed) else None,
        # Bonferroni's bound, because the correlations of the statistics are unknown.
        power=max(0.0, 1 - sum(1 - (row.power or 0.0) for row in judged)) if judged else None,
        failures={reason: reasons.count(reason) for reason in dict.fromkeys(reasons)},
        statistics=tuple(rows),
        distributions=tuple(shifts(study, *samples)) if samples else (),
        look=look,
        alpha=alpha_of(look),
        held_out=trial.held_out,
    )


def judge_spikes(
    trial: TrialSummary, compared: Sequence[SpikesCompared], *, simulators: Sequence[str], finished: str
) -> Verdict:
    """The verdict on `trial` from its spike trains: confirmed if all of them are identical."""
    apart = [spikes for spikes in compared if spikes.first is not None]
    return Verdict(
        trial=trial.number,
        verdict="not_confirmed" if apart else "confirmed",
        reasons=tuple(
            f"{spikes.where}: identical for {spikes.identical_ms:g} ms, then {spikes.first}"
            for spikes in apart
        ),
        simulators=tuple(simulators),
        replicates=len({spikes.graph for spikes in compared}),
        duration_ms=max(spikes.duration_ms for spikes in compared),
        finished=finished,
        failures={},
        spikes=tuple(compared),
    )


def _decide(
    study: Study, rows: Sequence[Agreement], reference: Estimates, *, paired: bool, look: int, called: str
) -> tuple[Word, list[str]]:
    pairs = len(reference)
    if paired and pairs < FEWEST_PAIRS:
        return "undecided", [f"{pairs} pairs of simulations completed, but {FEWEST_PAIRS} are needed"]
    # With two simulators, targets that the trial itself missed do not count against it.
    fitted = [row for row in rows if not row.predicted]
    missed = [row.missed for row in fitted if row.met is False and (row.claimed or not paired)]
    for constraint in study.constraints if reference else ():
        mean = mean_over([estimates[constraint.name] for estimates in reference])
        if constraint.violation(mean):
            value = format_statistic(mean.value, lower_bound=mean.lower_bound)
            some = " on some graphs and undefined on others" if mean.undefined and mean.defined else ""
            missed.append(f"{constraint.name} is {value}{some}, which breaks its constraint")
    if not paired:
        return ("targets_not_met" if missed else "targets_met"), missed
    apart = [row.apart for row in rows if row.decision == "different"]
    if apart or missed:
        return "not_confirmed", [*apart, *missed]
    open_ = [row for row in rows if row.decision == "undecided"]
    return ("undecided" if open_ else "confirmed"), [
        f"{row.name} may differ by its tolerance ({row.needed or 'more than 10,000'} {called} would decide "
        f"in look {look + 1}, at {100 * alpha_of(look + 1):.2g} %)"
        for row in open_
    ]
