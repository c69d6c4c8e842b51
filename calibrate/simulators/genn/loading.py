"""Loading a batch: its graph, and its members' values and initial states, are written to the device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibrate.network import Bernoulli, Population, Projection, UniformDelay, UniformIndegree, wiring
from calibrate.network.random_input import initial_stages, mean_events, random_input_key
from calibrate.neurons import NeuronModel, Number, neuron_model
from calibrate.neurons.plasticity import plasticity_rule
from calibrate.simulators.base import Member
from calibrate.simulators.genn.code import Build, constants
from calibrate.simulators.genn.connectivity import SETTINGS
from calibrate.simulators.genn.internals import connectivity_settings, row_lengths
from calibrate.simulators.genn.noise import noise_name

_UNREACHABLE = np.nan
"""A threshold that nothing reaches, not even a potential that has become infinite."""

_NEVER_MS = -1e12
"""Time of the last spike of a neuron that has not fired yet: so early that its traces have decayed."""


class Loading:
    """Writes graphs, values and states to a compiled network; see `PreparedGenn`."""

    def __init__(self, model: Any, build: Build, *, wiring_seed: int) -> None:
        self._model, self._build = model, build
        self._network, self._wiring_seed = build.network, wiring_seed

    def wire(self, realisation: int, *, recorded_steps: int) -> None:
        """Load the model, and draw graph number `realisation` on the device.

        recorded_steps  length of the buffers that record spikes
        """
        for projection in self._network.projections:
            rule = projection.rule
            if isinstance(rule, Bernoulli):
                numbers = [wiring.probability_threshold(rule.probability)]
            elif isinstance(rule, UniformIndegree):
                numbers = [rule.low, rule.high]
            else:
                numbers = [rule.indegree(self._network.population(projection.source).cluster_size)]
            words = (*wiring.graph_key(projection, self._wiring_seed, realisation), *numbers)
            settings = self._model.synapse_populations[projection.name].connectivity_extra_global_params
            settings[connectivity_settings(SETTINGS)].set_init_values(np.array(words, dtype=np.uint32))
        self._model.load(num_recording_timesteps=recorded_steps if self._build.record_spikes else None)
        self._drawn: dict[str, tuple[wiring.Connections, NDArray[np.int64]]] = {}
        for projection in self._network.projections:
            if projection.weight_cv or isinstance(projection.delay_ms, UniformDelay):
                self._distribute(projection, realisation)

    def _distribute(self, projection: Projection, realisation: int) -> None:
        """Draw individual weights and delays of a projection on the host, and write them to its synapses."""
        drawn, order = self.synapses(projection.name)
        graph = {"wiring_seed": self._wiring_seed, "realisation": realisation}
        if projection.weight_cv and not projection.levels:
            self._write_synapses(projection, "g", order, wiring.weight_factors(projection, drawn, **graph))
        if isinstance(projection.delay_ms, UniformDelay):
            delays = wiring.synapse_delays(projection, drawn, dt_ms=self._build.dt_ms, **graph)
            self._write_synapses(projection, "d", order, delays)

    def _set_levels(self, projection: Projection, members: Sequence[Member], realisation: int) -> list[float]:
        """Draw the weights of the synapses of every member, and write them; returns their units."""
        if projection.name not in self._drawn:
            self._drawn[projection.name] = self.synapses(projection.name)
        drawn, order = self._drawn[projection.name]
        graph = {"wiring_seed": self._wiring_seed, "realisation": realisation}
        found = {  # of each member once: an incomplete batch is padded with copies
            id(member): wiring.synapse_weights(projection, drawn, member.values, **graph)
            for member in members
        }
        pairs = [found[id(member)] for member in members]
        self._write_synapses(projection, "g", order, np.array([factors for _, factors in pairs]))
        return [unit for unit, _ in pairs]

    def _write_synapses(
        self, projection: Projection, name: str, order: NDArray[np.int64], values: NDArray[Any]
    ) -> None:
        """Write a variable of every synapse, in the host's order; of each member, if it has several rows."""
        variable = self._model.synapse_populations[projection.name].vars[name]
        on_device = np.empty_like(values)
        on_device[..., order] = values
        variable.values = on_device if self._build.batch_size > 1 else on_device.reshape(-1)
        variable.push_to_device()

    def synapses(self, name: str) -> tuple[wiring.Connections, NDArray[np.int64]]:
        """Synapses of a projection in the host's order, and the index of each in the device's order."""
        synapses = self._model.synapse_populations[name]
        synapses.pull_connectivity_from_device()
        lengths = row_lengths(synapses)
        targets = synapses.get_sparse_post_inds().astype(np.int32)
        order = np.lexsort((targets, np.repeat(np.arange(lengths.size), lengths)))
        return wiring.Connections(lengths, targets[order]), order

    def silence(self) -> None:
        """Let spikes in flight arrive while no neuron can fire, then clear the input that they leave."""
        for population in self._network.populations:
            group = self._model.neuron_populations[population.name]
            write(group.vars[neuron_model(population.neuron).genn_code.threshold_constant], _UNREACHABLE)
        longest = max(
            (
                s.axonal_delay_steps + s.max_dendritic_delay_timesteps
                for s in self._model.synapse_populations.values()
            ),
            default=0,
        )
        for _ in range(longest + 2):
            self._model.step_time()
        for synapses in self._model.synapse_populations.values():
            synapses.out_post.view[:] = 0
            synapses.out_post.push_to_device()

    def set(self, members: Sequence[Member], realisation: int) -> list[dict[str, dict[str, Number]]]:
        """Write every member's values and initial state; returns their neuron parameters by population."""
        # An incomplete batch is padded with copies of its first member, which cannot fire.
        padded = [*members, *[members[0]] * (self._build.batch_size - len(members))]
        parameters = [
            {
                population.name: wiring.neuron_parameters(
                    population, member.values, wiring_seed=self._wiring_seed, realisation=realisation
                )
                for population in self._network.populations
            }
            for member in padded
        ]
        for population in self._network.populations:
            self._set_neurons(population, padded, parameters, firing=len(members))
            self._set_noise(population, padded)
        for projection in self._network.projections:
            self._set_synapses(projection, padded, realisation)
        return parameters

    def _set_neurons(
        self,
        population: Population,
        members: Sequence[Member],
        drawn: Sequence[Mapping[str, dict[str, Number]]],
        *,
        firing: int,
    ) -> None:
        group = self._model.neuron_populations[population.name]
        neuron = neuron_model(population.neuron)
        code = neuron.genn_code
        names = constants(neuron, population, self._build.dt_ms)
        columns: dict[str, list[Number]] = {name: [] for name in names}
        potential = []
        for number, member in enumerate(members):
            parameters = drawn[number][population.name]
            values = {**code.constants(parameters, self._build.dt_ms), "I_e": parameters["I_e"]}
            if number >= firing:
                values[code.threshold_constant] = _UNREACHABLE
            for name in names:
                columns[name].append(values[name])
            start = wiring.initial_potential(population, member.values, parameters, seed=member.seed)
            potential.append(start - potential_offset(neuron, parameters))
        for name, column in columns.items():
            write(group.vars[name], _stack(column, group.vars[name].view))
        for name in code.state:
            write(group.vars[name], _stack(potential, group.vars[name].view) if name == "V" else 0)

    def _set_noise(self, population: Population, members: Sequence[Member]) -> None:
        if not population.noise:
            return
        for receptor in neuron_model(population.neuron).receptors:
            source = self._model.current_sources[f"{noise_name(population)}_{receptor}"]
            rows, stages = [], []
            for member in members:
                noise = member.values.noise[population.name]
                mean = self.noise_mean(population, noise.rate_hz, noise.weight, receptor)
                rows.append((mean, np.exp(-mean), noise.weight, *random_input_key(member.seed)))
                stages.append(initial_stages(population, seed=member.seed).astype(float))
            for name, column in zip(
                ("mean", "none", "weight", "key0", "key1"), zip(*rows, strict=True), strict=True
            ):
                write(source.vars[name], _stack(column, source.vars[name].view))
            if population.noise_shape > 1:
                write(source.vars["stage"], _stack(stages, source.vars["stage"].view))

    def noise_mean(
        self, population: Population, rate_hz: Number, weight: float, receptor: str
    ) -> NDArray[np.float64]:
        """Mean events per step of the underlying Poisson process; 0 if the weight excludes the receptor."""
        mean = mean_events(population, rate_hz, self._build.dt_ms)
        return mean * float((weight < 0) == (receptor == "in"))

    def _set_synapses(self, projection: Projection, members: Sequence[Member], realisation: int) -> None:
        synapses = self._model.synapse_populations[projection.name]
        weights = [member.values.weights[projection.name] for member in members]
        if projection.levels:
            weights = self._set_levels(projection, members, realisation)
        write(synapses.psm_vars["weight"], _stack(weights, synapses.psm_vars["weight"].view))
        if projection.plasticity is None:
            return
        rule = plasticity_rule(projection.plasticity.rule)
        of_members = [
            rule.constants(rule.complete(member.values.plasticity[projection.name]), weight)
            for member, weight in zip(members, weights, strict=True)
        ]
        for name in of_members[0]:
            variable = synapses.post_vars[name]
            write(variable, _stack([constants[name] for constants in of_members], variable.view))
        ratios = synapses.vars["g"]
        synapses.pull_connectivity_from_device()  # `values` needs the number of synapses of each neuron
        ratios.values = np.ones_like(ratios.values)
        ratios.push_to_device()
        write(synapses.pre_vars["last"], _NEVER_MS)


def write(variable: Any, values: Any) -> None:
    with np.errstate(over="ignore"):  # `observe` detects infinity in the membrane potential
        variable.view[:] = values
    variable.push_to_device()


def potential_offset(neuron: NeuronModel, parameters: dict[str, Number]) -> Number:
    """The membrane potential minus the code's `V` (mV)."""
    name = neuron.genn_code.potential_offset
    return 0.0 if name is None else parameters[name]


def _stack(values: Sequence[Number], view: NDArray[Any]) -> NDArray[Any]:
    """One value or one row per member, in the shape of a GeNN variable."""
    if view.size == len(values):
        return np.array([np.asarray(value, dtype=float).item() for value in values]).reshape(view.shape)
    size = view.size // len(values)
    return np.stack([np.broadcast_to(value, size) for value in values]).reshape(view.shape)
