"""The GeNN code of a network: everything that a compilation depends on, and nothing else.

Synapses have unit weight. The weight is in the postsynaptic model, where every member of a batch has its own.
So all members share one connectivity, and no member's values are compiled in. Only if weights differ between
synapses, or change, does each synapse have a factor `g` by which the weight is multiplied. The neuron
receives the sum of the weights that arrive in a step; the time course that follows is part of its equations.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
import scipy  # loads its parts when they are first used

from calibrate.errors import SimulatorError
from calibrate.network import (
    Bernoulli,
    Network,
    Population,
    Projection,
    UniformDelay,
    UniformIndegree,
)
from calibrate.neurons import NeuronModel, Number, delay_steps, neuron_model
from calibrate.neurons.plasticity import plasticity_rule
from calibrate.simulators.genn.limits import check_delays
from calibrate.simulators.genn.monitor import add_monitor
from calibrate.simulators.genn.noise import add_noise
from calibrate.simulators.genn.synapses import (
    OWN_SPIKE,
    OWN_SPIKE_RESET,
    OWN_SPIKE_STEP,
    add_modulation,
    add_projection,
    modulation_name,
)


@dataclass(frozen=True, kw_only=True)
class Build:
    """What is compiled: equal Builds have equal code.

    row_lengths  largest number of synapses per source neuron, for each projection; a graph can have fewer
    """

    network: Network
    dt_ms: float
    batch_size: int
    precision: str
    record_spikes: bool
    row_lengths: tuple[int, ...]

    @classmethod
    def of(
        cls, network: Network, *, dt_ms: float, batch_size: int, precision: str, record_spikes: bool
    ) -> Build:
        """The Build of a network, with the row lengths of its projections."""
        lengths = tuple(row_length(network, projection) for projection in network.projections)
        return cls(
            network=network,
            dt_ms=dt_ms,
            batch_size=batch_size,
            precision=precision,
            record_spikes=record_spikes,
            row_lengths=lengths,
        )

    def text(self) -> str:
        """Everything that the code depends on, as text: models, sizes, and rules without probabilities."""
        parts: list[object] = [self.dt_ms, self.batch_size, self.precision, self.record_spikes]
        for population in self.network.populations:
            model = neuron_model(population.neuron)
            code = model.genn_code
            distributed = sorted(population.distributed)
            parts += [population.name, population.size, population.clusters, distributed]
            parts += [population.noise, population.noise_shape]
            parts += [code.sim_code, code.threshold, code.reset_code, sorted(code.state.items())]
            parts += [sorted(constants(model, population, self.dt_ms).items()), sorted(code.integers)]
            parts += [model.receptors]
        for projection, length in zip(self.network.projections, self.row_lengths, strict=True):
            parts += [projection.name, type(projection.rule).__name__, projection.receptor, length]
            parts += [projection.individual, isinstance(projection.delay_ms, UniformDelay)]
            parts += ["levels"] * projection.levels
            parts += [delay_steps(projection.longest_delay_ms, self.dt_ms), projection.plasticity]
            if projection.plasticity is not None:
                rule = plasticity_rule(projection.plasticity.rule)
                parts += [rule.modulated_code, rule.postsynaptic_code]
        return "\n".join(str(part) for part in parts)


def check_size(build: Build) -> None:
    """Raise SimulatorError if a batch exceeds the integer types of GeNN's code.

    Plastic weights have an index of 32 bits, individual delays 16 bits.
    """
    check_delays(build.network, build.dt_ms)
    for projection, length in zip(build.network.projections, build.row_lengths, strict=True):
        synapses = build.network.population(projection.source).size * length
        plastic = projection.plasticity is not None
        if (plastic or projection.levels) and synapses * build.batch_size >= 2**32:
            kind = "plastic synapses" if plastic else "synapses with weights of their own"
            raise SimulatorError(
                f"{projection.name} has up to {synapses:,} {kind} in each of {build.batch_size} "
                "networks, more than GeNN can index: choose a smaller [simulation] batch_size"
            )


def row_length(network: Network, projection: Projection) -> int:
    """Number of synapses of one source neuron that is exceeded in one of 10^9 graphs.

    It is rounded up in steps of 4 %, so that similar probabilities share their code.
    """
    source, target = network.population(projection.source), network.population(projection.target)
    reach = target.size
    if projection.part == "within":
        reach = target.cluster_size
    elif projection.part == "between":
        reach = target.size - target.cluster_size
    if reach == 0:
        return 1
    if isinstance(projection.rule, UniformIndegree):
        probability = min(1.0, projection.rule.high / max(source.size - (source.name == target.name), 1))
    elif isinstance(projection.rule, Bernoulli):
        probability = projection.rule.probability
    else:
        # Every target draws round(p n) of n sources, or of n - 1 if it is one of the n itself.
        n = source.cluster_size
        probability = min(1.0, projection.rule.indegree(n) / max(n - (source.name == target.name), 1))
    exceeded = scipy.special.bdtrc(np.arange(reach + 1), reach, probability)  # by a binomial variable
    bound = int(np.argmax(exceeded <= 1e-9 / source.size))
    fine = 2 ** (1 / 16)
    return min(reach, max(1, math.ceil(fine ** math.ceil(math.log(max(bound, 1), fine)))))


def constants(model: NeuronModel, population: Population, dt_ms: float) -> dict[str, bool]:
    """Names of the constants that the neuron code reads, and whether each neuron has its own.

    This is determined by evaluating them: a constant is per neuron if it becomes an array when the
    distributed parameters are arrays.
    """
    values: dict[str, Number] = {p.name: p.default for p in model.parameters}
    for name in population.distributed:
        values[name] = np.full(2, values[name])
    per_neuron = {
        name: np.ndim(value) > 0 for name, value in model.genn_code.constants(values, dt_ms).items()
    }
    per_neuron["I_e"] = True  # stimuli can reach single clusters
    return per_neuron


def assemble(pygenn: ModuleType, model: Any, build: Build) -> None:
    """Add the populations and projections of `build` to an empty GeNN model."""
    model.dt = build.dt_ms
    model.batch_size = build.batch_size
    model.default_narrow_sparse_ind_enabled = True
    network = build.network
    groups = {p.name: _add_population(pygenn, model, build, p) for p in network.populations}
    for projection in network.projections:
        if projection.plasticity is not None:
            add_modulation(pygenn, model, network, projection, projection.plasticity, groups)
    for projection, length in zip(network.projections, build.row_lengths, strict=True):
        add_projection(
            pygenn, model, network, projection, dt_ms=build.dt_ms, row_length=length, groups=groups
        )
    first_neuron = 0
    for population in network.populations:
        add_monitor(pygenn, model, population, groups[population.name])
        if population.noise:
            add_noise(pygenn, model, population, groups[population.name], first_neuron)
        first_neuron += population.size


def _add_population(pygenn: ModuleType, model: Any, build: Build, population: Population) -> Any:
    neuron = neuron_model(population.neuron)
    code, access = neuron.genn_code, pygenn.VarAccess
    variables: list[tuple[Any, ...]] = [(name, kind) for name, kind in code.state.items()]
    for name, per_neuron in constants(neuron, population, build.dt_ms).items():
        kind = "unsigned int" if name in code.integers else "scalar"
        own = access.READ_ONLY_DUPLICATE if per_neuron else access.READ_ONLY_SHARED_NEURON
        variables.append((name, kind, own))
    modulations = [
        modulation_name(projection)
        for projection in build.network.projections
        if projection.plasticity is not None and projection.target == population.name
    ]
    variables += [(name, "scalar") for name in modulations]
    receive = "".join(f"{name} = in_{name};\n" for name in modulations)
    reset = code.reset_code
    if modulations:
        variables += [(name, "scalar") for name in OWN_SPIKE]
        receive += OWN_SPIKE_STEP
        reset += OWN_SPIKE_RESET
    snippet = pygenn.create_neuron_model(
        neuron.name,
        vars=variables,
        sim_code=receive + code.sim_code,
        threshold_condition_code=code.threshold,
        reset_code=reset,
        additional_input_vars=[(f"in_{name}", "scalar", 0.0) for name in (*neuron.receptors, *modulations)],
        auto_refractory_required=False,
    )
    initial = {variable[0]: 0 for variable in variables}
    group = model.add_neuron_population(population.name, population.size, snippet, {}, initial)
    group.spike_recording_enabled = build.record_spikes
    return group
