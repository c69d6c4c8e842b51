"""The unit of spike times: as a file or the user says, or the only one that neurons allow, or asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibrate.errors import RecordingError
from calibrate.observation.recording_files.table import EVIDENCE, NO_NEURON_MS, Wanted

MS = {"s": 1000.0, "ms": 1.0, "us": 1e-3}
_SAY_RATE = "say the rate, such as sampling_rate_hz = 30000 (--sampling-rate-hz 30000)"
# Fewer times than this can lie on a coarse grid by chance.
_ON_GRID = 20
# No recording in seconds has a resolution as coarse as this.
_GRID_S = 0.05
# The median of this many is below a quarter of a millisecond for no neuron.
_FEW = 10
# Among this many intervals of neurons, one is shorter than a second.
_MANY = 10 * EVIDENCE


@dataclass(frozen=True)
class Stated:
    """A unit of time that a file gives: s, ms, us or samples; and where, such as "in the name time_ms"."""

    unit: str
    where: str


def find_unit(
    trains: Sequence[NDArray[np.float64]],
    wanted: Wanted,
    stated: Stated | None = None,
    rate_hz: float | None = None,
    usual: Stated | None = None,
) -> tuple[float, str]:
    """Return the factor that makes times ms, and which unit they have and why, in a few words.

    trains   the ascending times of each unit, in the unit of the file, without nan
    stated   the unit that the file gives, if it does
    rate_hz  the sampling rate that the file gives, if it does
    usual    the unit that such files have, unless the times show that it is not theirs

    Raises RecordingError if it must be asked for.
    """
    if stated is not None and stated.unit != "samples":
        wanted.refuse_time_unit(stated.unit)
        return MS[stated.unit], f"times in {stated.unit} ({stated.where})"
    if wanted.sampling_rate_hz is not None:
        return 1000.0 / wanted.sampling_rate_hz, f"{_samples(wanted.sampling_rate_hz)} (as you say)"
    if stated is not None:
        if rate_hz is None:
            raise RecordingError(f"gives its times in samples, but no sampling rate: {_SAY_RATE}")
        wanted.refuse_time_unit("samples")
        return 1000.0 / rate_hz, _samples(rate_hz)
    if wanted.time_unit is not None:
        return MS[wanted.time_unit], f"times in {wanted.time_unit} (as you say)"
    times = np.concatenate([*trains, np.zeros(0)])
    whole = times.size >= _ON_GRID and not (times % 1).any()
    if whole and rate_hz is not None:
        return 1000.0 / rate_hz, _samples(rate_hz)
    return _by_evidence(trains, times, whole, usual)


def _samples(rate_hz: float) -> str:
    return f"times in samples at {rate_hz / 1000:g} kHz"


def _by_evidence(
    trains: Sequence[NDArray[np.float64]], times: NDArray[np.float64], whole: bool, usual: Stated | None
) -> tuple[float, str]:
    intervals = np.concatenate([np.diff(train) for train in trains] or [np.zeros(0)])
    no_s, no_ms = _against_s(times, intervals), _against_ms(intervals)
    if no_s and no_ms:
        raise RecordingError(f"contains no spike times of neurons: {no_s}, and {no_ms}")
    if no_ms:
        return MS["s"], f"times in s ({no_ms})"
    if no_s and not whole:
        return MS["ms"], f"times in ms ({no_s})"
    if usual is not None and not no_s:
        return MS[usual.unit], f"times in {usual.unit} ({usual.where})"
    last = max(float(times.max(initial=0)), 1e-9) - min(float(times.min(initial=0)), 0.0)
    rate = times.size / max(len(trains), 1) / last
    as_ms = f"as ms: {1000 * rate:.3g} Hz over {last / 1000:.4g} s"
    if whole:
        raise RecordingError(
            f"does not say whether its times, all whole numbers, are milliseconds or samples: read {as_ms}; "
            f'if that is right, say time_unit = "ms" (--time-unit ms); of samples, {_SAY_RATE}'
        )
    raise RecordingError(
        "does not say whether its times are seconds or milliseconds: read "
        f"as s: {rate:.3g} Hz over {last:.4g} s; {as_ms}; "
        'say which: time_unit = "s" or "ms" (--time-unit s or ms)'
    )


def _against_s(times: NDArray[np.float64], intervals: NDArray[np.float64]) -> str:
    steps = times / _GRID_S
    if times.size >= _ON_GRID and np.allclose(steps, np.round(steps), rtol=0, atol=1e-4):
        return f"in s, all would be multiples of {_GRID_S:g} s"
    if intervals.size >= _MANY and intervals.min() >= 1:
        return f"in s, no unit would fire twice within {intervals.min():.3g} s"
    return ""


def _against_ms(intervals: NDArray[np.float64]) -> str:
    least = NO_NEURON_MS if intervals.size >= EVIDENCE else NO_NEURON_MS / 4
    if intervals.size >= _FEW and np.median(intervals) < least:
        return f"in ms, half of the intervals of units would be shorter than {np.median(intervals):.2g} ms"
    return ""
