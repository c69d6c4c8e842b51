"""Power spectrum of the population rate, relative to that of a Poisson process of the same rate."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibrate.objective import Estimate, Needs, ObjectiveError, statistic
from calibrate.observation import Observation
from objectives.activity import shortfall

# K Hann windows that overlap by half carry as much information as K / 1.056 independent segments (Welch 1967:
# 1 + 2 / 36 for a correlation of 1/6).
_OVERLAP = 1.056
_RESAMPLED = 50  # bootstrap samples of the segments


@dataclass(frozen=True)
class Spectrum:
    """Power of the rate of a whole population, in units of the Poisson level, without frequency 0.

    frequency_hz  array of shape (frequencies,)
    of_segments   power of each segment, shape (frequencies, segments)
    """

    frequency_hz: NDArray[np.float64]
    of_segments: NDArray[np.float64]

    @property
    def n_segments(self) -> int:
        """Number of segments."""
        return int(self.of_segments.shape[1])

    @property
    def power(self) -> NDArray[np.float64]:
        """Mean over segments, shape (frequencies,)."""
        return np.asarray(self.of_segments.mean(axis=1))

    def error(self, value: Callable[[NDArray[np.float64]], float]) -> float:
        """Return the standard error of a function of the power, by a bootstrap over segments."""
        if self.n_segments < 2:
            return math.nan
        counts = np.random.default_rng(0).multinomial(
            self.n_segments, np.full(self.n_segments, 1 / self.n_segments), size=_RESAMPLED
        )
        values = [value(self.of_segments @ row / self.n_segments) for row in counts]
        defined = np.array(values)[np.isfinite(values)]
        return float(defined.std(ddof=1)) * math.sqrt(_OVERLAP) if defined.size > 1 else math.nan

    def by_chance(self) -> float:
        """Return the level that the maximum of a flat spectrum exceeds in 1 % of measurements."""
        from scipy.special import gammainccinv

        shape = max(self.n_segments / _OVERLAP, 1.0)
        return float(gammainccinv(shape, 0.01 / self.power.size) / shape)


def spectrum(
    observation: Observation, *, population: str, segment_ms: float, bin_ms: float
) -> Spectrum | None:
    """Return the spectrum by Welch's method: Hann windows of `segment_ms`, half overlapping, mean subtracted.

    None for a population without spikes, or a measurement shorter than a segment.
    """
    from scipy.signal import spectrogram  # takes a second to import

    counts = observation.group_counts(population, bin_ms).sum(axis=0)
    length = round(segment_ms / bin_ms)
    if not counts.any() or counts.size < length:
        return None
    rate_hz, sampled_hz = counts / (bin_ms / 1000), 1000 / bin_ms
    frequency, _, power = spectrogram(
        rate_hz, fs=sampled_hz, window="hann", nperseg=length, noverlap=length // 2, detrend="constant"
    )
    # The one-sided power of a Poisson process of rate r is 2 r, except at the highest frequency, which has no
    # second side.
    poisson = np.full(frequency.size, 2 * rate_hz.mean())
    if length % 2 == 0:
        poisson[-1] /= 2
    # Subtracting the mean of each segment removes power at frequency 0 and the next one.
    valid = slice(2, None)
    return Spectrum(frequency[valid], (power / poisson[:, None])[valid])


def _check_band(low_hz: float, high_hz: float, segment_ms: float, bin_ms: float) -> Needs:
    needs = Needs(bin_ms=bin_ms)
    if not (math.isfinite(segment_ms) and segment_ms >= 8 * bin_ms):
        raise ObjectiveError(f"segment_ms must be at least 8 bins of {bin_ms:g} ms, not {segment_ms:g}")
    lowest, highest = 2000 / segment_ms, 500 / bin_ms
    if not lowest * (1 - 1e-9) <= low_hz < high_hz <= highest * (1 + 1e-9):
        raise ObjectiveError(
            f"low_hz {low_hz:g} must lie below high_hz {high_hz:g}, both within the {lowest:g} to "
            f"{highest:g} Hz that segments of {segment_ms:g} ms in bins of {bin_ms:g} ms resolve"
        )
    return needs


def _check_peak(low_hz: float, high_hz: float, segment_ms: float, bin_ms: float, factor: float) -> Needs:
    if not (math.isfinite(factor) and factor > 1):
        raise ObjectiveError(f"factor must be above 1, not {factor:g}")
    return _check_band(low_hz, high_hz, segment_ms, bin_ms)


@statistic(unit="Hz", needs=_check_peak, depends_on=["neurons"])
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

    where r(t) is the number of spikes of the population per second in bins, P its one-sided power (Welch's
    method, half overlapping Hann windows, mean subtracted from each), and 2 <r> the power of a Poisson
    process of the same rate, for which S = 1. A peak must exceed, by `factor`, the Poisson level and the
    valley that separates it from any higher peak, so that the rise towards low frequencies of a network with
    slow changes is not a peak. If few segments fit into the measurement, `factor` is raised to the level that
    the maximum of a flat spectrum exceeds in one of a hundred measurements.

    population       which neurons, all its clusters together
    low_hz, high_hz  range of frequencies; at least 2 / segment_ms, which is 4 Hz by default, and at most
                     1 / (2 bin_ms)
    segment_ms       length of a segment; the frequency resolution is 1 / segment_ms, 2 Hz by default
    bin_ms           width of the bins
    factor           factor by which a peak must stand out, above 1

    Returns Hz, from low_hz to high_hz. Support: segments; the standard error is a bootstrap over
    segments, with the error of rounding to a frequency of the spectrum, 1 / (segment_ms sqrt(12)).
    Undefined if no peak stands out, as for a single spike and for independent neurons of constant rate: the
    shortfall is (1 - progress) / 2, where progress is ln(factor by which the best peak stands out) /
    ln(factor needed); it is larger for silent networks, depending on their distance from threshold. Undefined
    with shortfall 1 in measurements shorter than a segment.
    Source: Welch 1967; Bair et al. 1994 (the flat level).
    """
    density = spectrum(observation, population=population, segment_ms=segment_ms, bin_ms=bin_ms)
    if density is None:
        return _no_spectrum(observation, population, segment_ms)
    inside = (density.frequency_hz >= low_hz) & (density.frequency_hz <= high_hz)
    needed = math.log(max(factor, density.by_chance()))
    power = density.power
    _, standing_out = _peaks(power, inside)
    if not (standing_out >= needed).any():
        progress = float(standing_out.max(initial=0.0)) / needed
        note = f"no peak from {low_hz:g} to {high_hz:g} Hz stands out by {math.exp(needed):.2g}"
        missing = shortfall(observation, population, progress)
        return Estimate(math.nan, support=density.n_segments, shortfall=missing, note=note)

    def highest(power: NDArray[np.float64]) -> float:
        peaks, standing_out = _peaks(power, inside)
        peaks = peaks[standing_out >= needed]
        return float(density.frequency_hz[peaks[np.argmax(power[peaks])]]) if peaks.size else math.nan

    rounding_hz = 1000 / segment_ms / math.sqrt(12)
    error = math.hypot(rounding_hz, density.error(highest))
    return Estimate(highest(power), support=density.n_segments, error=error)


