"""What tests of pools share."""

from __future__ import annotations

from pathlib import Path

import pytest

from calibrate.simulation.jobs import Setup
from tests.helpers.pools import TREACHEROUS


@pytest.fixture
def treacherous(tmp_path: Path) -> Setup:
    (tmp_path / "plugin.py").write_text(TREACHEROUS)
    return Setup(model="plugin.py:model", folder=tmp_path, backend="poisson")
