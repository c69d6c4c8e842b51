"""Tests that run once per simulator."""

from __future__ import annotations

from typing import Any

import pytest


def both(*names: str) -> list[Any]:
    """Parameters for a test that runs once per simulator; GeNN's carry their mark."""
    return [pytest.param(name, marks=pytest.mark.genn) if name == "genn" else name for name in names]
