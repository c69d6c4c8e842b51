"""The fit of a network onto a platform: what it needs, and what there is."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from calibrate.calibration.hardening.hardening import Demand
from calibrate.hardware import Hardware
from calibrate.hardware.degrees import fan_in, fan_out
from calibrate.network import Network, UniformDelay


def demands(
    network: Network,
    hardware: Hardware,
    *,
    dt_ms: float,
    rates_hz: Mapping[str, float | None],
) -> Iterator[Demand]:
    """Yield what a network needs of a platform, and whether it is there.

    network   without limits
    rates_hz  mean rates of its populations, as far as they are known
    """
    yield from _cores(network, hardware)
    for name, largest, limit in (
        ("fan-in", fan_in, hardware.fan_in),
        ("fan-out", fan_out, hardware.fan_out),
    ):
        for population in network.populations:
            needed = largest(network, population.name)
            yield Demand(
                name=f"{name} of {population.name}",
                needed=needed,
                limit=limit,
                unit="synapses",
                fits=limit is None or needed <= limit,
            )
    yield from _delays(network, hardware, dt_ms)
    yield from _activity(network, hardware, rates_hz)


def _cores(network: Network, hardware: Hardware) -> Iterator[Demand]:
    per_core = hardware.neurons_per_core
    if per_core is None:
        yield Demand(name="neurons", needed=network.n_neurons)
        return
    # A core holds neurons of one population only.
    needed = sum(math.ceil(population.size / per_core) for population in network.populations)
    note = f"{network.n_neurons:,} neurons, at most {per_core:,} of one population on a core"
    yield Demand(name="cores", needed=needed, note=note)


def _delays(network: Network, hardware: Hardware, dt_ms: float) -> Iterator[Demand]:
    if not network.projections:
        return
    delays = [projection.delay_ms for projection in network.projections]
    shortest = min(delay.low_ms if isinstance(delay, UniformDelay) else delay for delay in delays)
    longest = max(projection.longest_delay_ms for projection in network.projections)
    step_ms = hardware.delay_step_ms or dt_ms
    # They fit all the same: chips are simulated with the delays that they have.
    ends = {"shortest delay": shortest, "longest delay": longest}
    for name, needed in {"delays": longest}.items() if shortest == longest else ends.items():
        steps = hardware.min_delay_steps if name == "shortest delay" else hardware.max_delay_steps
        there = hardware.delay_ms(needed, dt_ms)
        note = f"{there:g} ms there" if abs(there - needed) > 1e-9 else ""
        limit = None if steps is None else steps * step_ms
        yield Demand(name=name, needed=needed, limit=limit, unit="ms", note=note)


def _activity(network: Network, hardware: Hardware, rates_hz: Mapping[str, float | None]) -> Iterator[Demand]:
    for population in network.populations:
        rate_hz = rates_hz.get(population.name)
        if rate_hz is None:
            continue
        yield Demand(
            name=f"rate of {population.name}",
            needed=rate_hz,
            limit=hardware.max_rate_hz,
            unit="Hz",
            fits=hardware.max_rate_hz is None or rate_hz <= hardware.max_rate_hz,
        )
        on_core = min(hardware.neurons_per_core or population.size, population.size)
        limit, note = hardware.max_events_per_s, f"{on_core:,} neurons on a core"
        if hardware.neurons_per_core is None:
            note = f"all {population.size:,} neurons"
        yield Demand(
            name=f"spikes of {population.name}",
            needed=rate_hz * on_core,
            limit=limit,
            unit="per s",
            fits=limit is None or rate_hz * on_core <= limit,
            note=note,
        )
