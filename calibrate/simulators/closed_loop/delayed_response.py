"""The delayed-response task, a built-in environment: remember the stimulated clusters, then choose them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from calibrate.errors import CalibrateError


class DelayedResponse:
    """Trials of pause, stimulus, delay and response, with a race to threshold as readout.

    In every trial, the clusters of one choice, drawn at random, are stimulated. The response begins after a
    delay. During the response, the mean rate r (Hz) of each choice's clusters enters a leaky integrator,

        x <- x exp(-D / tau) + (1 - exp(-D / tau)) r,        x = 0 at the beginning of the response,

    where D is the loop's interval. The first choice whose x reaches the threshold is taken; if several reach
    it in the same interval, the one with the largest x. The choice is correct if its clusters were the
    stimulated ones. A correct choice is rewarded with 1, a wrong one or none in time with 0.

    choices       the clusters of each choice
    current_pA    current into the stimulated clusters
    cue_pA        current into the clusters of all choices during the response
    pause_ms      duration of the pause
    stimulus_ms   duration of the stimulus
    delay_ms      duration of the delay
    response_ms   time limit of the response
    threshold_hz  threshold of the race
    tau_ms        time constant of the leak

    The measures of a trial are "correct" and "decided" (0 or 1), "choice" (-1: none), "stimulated" (number of
    the choice), "reaction_time_ms" from the beginning of the response (nan: no choice), and
    "reaction_time_ms_shortfall" (by how much the race fell short of the threshold, as a fraction of it).
    """

    def __init__(
        self,
        *,
        choices: Sequence[Sequence[int]] = ((0,), (1,)),
        current_pA: float = 1.0,
        cue_pA: float = 0.0,
        pause_ms: float = 300.0,
        stimulus_ms: float = 200.0,
        delay_ms: float = 300.0,
        response_ms: float = 500.0,
        threshold_hz: float = 20.0,
        tau_ms: float = 50.0,
    ) -> None:
        if len(choices) < 2 or not all(len(clusters) for clusters in choices):
            raise CalibrateError("choices must be two or more non-empty lists of clusters")
        if sum(map(len, choices)) > len({cluster for clusters in choices for cluster in clusters}):
            raise CalibrateError("a cluster can belong to one choice only")
        for name, value in (("stimulus_ms", stimulus_ms), ("response_ms", response_ms), ("tau_ms", tau_ms)):
            if not value > 0:
                raise CalibrateError(f"{name} must be positive, not {value:g}")
        if not threshold_hz > 0 or min(pause_ms, delay_ms) < 0:
            raise CalibrateError("threshold_hz must be positive; pause_ms and delay_ms must not be negative")
        self._choices = [np.array(clusters, dtype=int) for clusters in choices]
        self._current_pA, self._cue_pA = current_pA, cue_pA
        self._pause_ms, self._stimulus_ms, self._delay_ms = pause_ms, stimulus_ms, delay_ms
        self._response_ms, self._threshold_hz, self._tau_ms = response_ms, threshold_hz, tau_ms
        self._random = np.random.default_rng()

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float64], dict[str, Any]]:
        """Begin a trial; see `calibrate.simulators.closed_loop.Environment`."""
        if seed is not None:
            self._random = np.random.default_rng(seed)
        if options is None:
            raise CalibrateError("reset needs the options interval_ms, n_inputs and n_outputs")
        self._interval_ms = float(options["interval_ms"])
        self._n_inputs = int(options["n_inputs"])
        largest = max(int(clusters.max()) for clusters in self._choices)
        n_clusters = min(self._n_inputs, int(options["n_outputs"]))
        if largest >= n_clusters:
            raise CalibrateError(
                f"choices refer to cluster {largest}, but there are {n_clusters} clusters, numbered from 0"
            )
        self._stimulated = int(self._random.integers(len(self._choices)))
        self._race = np.zeros(len(self._choices))
        self._highest = self._now_ms = 0.0
        return self._stimulation(), {}

    def step(
        self, action: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], float, bool, bool, dict[str, Any]]:
        """Advance by one interval in which the clusters had the rates `action` (Hz)."""
        if self._phase() != "response":
            self._now_ms += self._interval_ms
            return self._stimulation(), 0.0, False, False, {}
        self._now_ms += self._interval_ms
        decay = math.exp(-self._interval_ms / self._tau_ms)
        rates = np.array([np.asarray(action)[clusters].mean() for clusters in self._choices])
        self._race = self._race * decay + (1 - decay) * rates
        self._highest = max(self._highest, float(self._race.max()))
        waited_ms = self._now_ms - self._response_begins_ms
        decided = bool(self._race.max() >= self._threshold_hz)
        late = not decided and waited_ms > self._response_ms - self._interval_ms / 2
        if not decided and not late:
            return self._stimulation(), 0.0, False, False, {}
        choice = int(self._race.argmax()) if decided else -1
        correct = choice == self._stimulated
        info = {
            "correct": float(correct),
            "decided": float(decided),
            "choice": choice,
            "stimulated": self._stimulated,
            "reaction_time_ms": waited_ms if decided else math.nan,
            "reaction_time_ms_shortfall": max(1 - self._highest / self._threshold_hz, 0.0),
        }
        return np.zeros(self._n_inputs), float(correct), True, False, info

    @property
    def _response_begins_ms(self) -> float:
        return self._pause_ms + self._stimulus_ms + self._delay_ms

    def _phase(self) -> Literal["pause", "stimulus", "delay", "response"]:
        """Phase of the interval that begins now, taken at its middle so that rounding has no effect."""
        now_ms = self._now_ms + self._interval_ms / 2
        if now_ms < self._pause_ms:
            return "pause"
        if now_ms < self._pause_ms + self._stimulus_ms:
            return "stimulus"
        return "delay" if now_ms < self._response_begins_ms else "response"

    def _stimulation(self) -> NDArray[np.float64]:
        """Currents into the clusters (pA), shape (n_inputs,)."""
        currents = np.zeros(self._n_inputs)
        phase = self._phase()
        if phase == "stimulus":
            currents[self._choices[self._stimulated]] = self._current_pA
        elif phase == "response":
            for clusters in self._choices:
                currents[clusters] = self._cue_pA
        return currents
