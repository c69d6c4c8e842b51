"""GeNN without calibrate, as published: one network at a time, spikes recorded and decoded on the host.

    python -m benchmarks.published_genn --neurons 1500 --trials 8

The pattern of Schmitt, Rostami & Nawrot 2023 (doi 10.3389/fninf.2023.941696) in PyGeNN 5: a population for
each cluster and type, a projection for each pair of them, GeNN's own neuron, current and random connections;
compiled once, then run for one parameter set after another, of which the constant inputs may change. The
graph is drawn once; the state is set back for every trial. Search and statistics are those of
`plain_nest`. Single precision with fast mathematics, as published.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import plain_nest
from benchmarks.plain_nest import DT_MS, PROBABILITY, T_REF, TAU_M, TAU_SYN, V_TH, Settings

# GeNN's own rule draws with replacement; this one takes `needed` of the sources that are left.
_FIXED_INDEGREE = """
    scalar left = (scalar)num_pre - others;
    unsigned int needed = (unsigned int)indegree;
    for (unsigned int i = 0; i < num_pre; i++) {
        if (others == 0.0 || i != id_post) {
            if ((gennrand_uniform() * left) < (scalar)needed) {
                addSynapse(i);
                needed--;
            }
            left -= 1.0;
        }
    }
"""

_kept: dict[str, Any] = {}
"""The network of this process: it is built once."""


class Network:
    """A compiled network, and its graph."""

    def __init__(self, parameters: Mapping[str, float], settings: Settings, seed: int) -> None:
        import pygenn

        self._settings = settings
        self.strengths = {name: parameters[name] for name in ("J_E+", "R_J")}
        self._random = np.random.default_rng(seed)
        self._n_steps = round((settings.warmup_ms + settings.duration_ms) / DT_MS)
        single = settings.precision == "single"
        model = pygenn.GeNNModel(
            "float" if single else "double", "published", optimize_code=single, time_precision="double"
        )
        model.dt = DT_MS
        model.seed = seed + 1
        model.fuse_postsynaptic_models = True
        model.default_narrow_sparse_ind_enabled = True
        self._groups = {
            kind: [self._population(model, kind, q, size) for q in range(settings.clusters)]
            for kind, size in settings.cluster_sizes.items()
        }
        for pair, (within, between) in plain_nest.weights(parameters, settings).items():
            target, source = tuple(pair)
            for i, post in enumerate(self._groups[target]):
                for j, pre in enumerate(self._groups[source]):
                    rule = self._rule(pygenn, pair, recurrent=target == source and i == j)
                    synapses = model.add_synapse_population(
                        f"{pair}_{i}_{j}",
                        "SPARSE",
                        pre,
                        post,
                        pygenn.init_weight_update(
                            "StaticPulseConstantWeight", {"g": within if i == j else between}
                        ),
                        pygenn.init_postsynaptic("ExpCurr", {"tau": TAU_SYN[source]}),
                        rule,
                    )
                    synapses.axonal_delay_steps = 1
        # Lives as long as the process.
        self._folder = tempfile.TemporaryDirectory(prefix="published-genn-")
        model.build(self._folder.name)
        model.load(num_recording_timesteps=self._n_steps)
        self._model = model

    def _population(self, model: Any, kind: str, cluster: int, size: int) -> Any:
        neuron = {
            "C": 1.0,
            "TauM": TAU_M[kind],
            "Vrest": 0.0,
            "Vreset": 0.0,
            "Vthresh": V_TH,
            "Ioffset": 0.0,
            "TauRefrac": T_REF,
        }
        state = {"V": 0.0, "RefracTime": 0.0}
        group = model.add_neuron_population(f"{kind}_{cluster}", size, "LIF", neuron, state)
        group.set_param_dynamic("Ioffset", True)
        group.spike_recording_enabled = True
        return group

    def _rule(self, pygenn: Any, pair: str, *, recurrent: bool) -> Any:
        if self._settings.connectivity == "bernoulli":
            name = "FixedProbabilityNoAutapse" if recurrent else "FixedProbability"
            return pygenn.init_sparse_connectivity(name, {"prob": PROBABILITY[pair]})
        indegree = round(PROBABILITY[pair] * self._settings.cluster_sizes[pair[1]])
        snippet = pygenn.create_sparse_connect_init_snippet(
            "fixed_indegree",
            params=["indegree", "others"],
            col_build_code=_FIXED_INDEGREE,
            calc_max_row_len_func=lambda num_pre, num_post, pars: num_post,  # noqa: ARG005
            calc_max_col_len_func=lambda num_pre, num_post, pars: num_pre,  # noqa: ARG005
        )
        self.__dict__.setdefault("_snippets", []).append(snippet)  # PyGeNN keeps no reference
        return pygenn.init_sparse_connectivity(snippet, {"indegree": indegree, "others": float(recurrent)})

    def set_back(self, parameters: Mapping[str, float]) -> None:
        """Random potentials, no currents, time 0, and the constant inputs of `parameters`."""
        for kind, groups in self._groups.items():
            current = parameters[f"I_th_{kind}"] * V_TH / TAU_M[kind]
            for group in groups:
                group.set_dynamic_param_value("Ioffset", current)
                start = self._random.uniform(0.0, V_TH, size=group.num_neurons)
                for name, value in (("V", start), ("RefracTime", 0.0)):
                    group.vars[name].view[:] = value
                    group.vars[name].push_to_device()
        for synapses in self._model.synapse_populations.values():
            if synapses.out_post is not None:  # fused projections share one
                synapses.out_post.view[:] = 0
                synapses.out_post.push_to_device()
        self._model.timestep = 0

    def run(self) -> tuple[NDArray[np.int64], NDArray[np.int64], float]:
        """Step and neuron of every spike from t = 0, and the time that pulling and decoding took (s)."""
        for _ in range(self._n_steps):
            self._model.step_time()
        before = time.perf_counter()
        self._model.pull_recording_buffers_from_device()
        steps, neurons, first = [], [], 0
        for groups in self._groups.values():
            for group in groups:
                times, ids = group.spike_recording_data[0]
                steps.append(np.rint(times / DT_MS).astype(np.int64))
                neurons.append(ids.astype(np.int64) + first)
                first += group.num_neurons
        return np.concatenate(steps), np.concatenate(neurons), time.perf_counter() - before


def build(parameters: Mapping[str, float], settings: Settings, seed: int) -> None:
    """Compile the network and draw its graph; a trial later needs neither."""
    _kept["network"] = Network(parameters, settings, seed)


def simulate(parameters: Mapping[str, float], settings: Settings, seed: int) -> dict[str, float]:  # noqa: ARG001
    """Simulate in the network that is there, and compute the statistics from its spikes."""
    started = time.perf_counter()
    network: Network = _kept["network"]
    if any(parameters[name] != value for name, value in network.strengths.items()):
        raise ValueError("weights are compiled in: J_E+ and R_J cannot change from trial to trial")
    network.set_back(parameters)
    ready = time.perf_counter()
    step, neuron, decoding_s = network.run()
    simulated = time.perf_counter() - decoding_s
    step = step - round(settings.warmup_ms / DT_MS) + 1
    kept = step > 0
    found = plain_nest.statistics(step[kept], neuron[kept], settings)
    return {
        **found,
        "spikes": float(np.count_nonzero(kept)),
        "build_s": ready - started,
        "simulate_s": simulated - ready,
        "score_s": time.perf_counter() - simulated,
    }


def main() -> None:
    parser = plain_nest.arguments(__doc__, precision="single")
    parser.set_defaults(trials=8)
    options, settings, points = plain_nest.given(parser)
    if not points:
        strengths = {"J_E+": 3.0, "R_J": 0.75}
        points = [
            {"I_th_E": 1.9 + 0.05 * k, "I_th_I": 1.1 + 0.03 * k, **strengths} for k in range(options.trials)
        ]
    found = plain_nest.search(
        simulate,
        settings,
        trials=min(options.trials, len(points)),
        processes=options.processes,
        points=points,
        seed=options.seed,
        begin=build,
    )
    plain_nest.report({**found, "simulator": "GeNN", "recording": "spikes"}, options.json)


if __name__ == "__main__":
    main()
