"""Graph numbers: which realisations of the connectivity a study simulates, and what for."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from calibrate.study.file.replicates import ReplicatesSection

# Far enough beyond the graphs of the search that a study with more of them does not reach these.
VALIDATION_FROM = 1000


class Purpose(StrEnum):
    """What a simulation is for."""

    SCREENING = "screening"
    SEARCH = "search"
    CONFIRMATION = "confirmation"
    FRESH = "fresh graphs"
    VALIDATION = "validation"


@dataclass(frozen=True, kw_only=True)
class Graphs:
    """Graph numbers by purpose; no graph serves two, but that screening uses the first of the search.

    search        on which every candidate is scored
    confirmation  on which would-be best candidates are scored, too
    fresh         on which the best is shown; the search never sees them
    """

    search: range
    confirmation: range
    fresh: range

    @classmethod
    def of(cls, replicates: ReplicatesSection) -> Graphs:
        further = replicates.confirmation.most if replicates.confirmation else 0
        confirmed = replicates.graphs + further
        return cls(
            search=range(replicates.graphs),
            confirmation=range(replicates.graphs, confirmed),
            fresh=range(confirmed, confirmed + replicates.fresh),
        )

    @property
    def screening(self) -> range:
        """On which a candidate must keep the constraints in the stages before the last."""
        return self.search[:1]

    @property
    def scored(self) -> range:
        """All graphs that a loss can be a mean over: those of the search and of the confirmation."""
        return range(self.fresh.start)

    def of_purpose(self, purpose: Purpose) -> range:
        """The graphs of one purpose of the search; a validation has as many as it wants."""
        graphs = {
            Purpose.SCREENING: self.screening,
            Purpose.SEARCH: self.search,
            Purpose.CONFIRMATION: self.confirmation,
            Purpose.FRESH: self.fresh,
        }
        return graphs[purpose]

    def validation(self, n: int) -> range:
        """Numbers of `n` graphs for a validation: none of the others is among them."""
        first = max(VALIDATION_FROM, self.fresh.stop)
        return range(first, first + n)
