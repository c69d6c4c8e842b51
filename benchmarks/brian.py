"""Brian2 without calibrate: the network built once in each process, run for one parameter set after another.

    python -m benchmarks.brian --neurons 1500 --trials 8

Needs Brian2: `pip install brian2`; versions that do not know the installed numpy (2.9.0: from numpy 2.4 on)
go into an environment of their own, with `pip install brian2 optuna "numpy<2.4"`: this script imports nothing
else. Code by Cython (cpp_standalone would compile, or at least wire, for every trial). Weights are shared by
a whole block and set between trials, as are inputs and state. Search and statistics are those of
`plain_nest`. Double precision, which is Brian's own, or single.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import plain_nest
from benchmarks.plain_nest import DT_MS, PROBABILITY, T_REF, TAU_M, TAU_SYN, V_TH, Settings

# C = 1 pF, so that currents in pA change the potential by mV / ms.
EQUATIONS = """
dv/dt = -v / tau_m + (I_E + I_I + I_x) / ms : 1 (unless refractory)
dI_E/dt = -I_E / tau_E : 1
dI_I/dt = -I_I / tau_I : 1
I_x : 1 (shared)
"""

_kept: dict[str, Any] = {}
"""The network of this process: it is built once."""


class Network:
    """The network with its graph, in Brian2."""

    def __init__(self, settings: Settings, seed: int) -> None:
        import brian2 as b2

        self._settings = settings
        b2.prefs.codegen.target = "cython"
        b2.prefs.core.default_float_dtype = np.float32 if settings.precision == "single" else np.float64
        b2.defaultclock.dt = DT_MS * b2.ms
        b2.seed(seed)
        self._random = np.random.default_rng(seed)
        self._b2 = b2
        self._groups = {}
        for kind, size in settings.sizes.items():
            constants = {
                "tau_m": TAU_M[kind] * b2.ms,
                "tau_E": TAU_SYN["E"] * b2.ms,
                "tau_I": TAU_SYN["I"] * b2.ms,
            }
            self._groups[kind] = b2.NeuronGroup(
                size,
                EQUATIONS,
                threshold=f"v >= {V_TH}",
                reset="v = 0",
                refractory=T_REF * b2.ms,
                method="exact",
                namespace=constants,
            )
        self._synapses = {
            (pair, part): self._project(pair, part) for pair in PROBABILITY for part in ("within", "between")
        }
        self._monitors = {kind: b2.SpikeMonitor(group) for kind, group in self._groups.items()}
        self._network = b2.Network(*self._groups.values(), *self._synapses.values(), *self._monitors.values())

    def _project(self, pair: str, part: str) -> Any:
        target, source = tuple(pair)
        synapses = self._b2.Synapses(
            self._groups[source],
            self._groups[target],
            "weight : 1 (shared)",
            on_pre=f"I_{source}_post += weight",
            delay=DT_MS * self._b2.ms,
        )
        n, m = self._settings.cluster_sizes[source], self._settings.cluster_sizes[target]
        if self._settings.connectivity == "bernoulli":
            condition = f"i // {n} {'==' if part == 'within' else '!='} j // {m}"
            if target == source:
                condition += " and i != j"
            synapses.connect(condition=condition, p=PROBABILITY[pair])
        else:
            i, j = self._fixed_indegree(pair, part)
            synapses.connect(i=i, j=j)
        return synapses

    def _fixed_indegree(self, pair: str, part: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Sources and targets: as many sources in each cluster for every target, none twice, not itself."""
        target, source = tuple(pair)
        n, m = self._settings.cluster_sizes[source], self._settings.cluster_sizes[target]
        indegree = round(PROBABILITY[pair] * n)
        sources, targets = [], []
        for j in range(self._settings.sizes[target]):
            for cluster in range(self._settings.clusters):
                if (cluster == j // m) == (part == "within"):
                    others = np.arange(cluster * n, (cluster + 1) * n)
                    if target == source:
                        others = others[others != j]
                    sources.append(self._random.choice(others, indegree, replace=False))
                    targets.append(np.full(indegree, j))
        return np.concatenate(sources), np.concatenate(targets)

    @property
    def synapses(self) -> int:
        return sum(len(one) for one in self._synapses.values())

    def set_back(self, parameters: Mapping[str, float]) -> None:
        """Random potentials, no currents, and the weights and inputs of `parameters`."""
        for kind, group in self._groups.items():
            group.v = self._random.uniform(0.0, V_TH, size=len(group))
            group.I_E, group.I_I = 0.0, 0.0
            group.I_x = parameters[f"I_th_{kind}"] * V_TH / TAU_M[kind]
            group.lastspike = -1e4 * self._b2.second  # none is refractory
        for pair, values in plain_nest.weights(parameters, self._settings).items():
            for part, weight in zip(("within", "between"), values, strict=True):
                self._synapses[pair, part].weight = weight

    def run(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Step from the end of the warm-up, 1-based, and neuron of every spike of the measurement."""
        b2, settings = self._b2, self._settings
        before = {kind: monitor.num_spikes for kind, monitor in self._monitors.items()}
        begin = round(float(self._network.t / b2.ms) / DT_MS)
        self._network.run((settings.warmup_ms + settings.duration_ms) * b2.ms)
        steps, neurons, first = [], [], 0
        for kind, monitor in self._monitors.items():
            times = np.asarray(monitor.t_[before[kind] :]) * 1000
            steps.append(np.rint(times / DT_MS).astype(np.int64) - begin)
            neurons.append(np.asarray(monitor.i[before[kind] :]).astype(np.int64) + first)
            first += len(self._groups[kind])
        step = np.concatenate(steps) - round(settings.warmup_ms / DT_MS) + 1
        return step[step > 0], np.concatenate(neurons)[step > 0]


def build(parameters: Mapping[str, float], settings: Settings, seed: int) -> None:
    """Compile the network and draw its graph, and run it for a moment: a trial later needs none of that."""
    network = _kept["network"] = Network(settings, seed)
    network.set_back(parameters)
    network._network.run(DT_MS * network._b2.ms)


def simulate(parameters: Mapping[str, float], settings: Settings, seed: int) -> dict[str, float]:  # noqa: ARG001
    """Simulate in the network that is there, and compute the statistics from its spikes."""
    started = time.perf_counter()
    network: Network = _kept["network"]
    network.set_back(parameters)
    ready = time.perf_counter()
    step, neuron = network.run()
    simulated = time.perf_counter()
    found = plain_nest.statistics(step, neuron, settings)
    return {
        **found,
        "spikes": float(step.size),
        "synapses": float(network.synapses),
        "build_s": ready - started,
        "simulate_s": simulated - ready,
        "score_s": time.perf_counter() - simulated,
    }


def main() -> None:
    options, settings, points = plain_nest.given(plain_nest.arguments(__doc__))
    try:
        import brian2  # noqa: F401
    except Exception as error:  # an AttributeError, where numpy is too new for it
        raise SystemExit(f'Brian2 cannot be imported ({error}): pip install brian2 "numpy<2.4"') from None
    found = plain_nest.search(
        simulate,
        settings,
        trials=options.trials,
        processes=options.processes,
        points=points,
        seed=options.seed,
        begin=build,
    )
    plain_nest.report({**found, "simulator": "Brian2", "recording": "spikes"}, options.json)


if __name__ == "__main__":
    main()
