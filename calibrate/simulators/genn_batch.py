"""A compiled GeNN network and the batch that runs in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from calibrate import wiring
from calibrate.errors import SimulatorError
from calibrate.network import Bernoulli, Population, Projection, UniformDelay, UniformIndegree
from calibrate.neurons import NeuronModel, Number, neuron_model
from calibrate.observation import (
    FloatArray,
    IntArray,
    IntervalMoments,
    Layout,
    Observation,
    SimulationFailure,
    Spikes,
    steps,
)
from calibrate.plasticity import plasticity_rule
from calibrate.simulators.base import Member, Recording
from calibrate.simulators.genn_code import Build, constants
from calibrate.simulators.genn_connectivity import CONNECTIVITY_SETTINGS
from calibrate.simulators.genn_monitor import MONITOR_STATE, monitor_name
from calibrate.simulators.genn_noise import LARGEST_NOISE_MEAN, noise_name

_UNREACHABLE = 1e30
"""A threshold that nothing reaches, in single precision too."""

_NEVER_MS = -1e12
"""Time of the last spike of a neuron that has not fired yet: its traces have long decayed."""


class PreparedGenn:
    """A compiled network with a batch of members; see `GeNN`."""

    def __init__(self, model: Any, build: Build, recording: Recording, wiring_seed: int) -> None:
        self._model, self._build = model, build
        self._network = build.network
        self._recording, self._wiring_seed = recording, wiring_seed
        self._bin_steps = steps(recording.bin_ms, build.dt_ms, "a bin")
        self._window_steps = steps(recording.window_ms, build.dt_ms, "a window")
        self._realisation: int | None = None
        self._members: Sequence[Member] = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._realisation is not None:
            self._model.unload()
            self._realisation = None

    @property
    def layout(self) -> Layout:
        return self._network.layout

    # --- starting over ------------------------------------------------------------------------------

    def load(self, members: Sequence[Member], realisation: int) -> None:
        if not 0 < len(members) <= self._build.batch_size:
            raise SimulatorError(f"a batch holds 1 to {self._build.batch_size} networks, not {len(members)}")
        if realisation != self._realisation:
            self._wire(realisation)
        self._members = members
        # A part batch is filled up with copies of its first member, which are kept from firing.
        filled = [*members, *[members[0]] * (self._build.batch_size - len(members))]
        self._silence()
        self._parameters = [
            {
                population.name: wiring.neuron_parameters(
                    population, member.values, wiring_seed=self._wiring_seed, realisation=realisation
                )
                for population in self._network.populations
            }
            for member in filled
        ]
        for population in self._network.populations:
            self._set_neurons(population, filled)
            self._set_noise(population, filled)
        for projection in self._network.projections:
            self._set_synapses(projection, filled)
        self._model.timestep = 0
        self.measure()

    def _wire(self, realisation: int) -> None:
        if self._realisation is not None:
            self._model.unload()
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
            settings[CONNECTIVITY_SETTINGS].set_init_values(np.array(words, dtype=np.uint32))
        self._model.load(num_recording_timesteps=self._bin_steps if self._build.record_spikes else None)
        self._realisation = realisation
        for projection in self._network.projections:
            if projection.weight_cv or isinstance(projection.delay_ms, UniformDelay):
                self._distribute(projection, realisation)

    def _distribute(self, projection: Projection, realisation: int) -> None:
        """Give the synapses of a projection the weights and delays that the host draws for them."""
        drawn, order = self._synapses(projection.name)
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

    def _synapses(self, name: str) -> tuple[wiring.Connections, NDArray[np.int64]]:
        """Synapses of a projection in the host's order, and where each is in the device's."""
        synapses = self._model.synapse_populations[name]
        synapses.pull_connectivity_from_device()
        lengths = synapses._row_lengths.view.astype(np.int64)
        targets = synapses.get_sparse_post_inds().astype(np.int32)
        order = np.lexsort((targets, np.repeat(np.arange(lengths.size), lengths)))
        return wiring.Connections(lengths, targets[order]), order

    def _silence(self) -> None:
        """Let spikes in flight arrive while none can fire, then clear what they left."""
        for population in self._network.populations:
            group = self._model.neuron_populations[population.name]
            self._write(group.vars[neuron_model(population.neuron).genn.threshold_constant], _UNREACHABLE)
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

    def _set_neurons(self, population: Population, members: Sequence[Member]) -> None:
        group = self._model.neuron_populations[population.name]
        neuron = neuron_model(population.neuron)
        code = neuron.genn
        names = constants(neuron, population, self._build.dt_ms)
        columns: dict[str, list[Number]] = {name: [] for name in names}
        potential = []
        for number, member in enumerate(members):
            parameters = self._parameters[number][population.name]
            found = {**code.constants(parameters, self._build.dt_ms), "I_e": parameters["I_e"]}
            if number >= len(self._members):
                found[code.threshold_constant] = _UNREACHABLE
            for name in names:
                columns[name].append(found[name])
            start = wiring.initial_potential(population, member.values, parameters, seed=member.seed)
            potential.append(start - _offset(neuron, parameters))
        for name, column in columns.items():
            self._write(group.vars[name], _stacked(column, group.vars[name].view))
        for name in code.state:
            self._write(group.vars[name], _stacked(potential, group.vars[name].view) if name == "V" else 0)

    def _set_noise(self, population: Population, members: Sequence[Member]) -> None:
        if not population.noise:
            return
        for receptor in neuron_model(population.neuron).receptors:
            source = self._model.current_sources[f"{noise_name(population)}_{receptor}"]
            rows, stages = [], []
            for member in members:
                noise = member.values.noise[population.name]
                mean = self._noise_mean(population, noise.rate_hz, noise.weight, receptor)
                rows.append((mean, np.exp(-mean), noise.weight, *wiring.key("noise", member.seed)))
                stages.append(wiring.noise_stages(population, seed=member.seed).astype(float))
            for name, column in zip(
                ("mean", "none", "weight", "key0", "key1"), zip(*rows, strict=True), strict=True
            ):
                self._write(source.vars[name], _stacked(column, source.vars[name].view))
            if population.noise_shape > 1:
                self._write(source.vars["stage"], _stacked(stages, source.vars["stage"].view))

    def _noise_mean(self, population: Population, rate_hz: Number, weight: float, receptor: str) -> Number:
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
        self._write(synapses.psm_vars["weight"], _stacked(weights, synapses.psm_vars["weight"].view))
        if projection.plasticity is None:
            return
        rule = plasticity_rule(projection.plasticity.rule)
        found = [
            rule.constants(rule.complete(member.values.plasticity[projection.name]), weight)
            for member, weight in zip(members, weights, strict=True)
        ]
        for name in found[0]:
            variable = synapses.post_vars[name]
            self._write(variable, _stacked([constants[name] for constants in found], variable.view))
        grown = synapses.vars["g"]
        synapses.pull_connectivity_from_device()  # says how many there are of each neuron
        grown.values = np.ones_like(grown.values)
        grown.push_to_device()
        self._write(synapses.pre_vars["last"], _NEVER_MS)

    @staticmethod
    def _write(variable: Any, values: Any) -> None:
        with np.errstate(over="ignore"):  # infinity in single precision shows in the membrane potential
            variable.view[:] = values
        variable.push_to_device()

    # --- running ------------------------------------------------------------------------------------

    def measure(self) -> None:
        self._measured_from = self._model.timestep
        for population in self._network.populations:
            monitor = self._model.synapse_populations[monitor_name(population)]
            for name in MONITOR_STATE:
                self._write(monitor.pre_vars[name], -1 if name == "last" else 0)
        # Read after every bin, so looked up once.
        self._counters = [
            self._model.neuron_populations[f"{monitor_name(p)}_counters"].vars["count"]
            for p in self._network.populations
        ]
        for counter in self._counters:
            self._write(counter, 0)
        self._counted = [self._by_member(c.view)[: len(self._members)] for c in self._counters]
        self._group_reads: list[NDArray[np.int64]] = []
        self._window_reads: list[NDArray[np.int64]] = []
        self._pieces: list[list[tuple[NDArray[np.int64], NDArray[np.int64]]]] = [[] for _ in self._members]

    def advance(self, duration_ms: float) -> None:
        start = self._measured_from
        end = self._model.timestep + steps(duration_ms, self._build.dt_ms, "an advance")
        step = self._model._runtime.step_time  # GeNNModel.step_time takes longer than a small network's step
        while self._model.timestep < end:
            # A counter has all of a bin one step after its end, a monitor at its end.
            now = self._model.timestep
            counters = _next(now, self._bin_steps, start + 1)
            monitors = _next(now, self._window_steps, start)
            raster = _next(now, self._bin_steps, start) if self._build.record_spikes else end
            stop = min(counters, monitors, raster, end)
            for _ in range(stop - now):
                step()
            if stop == counters:
                self._group_reads.append(self._read_counters())
            if stop == monitors:
                self._window_reads.append(self._read_monitors("n_spikes").astype(np.int64))
            if stop == raster and self._build.record_spikes:
                self._pull_spikes()

    def drive(self, member: int, currents_pA: FloatArray) -> None:
        for population in self._network.populations:
            variable = self._model.neuron_populations[population.name].vars["I_e"]
            currents = currents_pA[self.layout.groups_of(population.name)]
            base = self._parameters[member][population.name]["I_e"]
            self._by_member(variable.view)[member] = base + np.repeat(currents, population.cluster_size)
            variable.push_to_device()

    def drive_rates(self, member: int, rates_hz: FloatArray) -> None:
        for population in self._network.populations:
            of_groups = rates_hz[self.layout.groups_of(population.name)]
            if population.noise and not np.isnan(of_groups).all():
                rates = np.repeat(of_groups, population.cluster_size)
                weight = self._members[member].values.noise[population.name].weight
                for receptor in neuron_model(population.neuron).receptors:
                    source = self._model.current_sources[f"{noise_name(population)}_{receptor}"]
                    mean = self._noise_mean(population, rates, weight, receptor)
                    for name, value in (("mean", mean), ("none", np.exp(-mean))):
                        self._by_member(source.vars[name].view)[member] = value
                        source.vars[name].push_to_device()

    def counted(self) -> IntArray:
        totals = self._read_monitors("n_spikes").astype(np.int64)
        found: IntArray = np.add.reduceat(totals, self.layout.boundaries, axis=1)
        return found

    def _by_member(self, view: NDArray[Any]) -> NDArray[Any]:
        """A variable as (batch size, values): GeNN leaves out the first axis for a batch of one."""
        return view.reshape(self._build.batch_size, -1)

    def _pull(self, variable: Any) -> NDArray[Any]:
        variable.pull_from_device()
        return self._by_member(variable.view)[: len(self._members)]

    def _read_counters(self) -> NDArray[np.int64]:
        """Spikes counted so far by group, shape (members, n_groups)."""
        for counter in self._counters:
            counter.pull_from_device()
        return np.concatenate(self._counted, axis=1, dtype=np.int64)

    def _read_monitors(self, name: str) -> NDArray[Any]:
        """One of the monitors' variables, shape (members, n_neurons)."""
        found = [
            self._pull(self._model.synapse_populations[monitor_name(p)].pre_vars[name])
            for p in self._network.populations
        ]
        return np.concatenate(found, axis=1)

    def _pull_spikes(self) -> None:
        """Take over the spikes of the bin that ends here.

        GeNN records into a ring of one bin's steps, step s in slot s modulo its length, and dates slots as
        if they began here: true of multiples of the length only. Bins begin with the measurement.
        """
        self._model.pull_recording_buffers_from_device()
        first, length = self._model.timestep - self._bin_steps, self._bin_steps
        offset = 0
        for population in self._network.populations:
            recorded = self._model.neuron_populations[population.name].spike_recording_data
            for pieces, (times, neurons) in zip(self._pieces, recorded, strict=False):
                slot = np.rint(np.asarray(times) / self._build.dt_ms).astype(np.int64) - first
                step = first + (slot - first) % length
                pieces.append((step - self._measured_from, np.asarray(neurons, dtype=np.int64) + offset))
            offset += population.size

    # --- observing ----------------------------------------------------------------------------------

    def observe(self) -> list[Observation | SimulationFailure]:
        n_steps = self._model.timestep - self._measured_from
        layout = self._network.layout
        totals = self._read_monitors("n_spikes").astype(np.int64)
        by_group = np.add.reduceat(totals, layout.boundaries, axis=1)
        # The first reading holds what the counters saw before the measurement; the last bin's end, which they
        # would see a step later, is the monitors' total.
        reads = np.stack([*self._group_reads, self._group_reads[0] + by_group], axis=-1)
        windows = np.stack([np.zeros_like(totals), *self._window_reads], axis=-1)
        moments = self._moments(totals)
        potential, depolarisation = self._potentials()
        found: list[Observation | SimulationFailure] = []
        for number in range(len(self._members)):
            if not np.isfinite(potential[number]).all():
                found.append(SimulationFailure("a membrane potential became infinite or undefined"))
                continue
            found.append(
                Observation(
                    layout=layout,
                    dt_ms=self._build.dt_ms,
                    duration_ms=n_steps * self._build.dt_ms,
                    bin_ms=self._recording.bin_ms,
                    group_bins=np.diff(reads[number]),
                    window_ms=self._recording.window_ms,
                    neuron_windows=np.diff(windows[number]),
                    neuron_totals=totals[number],
                    intervals=moments[number],
                    depolarisation=depolarisation[number],
                    spikes=self._spikes(number) if self._build.record_spikes else None,
                )
            )
        return found

    def _moments(self, totals: NDArray[np.int64]) -> list[IntervalMoments]:
        dt_ms = self._build.dt_ms
        total = self._read_monitors("interval_sum") * dt_ms
        squares = self._read_monitors("interval_sum_sq") * dt_ms**2
        cv2, lv = self._read_monitors("cv2_sum"), self._read_monitors("lv_sum")
        lvr = self._read_monitors("lvr_sum") / dt_ms
        return [
            IntervalMoments(np.maximum(totals[k] - 1, 0), total[k], squares[k], cv2[k], lv[k], lvr[k])
            for k in range(len(self._members))
        ]

    def _potentials(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Membrane potentials (members, n_neurons), their relative means over groups (members, n_groups)."""
        potentials, relative = [], []
        for population in self._network.populations:
            group = self._model.neuron_populations[population.name]
            neuron = neuron_model(population.neuron)
            pulled = self._pull(group.vars["V"]).astype(np.float64)
            for number in range(len(self._members)):
                p = self._parameters[number][population.name]
                potential = pulled[number] + _offset(neuron, p)
                potentials.append(potential)
                relative.append((potential - p["V_reset"]) / (np.asarray(p[neuron.threshold]) - p["V_reset"]))
        members = len(self._members)
        means = self._network.layout.group_means(_joined(relative, members))
        return _joined(potentials, members), means

    def _spikes(self, member: int) -> Spikes:
        step = np.concatenate([piece[0] for piece in self._pieces[member]])
        neuron = np.concatenate([piece[1] for piece in self._pieces[member]])
        order = np.lexsort((neuron, step))
        return Spikes(step[order], neuron[order])

    def connections(self, name: str) -> wiring.Connections:
        """The synapses of a projection as they are on the device (for inspection; slow)."""
        return self._synapses(name)[0]

    def weights(self, name: str) -> NDArray[np.float64]:
        """The weights of a plastic projection as they are now, in the order of `connections`.

        Shape (members, n_synapses), in the unit of its receptor.
        """
        order = self._synapses(name)[1]
        variable = self._model.synapse_populations[name].vars["g"]
        variable.pull_from_device()
        grown = variable.values.reshape(self._build.batch_size, -1)[: len(self._members), order]
        initial = np.array([member.values.weights[name] for member in self._members])
        found: NDArray[np.float64] = grown * initial[:, np.newaxis]
        return found


def _offset(neuron: NeuronModel, parameters: dict[str, Number]) -> Number:
    """What to add to the code's `V` to get the membrane potential (mV)."""
    name = neuron.genn.potential_offset
    return 0.0 if name is None else parameters[name]


def _next(now: int, period: int, phase: int) -> int:
    """The first step after `now` that is `phase` plus a multiple of `period`."""
    return now + 1 + (phase - now - 1) % period


def _stacked(values: Sequence[Number], view: NDArray[Any]) -> NDArray[Any]:
    """One value or one row per member, in the shape of a GeNN variable."""
    if view.size == len(values):
        return np.array([np.asarray(value, dtype=float).item() for value in values]).reshape(view.shape)
    size = view.size // len(values)
    return np.stack([np.broadcast_to(value, size) for value in values]).reshape(view.shape)


def _joined(arrays: list[NDArray[np.float64]], members: int) -> NDArray[np.float64]:
    """From populations x members to (members, n_neurons)."""
    return np.stack([np.concatenate(arrays[k::members]) for k in range(members)])
