"""Power spectrum of the population rate, relative to that of a Poisson process of the same rate."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibrate.objective import Estimate, Needs, ObjectiveError, statistic
from calibrate.observation import Observation
from objectives.activity import shortfall

# Overlapping by half, Hann windows share so much that K segments tell as much as K / 1.056 separate ones
# (Welch 1967: 1 + 2 / 36 for their correlation of 1/6).
_OVERLAP = 1.056


@dataclass(frozen=True)
class Spectrum:
    """Power of the rate of a whole population, in units of the Poisson level, without frequency 0.

    frequency_hz  shape (frequencies,);  power  the same shape
    n_segments    segments that were averaged
    """

    frequency_hz: NDArray[np.float64]
    power: NDArray[np.float64]
    n_segments: int

    def by_chance(self) -> float:
        """What the highest of so many frequencies of a flat spectrum exceeds once in a hundred times."""
        from scipy.special import gammainccinv

        shape = max(self.n_segments / _OVERLAP, 1.0)
        return float(gammainccinv(shape, 0.01 / self.power.size) / shape)


def spectrum(
    observation: Observation, *, population: str, segment_ms: float, bin_ms: float
) -> Spectrum | None:
    """The spectrum by Welch's method: Hann windows of `segment_ms` that overlap by half, each less its mean.

    None for a population without a spike, or a measurement shorter than a segment.
    """
    from scipy.signal import welch  # takes a second to import

    counts = observation.group_counts(population, bin_ms).sum(axis=0)
    length = round(segment_ms / bin_ms)
    if not counts.any() or counts.size < length:
        return None
    rate_hz, sampled_hz = counts / (bin_ms / 1000), 1000 / bin_ms
    frequency, power = welch(rate_hz, fs=sampled_hz, nperseg=length, detrend="constant")
    # The one-sided power of a Poisson process of rate r is 2 r; at the highest frequency there is one side
    # only.
    poisson = np.full(frequency.size, 2 * rate_hz.mean())
    if length % 2 == 0:
        poisson[-1] /= 2
    # Next to 0, the mean that was taken from each segment is missing.
    kept = slice(2, None)
    n_segments = (counts.size - length) // (length - length // 2) + 1
    return Spectrum(frequency[kept], (power / poisson)[kept], n_segments)


def _band(low_hz: float, high_hz: float, segment_ms: float, bin_ms: float) -> Needs:
    needs = Needs(bin_ms=bin_ms)
    if not (math.isfinite(segment_ms) and segment_ms >= 8 * bin_ms):
        raise ObjectiveError(f"segment_ms must be at least 8 bins of {bin_ms:g} ms, not {segment_ms:g}")
    lowest, highest = 2000 / segment_ms, 500 / bin_ms
    if not lowest * (1 - 1e-9) <= low_hz < high_hz <= highest * (1 + 1e-9):
        raise ObjectiveError(
            f"segments of {segment_ms:g} ms in bins of {bin_ms:g} ms resolve {lowest:g} to {highest:g} Hz, "
            f"in which low_hz {low_hz:g} must lie below high_hz {high_hz:g}"
        )
    return needs


def _peak(low_hz: float, high_hz: float, segment_ms: float, bin_ms: float, factor: float) -> Needs:
    if not (math.isfinite(factor) and factor > 1):
        raise ObjectiveError(f"factor must be above 1, not {factor:g}")
    return _band(low_hz, high_hz, segment_ms, bin_ms)


@statistic(unit="Hz", needs=_peak)
def spectral_peak(
    observation: Observation,
    *,
    population: str = "E",
    low_hz: float = 4.0,
    high_hz: float = 200.0,
    segment_ms: float = 500.0,
    bin_ms: float = 2.0,
    factor: float = 3.0,
) -> Estimate:
    """Frequency of the largest peak in the power spectrum of the population rate.

        f* = argmax_f S(f) over the peaks of S,    S(f) = P(f) / (2 r)

    with r(t) the spikes of the population per second in bins, P its one-sided power (Welch's method, Hann
    windows overlapping by half, each less its mean) and 2 <r> that of a Poisson process of the same rate,
    where S = 1. A peak stands out by `factor`: above the Poisson level, and above the valley that parts it
    from any higher one, so that the rise towards low frequencies of a network with slow changes is no peak.
    Where few segments fit into the measurement, that becomes what the highest of all frequencies of a flat
    spectrum exceeds in one of a hundred measurements.

    population       which neurons, all its clusters together
    low_hz, high_hz  where to look; not below 2 / segment_ms, which is 4 Hz by default, or above 1 / (2
                     bin_ms)
    segment_ms       length of a segment: frequencies are told apart by 1 / segment_ms, 2 Hz by default
    bin_ms           width of the bins
    factor           how far a peak stands out, above 1

    Returns Hz, from low_hz to high_hz. Support: segments; the standard error is that of rounding to a
    frequency of the spectrum, 1 / (segment_ms sqrt(12)), so that of a sharp peak.
    Undefined if no peak stands out, so for one spike and for independent neurons of constant rate: shortfall
    (1 - progress) / 2, with progress ln(how far the best one stands out) / ln(factor); more for silent
    networks, by their distance from threshold. Undefined with shortfall 1 in measurements shorter than a
    segment.
    Source: Welch 1967; Bair et al. 1994 (the flat level).
    """
    from scipy.signal import find_peaks, peak_prominences

    found = spectrum(observation, population=population, segment_ms=segment_ms, bin_ms=bin_ms)
    if found is None:
        return _no_spectrum(observation, population, segment_ms)
    log_power = np.log(np.maximum(found.power, 1e-12))  # a constant rate has no power at all
    peaks = find_peaks(log_power)[0]
    peaks = peaks[(found.frequency_hz[peaks] >= low_hz) & (found.frequency_hz[peaks] <= high_hz)]
    standing_out = np.minimum(log_power[peaks], peak_prominences(log_power, peaks)[0])
    needed = math.log(max(factor, found.by_chance()))
    if not (standing_out >= needed).any():
        progress = float(standing_out.max(initial=0.0)) / needed
        note = f"no peak from {low_hz:g} to {high_hz:g} Hz stands out by {math.exp(needed):.2g}"
        missing = shortfall(observation, population, progress)
        return Estimate(math.nan, support=found.n_segments, shortfall=missing, note=note)
    peaks = peaks[standing_out >= needed]
    highest = peaks[np.argmax(found.power[peaks])]
    rounding_hz = 1000 / segment_ms / math.sqrt(12)
    return Estimate(float(found.frequency_hz[highest]), support=found.n_segments, error=rounding_hz)


@statistic(needs=_band, scale="log")
def spectral_peak_power(
    observation: Observation,
    *,
    population: str = "E",
    low_hz: float = 4.0,
    high_hz: float = 200.0,
    segment_ms: float = 500.0,
    bin_ms: float = 2.0,
) -> Estimate:
    """Highest power of the population rate at any frequency, relative to a Poisson process.

        S* = max_f P(f) / (2 <r>)

    with the power P and the rate r of `spectral_peak`, from low_hz to high_hz; whether there is a peak or
    not. The population and the other options are those of `spectral_peak`.

    No unit, >= 0: somewhat above 1 for independent Poisson neurons, the highest of many noisy values, 0 for
    constant activity; up to the number of neurons and more for those that fire together. Support: segments.
    Undefined without a spike: shortfall from 1/2 to 1 by the distance of the silent network from threshold,
    and 1 in measurements shorter than a segment. Source: as for `spectral_peak`.
    """
    found = spectrum(observation, population=population, segment_ms=segment_ms, bin_ms=bin_ms)
    if found is None:
        return _no_spectrum(observation, population, segment_ms)
    inside = (found.frequency_hz >= low_hz) & (found.frequency_hz <= high_hz)
    value = float(found.power[inside].max())
    # The power at one frequency is distributed as chi^2 with two degrees of freedom a segment.
    error = value / math.sqrt(max(found.n_segments / _OVERLAP, 1.0))
    return Estimate(value, support=found.n_segments, error=error)


def _no_spectrum(observation: Observation, population: str, segment_ms: float) -> Estimate:
    if observation.duration_ms < segment_ms:
        note = f"the measurement is shorter than a segment of {segment_ms:g} ms"
        return Estimate(math.nan, support=0, shortfall=1.0, note=note)
    missing = shortfall(observation, population, 0.0)
    return Estimate(math.nan, support=0, shortfall=missing, note="no spike in a whole bin")
