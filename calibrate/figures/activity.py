"""The activity of a trial, as files for Optuna's dashboard."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping

from calibrate.errors import CalibrateError
from calibrate.figures.raster import raster_figure, rates_figure
from calibrate.figures.style import png
from calibrate.objective import Estimate
from calibrate.observation import Observation, UpStates, up_states
from calibrate.store.rows import statistics_json
from calibrate.study import Study

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


def activity_files(
    study: Study, observation: Observation, estimates: Mapping[str, Estimate]
) -> dict[str, bytes]:
    """Return a figure of a network's activity, and its statistics, by file name."""
    draw = rates_figure if observation.spikes is None else raster_figure
    figure = draw(observation, up_states=find_up_states(study, observation))
    table = json.dumps(statistics_json(estimates), indent=1)
    return {"activity.png": png(figure), "statistics.json": table.encode()}
