"""A compiled GeNN network and the batch that runs in it."""

from __future__ import annotations

from collections.abc import Sequence
from tempfile import TemporaryDirectory
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from calibrate.errors import SimulatorError
from calibrate.network import wiring
from calibrate.neurons import neuron_model
from calibrate.observation import (
    CountArray,
    FloatArray,
    IntArray,
    IntervalMoments,
    Layout,
    Observation,
    SimulationFailure,
    Spikes,
    narrow,
    steps,
)
from calibrate.observation.intervals import MOST_BLOCKS, Blocks
from calibrate.simulators.base import RATE_DELAY_STEPS, Member, RecordingPlan
from calibrate.simulators.genn.code import Build
from calibrate.simulators.genn.counters import BinReader
from calibrate.simulators.genn.internals import stepper
from calibrate.simulators.genn.loading import Loading, potential_offset, write
from calibrate.simulators.genn.monitor import MONITOR_STATE, monitor_name
from calibrate.simulators.genn.noise import noise_name
from calibrate.simulators.repeated import repeated_spikes
from calibrate.simulators.subnormals import subnormals_are_zero


class PreparedGenn:
    """A compiled network with a batch of members; see `GeNN`.

    folder  holds the compiled code if only this object uses it; removed on exit
    """

    def __init__(
        self,
        model: Any,
        build: Build,
        recording: RecordingPlan,
        wiring_seed: int,
        *,
        folder: TemporaryDirectory[str] | None = None,
    ) -> None:
        self._model, self._build, self._folder = model, build, folder
        self._network = build.network
        self._recording = recording
        self._loading = Loading(model, build, wiring_seed=wiring_seed)
        self._bin_steps = steps(recording.bin_ms, build.dt_ms, "a bin")
        self._window_steps = steps(recording.window_ms, build.dt_ms, "a window")
        self._bins = BinReader(model, build.network, batch_size=build.batch_size, bin_steps=self._bin_steps)
        self._realisation: int | None = None
        self._members: Sequence[Member] = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._realisation is not None:
            self._model.unload()
            self._realisation = None
        if self._folder is not None:
            self._folder.cleanup()

    @property
    def layout(self) -> Layout:
        return self._network.layout

    # --- starting over ------------------------------------------------------------------------------

    def load(self, members: Sequence[Member], realisation: int) -> None:
        if not 0 < len(members) <= self._build.batch_size:
            raise SimulatorError(f"a batch holds 1 to {self._build.batch_size} networks, not {len(members)}")
        if realisation != self._realisation:
            if self._realisation is not None:
                self._model.unload()
            self._bins.make_room()
            self._loading.wire(realisation, recorded_steps=self._bin_steps)
            self._realisation = realisation
        self._members = members
        self._new_rates: list[tuple[int, int, Any, NDArray[np.float64]]] = []
        self._loading.silence()
        self._parameters = self._loading.set(members, realisation)
        self._model.timestep = 0
        self.measure()

    # --- running ------------------------------------------------------------------------------------

    def measure(self) -> None:
        self._measured_from = self._model.timestep
        for population in self._network.populations:
            monitor = self._model.synapse_populations[monitor_name(population)]
            for name in MONITOR_STATE:
                write(monitor.pre_vars[name], -1 if name == "last" else 0)
        members, n = len(self._members), self.layout.n_neurons
        self._bins.begin(self._measured_from, members)
        self._counted = np.zeros((members, n), dtype=np.uint32)  # until the end of the last window
        self._windows: list[CountArray] = []  # one for each window, shape (members, n)
        self._blocks = Blocks(self._build.dt_ms)
        self._sums: list[dict[str, NDArray[np.float64]]] = []  # until the end of each block so far
        self._pieces: list[list[tuple[NDArray[np.int64], NDArray[np.int64]]]] = [[] for _ in self._members]

    @subnormals_are_zero()
    def advance(self, duration_ms: float) -> None:
        start = self._measured_from
        end = self._model.timestep + steps(duration_ms, self._build.dt_ms, "an advance")
        step = stepper(self._model)
        while self._model.timestep < end:
            # A ring is full one step after the end of its last bin.
            now = self._model.timestep
            rings = _next(max(now, start + 1), self._bins.span_steps, start + 1)
            windows = _next(now, self._window_steps, start)
            blocks = _next(now, self._blocks.steps, start)
            raster = _next(now, self._bin_steps, start) if self._build.record_spikes else end
            due = self._new_rates[0][0] if self._new_rates else end
            stop = min(rings, windows, blocks, raster, due, end)
            for _ in range(stop - now):
                step()
            self._apply_rates()
            if stop == rings:
                self._bins.read()
            if stop == windows:
                self._windows.append(self._window())
            if stop == blocks:
                self._end_block()
            if stop == raster and self._build.record_spikes:
                self._pull_spikes()

    def _window(self) -> CountArray:
        """Spike counts of every neuron since the last window, shape (members, n_neurons)."""
        counted = self._read_monitors("n_spikes")
        new = narrow(counted - self._counted)
        self._counted = counted
        return new

    def _end_block(self) -> None:
        self._sums.append(self._interval_sums())
        if len(self._sums) == MOST_BLOCKS:
            self._blocks.double()
            self._sums = self._sums[1::2]

    def _interval_sums(self) -> dict[str, NDArray[np.float64]]:
        """Number of intervals and the sums over them until now, by name, shape (members, n_neurons)."""
        dt_ms = self._build.dt_ms
        n_spikes = self._read_monitors("n_spikes").astype(np.float64)
        return {
            "n": np.maximum(n_spikes - 1, 0),
            "sum": self._read_monitors("interval_sum") * dt_ms,
            "sum_sq": self._read_monitors("interval_sum_sq") * dt_ms**2,
            "cv2": self._read_monitors("cv2_sum"),
            "lv": self._read_monitors("lv_sum"),
            "lvr": self._read_monitors("lvr_sum") / dt_ms,
        }

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
                    mean = self._loading.noise_mean(population, rates, weight, receptor)
                    due = self._model.timestep + RATE_DELAY_STEPS
                    self._new_rates.append((due, member, source, mean))

    def _apply_rates(self) -> None:
        """Write the rates that are due."""
        while self._new_rates and self._new_rates[0][0] <= self._model.timestep:
            _, member, source, mean = self._new_rates.pop(0)
            for name, value in (("mean", mean), ("none", np.exp(-mean))):
                self._by_member(source.vars[name].view)[member] = value
                source.vars[name].push_to_device()

    def counted(self) -> IntArray:
        totals = self._read_monitors("n_spikes").astype(np.int64)
        return self.layout.group_sums(totals)

    def _by_member(self, view: NDArray[Any]) -> NDArray[Any]:
        """A variable as (batch size, values): GeNN omits the first axis for a batch of one."""
        return view.reshape(self._build.batch_size, -1)

    def _pull(self, variable: Any) -> NDArray[Any]:
        variable.pull_from_device()
        return self._by_member(variable.view)[: len(self._members)]

    def _read_monitors(self, name: str) -> NDArray[Any]:
        """One of the monitors' variables, shape (members, n_neurons)."""
        by_population = [
            self._pull(self._model.synapse_populations[monitor_name(p)].pre_vars[name])
            for p in self._network.populations
        ]
        return np.concatenate(by_population, axis=1)

    def _pull_spikes(self) -> None:
        """Read the spikes of the bin that ends now.

        GeNN records into a ring of one bin's length: step s in slot s modulo the length. It dates the slots
        as if the first slot were the first step of the bin, which is true only if that step is a multiple of
        the length. But bins begin with the measurement, at any step, so steps are computed from the slots.
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
        by_group = layout.group_sums(totals)
        bins = self._bins.counts(n_steps // self._bin_steps, by_group)
        moments = self._moments()
        potential, depolarisation = self._potentials()
        repeated = self._repeated()
        results: list[Observation | SimulationFailure] = []
        for number in range(len(self._members)):
            if not np.isfinite(potential[number]).all():
                results.append(SimulationFailure("a membrane potential became infinite or undefined"))
                continue
            if failure := repeated[number]:
                results.append(failure)
                continue
            results.append(
                Observation(
                    layout=layout,
                    dt_ms=self._build.dt_ms,
                    duration_ms=n_steps * self._build.dt_ms,
                    bin_ms=self._recording.bin_ms,
                    group_bins=narrow(bins[number]),
                    window_ms=self._recording.window_ms,
                    neuron_windows=self._neuron_windows(number),
                    neuron_totals=totals[number],
                    intervals=moments[number][0],
                    depolarisation=depolarisation[number],
                    interval_blocks=moments[number][1],
                    spikes=self._spikes(number) if self._build.record_spikes else None,
                )
            )
        return results

    def _repeated(self) -> list[SimulationFailure | None]:
        """The failure of each member of which a neuron fired more than once in a step."""
        found: list[SimulationFailure | None] = [None] * len(self._members)
        for population in self._network.populations:
            if (name := neuron_model(population.neuron).genn_code.repeated) is not None:
                pulled = self._pull(self._model.neuron_populations[population.name].vars[name])
                for number in np.flatnonzero(pulled.any(axis=1)):
                    found[number] = found[number] or repeated_spikes(population, self._build.dt_ms)
        return found

    def _neuron_windows(self, member: int) -> CountArray:
        """Spikes of each neuron of a member in each window, shape (n_neurons, n_windows)."""
        if not self._windows:
            return np.zeros((self.layout.n_neurons, 0), dtype=np.uint8)
        return np.ascontiguousarray(np.array([window[member] for window in self._windows]).T)

    def _moments(self) -> list[tuple[IntervalMoments, IntervalMoments]]:
        """Moments of the intervals of each member, in total and in blocks."""
        total = self._interval_sums()
        until = [*self._sums, total] if self._incomplete_block() else self._sums
        blocks = {name: np.diff([sums[name] for sums in until], axis=0, prepend=0) for name in total}
        moments = []
        for k in range(len(self._members)):
            of_member = {name: sums[k] for name, sums in total.items()}
            n = of_member.pop("n").astype(np.int64)
            in_time = {name: sums[:, k].T.copy() for name, sums in blocks.items()}
            n_in_time = in_time.pop("n").astype(np.int64)
            moments.append((IntervalMoments(n, **of_member), IntervalMoments(n_in_time, **in_time)))
        return moments

    def _incomplete_block(self) -> bool:
        n_steps = self._model.timestep - self._measured_from
        return len(self._sums) < self._blocks.number(n_steps)

    def _potentials(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Potentials (members, n_neurons), and group means of relative potentials (members, n_groups)."""
        potentials, relative = [], []
        for population in self._network.populations:
            group = self._model.neuron_populations[population.name]
            neuron = neuron_model(population.neuron)
            pulled = self._pull(group.vars["V"]).astype(np.float64)
            for number in range(len(self._members)):
                p = self._parameters[number][population.name]
                potential = pulled[number] + potential_offset(neuron, p)
                potentials.append(potential)
                relative.append((potential - p["V_reset"]) / (np.asarray(p[neuron.threshold]) - p["V_reset"]))
        members = len(self._members)
        means = self._network.layout.group_means(_join(relative, members))
        return _join(potentials, members), means

    def _spikes(self, member: int) -> Spikes:
        step = np.concatenate([piece[0] for piece in self._pieces[member]])
        neuron = np.concatenate([piece[1] for piece in self._pieces[member]])
        order = np.lexsort((neuron, step))
        return Spikes(step[order], neuron[order])

    def connections(self, name: str) -> wiring.Connections:
        """The synapses of a projection, as read from the device (for inspection; slow)."""
        return self._loading.synapses(name)[0]

    def weights(self, name: str) -> NDArray[np.float64]:
        """The present weights of a plastic projection, in the order of `connections`.

        Shape (members, n_synapses), in the unit of its receptor.
        """
        order = self._loading.synapses(name)[1]
        variable = self._model.synapse_populations[name].vars["g"]
        variable.pull_from_device()
        ratios = variable.values.reshape(self._build.batch_size, -1)[: len(self._members), order]
        initial = np.array([member.values.weights[name] for member in self._members])
        weights: NDArray[np.float64] = ratios * initial[:, np.newaxis]
        return weights


def _next(now: int, period: int, phase: int) -> int:
    """The first step after `now` that is `phase` plus a multiple of `period`."""
    return now + 1 + (phase - now - 1) % period


def _join(arrays: list[NDArray[np.float64]], members: int) -> NDArray[np.float64]:
    """Join arrays, listed by population and then by member, to shape (members, n_neurons)."""
    return np.stack([np.concatenate(arrays[k::members]) for k in range(members)])
