"""GeNN's loop over the neurons, rewritten so that the compiler vectorises it.

For a CPU, GeNN generates one loop that updates each neuron and, if it spikes, appends it to the list of
spikes. That list is ordered, which prevents vectorisation. Here the loop becomes two loops over blocks of
neurons: the first updates all neurons and marks those that spiked, the second appends these to the list. The
computations for each neuron, and the order of the spikes, do not change.

In single precision, GeNN also calls C's mathematical functions, which take doubles; C++ has one for each
precision.
"""

from __future__ import annotations

import re
from pathlib import Path

_BLOCK = 256
_DEFINITIONS = '#include "definitions.h"\n'
_OVERLOADS = f"#include <cmath>\n{_DEFINITIONS}" + "".join(
    f"using std::{name};\n" for name in ("exp", "log", "pow", "fabs", "fmin", "fmax")
)

# The match lies within one loop over neurons: no other loop can begin inside it.
_LOOP = re.compile(
    r"for\(unsigned int i = 0; i < (?P<count>[^;\n]+); i\+\+\) \{\n"
    r"(?P<update>(?:(?!for\(unsigned int i).)*?)"
    r"// test for and register a true spike\n"
    r"\s*if \((?P<condition>[^\n]+)\) \{\n"
    r"(?P<emit>(?:(?!for\(unsigned int i).)*?)"
    r"// spike reset code\n"
    r"(?P<reset>(?:(?!\n *\}\n).)*)\n"
    r" *\}\n"
    r"(?P<store>(?:[^{}\n]*;\n)*)"
    r" *\}\n",
    re.DOTALL,
)

_SPLIT = """\
for(unsigned int first = 0; first < {count}; first += {block}u) {{
const unsigned int end = ({count} - first < {block}u) ? {count} : first + {block}u;
uint32_t spiked[{block}];
uint32_t any = 0;
#pragma GCC ivdep
for(unsigned int i = first; i < end; i++) {{
{update}
const uint32_t spikes = ({condition}) ? 1u : 0u;
spiked[i - first] = spikes;
any |= spikes;
if (spikes) {{
{reset}
}}
{store}}}
if (any) {{
for(unsigned int i = first; i < end; i++) {{
if (spiked[i - first]) {{
{emit}
}}
}}
}}
}}
"""


def split_loops(source: str) -> str:
    """The text of neuronUpdate.cc with its loops split; loops of any other form do not change."""
    return _LOOP.sub(_split, source)


def _split(loop: re.Match[str]) -> str:
    if "++] = i" in loop["update"]:
        return loop[0]  # it also appends events of plastic synapses: its iterations depend on one another
    return _SPLIT.format(block=_BLOCK, **loop.groupdict())


def is_rewritten(code: Path) -> bool:
    """Whether a loop in a folder of generated code was rewritten: other versions of GeNN can differ."""
    return "spiked[i - first]" in (code / "neuronUpdate.cc").read_text()


def rewrite(code: Path) -> None:
    """Rewrite the loops in a folder of generated code; loops of any other form do not change."""
    path = code / "neuronUpdate.cc"
    path.write_text(split_loops(path.read_text()).replace(_DEFINITIONS, _OVERLOADS, 1))
