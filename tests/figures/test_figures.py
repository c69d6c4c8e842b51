"""Figures of results: what is in them, and what is said where there is nothing to draw."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from calibrate import ObservationError, Results, StudyError, make_report, read_results, run_study
from calibrate.calibration.validation.agreement import Agreement, Side
from calibrate.calibration.validation.verdict import Verdict
from calibrate.figures import (
    distributions_figure,
    front_figure,
    history_figure,
    importance_figure,
    looseness_figure,
    map_figure,
    slices_figure,
    verdict_figure,
)
from calibrate.figures.style import INK, svg
from calibrate.results.looseness import Looseness
from tests.helpers.studies import RATE_I, small_study


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    folder = tmp_path_factory.mktemp("study")
    study = small_study(folder, constraints=[{"statistic": "rate_E", "max": 20.0}], budget={"trials": 40})
    url = f"sqlite:///{folder}/small.db"
    run_study(study, slots=2, progress=False, storage=url)
    return read_results(study, storage=url)


@pytest.fixture
def few(tmp_path: Path) -> Results:
    study = small_study(tmp_path, budget={"trials": 2})
    run_study(study, slots=1, progress=False)
    return read_results(study)


def test_the_history_has_every_trial_and_the_lowest_loss_so_far(results):
    (axes,) = history_figure(results).axes
    labels = {line.get_label(): line for line in axes.lines}
    losses = results.trials.loss[results.trials.feasible]
    np.testing.assert_allclose(labels["trial"].get_ydata(), np.maximum(losses, 1e-3))
    np.testing.assert_allclose(labels["best so far"].get_ydata(), np.maximum(losses.cummin(), 1e-3))
    broken = int((~results.trials.feasible).sum())
    assert len(labels["breaks a constraint"].get_ydata()) == broken > 0
    assert labels["best"].get_xdata()[0] == results.best.number
    assert axes.get_yscale() == "log"


def test_importance_names_the_parameters_with_their_shares_and_what_chance_reaches(results):
    axes, by_statistic = importance_figure(results).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == list(results.importances)
    widths = [bar.get_width() for bar in axes.patches]
    assert widths[::2] == list(results.importances.values())
    assert all(0 <= single <= whole <= 1 for whole, single in zip(widths[::2], widths[1::2], strict=True))
    assert [label.get_text() for label in by_statistic.get_xticklabels()] == ["rate_E", "rate_I"]
    assert [text.get_position() for text in by_statistic.texts] == [
        (column, row)
        for row, name in enumerate(results.importances)
        for column, statistic in enumerate(["rate_E", "rate_I"])
        if name in results.importance.clear[statistic]
    ]
    (chance,) = axes.lines
    assert 0 < chance.get_xdata()[0] == results.importance_by_chance < 1
    assert results.importances == dict(sorted(results.importances.items(), key=lambda one: -one[1]))


def test_slices_have_a_panel_for_each_statistic_and_parameter(results):
    figure = slices_figure(results)
    assert len(figure.axes) == 4
    assert [axes.get_xlabel() for axes in figure.axes[-2:]] == ["I_E", "I_I"]
    x, y = figure.axes[0].lines[0].get_data()
    np.testing.assert_array_equal(x, results.trials.I_E)
    np.testing.assert_array_equal(y, results.trials.rate_E)
    assert len(slices_figure(results, ["cv2_E"]).axes) == 2
    with pytest.raises(StudyError, match="no statistic 'nothing' was computed"):
        slices_figure(results, ["nothing"])


def test_looseness_draws_a_bar_inside_of_every_range(results):
    (axes,) = looseness_figure(results).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["I_I", "I_E"]
    for line in axes.lines:
        assert 0 <= min(line.get_xdata()) <= max(line.get_xdata()) <= 1


@pytest.mark.filterwarnings("error")
def test_the_looseness_of_a_single_parameter_has_room(results):
    one = Looseness(parameters={"I_E": (1.0, 2.0)}, loosest={}, trials=20, explained=0.9)
    shown = SimpleNamespace(looseness=one, best=results.best, study=results.study)
    figure = looseness_figure(shown)  # type: ignore[arg-type]
    figure.draw_without_rendering()
    (axes,) = figure.axes
    assert all(axes.get_ylim()[0] < text.get_position()[1] < axes.get_ylim()[1] for text in axes.texts)


def test_distributions_are_of_neurons_with_the_target_of_their_mean(results):
    shown = results.observation(results.best.number)
    figure = distributions_figure(results, {"one": [shown], "other": [shown, shown]})
    by_label = {axes.get_xlabel(): axes for axes in figure.axes if axes.get_visible()}
    assert "rate_E (Hz)" in by_label
    target = [line for line in by_label["rate_E (Hz)"].lines if line.get_label() == "target (mean)"]
    assert target[0].get_xdata()[0] == 5.0
    legend = {text.get_text() for text in figure.legends[0].get_texts()}
    assert {"one", "other", "target (mean)"} <= legend
    with pytest.raises(ObservationError, match="no statistic has a distribution to draw"):
        distributions_figure(results, {})


@pytest.fixture
def compared(tmp_path: Path) -> Results:
    """A study with an objective that is a distance, of the intervals of a sample of the neurons."""
    given = {"statistic": "isi_E", "distribution": [100.0, 200.0, 300.0], "tolerance": 20, "neurons": 10}
    study = small_study(tmp_path, {"objectives": [given, RATE_I]}, budget={"trials": 2})
    run_study(study, slots=1, progress=False)
    return read_results(study)


def test_what_an_objective_compares_is_drawn_together_and_is_a_distance_elsewhere(compared):
    shown = compared.simulate(compared.best.number).observation
    figure = distributions_figure(compared, {"network": [shown]})
    (axes,) = [axes for axes in figure.axes if axes.get_xlabel() == "isi_E (ms)"]
    assert axes.get_legend_handles_labels()[1] == ["target distribution", "network"]
    bars = axes.containers[0]
    covered = {round(value) for value in (100, 200, 300) for bar in bars if bar.get_height() > 0
               and bar.get_x() <= value < bar.get_x() + bar.get_width()}  # fmt: skip
    assert covered == {100, 200, 300}
    assert not axes.lines  # the target of the distance, 0, is no interval
    assert slices_figure(compared).axes[0].get_ylabel() == "distance of\nisi_E"
    maps = map_figure(compared, "I_E", "I_I", ["isi_E", "rate_I"])
    assert [axes.get_title(loc="left") for axes in maps.axes[:2]] == ["distance of isi_E (ms)", "rate_I (Hz)"]
    (distance, rate) = compared.best.targets
    assert (distance.aim, rate.aim) == ("distance ≤ 20", "9 to 11")
    section = make_report(compared, simulate=False).sections[0]
    assert "Of isi_E, the value is a distance of distributions, 0 if they are equal." in section.text[0]
    assert section.tables[0].rows[0][:3] == ["isi_E", "ms", "distance ≤ 20"]


def test_too_few_trials_are_said(few):
    with pytest.raises(StudyError, match="too few complete trials"):
        importance_figure(few)
    with pytest.raises(StudyError, match="too few trials near the targets"):
        looseness_figure(few)
    with pytest.raises(StudyError, match="is not a Pareto study"):
        front_figure(few)
    assert history_figure(few).axes


def verdict(*rows: Agreement) -> Verdict:
    return Verdict(
        trial=0,
        verdict="undecided",
        reasons=(),
        simulators=("NEST 3", "GeNN 5"),
        replicates=4,
        duration_ms=1000.0,
        finished="",
        failures={},
        statistics=rows,
    )


def row(name: str, **more: object) -> Agreement:
    given = {"unit": "", "scale": "linear", "reference": Side(mean=1.0, sd=1.0, defined=4), **more}
    return Agreement(name=name, **given)  # type: ignore[arg-type]


def test_a_verdict_is_drawn_in_tolerances_on_either_scale():
    linear = row("rate_E", difference=0.2, low=0.1, high=0.3, margin=0.4, decision="equivalent")
    ratio = row("dwell", scale="log", difference=1.5, low=1.0, high=2.25, margin=1.5, decision="undecided")
    (axes,) = verdict_figure(verdict(linear, ratio, row("cv_E", difference=0.1))).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["dwell", "rate_E"]
    intervals = [line.get_xdata() for line in axes.lines if len(line.get_xdata()) == 2][1:]
    np.testing.assert_allclose(intervals, [[0, 2], [0.25, 0.75]], atol=1e-12)
    assert axes.get_xlabel() == "NEST - GeNN, in tolerances"
    with pytest.raises(StudyError, match="does not compare two simulators"):
        verdict_figure(verdict(row("cv_E")))


def test_an_svg_for_a_page_takes_its_colours_and_shares_no_ids(results):
    one, other = svg(history_figure(results), "one"), svg(history_figure(results), "other")
    assert one.startswith("<svg")
    assert INK not in one
    assert "currentColor" in one
    ids = [set(re.findall(r'\bid="([^"]+)"', text)) for text in (one, other)]
    assert not ids[0] & ids[1]
    referred = re.findall(r'(?:href="#|url\(#)([^")]+)', one)
    assert referred
    assert set(referred) <= ids[0]
    assert one == svg(history_figure(results), "one")  # the same page again
