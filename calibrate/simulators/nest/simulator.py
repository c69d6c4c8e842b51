"""NEST: one network at a time, one thread per process; its weights are changed in place between batches."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from calibrate.errors import SimulatorError
from calibrate.network import Network, Population, Projection, UniformDelay, Values, wiring
from calibrate.neurons import Number, delay_steps, neuron_model
from calibrate.observation import (
    Accumulator,
    FloatArray,
    IntArray,
    Layout,
    Observation,
    SimulationFailure,
    steps,
)
from calibrate.simulators.base import RATE_DELAY_STEPS, Member, RecordingPlan
from calibrate.simulators.nest import plasticity as nest_plasticity
from calibrate.simulators.nest.noise import NestNoise
from calibrate.simulators.nest.plasticity import PlasticConnections, PlasticSynapses
from calibrate.simulators.nest.settings import format_settings
from calibrate.simulators.repeated import first_spikes, naming_the_remedy
from calibrate.simulators.subnormals import subnormals_are_zero

# Between batches, the network is silenced: its thresholds are out of reach of any input. Synaptic currents
# decay by e^-10 per step, so that they are exactly 0 after 75 steps; conductances can be set.
_UNREACHABLE_MV = 1e12
_SILENT_TAU_STEPS = 0.1
_SILENT_STEPS = 100

# Spikes are read in pieces of this length, so that a runaway network does not exhaust the memory.
_PIECE_MS = 1000.0

# Random input is sent for at most this many steps of neurons at once, which bounds the memory of its events.
_NOISE_AT_ONCE = 1 << 24


def _load_nest() -> Any:
    os.environ.setdefault("PYNEST_QUIET", "1")
    try:
        import nest
    except ImportError as error:
        raise SimulatorError(f"NEST cannot be imported ({error}): `pip install nest-simulator`") from error
    nest.verbosity = nest.VerbosityLevel.ERROR
    return nest


class Nest:
    """The NEST simulator (https://nest-simulator.org), in double precision."""

    def __init__(self, *, dt_ms: float) -> None:
        self._nest = _load_nest()
        self._dt_ms = dt_ms

    def prepare(
        self, network: Network, *, batch_size: int, recording: RecordingPlan, wiring_seed: int
    ) -> PreparedNest:
        if batch_size != 1:
            raise SimulatorError(f"NEST simulates one network at a time, not a batch of {batch_size}")
        return PreparedNest(self._nest, network, recording, wiring_seed, self._dt_ms)

    def describe(self) -> dict[str, str]:
        return {
            "name": "nest",
            "version": str(self._nest.__version__),
            "device": "cpu",
            "precision": "double",
        }


class PreparedNest:
    """A network in NEST's kernel, of which there is one per process; see `Nest`."""

    def __init__(
        self, nest: Any, network: Network, recording: RecordingPlan, wiring_seed: int, dt_ms: float
    ) -> None:
        self._nest, self._network, self._recording = nest, network, recording
        self.layout: Layout = network.layout
        self._parameters: dict[str, dict[str, Number]] = {}
        self._wiring_seed, self._dt_ms = wiring_seed, dt_ms
        self._realisation: int | None = None
        self._failure: SimulationFailure | None = None
        self._nodes: dict[str, Any] = {}
        self._noise: dict[str, NestNoise] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._nest.ResetKernel()
        self._realisation = None

    # --- building -----------------------------------------------------------------------------------

    def _build(self, realisation: int) -> None:
        nest = self._nest
        nest.ResetKernel()
        nest.resolution = self._dt_ms
        nest.local_num_threads = 1
        nest.overwrite_files = True
        self._nodes = {population.name: self._create(population) for population in self._network.populations}
        self._recorder = nest.Create("spike_recorder")
        self._individual: dict[str, tuple[PlasticConnections, wiring.Connections]] = {}
        self._plastic: dict[str, tuple[PlasticConnections, PlasticSynapses]] = {}
        self._single: list[tuple[Projection, wiring.Connections]] = []
        for projection in self._network.projections:
            self._connect(projection, realisation)
        self._noise = {}
        for population in self._network.populations:
            nest.Connect(self._nodes[population.name], self._recorder)
            if population.noise:
                self._noise[population.name] = NestNoise(
                    nest,
                    population,
                    self._nodes[population.name],
                    first_neuron=self.layout.neurons_of(population.name).start,
                    dt_ms=self._dt_ms,
                )
        noisy = sum(population.size for population in self._network.populations if population.noise)
        self._noise_steps = max(1, min(round(_PIECE_MS / self._dt_ms), _NOISE_AT_ONCE // max(noisy, 1)))
        if self._single:
            self._find_single_synapses()
        self._realisation = realisation

    def _create(self, population: Population) -> Any:
        model = neuron_model(population.neuron)
        # All ports are created with the neurons: a neuron that has connections cannot get more.
        defaults = model.nest.settings({p.name: p.default for p in model.parameters})
        lists = {name: value for name, value in defaults.items() if isinstance(value, list)}
        return self._nest.Create(model.nest.model, population.size, lists)

    def _connect(self, projection: Projection, realisation: int) -> None:
        nest = self._nest
        drawn = wiring.draw(self._network, projection, wiring_seed=self._wiring_seed, realisation=realisation)
        graph = {"wiring_seed": self._wiring_seed, "realisation": realisation}
        delays = None
        if isinstance(projection.delay_ms, UniformDelay):
            steps_each = wiring.synapse_delays(projection, drawn, dt_ms=self._dt_ms, **graph)
            delays = steps_each.astype(np.float64) * self._dt_ms
        single = projection.individual or projection.plasticity is not None
        for name, port, _ in self._synapse_models(projection):
            settings = {"delay": delay_steps(projection.longest_delay_ms, self._dt_ms) * self._dt_ms}
            # A weight that a whole projection shares is stored once, and set in one call.
            nest.CopyModel("static_synapse" if single else "static_synapse_hom_w", name, settings)
            self._connect_synapses(projection, drawn, name, port, delays)
        if single and drawn.targets.size:
            self._single.append((projection, drawn))

    def _find_single_synapses(self) -> None:
        """Find the synapses with individual weights, after NEST has sorted them as before a simulation."""
        self._nest.Prepare()
        self._nest.Cleanup()
        for projection, drawn in self._single:
            for name, _, _ in self._synapse_models(projection):
                connections = PlasticConnections(self._nest, name, drawn)
                if projection.plasticity is None:
                    self._individual[name] = connections, drawn
                else:
                    synapses = PlasticSynapses(self._network, projection, drawn, dt_ms=self._dt_ms)
                    self._plastic[name] = connections, synapses

    def _connect_synapses(
        self,
        projection: Projection,
        drawn: wiring.Connections,
        name: str,
        port: int,
        delays_ms: NDArray[np.float64] | None,
    ) -> None:
        first_source = int(self._nodes[projection.source][0].global_id)
        first_target = int(self._nodes[projection.target][0].global_id)
        sources = drawn.sources
        for start in range(0, sources.size, 1 << 24):  # bounds the memory of the 64-bit copies
            piece = slice(start, start + (1 << 24))
            synapses: dict[str, Any] = {"synapse_model": name, "receptor_type": port}
            if delays_ms is not None:
                synapses["delay"] = delays_ms[piece]
            self._nest.Connect(
                sources[piece].astype(np.int64) + first_source,
                drawn.targets[piece].astype(np.int64) + first_target,
                "one_to_one",
                synapses,
            )

    def _synapse_models(self, projection: Projection) -> list[tuple[str, int, Number]]:
        """Name, port and weight factor of each NEST synapse that represents a synapse of the projection."""
        target = self._network.population(projection.target)
        ports = neuron_model(target.neuron).ports(projection.receptor)
        parameters = self._parameters.get(target.name, {})
        names = [projection.name, *(f"{projection.name}_{k}" for k in range(1, len(ports)))]
        return [
            (name, port.number, port.factor(parameters) if parameters else 1.0)
            for name, port in zip(names, ports, strict=True)
        ]

    # --- running ------------------------------------------------------------------------------------

    @subnormals_are_zero()
    def load(self, members: Sequence[Member], realisation: int) -> None:
        if len(members) != 1:
            raise SimulatorError(f"NEST simulates one network at a time, not {len(members)}")
        values, seed = members[0].values, members[0].seed
        parameters = {
            population.name: wiring.neuron_parameters(
                population, values, wiring_seed=self._wiring_seed, realisation=realisation
            )
            for population in self._network.populations
        }
        if realisation != self._realisation:
            self._build(realisation)
            self._parameters = parameters
        self._silence()  # a new network too: the step sizes of adaptive integration are then the same
        self._parameters = parameters
        self._set_weights(values, realisation)
        self._origin = round(self._nest.biological_time / self._dt_ms) + RATE_DELAY_STEPS
        for name, noise in self._noise.items():
            given = values.noise[name]
            noise.start(given.weight, given.rate_hz, parameters[name], seed=seed)
            noise.send(0, RATE_DELAY_STEPS, origin=self._origin)
        # The input of the first steps is sent while the network is still silent.
        self._nest.Simulate(RATE_DELAY_STEPS * self._dt_ms)
        self._set_neurons(values, seed)
        self._driven = np.zeros(len(self.layout.groups))
        self._now, self._failure = 0, None
        self._sent, self._look_ahead = RATE_DELAY_STEPS, 0
        self.measure()

    def _silence(self) -> None:
        """Clear what the last batch left behind: spikes in flight, currents, refractoriness, noise."""
        longest = 0
        for population in self._network.populations:
            model = neuron_model(population.neuron)
            if population.name in self._noise:
                self._noise[population.name].stop()
            still = dict.fromkeys(model.nest.fading, _SILENT_TAU_STEPS * self._dt_ms)
            still |= {"I_e": 0.0, "V_th": _UNREACHABLE_MV, model.threshold: _UNREACHABLE_MV}
            self._set(population, {**self._parameters[population.name], **still})
            longest = max(
                longest,
                round(float(np.max(self._parameters[population.name][model.refractory])) / self._dt_ms),
            )
        travel = max(
            (delay_steps(p.longest_delay_ms, self._dt_ms) for p in self._network.projections), default=1
        )
        self._nest.Simulate((longest + travel + _SILENT_STEPS) * self._dt_ms)
        for population in self._network.populations:
            state = neuron_model(population.neuron).nest.state
            self._nodes[population.name].set(dict.fromkeys(state, 0.0))
        self._recorder.n_events = 0

    def _set(self, population: Population, parameters: dict[str, Number]) -> None:
        """Set parameters of a population's neuron model: one number for all neurons, or one for each."""
        model, nodes = neuron_model(population.neuron), self._nodes[population.name]
        nodes.set(format_settings(model.nest.settings(parameters), population.size))

    def _set_neurons(self, values: Values, seed: int) -> None:
        for population in self._network.populations:
            parameters = self._parameters[population.name]
            self._set(population, parameters)
            start = wiring.initial_potential(population, values, parameters, seed=seed)
            model = neuron_model(population.neuron)
            # Conductances hold the input of the first step.
            input_of = {f"g_{receptor}" for receptor in model.receptors}
            state = dict.fromkeys((name for name in model.nest.state if name not in input_of), 0.0)
            self._nodes[population.name].set({**state, "V_m": start.tolist()})

    def _set_weights(self, values: Values, realisation: int) -> None:
        graph = {"wiring_seed": self._wiring_seed, "realisation": realisation}
        for projection in self._network.projections:
            weight = values.weights[projection.name]
            for name, _, factor in self._synapse_models(projection):
                if name in self._individual:
                    connections, drawn = self._individual[name]
                    unit, factors = wiring.synapse_weights(projection, drawn, values, **graph)
                    connections.set_weights(unit * factor * factors)
                elif name in self._plastic:
                    connections, synapses = self._plastic[name]
                    synapses.start(projection, values, port_factor=float(factor))
                    connections.set_weights(synapses.port_weights)
                elif not projection.individual and projection.plasticity is None:
                    self._nest.SetDefaults(name, {"weight": weight * factor})

    @subnormals_are_zero()
    def advance(self, duration_ms: float) -> None:
        left = steps(duration_ms, self._dt_ms, "an advance")
        piece_ms = nest_plasticity.INTERVAL_MS if self._plastic else _PIECE_MS
        piece_steps = max(1, round(piece_ms / self._dt_ms))
        if self._noise:
            piece_steps = min(piece_steps, self._noise_steps)
        while left > 0:
            piece = min(left, piece_steps)
            if self._noise:
                piece = min(piece, self._send_noise(left, piece_steps))
            with naming_the_remedy(self._network, self._parameters, self._dt_ms):
                self._nest.Simulate(piece * self._dt_ms)
            self._now += piece
            left -= piece
            events = self._recorder.events
            stamp = np.rint(np.asarray(events["times"]) / self._dt_ms).astype(np.int64)
            step = stamp - 1 - self._origin
            neuron = np.asarray(events["senders"], dtype=np.int64) - 1
            step, neuron, repeated = first_spikes(self._network, step, neuron, self._dt_ms)
            self._failure = self._failure or repeated
            self._accumulator.add(step - self._measured_from, neuron, self._now - self._measured_from)
            for connections, synapses in self._plastic.values():
                if synapses.update(step, neuron, self._now):
                    connections.set_weights(synapses.port_weights)
            group = np.searchsorted(self.layout.boundaries, neuron, side="right") - 1
            self._counted += np.bincount(group, minlength=self._counted.size)
            self._recorder.n_events = 0

    def _send_noise(self, left: int, piece_steps: int) -> int:
        """Send input if all that was sent has arrived; returns for how many steps NEST now has it.

        A generator forgets what it has not sent. Each time, input is sent for twice as many steps, because
        sending takes as long for a step as for many; new rates take back what has not arrived.
        """
        start = self._now + RATE_DELAY_STEPS
        if self._sent == start:
            most = self._noise_steps // piece_steps * piece_steps
            # Weights are updated at the ends of pieces, which must not depend on when input was sent.
            n_steps = min(left if self._plastic else max(left, self._look_ahead), most)
            self._sent, self._look_ahead = start + n_steps, 2 * n_steps
            for noise in self._noise.values():
                noise.send(start, self._sent, origin=self._origin)
        return self._sent - start

    def measure(self) -> None:
        self._measured_from = self._now
        self._counted = np.zeros(len(self.layout.groups), dtype=np.int64)
        self._accumulator = Accumulator(
            self.layout,
            dt_ms=self._dt_ms,
            bin_ms=self._recording.bin_ms,
            window_ms=self._recording.window_ms,
            keep_spikes=self._recording.spikes,
        )

    def drive(self, member: int, currents_pA: FloatArray) -> None:
        if member != 0:
            raise SimulatorError("NEST simulates one network at a time")
        for population in self._network.populations:
            rows = self.layout.groups_of(population.name)
            if not np.array_equal(currents_pA[rows], self._driven[rows]):
                base = np.broadcast_to(self._parameters[population.name]["I_e"], population.size)
                added = np.repeat(currents_pA[rows], population.cluster_size)
                self._nodes[population.name].set(I_e=(base + added).tolist())
        self._driven = np.array(currents_pA, dtype=float)

    def drive_rates(self, member: int, rates_hz: FloatArray) -> None:
        if member != 0:
            raise SimulatorError("NEST simulates one network at a time")
        given = {name: rates_hz[self.layout.groups_of(name)] for name in self._noise}
        given = {name: rates for name, rates in given.items() if not np.isnan(rates).all()}
        new = {name: rates for name, rates in given.items() if not self._noise[name].has_rates(rates)}
        start = self._now + RATE_DELAY_STEPS
        if new and self._sent > start:
            self._sent, self._look_ahead = start, 0
            for noise in self._noise.values():
                noise.take_back(start)
        for name, rates in new.items():
            self._noise[name].set_rates(rates)

    def weights(self, name: str) -> NDArray[np.float64]:
        """The present weights of a plastic projection, in the order of `wiring.draw`.

        Shape (1, n_synapses), in the unit of its receptor.
        """
        return self._plastic[name][1].weights[np.newaxis]

    def counted(self) -> IntArray:
        return self._counted[np.newaxis].copy()

    def observe(self) -> list[Observation | SimulationFailure]:
        return [self._failure or self._accumulator.finish(self._depolarisation())]

    def _depolarisation(self) -> NDArray[np.float64]:
        relative = []
        for population in self._network.populations:
            parameters = self._parameters[population.name]
            potential = np.asarray(self._nodes[population.name].get("V_m"), dtype=float)
            threshold = parameters[neuron_model(population.neuron).threshold]
            gap = np.asarray(threshold) - parameters["V_reset"]
            relative.append(np.atleast_1d((potential - parameters["V_reset"]) / gap))
        return self.layout.group_means(np.concatenate(relative))
