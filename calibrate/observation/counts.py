"""Spike counts: stored in the narrowest type that holds them, and summed over wider bins."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibrate.errors import ObservationError
from calibrate.observation.layout import IntArray

CountArray = NDArray[np.integer[Any]]
"""Whole numbers of any width: compute with them as int64, since narrow ones overflow."""


def narrow(counts: CountArray) -> CountArray:
    """Convert counts to the narrowest integer type that holds them all.

    Parameters
    ----------
    counts : ndarray of int
        Counts of any shape.

    Returns
    -------
    ndarray of int
        The same counts.

    Examples
    --------
    >>> import numpy as np
    >>> from calibrate.observation import narrow
    >>> narrow(np.array([0, 3, 200])).dtype
    dtype('uint8')
    """
    if not counts.size or counts.dtype.kind not in "iu":
        return counts
    kind = np.result_type(np.min_scalar_type(counts.min()), np.min_scalar_type(counts.max()))
    return counts.astype(kind, copy=False)


def rebin(counts: CountArray, stored_ms: float, wanted_ms: float, what: str) -> IntArray:
    """Sum counts in narrow bins to counts in wide ones.

    Parameters
    ----------
    counts : ndarray of int, shape (rows, bins)
        Counts in bins of `stored_ms`.
    stored_ms : float, ms
        Width of the bins.
    wanted_ms : float, ms
        Width of the wide bins.
    what : str
        What the bins are called in the error message: "bins" or "windows".

    Returns
    -------
    ndarray of int64, shape (rows, wide bins)
        The sums; an incomplete last bin is left out.

    Raises
    ------
    ObservationError
        Unless `stored_ms` divides `wanted_ms`.

    Examples
    --------
    >>> import numpy as np
    >>> from calibrate.observation import rebin
    >>> rebin(np.array([[1, 0, 2, 2, 1]]), 5.0, 10.0, "bins")
    array([[1, 4]])
    """
    factor = round(wanted_ms / stored_ms)
    if factor < 1 or not math.isclose(factor * stored_ms, wanted_ms, rel_tol=1e-9):
        raise ObservationError(
            f"{what} of {wanted_ms:g} ms are needed, "
            f"but the observation was stored in {what} of {stored_ms:g} ms"
        )
    if factor == 1:
        return counts.astype(np.int64)
    rows, n = counts.shape[0], counts.shape[1] // factor
    # For a short last axis, einsum is several times as fast as sum.
    rebinned: IntArray = np.einsum(
        "ijk->ij", counts[:, : n * factor].reshape(rows, n, factor), dtype=np.int64, casting="same_kind"
    )
    return rebinned
