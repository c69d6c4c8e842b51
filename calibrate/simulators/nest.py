"""NEST: one network at a time, one thread per process; re-weighted in place between candidates."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from calibrate import wiring
from calibrate.errors import SimulatorError
from calibrate.network import Network, Projection, Values
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
from calibrate.simulators.base import Member, Recording

# Between candidates the network falls silent: out of reach of any input, with synaptic currents that decay
# by e^-10 per step, so that they are exactly 0 after 75 steps.
_UNREACHABLE_MV = 1e12
_SILENT_TAU_STEPS = 0.1
_SILENT_STEPS = 100

# Spikes are taken over in pieces, so that a runaway network does not fill the memory.
_PIECE_MS = 1000.0


def _load_nest() -> Any:
    os.environ.setdefault("PYNEST_QUIET", "1")
    try:
        import nest
    except ImportError as error:
        raise SimulatorError(f"NEST cannot be imported ({error}): `pip install nest-simulator`") from error
    nest.verbosity = nest.VerbosityLevel.ERROR
    return nest


class Nest:
    """The NEST simulator (https://nest-simulator.org), double precision."""

    def __init__(self, *, dt_ms: float) -> None:
        self._nest = _load_nest()
        self._dt_ms = dt_ms

    def prepare(
        self, network: Network, *, batch_size: int, recording: Recording, wiring_seed: int
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
        self, nest: Any, network: Network, recording: Recording, wiring_seed: int, dt_ms: float
    ) -> None:
        self._nest, self._network, self._recording = nest, network, recording
        self._wiring_seed, self._dt_ms = wiring_seed, dt_ms
        self._realisation: int | None = None
        self._nodes: dict[str, Any] = {}
        self._generators: dict[str, Any] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._nest.ResetKernel()
        self._realisation = None

    @property
    def layout(self) -> Layout:
        return self._network.layout

    # --- building -----------------------------------------------------------------------------------

    def _build(self, realisation: int) -> None:
        nest = self._nest
        nest.ResetKernel()
        nest.resolution = self._dt_ms
        nest.local_num_threads = 1
        nest.overwrite_files = True
        self._nodes = {
            population.name: nest.Create(neuron_model(population.neuron).nest, population.size)
            for population in self._network.populations
        }
        self._recorder = nest.Create("spike_recorder")
        for projection in self._network.projections:
            self._connect(projection, realisation)
        self._generators = {}
        for population in self._network.populations:
            nodes = self._nodes[population.name]
            nest.Connect(nodes, self._recorder)
            if population.noise:
                # One of each cluster, which gives every target a train of its own.
                generators = nest.Create("poisson_generator", population.clusters)
                synapse = f"noise_{population.name}"
                nest.CopyModel("static_synapse_hom_w", synapse, {"delay": self._dt_ms})
                for cluster, generator in enumerate(generators):
                    size = population.cluster_size
                    inside = nodes[cluster * size : (cluster + 1) * size]
                    nest.Connect(generator, inside, "all_to_all", {"synapse_model": synapse})
                self._generators[population.name] = generators
        self._realisation = realisation

    def _connect(self, projection: Projection, realisation: int) -> None:
        nest = self._nest
        delay_ms = delay_steps(projection.delay_ms, self._dt_ms) * self._dt_ms
        nest.CopyModel("static_synapse_hom_w", projection.name, {"delay": delay_ms})
        drawn = wiring.draw(self._network, projection, wiring_seed=self._wiring_seed, realisation=realisation)
        if not drawn.targets.size:
            return
        first_source = int(self._nodes[projection.source][0].global_id)
        first_target = int(self._nodes[projection.target][0].global_id)
        sources = drawn.sources
        for start in range(0, sources.size, 1 << 24):  # bounds the memory of the 64-bit copies
            piece = slice(start, start + (1 << 24))
            nest.Connect(
                sources[piece].astype(np.int64) + first_source,
                drawn.targets[piece].astype(np.int64) + first_target,
                "one_to_one",
                {"synapse_model": projection.name},
            )

    # --- running ------------------------------------------------------------------------------------

    def load(self, members: Sequence[Member], realisation: int) -> None:
        if len(members) != 1:
            raise SimulatorError(f"NEST simulates one network at a time, not {len(members)}")
        if realisation != self._realisation:
            self._build(realisation)
        else:
            self._silence()
        values, seed = members[0].values, members[0].seed
        self._nest.rng_seed = 1 + wiring.key("nest", seed)[0] % (2**31 - 2)
        self._parameters = {
            population.name: wiring.neuron_parameters(
                population, values, wiring_seed=self._wiring_seed, realisation=realisation
            )
            for population in self._network.populations
        }
        self._set_neurons(values, seed)
        self._driven = np.zeros(len(self.layout.groups))
        self._set_weights(values)
        self._now = 0
        self._origin = round(self._nest.biological_time / self._dt_ms)
        self.measure()

    def _silence(self) -> None:
        """Clear whatever the last candidate left: spikes in flight, currents, refractoriness, noise."""
        longest = 0
        for population in self._network.populations:
            model = neuron_model(population.neuron)
            nodes = self._nodes[population.name]
            if population.name in self._generators:
                self._generators[population.name].rate = 0.0
            still: dict[str, float] = dict.fromkeys(model.receptors.values(), _SILENT_TAU_STEPS * self._dt_ms)
            nodes.set(V_th=_UNREACHABLE_MV, I_e=0.0, **still)
            longest = max(
                longest,
                round(float(np.max(self._parameters[population.name][model.refractory])) / self._dt_ms),
            )
        travel = max((delay_steps(p.delay_ms, self._dt_ms) for p in self._network.projections), default=1)
        self._nest.Simulate((longest + travel + _SILENT_STEPS) * self._dt_ms)
        self._recorder.n_events = 0

    def _set_neurons(self, values: Values, seed: int) -> None:
        for population in self._network.populations:
            parameters = self._parameters[population.name]
            start = wiring.initial_potential(population, values, parameters, seed=seed)
            nodes = self._nodes[population.name]
            settings = {name: _as_setting(value) for name, value in parameters.items()}
            nodes.set({**settings, "V_m": start.tolist()})

    def _set_weights(self, values: Values) -> None:
        for projection in self._network.projections:
            self._nest.SetDefaults(projection.name, {"weight": values.weights[projection.name]})
        for name, generator in self._generators.items():
            noise = values.noise[name]
            self._nest.SetDefaults(f"noise_{name}", {"weight": noise.weight})
            generator.rate = noise.rate_hz

    def advance(self, duration_ms: float) -> None:
        left = steps(duration_ms, self._dt_ms, "an advance")
        piece_steps = max(1, round(_PIECE_MS / self._dt_ms))
        while left > 0:
            piece = min(left, piece_steps)
            self._nest.Simulate(piece * self._dt_ms)
            self._now += piece
            left -= piece
            events = self._recorder.events
            step = np.rint(np.asarray(events["times"]) / self._dt_ms).astype(np.int64)
            neuron = np.asarray(events["senders"], dtype=np.int64) - 1
            self._accumulator.add(
                step - 1 - self._origin - self._measured_from, neuron, self._now - self._measured_from
            )
            group = np.searchsorted(self.layout.boundaries, neuron, side="right") - 1
            self._counted += np.bincount(group, minlength=self._counted.size)
            self._recorder.n_events = 0

    def measure(self) -> None:
        self._measured_from = self._now
        self._counted = np.zeros(len(self.layout.groups), dtype=np.int64)
        self._accumulator = Accumulator(
            self._network.layout,
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
        for name, generators in self._generators.items():
            generators.set(rate=rates_hz[self.layout.groups_of(name)].tolist())

    def counted(self) -> IntArray:
        return self._counted[np.newaxis].copy()

    def observe(self) -> list[Observation | SimulationFailure]:
        return [self._accumulator.finish(self._depolarisation())]

    def _depolarisation(self) -> NDArray[np.float64]:
        relative = []
        for population in self._network.populations:
            parameters = self._parameters[population.name]
            potential = np.asarray(self._nodes[population.name].get("V_m"), dtype=float)
            gap = np.asarray(parameters["V_th"]) - parameters["V_reset"]
            relative.append(np.atleast_1d((potential - parameters["V_reset"]) / gap))
        return self._network.layout.group_means(np.concatenate(relative))


def _as_setting(value: Number) -> float | list[float]:
    return value.tolist() if isinstance(value, np.ndarray) else float(value)
