"""Networks under the limits of neuromorphic hardware.

    limits      `Hardware`: all limits of a platform, each with a name of its own
    platforms   the presets of `Hardware`, with their sources
    rounding    pure functions: from numbers to the levels that a platform has
    steps       the step of each weight of a network; `ring_buffers`: by the rule of sPyNNaker
    limited     a network and its values as they are on a platform, which is what simulators get
    carried     what a platform cannot carry, one line each; `changes`: what it changes besides weights
    state       the integer state of digital chips, to say what its rounding changes
    degrees     synapses of a neuron, in and out

A study whose networks are under limits is `study.with_hardware(hardware)`; those of its [hardware] are
`study.hardware`. Rounding at random and mismatch give every synapse a weight of its own
(`calibrate.network.levels`); other rounding only changes the values.

A chip is a graph: what differs between two chips (mismatch), and to which of two levels a synapse is rounded,
is drawn by keyed hashes from the number of the graph. The mean over k graphs is therefore the mean over k
chips, and the same graph with and without limits is a pair.
"""

from calibrate.hardware.limited import Limited
from calibrate.hardware.limits import Hardware
from calibrate.hardware.platforms import PLATFORMS, hardware

__all__ = ["PLATFORMS", "Hardware", "Limited", "hardware"]
