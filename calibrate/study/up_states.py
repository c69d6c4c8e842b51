"""Up-states of an observation, detected as the statistics of a study detect them."""

from __future__ import annotations

import inspect

from calibrate.errors import CalibrateError
from calibrate.observation import Observation, UpStates, up_states
from calibrate.study.study import Study

# A statistic that is computed from up-states takes the same options.
DETECTION = frozenset(inspect.signature(up_states).parameters) - {"observation"}


def find_up_states(study: Study, observation: Observation) -> UpStates | None:
    """Up-states of clusters, detected as the study's statistics detect them; None if none does, or fails."""
    population = study.network.layout.populations[0]
    for statistic in study.statistics:
        if statistic.options.keys() >= DETECTION and statistic.options["population"] == population:
            try:
                return up_states(observation, **{name: statistic.options[name] for name in DETECTION})
            except CalibrateError:  # counts in other bins
                return None
    return None
