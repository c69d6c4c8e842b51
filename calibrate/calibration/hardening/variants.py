"""Variants of one network: exact, with rounded weights, or under all limits of a platform."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from calibrate.hardware import Hardware, Limited
from calibrate.hardware.steps import NOISE
from calibrate.network import Model, Network, Parameter, Parameters, Values
from calibrate.network.dimensionless import rescaled
from calibrate.network.levels import Levels
from calibrate.study import Study

# No parameter of a model has a blank in its name.
NUMBER = "number of the variant"


@dataclass(frozen=True, kw_only=True)
class Variant:
    """A network as a platform has it.

    hardware              the limits; None: the exact network
    only                  names of the weights that are rounded, of projections and of random input, while
                          nothing else is limited; None: all limits count
    capacitance, voltage  units in which the limits apply, as factors on those of the network
    dt_ms                 time step of its simulation
    """

    dt_ms: float

    hardware: Hardware | None = None
    only: tuple[str, ...] | None = None
    capacitance: float = 1.0
    voltage: float = 1.0

    @property
    def _limited(self) -> Limited:
        """The limits, with the time step of the platform also where only its weights count."""
        hardware = self.hardware or Hardware()
        return Limited(hardware, hardware.dt_ms or self.dt_ms)

    def of_network(self, network: Network) -> Network:
        """Return the network of this variant. Raises ModelError if it cannot be on the platform."""
        if self.hardware is None:
            return network
        limited = self._limited.of_network(network)
        if self.only is None:
            return limited
        # All variants with the same rule of rounding are one network, whichever projections are rounded: GeNN
        # compiles it once.
        projections = zip(network.projections, limited.projections, strict=True)
        return replace(
            network, projections=tuple(replace(one, levels=other.levels) for one, other in projections)
        )

    def of_values(self, network: Network, values: Values) -> Values:
        """Return the values of this variant, from those of the exact network."""
        if self.hardware is None:
            return values
        # The limits apply in other units, and the result is simulated in those of the network. This changes
        # no spike, and stimuli stay as they are.
        there = rescaled(network, values, capacitance=self.capacitance, voltage=self.voltage)
        limited = rescaled(
            network,
            self._limited.of_values(network, there),
            capacitance=1 / self.capacitance,
            voltage=1 / self.voltage,
        )
        return limited if self.only is None else self._rounded(values, limited)

    def _rounded(self, values: Values, limited: Values) -> Values:
        """Return the exact values, but with the limited weights of those that are named."""
        chosen = self.only or ()
        exact = Levels()
        return replace(
            values,
            weights={
                name: limited.weights[name] if name in chosen else weight
                for name, weight in values.weights.items()
            },
            noise={
                name: limited.noise[name] if noise_name(name) in chosen else noise
                for name, noise in values.noise.items()
            },
            levels={name: given if name in chosen else exact for name, given in limited.levels.items()},
        )

    def digest(self, study: Study) -> str:
        """Return the SHA-256 of all that a simulation of this variant depends on, beside trial and graph."""
        simulation = study.simulation
        content = {
            "hardware": self.hardware and self.hardware.as_dict(),
            "only": self.only,
            "units": [self.capacitance, self.voltage],
            "dt_ms": self.dt_ms,
            "simulation": simulation.model_dump(mode="json", exclude={"batch_size", "timeout_s"}),
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def noise_name(population: str) -> str:
    """Return the name of the weight of a population's random input."""
    return NOISE.format(population)


def with_variants(study: Study, variants: Sequence[Variant]) -> Study:
    """Return `study` with a further parameter of its model: the number of one of these variants.

    They have one time step, which becomes that of the study.
    """
    model = study.model
    of_all = _Networks(model, tuple(variants))
    varied = replace(
        model,
        parameters=(*model.parameters, Parameter(name=NUMBER, default=0, unit="", doc="", kind=int)),
        make_network=of_all.make_network,
        make_values=of_all.make_values,
    )
    # Given as an object, so that processes get this model instead of the one that the file names.
    changed = replace(study, model=varied, own={**study.own, study.file.model.name: varied})
    return changed.simulated(dt_ms=variants[0].dt_ms)


@dataclass(frozen=True)
class _Networks:
    """The networks of a model in each of several variants."""

    model: Model
    variants: tuple[Variant, ...]

    def make_network(self, parameters: Parameters) -> Network:
        network = self.model.network(self._of_model(parameters))
        return self._variant(parameters).of_network(network)

    def make_values(self, _: Network, parameters: Parameters) -> Values:
        given = self._of_model(parameters)
        network = self.model.network(given)
        values = self.model.values(network, given)
        return self._variant(parameters).of_values(network, values)

    def _variant(self, parameters: Parameters) -> Variant:
        return self.variants[parameters[NUMBER]]

    def _of_model(self, parameters: Parameters) -> dict[str, object]:
        return {name: value for name, value in parameters.items() if name != NUMBER}
