"""The figure of growth: points, fits, the limit of real time."""

from __future__ import annotations

import pytest

from calibrate.errors import StudyError
from calibrate.figures import scaling_figure
from tests.helpers.scaling import measured, scaling_of


def test_the_figure_has_points_fits_and_the_real_time_limit():
    sizes = (1000, 2000, 4000)
    found = scaling_of(*(measured(n, n**2 / 9e6) for n in sizes))
    time, memory = scaling_figure(found).axes
    real_time, points, fit, limit = time.lines
    assert list(real_time.get_ydata()) == [1, 1]
    assert list(points.get_ydata()) == pytest.approx([1 / 9, 4 / 9, 16 / 9])
    assert list(fit.get_ydata()) == pytest.approx([1 / 9, 16 / 9])
    assert limit.get_xdata()[0] == pytest.approx(3000)
    assert list(memory.lines[0].get_ydata()) == pytest.approx(
        [1000 * n**2 / 2**30 for n in (1000, 2000, 4000)]
    )
    scales = [scale for axes in (time, memory) for scale in (axes.get_xscale(), axes.get_yscale())]
    assert scales == ["log"] * 4
    assert time.get_legend().get_texts()[0].get_text() == r"nest, cpu: $n^{2.00 \pm 0.00}$"


def test_the_figure_dashes_what_is_extrapolated_and_has_single_sizes_without_a_fit():
    time, _ = scaling_figure(scaling_of(*(measured(n, n**2 / 1e8) for n in (2000, 4000)))).axes
    assert [line.get_linestyle() for line in time.lines[2:4]] == ["-", "--"]
    assert list(time.lines[3].get_xdata()) == pytest.approx([4000, 10_000])
    time, _ = scaling_figure(scaling_of(measured(1000, 0.5))).axes
    assert len(time.lines) == 2
    with pytest.raises(StudyError, match="nothing to draw"):
        scaling_figure(scaling_of())
