"""The section of a report on the activity of the best network, in every condition of the study."""

from __future__ import annotations

from collections.abc import Callable

from calibrate.calibration.trials.summary import TrialSummary
from calibrate.errors import CalibrateError, StoreError
from calibrate.figures import distributions_figure, raster_figure, rates_figure
from calibrate.observation import Observation
from calibrate.report.picture import Picture
from calibrate.report.sections import Section
from calibrate.results.results import Results
from calibrate.study.conditions import Condition
from calibrate.study.up_states import find_up_states


def activity(results: Results, simulate: bool, say: Callable[[str], None]) -> Section:
    best = results.best
    if best is None:
        return Section(name="activity", title="Activity")
    pictures: list[Picture] = []
    for condition in results.study.conditions:
        observation = _observation(results, best, condition, simulate, say)
        if observation is not None:
            pictures += _pictures(results, best, condition, observation)
    if not pictures:
        return Section(name="activity", title="Activity", text=["Its observation was not stored."])
    return Section(name="activity", title="Activity of the best network", pictures=pictures)


def _pictures(
    results: Results, best: TrialSummary, condition: Condition, observation: Observation
) -> list[Picture]:
    states = find_up_states(results.study, observation)
    boxes = "; boxes are detected up-states" if states is not None and states.start.size else ""
    if observation.spikes is not None:
        figure, what = (
            raster_figure(observation, up_states=states),
            "All spikes, with neurons sorted by cluster, above the",
        )
    else:
        figure, what = rates_figure(observation, up_states=states), "The"
    rates = ", ".join(
        f"{name} {observation.totals(name).mean() / observation.duration_ms * 1000:.3g} Hz"
        for name in observation.layout.populations
    )
    held_out = " (held out)" if condition.held_out else ""
    where = f"Condition {condition.name}{held_out}. " if condition.name else ""
    end = f"-{condition.name}" if condition.name else ""
    pictures = [
        Picture(
            name=f"activity{end}",
            figure=figure,
            caption=f"{where}{what} rate of each cluster{boxes}.",
            alt=f"{where}Activity of the best network; mean rates: {rates}.",
        )
    ]
    try:
        observations = _stored_observations(results, best, condition) or [observation]
        label = f"trial {best.number}"
        figure = distributions_figure(results, {label: observations}, condition=condition.name)
        which = "fresh graphs" if condition.held_out else "the graphs of the search"
        caption = f"{where}Distributions over neurons and up-states, pooled over {which}."
        if any(statistic.compares is not None for statistic in condition.statistics):
            caption += " Filled: those that objectives compare them with."
        pictures.append(Picture(name=f"distributions{end}", figure=figure, caption=caption, alt=caption))
    except CalibrateError:
        pass  # too little activity for any distribution
    return pictures


def _observation(
    results: Results,
    best: TrialSummary,
    condition: Condition,
    simulate: bool,
    say: Callable[[str], None],
) -> Observation | None:
    stored = _stored_observations(results, best, condition)
    if stored and (stored[0].spikes is not None or not simulate):
        return stored[0]
    if not simulate:
        return None
    where = f" in condition {condition.name}" if condition.name else ""
    say(f"Simulating trial {best.number} again for its raster{where}.")
    return results.simulate(best.number, condition=condition.name).observation


def _stored_observations(results: Results, best: TrialSummary, condition: Condition) -> list[Observation]:
    graphs = results.study.graphs.fresh if condition.held_out else range(best.graphs)
    observations = []
    for graph in graphs:
        try:
            observations.append(results.observation(best.number, graph=graph, condition=condition.name))
        except StoreError:
            break
    return observations