def _peaks(
    power: NDArray[np.float64], inside: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the peaks `inside` the range, and the logarithm of the factor by which each stands out."""
    from scipy.signal import find_peaks, peak_prominences

    log_power = np.log(np.maximum(power, 1e-12))  # a constant rate has no power at all
    peaks = find_peaks(log_power)[0]
    peaks = peaks[inside[peaks]]
    return peaks, np.minimum(log_power[peaks], peak_prominences(log_power, peaks)[0])


@statistic(needs=_check_band, scale="log", depends_on=["neurons"])
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

    with the power P and the rate r of `spectral_peak`, from low_hz to high_hz, whether or not there is a
    peak. The population and the other options are those of `spectral_peak`.

    No unit, >= 0: somewhat above 1 for independent Poisson neurons, because it is the maximum of many noisy
    values; 0 for constant activity; up to the number of neurons, or more, for neurons that fire together.
    Support: segments. The standard error is a bootstrap over segments, up to 1.7 times too large for a flat
    spectrum.
    Undefined without spikes: the shortfall is from 1/2 to 1, depending on the distance of the silent network
    from threshold. Undefined with shortfall 1 in measurements shorter than a segment. Source: as for
    `spectral_peak`.
    """
    density = spectrum(observation, population=population, segment_ms=segment_ms, bin_ms=bin_ms)
    if density is None:
        return _no_spectrum(observation, population, segment_ms)
    inside = (density.frequency_hz >= low_hz) & (density.frequency_hz <= high_hz)
    error = density.error(lambda power: float(power[inside].max()))
    return Estimate(
        float(density.power[inside].max()),
        support=density.n_segments,
        error=error,
        by_chance=density.by_chance(),
    )


def _no_spectrum(observation: Observation, population: str, segment_ms: float) -> Estimate:
    if observation.duration_ms < segment_ms:
        note = f"the measurement is shorter than a segment of {segment_ms:g} ms"
        return Estimate(math.nan, support=0, shortfall=1.0, note=note)
    missing = shortfall(observation, population, 0.0)
    return Estimate(math.nan, support=0, shortfall=missing, note="there is no spike in a whole bin")
