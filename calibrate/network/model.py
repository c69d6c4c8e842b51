"""Families of networks: parameters, and how they make a network and its values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from calibrate.errors import ModelError, did_you_mean
from calibrate.network.first_study import FirstStudy
from calibrate.network.own_simulation import OwnSimulation
from calibrate.network.parameter import Parameter, Parameters
from calibrate.network.structure import Network
from calibrate.network.value_checks import checked
from calibrate.network.values import Values


class Limits(Protocol):
    """What a platform makes of a network and of its values."""

    def of_network(self, network: Network) -> Network:
        """Return the network as it is on the platform."""

    def of_values(self, network: Network, values: Values) -> Values:
        """Return the values of a network, which itself is not under the limits, as they are there."""


@dataclass(frozen=True, kw_only=True)
class Model:
    """A family of networks: its parameters, and how they make a network and its values.

    Attributes
    ----------
    name : str
        Name of the model.
    parameters : tuple of Parameter
        Its parameters.
    make_network : callable
        Makes the Network of complete parameters; raises ModelError if rules across parameters are broken.
    make_values : callable
        Makes the Values of the network and complete parameters; raises ModelError likewise.
    doc : str
        What it is, in one line.
    cites : str or tuple of str
        What a paper that uses it should cite, in full; or keys of calibrate's own references.
    first_study : FirstStudy
        What `calibrate new` writes for it; by default, what follows from the parameters.
    simulation : OwnSimulation or None
        The function that simulates it, if it is a simulation of your own; None for networks.
    limits : Limits or None
        The limits of the platform that its networks are on; see `calibrate.hardware`.

    Examples
    --------
    >>> from calibrate import find_model
    >>> model = find_model("balanced")
    >>> parameters = {"N_E": 80, "N_I": 20}
    >>> network = model.network(parameters)
    >>> network.n_neurons
    100
    >>> sorted(model.values(network, parameters).weights)
    ['E_to_E_all', 'E_to_I_all', 'I_to_E_all', 'I_to_I_all']
    """

    name: str
    parameters: tuple[Parameter, ...]
    make_network: Callable[[Parameters], Network]
    make_values: Callable[[Network, Parameters], Values]
    doc: str = ""
    cites: str | tuple[str, ...] = ""
    first_study: FirstStudy = field(default=FirstStudy(), repr=False, compare=False)
    simulation: OwnSimulation | None = field(default=None, repr=False)
    limits: Limits | None = None

    def parameter(self, name: str) -> Parameter:
        """Return a parameter by its name.

        Parameters
        ----------
        name : str
            Name of the parameter.

        Returns
        -------
        Parameter
            The parameter.

        Raises
        ------
        ModelError
            If there is no such parameter.
        """
        for parameter in self.parameters:
            if parameter.name == name:
                return parameter
        names = [parameter.name for parameter in self.parameters]
        raise ModelError(f"{self.name} has no parameter '{name}'{did_you_mean(name, names)}")

    def complete(self, given: Parameters) -> dict[str, Any]:
        """Check parameters, and fill in the defaults of the others.

        Parameters
        ----------
        given : dict of str to object
            Parameters by name.

        Returns
        -------
        dict of str to object
            All parameters.

        Raises
        ------
        ModelError
            If there is no such parameter, or it cannot have this value.
        """
        for name in given:
            self.parameter(name)
        return {p.name: p.checked(given.get(p.name, p.default)) for p in self.parameters}

    def network(self, given: Parameters) -> Network:
        """Make a network.

        Parameters
        ----------
        given : dict of str to object
            Parameters by name; the others have their defaults.

        Returns
        -------
        Network
            The network.

        Raises
        ------
        ModelError
            If a rule is broken.
        """
        network = self.make_network(self.complete(given))
        return network if self.limits is None else self.limits.of_network(network)

    def values(self, network: Network, given: Parameters) -> Values:
        """Make the values of a network, and check them against it, before any simulator sees them.

        Parameters
        ----------
        network : Network
            The network of these parameters.
        given : dict of str to object
            Parameters by name; the others have their defaults.

        Returns
        -------
        Values
            The values.

        Raises
        ------
        ModelError
            If a rule is broken, or the values do not fit the network.
        """
        complete = self.complete(given)
        if self.limits is None:
            return checked(network, self.make_values(network, complete))
        original = self.make_network(complete)
        values = checked(original, self.make_values(original, complete))
        return checked(network, self.limits.of_values(original, values))
