"""What the hardening of a trial found: fit, units, ladder of bits, chips."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import TypeAdapter

from calibrate.calibration.validation.verdict import Verdict, Word
from calibrate.calibration.validation.verdict import as_json as verdict_json

_WORDS: Mapping[Word, str] = {
    "confirmed": "survives",
    "not_confirmed": "does not survive: it meets its targets",
    "undecided": "undecided: it meets its targets",
}


@dataclass(frozen=True, kw_only=True)
class Demand:
    """What a network needs of a platform.

    Attributes
    ----------
    name : str
        What it is, such as "cores" or "fan-in of E".
    needed : float
        How much the network needs, in `unit`.
    limit : float or None
        How much there is; None: no limit is known.
    unit : str
        Unit, or "".
    fits : bool
        Whether the platform can carry it.
    note : str
        How `needed` was found, or "".
    """

    name: str
    needed: float
    limit: float | None = None
    unit: str = ""
    fits: bool = True
    note: str = ""

    def __str__(self) -> str:
        unit = f" {self.unit}" if self.unit else ""
        limit = "" if self.limit is None else f", limit {self.limit:,.6g}{unit}"
        note = f" ({self.note})" if self.note else ""
        return f"{self.name}: {self.amount}{unit}{limit}{note}"

    @property
    def amount(self) -> str:
        """How much is needed, for a reader."""
        return f"{self.needed:,.0f}" if float(self.needed).is_integer() else f"{self.needed:,.4g}"


@dataclass(frozen=True, kw_only=True)
class Units:
    """The units of a network on a platform, and what rounding changes in them.

    Attributes
    ----------
    capacitance_pF : dict of str to float, pF
        Membrane capacitance of each population.
    voltage : float
        Factor on all voltages, counted from the resting potential.
    error : float
        Largest relative rounding error of a weight, a threshold or a constant input.
    worst : str
        What has this error.
    errors : dict of str to float
        Relative error of each of them. Of weights that are rounded at random, the standard deviation over
        synapses.
    setting : str
        How the study gets these units, such as "C = 250"; "" if none of its parameters does this.
    loss : float or None
        Loss with weights rounded in these units; None if it was not simulated.
    met : int or None
        Number of targets that are met there.
    """

    capacitance_pF: Mapping[str, float]
    voltage: float = 1.0
    error: float = 0.0
    worst: str = ""
    errors: Mapping[str, float]
    setting: str = ""
    loss: float | None = None
    met: int | None = None

    @property
    def capacitances(self) -> str:
        """The capacitances in pF for a reader: one number, or one for each population."""
        given = {name: f"{value:.4g}" for name, value in self.capacitance_pF.items()}
        if len(set(given.values())) == 1:
            return next(iter(given.values()))
        return ", ".join(f"{name} {value}" for name, value in given.items())


@dataclass(frozen=True, kw_only=True)
class Rung:
    """The network with weights of some bits, otherwise as it was.

    Attributes
    ----------
    projection : str or None
        The only projection that is rounded; None: all are.
    bits : int or None
        Bits of a weight; None: the network as it was.
    loss : float
        Loss of the mean over graphs.
    met : int
        Number of targets that this mean meets.
    missed : tuple of str
        Names of the statistics whose targets it misses.
    regime : str or None
        Regime of the network; None if it cannot be inferred.
    statistics : dict of str to float or None
        Means of all statistics over graphs; None if one is undefined on all.
    error : float
        Largest relative rounding error of a weight.
    failures : dict of str to int
        Reasons of failed simulations, and how often each was given. Their graphs are left out.
    """

    projection: str | None = None
    bits: int | None = None
    loss: float
    met: int
    missed: tuple[str, ...] = ()
    regime: str | None = None
    statistics: Mapping[str, float | None]
    error: float = 0.0
    failures: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class Ladder:
    """The network against the bits of its weights.

    Attributes
    ----------
    graphs : int
        Number of graphs of every rung.
    targets : int
        Number of targets.
    exact : Rung
        The network as it was, on the same graphs.
    rungs : tuple of Rung
        All projections rounded, then each alone, each from many bits to few.
    """

    graphs: int
    targets: int
    exact: Rung
    rungs: tuple[Rung, ...]

    @property
    def projections(self) -> tuple[str | None, ...]:
        """What is rounded: all projections (None), then each alone."""
        return tuple(dict.fromkeys(rung.projection for rung in self.rungs))

    @property
    def bits(self) -> tuple[int, ...]:
        """The numbers of bits, from many to few."""
        return tuple(sorted({rung.bits for rung in self.rungs if rung.bits is not None}, reverse=True))

    def of(self, projection: str | None) -> list[Rung]:
        """Return the rungs with this projection rounded, or with all of them, from many bits to few."""
        return sorted(
            (rung for rung in self.rungs if rung.projection == projection),
            key=lambda rung: -(rung.bits or 0),
        )

    def keeps(self, rung: Rung) -> bool:
        """Return whether a rung meets every target that the network meets as it was."""
        return set(rung.missed) <= set(self.exact.missed)

    def least_bits(self, projection: str | None = None) -> int | None:
        """Return the least bits that keep all targets, as do more bits; None if even the most do not."""
        least = None
        for rung in self.of(projection):
            if not self.keeps(rung):
                break
            least = rung.bits
        return least

    @property
    def breaks_first(self) -> str | None:
        """The projection that, alone, needs the most bits; None if none breaks in this ladder."""
        broken = {
            name: next((rung for rung in self.of(name) if not self.keeps(rung)), None)
            for name in self.projections
            if name is not None
        }
        first = {name: (rung.bits or 0, rung.loss) for name, rung in broken.items() if rung is not None}
        return max(first, key=lambda name: first[name]) if first else None


@dataclass(frozen=True, kw_only=True)
class Chips:
    """The network under all limits on drawn chips, each paired with the exact network on the same graph.

    Attributes
    ----------
    survived : int
        Number of chips on which the network meets every target that its trial met.
    exact : int
        Number of the same graphs on which the network without limits does.
    of : int
        Number of chips.
    verdict : Verdict
        Paired tests of the chips (the reference) against the exact network.
    """

    survived: int
    exact: int
    of: int
    verdict: Verdict

    @property
    def words(self) -> str:
        """The verdict for a reader."""
        return f"{_WORDS[self.verdict.verdict]} on {self.survived} of {self.of} chips"


@dataclass(frozen=True, kw_only=True)
class Hardening:
    """What the hardening of a trial found.

    Attributes
    ----------
    trial : int
        Number of the trial.
    target : str
        Name of the platform.
    hardware : dict of str to object
        Its limits.
    simulator : str
        The simulator, with version and device.
    duration_ms : float, ms
        Length of each measurement.
    finished : str
        Time in ISO format.
    fit : tuple of Demand
        What the network needs of the platform.
    notes : tuple of str
        What the platform changes besides rounding, and what of it is not simulated, in one line each.
    given : Units
        The units of the study.
    best : Units
        Those with the smallest rounding error.
    units : {"best", "given"}
        Which of these the ladder and the chips have.
    ladder : Ladder
        The network against the bits of its weights.
    chips : Chips
        The network on drawn chips.

    Examples
    --------
    >>> from calibrate import harden, read_study
    >>> found = harden(read_study("study.toml"), 0, target="custom", bits=[8, 4], chips=4, progress=False)
    >>> found.chips.of, [rung.bits for rung in found.ladder.of(None)]
    (4, [8, 4])
    """

    trial: int
    target: str
    hardware: Mapping[str, Any]
    simulator: str
    duration_ms: float
    finished: str
    fit: tuple[Demand, ...]
    notes: tuple[str, ...] = ()
    given: Units
    best: Units
    units: Literal["best", "given"] = "best"
    ladder: Ladder
    chips: Chips

    @property
    def least_bits(self) -> int | None:
        """The least bits of all weights that keep all targets; None if even the most do not."""
        return self.ladder.least_bits()

    @property
    def compared(self) -> dict[str, Units]:
        """The units of the study and, if they are others, those with the smallest error, by what they are."""
        best = {} if self.best == self.given else {"with the smallest error": self.best}
        return {"of the study": self.given, **best}

    @property
    def lacking(self) -> tuple[Demand, ...]:
        """What the network needs and the platform does not have."""
        return tuple(demand for demand in self.fit if not demand.fits)

    @property
    def good(self) -> bool:
        """Whether the network survives on the chips, and the platform can carry it."""
        return self.chips.verdict.good and not self.lacking

    def __repr__(self) -> str:
        return f"<Hardening of {self}>"

    def __str__(self) -> str:
        lacking = [f"{self.target} cannot carry {demand}" for demand in self.lacking]
        reasons = "; ".join([*lacking, *self.chips.verdict.reasons])
        return f"trial {self.trial}: {self.chips.words} of {self.target}" + (
            f"; {reasons}" if reasons else ""
        )


_ADAPTER: TypeAdapter[Hardening] = TypeAdapter(Hardening)


def as_content(hardening: Hardening) -> dict[str, Any]:
    """A hardening as it is stored, in JSON."""
    content: dict[str, Any] = _ADAPTER.dump_python(hardening, mode="json")
    return content


def from_content(content: Mapping[str, Any]) -> Hardening:
    """The hardening from which `as_content` made this content."""
    return _ADAPTER.validate_python(content)


def as_json(hardening: Hardening) -> dict[str, Any]:
    """A hardening as JSON for a reader, with what follows from it."""
    content = as_content(hardening)
    ladder, chips = hardening.ladder, hardening.chips
    units = {name: content.pop(name) for name in ("given", "best")}
    return content | {
        "fit": [
            {**printed, "text": str(one)} for printed, one in zip(content["fit"], hardening.fit, strict=True)
        ],
        "units": {**units, "used": hardening.units},
        "ladder": {
            **content["ladder"],
            "rungs": [
                {**printed, "keeps": ladder.keeps(rung)}
                for printed, rung in zip(content["ladder"]["rungs"], ladder.rungs, strict=True)
            ],
            "breaks_first": ladder.breaks_first,
            "least_bits": {name: ladder.least_bits(name) for name in ladder.projections if name is not None},
        },
        "least_bits": hardening.least_bits,
        "chips": {**content["chips"], "words": chips.words, "verdict": verdict_json(chips.verdict)},
        "good": hardening.good,
    }
