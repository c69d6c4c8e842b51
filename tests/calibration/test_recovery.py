"""Parameters recovered from a recording, in a small version of benchmarks/recovery.py."""

from __future__ import annotations

import pytest

from benchmarks.recovery import TRUTH, recover


@pytest.mark.slow
@pytest.mark.genn
def test_targets_of_a_recording_are_met_and_what_they_leave_loose_is_said(tmp_path):
    found = recover(
        tmp_path,
        trials=90,
        loss=0.02,
        seed=1,
        backend="genn",
        statistics=("rate_E", "rate_I"),
        duration_ms=1000.0,
        recorded_ms=20_000.0,
        progress=False,
    )
    assert found.best is not None
    assert found.best.all_met
    loose = found.looseness
    assert loose is not None
    # Two rates do not fix four parameters: along one direction they reach far.
    reach = [
        abs(high - low) / (max(loose.parameters[name]) - min(loose.parameters[name]))
        for name, (low, high) in loose.loosest.items()
    ]
    assert max(reach) > 0.5
    for name, value in TRUTH.items():
        low, high = min(loose.parameters[name]), max(loose.parameters[name])
        assert low - 0.5 * (high - low) <= value <= high + 0.5 * (high - low), name
