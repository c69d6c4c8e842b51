"""The same study, changed: with another simulator, on this computer, or under the limits of hardware."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from calibrate.hardware import Hardware, Limited
from calibrate.network import Model, Network
from calibrate.study.file.sections import PoolSection, SimulationSection, StudyFile


@dataclass(frozen=True, kw_only=True)
class Variants(ABC):
    """What is changed of a study; see `Study`."""

    file: StudyFile
    model: Model
    network: Network
    limits: Hardware | None = None

    @property
    def simulation(self) -> SimulationSection:
        """The table [simulation], with the time step of the platform under whose limits it simulates."""
        return with_step_of(self.limits, self.file.simulation)

    @abstractmethod
    def parameters(self, free: Mapping[str, Any]) -> dict[str, Any]:
        """Return the parameters of a network; see `Study`."""

    def on(self, backend: str) -> Self:
        """Return the same study with another simulator.

        Parameters
        ----------
        backend : {"genn", "nest", "poisson"}
            The simulator, for instance the one that "auto" stands for.

        Returns
        -------
        Study
            The study.
        """
        return self.simulated(backend=backend)

    @property
    def locally(self) -> Self:
        """The same study with the processes of this computer, whatever its [pool] says."""
        return replace(self, file=self.file.model_copy(update={"pool": PoolSection()}))

    def simulated(self, **changes: object) -> Self:
        """Return the same study with other values in its [simulation]; they are not checked.

        Parameters
        ----------
        **changes : object
            Values by key.

        Returns
        -------
        Study
            The study.
        """
        simulation = self.file.simulation.model_copy(update=changes)
        return replace(self, file=self.file.model_copy(update={"simulation": simulation}))

    def with_hardware(self, limits: Hardware | None) -> Self:
        """Return the same study with networks that are simulated under the limits of a platform.

        Time steps are those of the platform, if it has one. Which synapse is rounded to which level, and the
        mismatch of a chip, follow from the number of the graph: a network with and without limits on one
        graph is a pair, and several graphs are several chips.

        Parameters
        ----------
        limits : Hardware or None
            The limits, such as `study.hardware`; None for none.

        Returns
        -------
        Study
            The study. It is not checked again: its networks may be refused by the platform.

        Raises
        ------
        ModelError
            If the platform cannot carry the network in the middle of the ranges.

        Examples
        --------
        >>> from calibrate import read_study
        >>> from calibrate.hardware import hardware
        >>> study = read_study("study.toml")
        >>> study.with_hardware(hardware("spinnaker")).simulation.dt_ms
        1.0
        """
        limited = replace(self, limits=limits)
        model = limited_model(self.model, limits, limited.simulation.dt_ms)
        return replace(limited, model=model, network=model.network(limited.parameters({})))


def with_step_of(limits: Hardware | None, simulation: SimulationSection) -> SimulationSection:
    """Return [simulation] with the time step of a platform, if there is one."""
    dt_ms = None if limits is None else limits.dt_ms
    return simulation if dt_ms is None else simulation.model_copy(update={"dt_ms": dt_ms})


def limited_model(model: Model, limits: Hardware | None, dt_ms: float) -> Model:
    """Return a model whose networks are under these limits, or under none."""
    return replace(model, limits=None if limits is None else Limited(limits, dt_ms))
