"""What a format or simulator is to an export."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from calibrate.network_export.realisation import Realisation

Connectivity = Literal["synapses", "rules"]
CONNECTIVITIES: tuple[Connectivity, ...] = ("synapses", "rules")


@dataclass(frozen=True, kw_only=True)
class Order:
    """What is to be written.

    realisation   the network
    connectivity  whether the folder holds every synapse, or the rules
    duration_ms   length of the simulation, from t = 0
    title         the network in a few words
    about         lines on where it comes from
    """

    realisation: Realisation
    connectivity: Connectivity
    duration_ms: float
    title: str
    about: tuple[str, ...] = ()


def _nothing(_: Order) -> Iterable[str]:
    return ()


@dataclass(frozen=True, kw_only=True)
class Target:
    """What a network can be exported to. `templates/notes_NAME.md` goes into README.md, if it is there.

    name            as in --to
    title           for readers
    write           writes network.py and the files that it reads; returns what they hold, by name
    connectivities  the ways in which it holds the graph
    requirements    packages that network.py needs, as pip takes them
    modules         modules that it is written with, which the extra "export" of calibrate installs
    neurons         neuron models that it carries
    refusals        a line for each further thing that it cannot carry
    inexact         a line for each number that it does not hold to the last digit
    reduced         of a lossy one: the network without what is lost, and a line for each loss
    """

    name: str
    title: str
    write: Callable[[Order, Path], dict[str, str]]
    requirements: tuple[str, ...]
    connectivities: tuple[Connectivity, ...] = CONNECTIVITIES
    modules: tuple[str, ...] = ()
    neurons: tuple[str, ...] = ("iaf_psc_exp",)
    refusals: Callable[[Order], Iterable[str]] = _nothing
    inexact: Callable[[Order], Iterable[str]] = _nothing
    reduced: Callable[[Realisation], tuple[Realisation, Sequence[str]]] | None = None
