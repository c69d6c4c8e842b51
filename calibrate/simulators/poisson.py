"""Poisson neurons: spikes without a membrane or a simulator, for dry runs and for tests of other parts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np

from calibrate.network import Distributed, Network, Uniform, Values
from calibrate.neurons import neuron_model
from calibrate.observation import (
    Accumulator,
    FloatArray,
    IntArray,
    Layout,
    Observation,
    SimulationFailure,
    steps,
)
from calibrate.simulators.base import Member, RecordingPlan


class Poisson:
    """Every neuron fires as a Poisson process whose rate grows linearly with its constant current.

    With a membrane of capacitance C, leak time constant tau_m, rest E_L and threshold V_th, the rheobase is
    (V_th - E_L) C / tau_m and the rate is 5 Hz times I_e / rheobase (0 for negative currents).
    Connections and random input have no effect. The rates vary smoothly with the parameters, which tests of a
    search need.
    """

    def __init__(self, *, dt_ms: float) -> None:
        self._dt_ms = dt_ms

    def prepare(
        self,
        network: Network,
        *,
        batch_size: int,
        recording: RecordingPlan,
        wiring_seed: int,  # noqa: ARG002
    ) -> PreparedPoisson:
        return PreparedPoisson(network, batch_size, recording, self._dt_ms)

    def describe(self) -> dict[str, str]:
        return {"name": "poisson", "version": "1", "device": "cpu", "precision": "double"}


class PreparedPoisson:
    """One batch of Poisson networks; see `Poisson`."""

    def __init__(self, network: Network, batch_size: int, recording: RecordingPlan, dt_ms: float) -> None:
        self._network, self._batch_size = network, batch_size
        self._recording, self._dt_ms = recording, dt_ms
        self._members: Sequence[Member] = ()
        self._realisation = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._members = ()

    @property
    def layout(self) -> Layout:
        return self._network.layout

    def load(self, members: Sequence[Member], realisation: int) -> None:
        self._members, self._realisation = members, realisation
        self._randoms = [np.random.default_rng([member.seed, realisation]) for member in members]
        self._stimuli = [np.zeros(len(self._network.layout.groups)) for _ in members]
        self._now = 0
        self._drawn = [0] * len(members)  # until when the spikes of each are drawn
        self.measure()

    def measure(self) -> None:
        if self._now:
            self._draw_all()
        self._now = 0
        self._drawn = [0] * len(self._members)
        self._counted = np.zeros((len(self._members), len(self._network.layout.groups)), dtype=np.int64)
        self._accumulators = [
            Accumulator(
                self._network.layout,
                dt_ms=self._dt_ms,
                bin_ms=self._recording.bin_ms,
                window_ms=self._recording.window_ms,
                keep_spikes=self._recording.spikes,
            )
            for _ in self._members
        ]

    def drive(self, member: int, currents_pA: FloatArray) -> None:
        self._draw(member)
        self._stimuli[member] = np.asarray(currents_pA, dtype=float)

    def drive_rates(self, member: int, rates_hz: FloatArray) -> None:  # noqa: ARG002
        """Change nothing: only currents affect Poisson neurons."""
        self._draw(member)

    def counted(self) -> IntArray:
        self._draw_all()
        return self._counted.copy()

    def advance(self, duration_ms: float) -> None:
        self._now += steps(duration_ms, self._dt_ms, "an advance")

    def observe(self) -> list[Observation | SimulationFailure]:
        self._draw_all()
        return [accumulator.finish() for accumulator in self._accumulators]

    def _draw_all(self) -> None:
        for member in range(len(self._members)):
            self._draw(member)

    def _draw(self, member: int) -> None:
        """Draw the spikes of a member since its input changed: other members must not divide its time."""
        start, self._drawn[member] = self._drawn[member], self._now
        if not (n_steps := self._now - start):
            return
        random = self._randoms[member]
        rates = self._rates(self._members[member].values, self._stimuli[member])
        counts = random.binomial(n_steps, np.clip(rates * self._dt_ms / 1000, 0, 1))
        neuron = np.repeat(np.arange(rates.size), counts)
        step = np.concatenate([random.choice(n_steps, count, replace=False) for count in counts])
        self._accumulators[member].add(start + step.astype(np.int64), neuron, self._now)
        self._counted[member] += self._network.layout.group_sums(counts)

    def _rates(self, values: Values, stimuli: np.ndarray) -> np.ndarray:
        """Rate of every neuron in Hz, shape (n_neurons,)."""
        rates = []
        for row, group in enumerate(self._network.layout.groups):
            model = neuron_model(self._network.population(group.population).neuron)
            parameters = model.complete(
                {
                    name: value.mean if isinstance(value, Distributed | Uniform) else value
                    for name, value in values.neurons[group.population].items()
                }
            )
            distance_mV = parameters["V_th"] - parameters["E_L"]
            rheobase = distance_mV * parameters["C_m"] / model.tau_m(parameters)
            rates.append(np.full(group.size, 5 * max(parameters["I_e"] + stimuli[row], 0) / rheobase))
        return np.concatenate(rates)
