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
    P21 = tau_m tau_s / (C (tau_m - tau_s)) (exp(-dt/tau_m) - exp(-dt/tau_s)), written with expm1 so that it
    stays accurate near tau_s = tau_m, where it is dt/C exp(-dt/tau_m).

    Examples
    --------
    >>> from calibrate.neurons import current_propagator
    >>> float(current_propagator(10.0, 2.0, 250.0, 0.1))
    0.000388...
    """
    tau_m, tau_syn = np.asarray(tau_m, dtype=float), np.asarray(tau_syn, dtype=float)
    difference = (tau_m - tau_syn) / (tau_m * tau_syn)
    with np.errstate(divide="ignore", invalid="ignore"):
        factor = np.where(difference == 0, dt_ms, np.expm1(dt_ms * difference) / difference)
    propagator: NDArray[np.float64] = np.exp(-dt_ms / tau_syn) * factor / np.asarray(C_m)
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
        Time constant of the decay, above that of the rise.

    Returns
    -------
    ndarray of float
        The largest value.

    Notes
    -----
    It is reached at t* = ln(tau_decay / tau_rise) tau_rise tau_decay / (tau_decay - tau_rise).

    Examples
    --------
    >>> from calibrate.neurons import beta_peak
    >>> float(beta_peak(1.0, 2.0))
    0.25
    """
    rise, fall = np.asarray(tau_rise, dtype=float), np.asarray(tau_decay, dtype=float)
    at = np.log(fall / rise) * rise * fall / (fall - rise)
    peak: NDArray[np.float64] = np.exp(-at / fall) - np.exp(-at / rise)
    return peak
