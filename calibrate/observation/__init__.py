"""Observation: what a simulated (or recorded) network showed.

It holds counters, not rasters: spike counts of groups in small bins, of neurons in windows, and the
moments of the inter-spike intervals. Simulators accumulate these while they run; `Accumulator` does the
same from spikes, for simulators that only deliver spikes, for recordings, and as the reference in tests.

Time is counted in steps of `dt_ms`. A spike of step s (0-based, counted from the start of the
measurement) happened at (s + 1) dt, the end of its step, as NEST stamps it.
"""

from calibrate.observation.accumulator import Accumulator, observe_spikes
from calibrate.observation.counts import CountArray, narrow, rebin
from calibrate.observation.intervals import IntervalMoments
from calibrate.observation.layout import FloatArray, Group, IntArray, Layout, Needs, steps
from calibrate.observation.observation import (
    Episode,
    Observation,
    Presentation,
    SimulationFailure,
    Spikes,
)
from calibrate.observation.parts import during, of_clusters, of_neurons
from calibrate.observation.up_states import THRESHOLDS, UpStates, up_states

__all__ = [
    "THRESHOLDS",
    "Accumulator",
    "CountArray",
    "Episode",
    "FloatArray",
    "Group",
    "IntArray",
    "IntervalMoments",
    "Layout",
    "Needs",
    "Observation",
    "Presentation",
    "SimulationFailure",
    "Spikes",
    "UpStates",
    "during",
    "narrow",
    "observe_spikes",
    "of_clusters",
    "of_neurons",
    "rebin",
    "steps",
    "up_states",
]
