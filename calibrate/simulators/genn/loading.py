"""Starting a batch over: graph, values and initial state of its members, written to the device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibrate.errors import SimulatorError
from calibrate.network import Bernoulli, Population, Projection, UniformDelay, UniformIndegree, wiring
from calibrate.neurons import NeuronModel, Number, neuron_model
from calibrate.neurons.plasticity import plasticity_rule
from calibrate.simulators.base import Member
from calibrate.simulators.genn.code import Build, constants
from calibrate.simulators.genn.connectivity import SETTINGS
from calibrate.simulators.genn.internals import connectivity_settings, row_lengths
from calibrate.simulators.genn.noise import LARGEST_NOISE_MEAN, noise_name

_UNREACHABLE = np.nan
"""A threshold that nothing reaches, not even a potential that has become infinite."""

_NEVER_MS = -1e12
"""Time of the last spike of a neuron that has not fired yet: its traces have long decayed."""


class Loading:
    """What is written to a compiled network before a batch runs in it; see `PreparedGenn`."""

    def __init__(self, model: Any, build: Build, *, wiring_seed: int) -> None:
        self._model, self._build = model, build
        self._network, self._wiring_seed = build.network, wiring_seed

    def wire(self, realisation: int, *, recorded_steps: int) -> None:
        """Draw graph number `realisation` on the device, which holds none; `recorded_steps` of spikes fit."""
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
        for projection in self._network.projections:
            if projection.weight_cv or isinstance(projection.delay_ms, UniformDelay):
                self._distribute(projection, realisation)

    def _distribute(self, projection: Projection, realisation: int) -> None:
        """Give the synapses of a projection the weights and delays that the host draws for them."""
        drawn, order = self.synapses(projection.name)
        graph = {"wiring_seed": self._wiring_seed, "realisation": realisation}
        found: dict[str, NDArray[Any]] = {}
        if projection.weight_cv:
            found["g"] = wiring.weight_factors(projection, drawn, **graph)
        if isinstance(projection.delay_ms, UniformDelay):
            found["d"] = wiring.synapse_delays(projection, drawn, dt_ms=self._build.dt_ms, **graph)
        for name, values in found.items():
            variable = self._model.synapse_populations[projection.name].vars[name]
            on_device = np.empty_like(values)
            on_device[order] = values
            variable.values = on_device
            variable.push_to_device()

    def synapses(self, name: str) -> tuple[wiring.Connections, NDArray[np.int64]]:
        """Synapses of a projection in the host's order, and where each is in the device's."""
        synapses = self._model.synapse_populations[name]
        synapses.pull_connectivity_from_device()
        lengths = row_lengths(synapses)
        targets = synapses.get_sparse_post_inds().astype(np.int32)
        order = np.lexsort((targets, np.repeat(np.arange(lengths.size), lengths)))
        return wiring.Connections(lengths, targets[order]), order

    def silence(self) -> None:
        """Let spikes in flight arrive while none can fire, then clear what they left."""
        for population in self._network.populations:
            group = self._model.neuron_populations[population.name]
            write(group.vars[neuron_model(population.neuron).genn.threshold_constant], _UNREACHABLE)
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
        """Give every member its values and initial state; returns the neuron parameters by population."""
        # A part batch is filled up with copies of its first member, which are kept from firing.
        filled = [*members, *[members[0]] * (self._build.batch_size - len(members))]
        parameters = [
            {
                population.name: wiring.neuron_parameters(
                    population, member.values, wiring_seed=self._wiring_seed, realisation=realisation
                )
                for population in self._network.populations
            }
            for member in filled
        ]
        for population in self._network.populations:
            self._set_neurons(population, filled, parameters, firing=len(members))
            self._set_noise(population, filled)
        for projection in self._network.projections:
            self._set_synapses(projection, filled)
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
        code = neuron.genn
        names = constants(neuron, population, self._build.dt_ms)
        columns: dict[str, list[Number]] = {name: [] for name in names}
        potential = []
        for number, member in enumerate(members):
            parameters = drawn[number][population.name]
            found = {**code.constants(parameters, self._build.dt_ms), "I_e": parameters["I_e"]}
            if number >= firing:
                found[code.threshold_constant] = _UNREACHABLE
            for name in names:
                columns[name].append(found[name])
            start = wiring.initial_potential(population, member.values, parameters, seed=member.seed)
            potential.append(start - potential_offset(neuron, parameters))
        for name, column in columns.items():
            write(group.vars[name], _stacked(column, group.vars[name].view))
        for name in code.state:
            write(group.vars[name], _stacked(potential, group.vars[name].view) if name == "V" else 0)

    def _set_noise(self, population: Population, members: Sequence[Member]) -> None:
        if not population.noise:
            return
        for receptor in neuron_model(population.neuron).receptors:
            source = self._model.current_sources[f"{noise_name(population)}_{receptor}"]
            rows, stages = [], []
            for member in members:
                noise = member.values.noise[population.name]
                mean = self.noise_mean(population, noise.rate_hz, noise.weight, receptor)
                rows.append((mean, np.exp(-mean), noise.weight, *wiring.key("noise", member.seed)))
                stages.append(wiring.noise_stages(population, seed=member.seed).astype(float))
            for name, column in zip(
                ("mean", "none", "weight", "key0", "key1"), zip(*rows, strict=True), strict=True
            ):
                write(source.vars[name], _stacked(column, source.vars[name].view))
            if population.noise_shape > 1:
                write(source.vars["stage"], _stacked(stages, source.vars["stage"].view))

    def noise_mean(self, population: Population, rate_hz: Number, weight: float, receptor: str) -> Number:
        """Events of the hidden Poisson process per step; none at the receptor that is not meant."""
        mean = np.asarray(rate_hz) * population.noise_shape * self._build.dt_ms / 1000
        if np.max(mean) > LARGEST_NOISE_MEAN:
            raise SimulatorError(
                f"random input of {np.max(rate_hz):g} Hz is {np.max(mean):g} events per step; GeNN takes up "
                f"to {LARGEST_NOISE_MEAN:g}: use a smaller rate with a larger weight"
            )
        return mean * ((weight < 0) == (receptor == "in"))

    def _set_synapses(self, projection: Projection, members: Sequence[Member]) -> None:
        synapses = self._model.synapse_populations[projection.name]
        weights = [member.values.weights[projection.name] for member in members]
        write(synapses.psm_vars["weight"], _stacked(weights, synapses.psm_vars["weight"].view))
        if projection.plasticity is None:
            return
        rule = plasticity_rule(projection.plasticity.rule)
        found = [
            rule.constants(rule.complete(member.values.plasticity[projection.name]), weight)
            for member, weight in zip(members, weights, strict=True)
        ]
        for name in found[0]:
            variable = synapses.post_vars[name]
            write(variable, _stacked([constants[name] for constants in found], variable.view))
        grown = synapses.vars["g"]
        synapses.pull_connectivity_from_device()  # says how many there are of each neuron
        grown.values = np.ones_like(grown.values)
        grown.push_to_device()
        write(synapses.pre_vars["last"], _NEVER_MS)


def write(variable: Any, values: Any) -> None:
    with np.errstate(over="ignore"):  # infinity in single precision shows in the membrane potential
        variable.view[:] = values
    variable.push_to_device()


def potential_offset(neuron: NeuronModel, parameters: dict[str, Number]) -> Number:
    """What to add to the code's `V` to get the membrane potential (mV)."""
    name = neuron.genn.potential_offset
    return 0.0 if name is None else parameters[name]


def _stacked(values: Sequence[Number], view: NDArray[Any]) -> NDArray[Any]:
    """One value or one row per member, in the shape of a GeNN variable."""
    if view.size == len(values):
        return np.array([np.asarray(value, dtype=float).item() for value in values]).reshape(view.shape)
    size = view.size // len(values)
    return np.stack([np.broadcast_to(value, size) for value in values]).reshape(view.shape)
