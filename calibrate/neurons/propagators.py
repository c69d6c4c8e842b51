"""Exact steps of linear membranes (Rotter & Diesmann 1999), and times in whole steps, rounded as in NEST."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Number = float | NDArray[np.float64]


def refractory_steps(t_ref_ms: float, dt_ms: float) -> int:
    """Return the steps that a neuron stays refractory.

    NEST rounds up to whole steps, of times in microseconds.

    Parameters
    ----------
    t_ref_ms : float, ms
        Refractory time.
    dt_ms : float, ms
        Length of a step.

    Returns
    -------
    int
        Number of steps.

    Examples
    --------
    >>> from calibrate.neurons import refractory_steps
    >>> refractory_steps(2.05, 0.1)
    21
    """
    return math.ceil(round(t_ref_ms * 1000) / (dt_ms * 1000) - 1e-9)


def delay_steps(delay_ms: float, dt_ms: float) -> int:
    """Return the steps that a spike travels.

    NEST rounds half up; the shortest delay is one step.

    Parameters
    ----------
    delay_ms : float, ms
        Delay.
    dt_ms : float, ms
        Length of a step.

    Returns
    -------
    int
        Number of steps.

    Examples
    --------
    >>> from calibrate.neurons import delay_steps
    >>> delay_steps(1.5, 0.1), delay_steps(0.01, 0.1)
    (15, 1)
    """
    return max(1, math.floor(round(delay_ms * 1000) / (dt_ms * 1000) + 0.5 + 1e-9))


def decay(tau: Number, dt_ms: float) -> Number:
    """Return what is left of an exponential after a step (P11).

    Parameters
    ----------
    tau : float or ndarray of float, ms
        Time constant.
    dt_ms : float, ms
        Length of a step.

    Returns
    -------
    ndarray of float
        The factor exp(-dt / tau).

    Examples
    --------
    >>> from calibrate.neurons import decay
    >>> float(decay(10.0, 1.0))
    0.904...
    """
    left: NDArray[np.float64] = np.exp(-dt_ms / np.asarray(tau, dtype=float))
    return left


def step_mean(tau: Number, dt_ms: float) -> Number:
    """Return the mean over a step of an exponential that is 1 at its start.

    Parameters
    ----------
    tau : float or ndarray of float, ms
        Time constant.
    dt_ms : float, ms
        Length of a step.

    Returns
    -------
    ndarray of float
        The mean, tau / dt (1 - exp(-dt / tau)).

    Examples
    --------
    >>> from calibrate.neurons import step_mean
    >>> float(step_mean(10.0, 1.0))
    0.951...
    """
    tau = np.asarray(tau, dtype=float)
    mean: NDArray[np.float64] = -np.expm1(-dt_ms / tau) * tau / dt_ms
    return mean


def current_propagator(tau_m: Number, tau_syn: Number, C_m: Number, dt_ms: float) -> Number:
    """Return what 1 pA of exponential current at the start of a step adds to V at its end (P21).

    Parameters
    ----------
    tau_m : float or ndarray of float, ms
        Membrane time constant.
    tau_syn : float or ndarray of float, ms
        Time constant of the current.
    C_m : float or ndarray of float, pF
        Membrane capacitance.
    dt_ms : float, ms
        Length of a step.

    Returns
    -------
    ndarray of float, mV / pA
        The depolarisation.

    Notes
    -----
    P21 = tau_m tau_s / (C (tau_m - tau_s)) (exp(-dt/tau_m) - exp(-dt/tau_s)), written with expm1 of the
    difference of the rates, so that it is accurate near tau_s = tau_m, where it is dt/C exp(-dt/tau_m), and
    taken from the slower exponential, so that it does not overflow where dt is many tau_s.

    Examples
    --------
    >>> from calibrate.neurons import current_propagator
    >>> float(current_propagator(10.0, 2.0, 250.0, 0.1))
    0.000388...
    """
    tau_m, tau_syn = np.asarray(tau_m, dtype=float), np.asarray(tau_syn, dtype=float)
    difference = np.abs(tau_m - tau_syn) / (tau_m * tau_syn)
    with np.errstate(divide="ignore", invalid="ignore"):
        factor = np.where(difference == 0, dt_ms, -np.expm1(-dt_ms * difference) / difference)
    propagator: NDArray[np.float64] = decay(np.maximum(tau_m, tau_syn), dt_ms) * factor / np.asarray(C_m)
    return propagator


def cascade_propagator(
    tau_m: Number, tau_decay: Number, tau_rise: Number, C_m: Number, dt_ms: float
) -> Number:
    """Return what a signal adds to V in a step by way of a current that it drives (P31).

    The signal x decays with tau_rise, from 1 pA/ms at the start of the step; dI/dt = -I / tau_decay + x.

    Parameters
    ----------
    tau_m : float or ndarray of float, ms
        Membrane time constant.
    tau_decay : float or ndarray of float, ms
        Time constant of the current.
    tau_rise : float or ndarray of float, ms
        Time constant of the signal.
    C_m : float or ndarray of float, pF
        Membrane capacitance.
    dt_ms : float, ms
        Length of a step.

    Returns
    -------
    ndarray of float, mV / (pA / ms)
        The depolarisation.

    Notes
    -----
    With the rates a <= b <= c of the three exponentials, C P31 is the divided difference of second order of
    exp(-dt r) at a, b and c. Where they are close together, its recursion cancels, and it is the series
    dt^2 exp(-a dt) sum_k (-1)^k h_k / (k + 2)!, with the complete homogeneous polynomials h_k of
    (b - a) dt and (c - a) dt; at a = b = c it is dt^2 / 2 exp(-a dt).

    Examples
    --------
    >>> from calibrate.neurons import cascade_propagator
    >>> float(cascade_propagator(10.0, 2.0, 2.0, 250.0, 0.1))
    1.92...e-05
    """
    taus = np.stack(np.broadcast_arrays(*(np.asarray(t, float) for t in (tau_m, tau_decay, tau_rise))))
    slow, middle, fast = -np.sort(-taus, axis=0)
    x, y = ((slow - other) / (slow * other) * dt_ms for other in (middle, fast))
    with np.errstate(divide="ignore", invalid="ignore"):
        apart = current_propagator(slow, middle, 1.0, dt_ms) - current_propagator(middle, fast, 1.0, dt_ms)
        apart = apart * dt_ms / y
    close, complete = np.zeros_like(y), np.ones_like(y)
    near = np.minimum(y, 1.0)
    for k in range(18):  # until 1 / (k + 1)! is a rounding error
        close += (-1) ** k * complete / math.factorial(k + 2)
        complete = near * complete + x ** (k + 1)
    close *= dt_ms**2 * decay(slow, dt_ms)
    propagator: NDArray[np.float64] = np.where(y < 1, close, apart) / np.asarray(C_m)
    return propagator


def psp_peak(tau_m: float, tau_syn: float, C_m: float) -> float:
    """Return the largest depolarisation after one exponential current of 1 pA.

    Parameters
    ----------
    tau_m : float, ms
        Membrane time constant.
    tau_syn : float, ms
        Time constant of the current.
    C_m : float, pF
        Membrane capacitance.

    Returns
    -------
    float, mV / pA
        The depolarisation.

    Notes
    -----
    With t* = ln(tau_s/tau_m) / (1/tau_m - 1/tau_s): tau_m tau_s / (C (tau_s - tau_m)) (exp(-t*/tau_s) -
    exp(-t*/tau_m)); at tau_s = tau_m: tau / (C e) [1]_.

    References
    ----------
    .. [1] Rostami et al. 2024.

    Examples
    --------
    >>> import math
    >>> from calibrate.neurons import psp_peak
    >>> math.isclose(psp_peak(10.0, 10.0, 1.0), 10.0 / math.e)
    True
    """
    ratio = tau_syn / tau_m
    if abs(ratio - 1) < 1e-6:
        # Second order in (ratio - 1): tau_m/C (1/e) (1 + (ratio - 1)/2); exact enough at 1e-12.
        return tau_m / (C_m * math.e) * (1 + (ratio - 1) / 2)
    peak = math.log(ratio) / (1 / tau_m - 1 / tau_syn)
    scale = tau_m * tau_syn / (C_m * (tau_syn - tau_m))
    return scale * (math.exp(-peak / tau_syn) - math.exp(-peak / tau_m))


def beta_peak(tau_rise: Number, tau_decay: Number) -> Number:
    """Return the largest value of exp(-t / tau_decay) - exp(-t / tau_rise).

    Parameters
    ----------
    tau_rise : float or ndarray of float, ms
        Time constant of the rise.
    tau_decay : float or ndarray of float, ms
        Time constant of the decay, at least that of the rise.

    Returns
    -------
    ndarray of float
        The largest value; 0 if both are equal.

    Examples
    --------
    >>> from calibrate.neurons import beta_peak
    >>> float(beta_peak(1.0, 2.0))
    0.25
    """
    difference = np.asarray(tau_decay, dtype=float) - np.asarray(tau_rise, dtype=float)
    peak: NDArray[np.float64] = difference * beta_peak_per_charge(tau_rise, tau_decay)
    return peak


def beta_peak_per_charge(tau_rise: Number, tau_decay: Number) -> Number:
    """Return the largest value of a current that rises and decays exponentially and carries one charge.

    Parameters
    ----------
    tau_rise : float or ndarray of float, ms
        Time constant of the rise.
    tau_decay : float or ndarray of float, ms
        Time constant of the decay, at least that of the rise.

    Returns
    -------
    ndarray of float, 1 / ms
        Largest value of (exp(-t / tau_decay) - exp(-t / tau_rise)) / (tau_decay - tau_rise), whose integral
        is 1. Where both are equal to tau, this is the alpha function t / tau^2 exp(-t / tau).

    Notes
    -----
    It is reached at t* = ln(tau_decay / tau_rise) tau_rise tau_decay / (tau_decay - tau_rise), and is
    exp(-ln(1 + u) / u) / tau_decay with u = tau_decay / tau_rise - 1.

    Examples
    --------
    >>> import math
    >>> from calibrate.neurons import beta_peak_per_charge
    >>> math.isclose(beta_peak_per_charge(2.0, 2.0), 1 / (2.0 * math.e))
    True
    """
    rise, fall = np.asarray(tau_rise, dtype=float), np.asarray(tau_decay, dtype=float)
    u = (fall - rise) / rise
    with np.errstate(invalid="ignore"):
        exponent = np.where(u == 0, 1.0, np.log1p(u) / u)
    peak: NDArray[np.float64] = np.exp(-exponent) / fall
    return peak
