"""[replicates]: on how many graphs a candidate is simulated."""

from __future__ import annotations

from typing import Annotated

from pydantic import Discriminator, Field, Tag

from calibrate.study.file.base import MANY, Count, Section


class ConfirmSection(Section):
    """confirm = { least, most, error } in [replicates]: further graphs until the loss is known well."""

    least: Count = Field(
        default=2, description="fewest further graphs of a candidate that can become the best"
    )
    most: Count = Field(default=10, description="most further graphs of a candidate")
    error: float = Field(
        default=0.1,
        gt=0,
        description="a candidate gets no more graphs once the standard error of the root of its loss, which "
        "is a deviation in tolerances, is at most this",
    )


def _kind(value: object) -> str:
    return "table" if isinstance(value, dict | ConfirmSection) else "number"


class ReplicatesSection(Section):
    """[replicates]: on how many graphs (realisations of the connectivity) a candidate is simulated."""

    graphs: Count = Field(
        default=1,
        description="number of graphs on which every candidate is simulated; its loss is the mean over them",
    )
    confirm: Annotated[
        Annotated[int, Field(ge=0, le=MANY), Tag("number")] | Annotated[ConfirmSection, Tag("table")],
        Discriminator(_kind),
    ] = Field(
        default=4,
        description="number of further graphs for a candidate that would be the best, before it counts; or "
        "{ least = 2, most = 10, error = 0.1 }: as many as its loss needs",
    )
    fresh: int = Field(
        default=5,
        ge=0,
        le=MANY,
        description="number of graphs, not used by the search, on which the best is simulated at the end",
    )

    @property
    def confirmation(self) -> ConfirmSection | None:
        """How candidates are confirmed; None if they are not. A fixed number is the least and the most."""
        if isinstance(self.confirm, ConfirmSection):
            return self.confirm
        return ConfirmSection(least=self.confirm, most=self.confirm) if self.confirm else None
