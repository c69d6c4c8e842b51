"""Exact steps of linear membranes (Rotter & Diesmann 1999), and times in whole steps, rounded as in NEST."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Number = float | NDArray[np.float64]


def refractory_steps(t_ref_ms: float, dt_ms: float) -> int:
    """Steps that a neuron stays refractory: NEST rounds up to whole steps, of times in microseconds."""
    return math.ceil(round(t_ref_ms * 1000) / (dt_ms * 1000) - 1e-9)


def delay_steps(delay_ms: float, dt_ms: float) -> int:
    """Steps that a spike travels: NEST rounds half up, and a step is the least."""
    return max(1, math.floor(round(delay_ms * 1000) / (dt_ms * 1000) + 0.5 + 1e-9))


def decay(tau: Number, dt_ms: float) -> Number:
    """P11: what is left of an exponential after a step, exp(-dt / tau)."""
    left: NDArray[np.float64] = np.exp(-dt_ms / np.asarray(tau, dtype=float))
    return left


def step_mean(tau: Number, dt_ms: float) -> Number:
    """Mean over a step of an exponential that is 1 at its start, tau / dt (1 - exp(-dt / tau))."""
    tau = np.asarray(tau, dtype=float)
    mean: NDArray[np.float64] = -np.expm1(-dt_ms / tau) * tau / dt_ms
    return mean


def current_propagator(tau_m: Number, tau_syn: Number, C_m: Number, dt_ms: float) -> Number:
    """P21: what 1 pA of exponential current at the start of a step adds to V at its end (mV / pA).

    P21 = tau_m tau_s / (C (tau_m - tau_s)) (exp(-dt/tau_m) - exp(-dt/tau_s)), written with expm1 so that it
    stays accurate near tau_s = tau_m, where it is dt/C exp(-dt/tau_m).
    """
    tau_m, tau_syn = np.asarray(tau_m, dtype=float), np.asarray(tau_syn, dtype=float)
    difference = (tau_m - tau_syn) / (tau_m * tau_syn)
    with np.errstate(divide="ignore", invalid="ignore"):
        factor = np.where(difference == 0, dt_ms, np.expm1(dt_ms * difference) / difference)
    propagator: NDArray[np.float64] = np.exp(-dt_ms / tau_syn) * factor / np.asarray(C_m)
    return propagator


def psp_peak(tau_m: float, tau_syn: float, C_m: float) -> float:
    """Largest depolarisation after one exponential current of 1 pA (mV / pA).

    With t* = ln(tau_s/tau_m) / (1/tau_m - 1/tau_s): tau_m tau_s / (C (tau_s - tau_m)) (exp(-t*/tau_s) -
    exp(-t*/tau_m)); at tau_s = tau_m: tau / (C e). (Rostami et al. 2024)
    """
    ratio = tau_syn / tau_m
    if abs(ratio - 1) < 1e-6:
        # Second order in (ratio - 1): tau_m/C (1/e) (1 + (ratio - 1)/2); exact enough at 1e-12.
        return tau_m / (C_m * math.e) * (1 + (ratio - 1) / 2)
    peak = math.log(ratio) / (1 / tau_m - 1 / tau_syn)
    scale = tau_m * tau_syn / (C_m * (tau_syn - tau_m))
    return scale * (math.exp(-peak / tau_syn) - math.exp(-peak / tau_m))


def beta_peak(tau_rise: Number, tau_decay: Number) -> Number:
    """Largest value of exp(-t / tau_decay) - exp(-t / tau_rise), for tau_rise < tau_decay.

    It is reached at t* = ln(tau_decay / tau_rise) tau_rise tau_decay / (tau_decay - tau_rise).
    """
    rise, fall = np.asarray(tau_rise, dtype=float), np.asarray(tau_decay, dtype=float)
    at = np.log(fall / rise) * rise * fall / (fall - rise)
    peak: NDArray[np.float64] = np.exp(-at / fall) - np.exp(-at / rise)
    return peak
