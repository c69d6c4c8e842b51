"""The raster figure: what it shows, with which units, and where it can be saved."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from calibrate.errors import CalibrateError, ObservationError
from calibrate.figures.raster import raster_figure
from calibrate.figures.style import COLOURS, check_path, save
from calibrate.observation import Layout, Observation, observe_spikes


def observation(*sizes: tuple[str, int, int], bin_ms: float = 1.0, rate: float = 0.01) -> Observation:
    layout = Layout.of(sizes)
    random = np.random.default_rng(1)
    step, neuron = np.nonzero(random.random((1000, layout.n_neurons)) < rate)
    return observe_spikes(step, neuron, layout, dt_ms=1.0, duration_ms=1000.0, bin_ms=bin_ms, window_ms=100.0)


def test_clustered_networks_show_every_spike_over_the_rates_of_all_clusters():
    shown = observation(("E", 40, 4), ("I", 10, 2))
    raster, rates, colourbar = raster_figure(shown).axes
    lines = [line for line in raster.lines if line.get_marker() == "|"]
    assert [line.get_color() for line in lines] == list(COLOURS[:2])
    assert sum(len(line.get_xdata()) for line in lines) == shown.neuron_totals.sum()
    assert max(lines[0].get_ydata()) < 40 <= min(lines[1].get_ydata())
    assert rates.images[0].get_array().shape == (6, 200)
    assert rates.get_xlabel() == "time (s)"
    assert rates.get_xlim() == (0.0, 1.0)
    assert colourbar.get_ylabel() == "rate (Hz)"
    assert {text.get_text() for text in raster.texts} == {"E", "I"}


def test_names_of_small_populations_do_not_overlap():
    small = [(name, 2, 2) for name in ("APL", "MBON", "MBIN", "MBON_LN")]
    figure = raster_figure(observation(("ORN", 21, 21), ("KC", 72, 1), *small))
    figure.draw_without_rendering()
    for axes in figure.axes[:2]:
        assert [text.get_text() for text in axes.texts] == ["ORN", "KC", "APL", "MBON", "MBIN", "MBON_LN"]
        boxes = [text.get_window_extent() for text in axes.texts]
        assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
        label = axes.yaxis.label.get_window_extent()
        assert not any(label.overlaps(box) for box in boxes)


def test_the_rates_are_those_of_the_neurons():
    shown = observation(("E", 400, 2), rate=0.02)
    mean = raster_figure(shown).axes[1].images[0].get_array().mean()
    assert mean == pytest.approx(20, rel=0.05)


def test_networks_without_clusters_show_the_rate_of_each_population():
    _, rates = raster_figure(observation(("E", 40, 1), ("I", 10, 1))).axes
    assert [line.get_label() for line in rates.lines] == ["E", "I"]
    assert rates.get_ylabel() == "rate (Hz)"


@pytest.mark.parametrize("bin_ms", [1.0, 2.0, 4.0, 20.0])
def test_any_width_of_bins_will_do(bin_ms):
    raster_figure(observation(("E", 40, 2), bin_ms=bin_ms))


def test_a_silent_network_has_a_figure_too():
    raster_figure(observation(("E", 40, 2), rate=0.0))


def test_of_many_neurons_a_part_is_shown_and_said():
    raster = raster_figure(observation(("E", 5000, 2), rate=0.001)).axes[0]
    assert raster.get_ylabel() == "neuron (1 in 3 shown)"


def test_counts_alone_make_no_raster():
    with pytest.raises(ObservationError, match="needs spikes"):
        raster_figure(replace(observation(("E", 4, 2)), spikes=None))


@pytest.mark.parametrize(("suffix", "magic"), [("png", b"\x89PNG"), ("pdf", b"%PDF"), ("svg", b"<?xml")])
def test_the_suffix_says_how_it_is_saved(tmp_path, suffix, magic):
    path = tmp_path / f"x.{suffix}"
    save(raster_figure(observation(("E", 4, 2))), path)
    assert path.read_bytes().startswith(magic)


def test_a_place_where_no_figure_can_be_is_refused(tmp_path):
    with pytest.raises(CalibrateError, match="unknown format of figure"):
        check_path(tmp_path / "x.doc")
    with pytest.raises(CalibrateError, match="there is no folder"):
        check_path(tmp_path / "no" / "x.png")
    (tmp_path / "x.png").mkdir()
    with pytest.raises(CalibrateError, match="cannot write the figure"):
        save(raster_figure(observation(("E", 4, 2))), tmp_path / "x.png")


def test_a_figure_needs_no_display_and_no_global_state():
    code = "import sys, calibrate.figures.raster; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
