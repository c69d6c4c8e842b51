"""Random input as GeNN code: Poisson and gamma processes from a counter-based hash."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from calibrate.network import Population
from calibrate.network.random_input import SMALLEST_DENSITY
from calibrate.network.wiring import PCG4D
from calibrate.neurons import neuron_model

# The same operations as in `calibrate.network.random_input`, which draws this input for NEST.
# The mean is 0 for the receptor that the weight excludes, and for clusters without input.
_NOISE_CODE = (
    "if (mean > 0.0) { const unsigned int step = (unsigned int)((t / dt) + 0.5);"
    + PCG4D.format(x="h", a="id + first_neuron", b="step", c="key0", d="key1")
    + """
    const scalar u = (scalar)(h / 256u) * 5.9604644775390625e-08;
    scalar density = none;
    scalar cumulative = none;
    scalar events = 0.0;
    while (u > cumulative && (events < mean || density > @SMALLEST@)) {
        events += 1.0;
        density *= mean / events;
        cumulative += density;
    }
""".replace("@SMALLEST@", f"{SMALLEST_DENSITY:g}")
)

_POISSON_CODE = _NOISE_CODE + "injectCurrent(weight * events); }"

# Every shape-th event of a Poisson process is an event of a gamma process.
_GAMMA_CODE = (
    _NOISE_CODE
    + """
    stage += (unsigned int)events;
    injectCurrent(weight * (scalar)(stage / @SHAPE@u));
    stage %= @SHAPE@u;
}
"""
)


def noise_name(population: Population) -> str:
    """Name of the sources of a population's random input, without the receptor."""
    return f"noise_{population.name}"


def add_noise(pygenn: ModuleType, model: Any, population: Population, group: Any, first_neuron: int) -> None:
    shared = pygenn.VarAccess.READ_ONLY_SHARED_NEURON
    of_each = pygenn.VarAccess.READ_ONLY_DUPLICATE  # the rates of input can differ between clusters
    gamma = population.noise_shape > 1
    code = _GAMMA_CODE.replace("@SHAPE@", str(population.noise_shape)) if gamma else _POISSON_CODE
    variables = [
        *((name, "scalar", of_each) for name in ("mean", "none")),
        ("weight", "scalar", shared),
        *((name, "uint32_t", shared) for name in ("key0", "key1")),
        *([("stage", "unsigned int")] if gamma else []),
    ]
    for receptor in neuron_model(population.neuron).receptors:
        # One source per receptor; the sign of the weight decides which of them is silent.
        snippet = pygenn.create_current_source_model(
            "random_input",
            params=[("first_neuron", "unsigned int")],
            vars=variables,
            injection_code=code,
        )
        source = model.add_current_source(
            f"{noise_name(population)}_{receptor}",
            snippet,
            group,
            {"first_neuron": first_neuron},
            {variable[0]: 0 for variable in variables},
        )
        source.target_var = f"in_{receptor}"
