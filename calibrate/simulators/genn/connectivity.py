"""Connectivity as GeNN code: the comparisons of `calibrate.network.wiring`, which give the same graphs."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from calibrate.network import Bernoulli, Network, Part, Population, Projection, UniformIndegree
from calibrate.network.wiring import PCG4D
from calibrate.simulators.genn.internals import keep_snippet

# Name of the extra global parameter of every rule.
SETTINGS = "settings"

# The largest block of threads that GeNN 5.4 chooses on any device, and the threads of one warp.
_LARGEST_BLOCK, _WARP = 128, 32


def avoid_shared_memory_race(pygenn: ModuleType, synapses: Any, *, row_length: int, targets: int) -> None:
    """Give every spike one thread if GeNN's own choice would lose input on a GPU.

    By default, each thread handles one position in the rows and loops over the spikes. If the targets fit
    into one block of threads, GeNN 5.4 sums their input in shared memory without atomics. The warps of a
    block are not synchronised: if rows are longer than a warp, two warps can be at different spikes and add
    to the same target.
    """
    if row_length > _WARP and targets <= _LARGEST_BLOCK:
        synapses.parallelism_hint = pygenn.ParallelismHint.PRESYNAPTIC


def connectivity(
    pygenn: ModuleType, model: Any, network: Network, projection: Projection, length: int
) -> Any:
    """The rule as GeNN code: the same comparisons as in `calibrate.network.wiring`, synapse for synapse.

    `settings` holds the two words of the graph's key, then the threshold of the probability, the in-degree,
    or the lowest and the highest in-degree.
    """
    source, target = network.population(projection.source), network.population(projection.target)
    sizes = {
        "N": source.cluster_size,
        "M": target.cluster_size,
        "Q": source.clusters,
        "RECURRENT": int(source.name == target.name),
    }
    if isinstance(projection.rule, Bernoulli):
        code = {"row_build_code": _BERNOULLI[projection.part]}
    elif isinstance(projection.rule, UniformIndegree):
        code = {"col_build_code": _UNIFORM_INDEGREE}
        sizes["N"] = source.size
    else:
        code = {"col_build_code": _FIXED_INDEGREE}
        sizes["WITHIN"] = int(projection.part != "between")
        sizes["BETWEEN"] = int(projection.part != "within")
    (kind, text) = next(iter(code.items()))
    for name, value in sizes.items():
        text = text.replace(f"@{name}@", f"{value}u")
    snippet = pygenn.create_sparse_connect_init_snippet(
        f"{type(projection.rule).__name__}_{projection.part}",
        **{kind: text},
        extra_global_params=[(SETTINGS, "uint32_t*")],
        calc_max_row_len_func=lambda *_: length,
        calc_max_col_len_func=lambda *_: source.size,
    )
    return keep_snippet(model, snippet)


def _bernoulli(before: str, first: str, end: str, condition: str) -> str:
    """Code that tests the targets from `first` to `end` that satisfy `condition`, in blocks of 32.

    The hits of a block are the bits of a word, the first target's the highest, so that the tests vectorise on
    a CPU.
    """
    return (
        before
        + f"""
    for (unsigned int block = {first}; block < {end}; block += 32u) {{
        uint32_t hits = 0u;
        for (unsigned int k = 0u; k < 32u; k++) {{
            const unsigned int j = block + k;"""
        + PCG4D.format(x="h", a="id_pre", b="j", c="settings[0]", d="settings[1]")
        + f"""
            const bool hit = (h / 2u) < settings[2] && j < {end}{condition}
                && !(@RECURRENT@ == 1u && j == id_pre);
            hits |= hit ? (1u << (31u - k)) : 0u;
        }}
        while (hits != 0u) {{
            const unsigned int k = (unsigned int)clz(hits);
            hits ^= 1u << (31u - k);
            addSynapse(block + k);
        }}
    }}
"""
    )


_OWN_CLUSTER = "const unsigned int own = (id_pre / @N@) * @M@;"

_BERNOULLI = {
    "all": _bernoulli("", "0u", "num_post", ""),
    "within": _bernoulli(_OWN_CLUSTER, "own", "(own + @M@)", ""),
    "between": _bernoulli(_OWN_CLUSTER, "0u", "num_post", " && (j < own || j >= own + @M@)"),
}

# Selection sampling: draws `needed` of the `left` remaining neurons i, which start at `first`.
_SELECTION = (
    """
            for (unsigned int i = first; i < first + @N@; i++) {
                if (!(@RECURRENT@ == 1u && i == id_post)) {
    """
    + PCG4D.format(x="h", a="i", b="id_post", c="settings[0]", d="settings[1]")
    + """
                    const uint64_t drawn = h / 2u;
                    if (drawn * left < needed * 2147483648u) {
                        addSynapse(i);
                        needed -= 1u;
                    }
                    left -= 1u;
                }
            }
    """
)

_FIXED_INDEGREE = (
    """
    const unsigned int own = id_post / @M@;
    for (unsigned int c = 0u; c < @Q@; c++) {
        if ((c == own && @WITHIN@ == 1u) || (c != own && @BETWEEN@ == 1u)) {
            const unsigned int first = c * @N@;
            uint64_t left = @N@;
            if (@RECURRENT@ == 1u && id_post >= first && id_post < first + @N@) {
                left -= 1u;
            }
            uint64_t needed = settings[2];
            if (needed > left) {
                needed = left;
            }
    """
    + _SELECTION
    + """
        }
    }
"""
)

_UNIFORM_INDEGREE = (
    PCG4D.format(x="n", a="4294967295u", b="id_post", c="settings[0]", d="settings[1]")
    + """
    const uint64_t choices = settings[3] - settings[2] + 1u;
    uint64_t needed = settings[2] + ((n * choices) / 4294967296u);
    uint64_t left = @N@ - @RECURRENT@;
    const unsigned int first = 0u;
    """
    + _SELECTION
)


_EVERY_PAIR = {
    "all": "true",
    "within": "j / @M@ == id_pre / @N@",
    "between": "j / @M@ != id_pre / @N@",
}


def every_pair(pygenn: ModuleType, model: Any, source: Population, target: Population, part: Part) -> Any:
    """Connectivity from each source to all targets in `part`."""
    test = (
        _EVERY_PAIR[part].replace("@N@", f"{source.cluster_size}u").replace("@M@", f"{target.cluster_size}u")
    )
    snippet = pygenn.create_sparse_connect_init_snippet(
        f"every_pair_{part}",
        row_build_code=f"for (unsigned int j = 0u; j < num_post; j++) {{ if ({test}) {{ addSynapse(j); }} }}",
        calc_max_row_len_func=lambda *_: target.size,
        calc_max_col_len_func=lambda *_: source.size,
    )
    return keep_snippet(model, snippet)
