"""Closed loops: a network acts on an environment, which stimulates it in return."""

from calibrate.simulators.closed_loop.coupling import Loop, refuse_stimuli, simulate_in_loop
from calibrate.simulators.closed_loop.environment import Environment, find_environment
from calibrate.simulators.closed_loop.realtime import Deadline, Latencies, LoopProgress, LoopRun, run_loop

__all__ = [
    "Deadline",
    "Environment",
    "Latencies",
    "Loop",
    "LoopProgress",
    "LoopRun",
    "find_environment",
    "refuse_stimuli",
    "run_loop",
    "simulate_in_loop",
]
