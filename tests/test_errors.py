"""Suggestions for misspelled names: near ones, and none that nobody meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from calibrate import plugins
from calibrate.errors import PluginError, did_you_mean

STATISTICS = ["rate", "rate_E", "switching_rate", "switching_rate_E", "synchrony", "lv", "cv", "cv2", "fano"]


@pytest.mark.parametrize(
    ("name", "known", "meant"),
    [
        ("rates_E", STATISTICS, "rate_E"),
        ("RATE_e", STATISTICS, "rate_E"),
        ("firing_rate_E", STATISTICS, "rate_E"),
        ("mean_rate", STATISTICS, "rate"),
        ("sync", STATISTICS, "synchrony"),
        ("cv3", ["cv2", "lv"], "cv2"),
        ("dt", ["dt_ms", "duration_ms"], "dt_ms"),
        ("n_trials", ["trials", "loss"], "trials"),
        ("larva_model", ["balanced", "larva"], "larva"),
        ("ei", ["balanced", "ei_clustered"], "ei_clustered"),
        ("bayes", ["tpe", "cmaes"], None),
        ("brian2", ["genn", "nest"], None),
    ],
)
def test_a_name_that_is_near_is_suggested(name, known, meant):
    assert did_you_mean(name, known) == (f" (did you mean '{meant}'?)" if meant else "")


def test_a_file_is_told_from_an_installed_model(tmp_path: Path):
    (tmp_path / "tiny.py").write_text("from calibrate import Model\ntiny = 1\n")
    for name, hint in {
        "tiny": "for that in your file, write tiny.py:NAME",
        "tiny.py": "tiny.py is a file: write tiny.py:NAME",
        "tiny.py:modle": "tiny.py has no 'modle'$",  # Model is imported there
        "tiny.py:Tiny": "did you mean 'tiny'",
    }.items():
        with pytest.raises(PluginError, match=hint):
            plugins.load(name, plugins.MODELS, folder=tmp_path)
