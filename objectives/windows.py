"""Windows relative to events, in bins that need not begin with the event."""

from __future__ import annotations

import math


def whole_bins(start_ms: float, stop_ms: float, bin_ms: float) -> slice:
    """Return the bins that lie entirely between two times of a measurement; none if there are none.

    What a bin that contains an event counts belongs partly to the time before it and partly to the time after
    it, so that such a bin takes part in neither.
    """
    first = max(math.ceil(start_ms / bin_ms - 1e-9), 0)
    return slice(first, max(math.floor(stop_ms / bin_ms + 1e-9), first))
