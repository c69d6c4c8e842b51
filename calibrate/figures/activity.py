"""The activity of a trial, as files for Optuna's dashboard."""

from __future__ import annotations

import json
from collections.abc import Mapping

from calibrate.figures.raster import raster_figure, rates_figure
from calibrate.figures.style import png
from calibrate.objective import Estimate
from calibrate.observation import Observation
from calibrate.store.rows import statistics_json
from calibrate.study import Study
from calibrate.study.conditions import Condition
from calibrate.study.up_states import find_up_states


def activity_files(
    study: Study, condition: Condition, observation: Observation, estimates: Mapping[str, Estimate]
) -> dict[str, bytes]:
    """Return a figure of a network's activity in a condition, and its statistics, by file name."""
    draw = rates_figure if observation.spikes is None else raster_figure
    figure = draw(observation, up_states=find_up_states(study, observation))
    table = json.dumps(statistics_json(estimates), indent=1)
    end = f"-{condition.name}" if condition.name else ""
    return {f"activity{end}.png": png(figure), f"statistics{end}.json": table.encode()}
