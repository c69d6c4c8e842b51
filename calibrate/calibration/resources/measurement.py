"""The cost of one network: the time to build and to simulate it, and the memory of its process."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil

from calibrate.calibration.study_pool import setup_of
from calibrate.errors import SimulatorError
from calibrate.network import Network
from calibrate.simulation.capacity import slots_for
from calibrate.simulation.jobs import Outcome
from calibrate.simulation.probe import Probe
from calibrate.study import Study

# Simulated before the measurement, so that the onset of activity is over (ms).
SETTLING_MS = 200.0
# A measurement takes about this wall time, within these limits of simulated time.
WALL_S = 5.0
SHORTEST_MS, LONGEST_MS = 500.0, 10_000.0
# A settling period shorter than this in wall time is simulated `SETTLED_RUNS` times, and the fastest counts:
# other work on the machine can only slow it down.
BRIEF_S, SETTLED_RUNS = 1.0, 5


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """Cost of a batch of networks of one size, simulated in its own process.

    Attributes
    ----------
    backend : str
        Name of the simulator in studies.
    batch_size : int
        Networks simulated at once.
    neurons : int
        Neurons of one network.
    synapses : int
        Synapses of one network; their expected number if pairs are connected at random.
    build_s : float, s
        Time until the first simulation: code, wiring, the simulator's own structures.
    duration_ms : float, ms
        Simulated time.
    walls_s : tuple of float, s
        Wall time of that simulation, for each repeat.
    rate_hz : float, Hz
        Mean rate over all neurons during that time.
    memory_bytes : int, bytes
        Largest resident memory of the process; on a GPU, the memory of the device is not included.
    simulator : dict of str to str
        The simulator's description of itself: name, version, device, precision.
    """

    backend: str
    batch_size: int
    neurons: int
    synapses: int
    build_s: float
    duration_ms: float
    walls_s: tuple[float, ...]
    rate_hz: float
    memory_bytes: int
    simulator: Mapping[str, str]

    @property
    def factors(self) -> tuple[float, ...]:
        """Real-time factors: wall time of the batch per simulated time, for each repeat."""
        return tuple(1000 * wall_s / self.duration_ms for wall_s in self.walls_s)

    @property
    def real_time_factor(self) -> float:
        """Median of `factors`."""
        return statistics.median(self.factors)


@dataclass(frozen=True, kw_only=True)
class Omitted:
    """A size that was not measured.

    Attributes
    ----------
    backend : str
        Name of the simulator in studies.
    batch_size : int
        Networks to be simulated at once.
    neurons : int
        Neurons of one network.
    reason : str
        Why it was not measured.
    """

    backend: str
    batch_size: int
    neurons: int
    reason: str


def measure(
    study: Study,
    parameters: Mapping[str, Any],
    *,
    batch_size: int = 1,
    duration_ms: float | None = None,
    repeats: int = 1,
) -> Measurement | Omitted:
    """Simulate the network with these complete `parameters` in a new process; `study` names its simulator.

    Every repeat is the same simulation. It begins with a settling period, which is also simulated alone
    beforehand. The difference of their times is that of the measurement, without loading, onset and readout.
    """
    backend, network = study.simulation.backend, study.model.network(parameters)

    def omit(reason: str) -> Omitted:
        return Omitted(backend=backend, batch_size=batch_size, neurons=network.n_neurons, reason=reason)

    try:
        slots_for(backend, network)
        setup = replace(setup_of(study, batch_size=batch_size), stimuli={})
        with Probe(setup, parameters, n=batch_size) as probe:
            settling_ms = probe.whole(SETTLING_MS)
            first = probe.run(settling_ms)[0]
            settled_s = probe.run(settling_ms)[0].wall_s
            if settled_s < BRIEF_S:
                again = (probe.run(settling_ms)[0].wall_s for _ in range(SETTLED_RUNS - 1))
                settled_s = min(settled_s, *again)
            if duration_ms is None:
                duration_ms = WALL_S / settled_s * settling_ms
                duration_ms = min(max(duration_ms, SHORTEST_MS), LONGEST_MS)
            duration_ms = probe.whole(duration_ms)
            runs = [probe.run(duration_ms, warmup_ms=settling_ms) for _ in range(repeats)]
            memory_bytes = _peak_bytes(probe.pool.processes[0])
    except SimulatorError as error:
        return omit(str(error))
    walls_s = tuple(outcomes[0].wall_s - settled_s for outcomes in runs)
    if min(walls_s) <= 0:
        return omit(f"{duration_ms:g} ms is too short to be timed")
    return Measurement(
        backend=backend,
        batch_size=batch_size,
        neurons=network.n_neurons,
        synapses=synapses(network),
        build_s=max(first.build_s + first.wall_s - settled_s, 0.0),
        duration_ms=duration_ms,
        walls_s=walls_s,
        rate_hz=_mean_rate_hz(runs[0]),
        memory_bytes=memory_bytes,
        simulator=first.backend,
    )


def synapses(network: Network) -> int:
    """The number of synapses; its expectation if pairs are connected at random."""
    return round(sum(network.expected_synapses(projection) for projection in network.projections))


def _mean_rate_hz(outcomes: Sequence[Outcome]) -> float:
    observations = [outcome.observation for outcome in outcomes]
    return statistics.fmean(1000 * float(o.neuron_totals.mean()) / o.duration_ms for o in observations)


def _peak_bytes(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:  # not Linux: the current memory, which still includes the network
        return int(psutil.Process(pid).memory_info().rss)
    (peak,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))
    return 1024 * int(peak)
