"""GeNN's loop over the neurons, rewritten so that the compiler makes fast code of it.

GeNN generates for a CPU one loop that updates a neuron and, where it spikes, appends it to the list of
spikes. That list has an order, and keeps the loop from vectorising. Here the loop becomes two over blocks of
neurons: one that updates all of them and notes who spiked, one that appends those. What is computed for a
neuron, and the order of the spikes, stay as they are.

GeNN also writes `exp` of single precision as C's function of that name, which is of doubles; C++ has one for
each.
"""

from __future__ import annotations

import re
from pathlib import Path

_BLOCK = 256
_DEFINITIONS = '#include "definitions.h"\n'
_OVERLOADS = f"#include <cmath>\n{_DEFINITIONS}using std::exp;\n"

# All of it belongs to one loop over neurons: no other may begin on the way.
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
    """The text of neuronUpdate.cc with its loops split; a loop that looks otherwise stays as it is."""
    return _LOOP.sub(_split, source)


def _split(found: re.Match[str]) -> str:
    if "++] = i" in found["update"]:
        return found[0]  # appends events of plastic synapses, too: neurons depend on one another
    return _SPLIT.format(block=_BLOCK, **found.groupdict())


def is_rewritten(code: Path) -> bool:
    """Whether a loop in a folder of generated code was rewritten: another GeNN may generate others."""
    return "spiked[i - first]" in (code / "neuronUpdate.cc").read_text()


def rewrite(code: Path) -> None:
    """Rewrite the loops in a folder of generated code; those that look otherwise stay as they are."""
    path = code / "neuronUpdate.cc"
    path.write_text(split_loops(path.read_text()).replace(_DEFINITIONS, _OVERLOADS, 1))
