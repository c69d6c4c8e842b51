"""What a platform changes in a network, and what of it is not simulated: one line each."""

from __future__ import annotations

from collections.abc import Iterator

from calibrate.hardware.limited import Limited
from calibrate.hardware.limits import Hardware
from calibrate.hardware.rounding import relative_error
from calibrate.hardware.state import alone
from calibrate.hardware.steps import weight_steps, weights_of
from calibrate.network import Distributed, Network, Uniform, UniformDelay, Values
from calibrate.neurons import neuron_model


def notes(network: Network, values: Values, hardware: Hardware, *, dt_ms: float) -> Iterator[str]:
    """Yield what a platform changes in a network, and what of it is not simulated.

    network, values  without limits
    """
    yield from _weights(network, values, hardware, dt_ms)
    yield from _delays(network, hardware, dt_ms)
    most = hardware.max_refractory_steps
    for population in network.populations:
        t_ref = values.neurons[population.name].get("t_ref", 0.0)
        if most is not None and isinstance(t_ref, int | float) and t_ref > most * dt_ms * (1 + 1e-9):
            yield (
                f"the refractory time of {population.name} of {t_ref:g} ms is simulated as "
                f"{most * dt_ms:g} ms, the longest of {hardware.target}"
            )
    if spread := [p.name for p in network.projections if p.weight_cv and hardware.weight_bits is not None]:
        yield (
            f"the highest level is that of the largest weight that is expected of {', '.join(spread)}: "
            "larger ones have it, too"
        )
    if hardware.rounding == "random" and hardware.weight_bits is not None and values.noise:
        yield "random input has one weight for all neurons, which is rounded to the nearest level"
    if hardware.max_rate_hz is not None or hardware.max_events_per_s is not None:
        yield "limits of rates and events are compared with the network, not simulated"
    yield from _neurons(network, values, hardware, dt_ms)


def _delays(network: Network, hardware: Hardware, dt_ms: float) -> Iterator[str]:
    seen: dict[tuple[float, float], list[str]] = {}
    for projection in network.projections:
        delay = projection.delay_ms
        for end in (delay.low_ms, delay.high_ms) if isinstance(delay, UniformDelay) else (delay,):
            if abs((simulated := hardware.delay_ms(end, dt_ms)) - end) > 1e-9:
                seen.setdefault((end, simulated), []).append(projection.name)
    spread = [one.name for one in network.projections if isinstance(one.delay_ms, UniformDelay)]
    if spread and (hardware.delay_step_ms or dt_ms) > dt_ms:
        yield (
            f"delays of {', '.join(spread)} differ between synapses: they are whole time steps of "
            f"{dt_ms:g} ms, not steps of {hardware.delay_step_ms:g} ms"
        )
    for (written, simulated), names in seen.items():
        yield (
            f"delays of {written:g} ms ({', '.join(dict.fromkeys(names))}) are simulated as "
            f"{simulated:g} ms, as {hardware.target} has them"
        )


def _weights(network: Network, values: Values, hardware: Hardware, dt_ms: float) -> Iterator[str]:
    highest = hardware.highest_level
    if highest is None:
        return
    steps = weight_steps(network, values, hardware, dt_ms=dt_ms)
    errors = {
        one.name: relative_error([one.value], steps[one.name], highest) for one in weights_of(network, values)
    }
    name = max(errors, key=lambda name: errors[name], default="")
    bits = f"weights have {hardware.weight_bits} bits, scaled per {hardware.scale}"
    if hardware.rounding == "random":
        yield f"{bits}: each synapse has one of the two levels beside its weight, at random and without bias"
    elif name:
        yield f"{bits}: the nearest levels differ by up to {100 * errors[name]:.2g} % ({name})"


def _neurons(network: Network, values: Values, hardware: Hardware, dt_ms: float) -> Iterator[str]:
    on_platform = Limited(hardware, dt_ms).of_values(network, values)
    for population in network.populations:
        before = {**neuron_model(population.neuron).complete({}), **values.neurons[population.name]}
        after = on_platform.neurons[population.name]
        pairs = {name: (_shown(before[name]), _shown(after[name])) for name in after if name != "t_ref"}
        changed = [f"{name} {old} -> {new}" for name, (old, new) in pairs.items() if old != new]
        if changed:
            yield f"neurons of {population.name} as {hardware.target} has them: {', '.join(changed)}"
    by_themselves = [
        f"{one.population} {_fires(one.on_chip)} with it ({_fires(one.exact)} without)"
        for one in alone(network, values, on_platform, hardware, dt_ms=dt_ms)
    ]
    if by_themselves:
        yield (
            "the rounding of the state in every step is not simulated; by itself, a neuron of "
            f"{', of '.join(by_themselves)}"
        )


def _fires(steps: int | None) -> str:
    return "does not fire" if steps is None else f"fires every {steps:,} steps"


def _shown(value: object) -> str:
    if isinstance(value, Distributed):
        return f"{value.mean:.6g} (mean)"
    if isinstance(value, Uniform):
        return f"{value.low:.6g} to {value.high:.6g}"
    return f"{value:.6g}"
