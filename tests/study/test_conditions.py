"""Conditions in a study file: each mistake is refused in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from calibrate.errors import StudyError
from tests.helpers.conditions import ALL, BOTH, DRUG, EVOKED, GAIN, SPONTANEOUS, of
from tests.helpers.studies import RATE_E, Tables, small_study

PROBLEMS: list[tuple[Tables, str]] = [
    (
        {"conditions": [SPONTANEOUS, SPONTANEOUS]},
        '[conditions 2] name is that of an earlier one: "spontaneous"',
    ),
    ({"conditions": [{"name": "a-b"}]}, "may contain only letters, digits and _"),
    ({"objectives": [RATE_E]}, "[objectives 1] does not say in which condition; add condition"),
    ({"objectives": [of("evokd", RATE_E)]}, "is not a condition (did you mean 'evoked'?)"),
    ({"objectives": [{**GAIN, "difference": ["evoked", "evoked"]}]}, "a condition from itself, which is 0"),
    ({"objectives": [of("evoked", GAIN)]}, "has both condition and difference; keep one of them"),
    ({"conditions": None}, "names a condition, but the study has no [[conditions]]"),
    ({"conditions": [{**SPONTANEOUS, "held_out": True}, {**EVOKED, "held_out": True}]}, "are all held out"),
    (
        {"conditions": [SPONTANEOUS, {**EVOKED, "held_out": True}], "objectives": [GAIN]},
        "are all about conditions that are held out",
    ),
    (
        {
            "conditions": [SPONTANEOUS, EVOKED, DRUG],
            "constraints": [of("drug", {"statistic": "rate_E", "max": 5.0})],
        },
        "is about a condition that is held out, which the search does not simulate",
    ),
    (
        {"conditions": [SPONTANEOUS, {**EVOKED, "parameters": {"flagg": {"set": True}}}]},
        "(did you mean 'flag'?)",
    ),
    ({"conditions": [SPONTANEOUS, {**EVOKED, "parameters": {"I_E": {}}}]}, "of I_E neither set nor scale"),
    (
        {"conditions": [SPONTANEOUS, {**EVOKED, "parameters": {"I_E": {"set": 1.0, "scale": 2.0}}}]},
        "both sets",
    ),
    ({"conditions": [SPONTANEOUS, {**EVOKED, "parameters": {"rule": {"scale": 2.0}}}]}, "is not a number"),
    ({"conditions": [SPONTANEOUS, {**EVOKED, "parameters": {"I_E": {"set": 99.0}}}]}, "must be at most 10"),
    (
        {"conditions": [SPONTANEOUS, {**EVOKED, "parameters": {"I_E": {"scale": 5.0}}}]},
        "condition evoked: I_E must be at most 10",
    ),
    ({"conditions": [SPONTANEOUS, {**EVOKED, "duration_ms": 2000.5}]}, "[conditions 2] duration_ms"),
    (
        {"objectives": [{**GAIN, "target": None, "distribution": [1.0, 2.0]}]},
        "is a difference, which has",
    ),
    (
        {"objectives": [of("evoked", {**RATE_E, "during_ms": [0, 1000]}), GAIN]},
        "has the name of another statistic in condition evoked",
    ),
    (
        {
            "stages": [{"duration_ms": 500}],
            "conditions": [SPONTANEOUS, {**EVOKED, "duration_ms": 400}],
            "constraints": [of("evoked", {"statistic": "rate_E", "max": 9.0})],
        },
        "must be shorter than every condition, 400 ms",
    ),
]


@pytest.mark.parametrize(("change", "message"), PROBLEMS, ids=[message[:40] for _, message in PROBLEMS])
def test_mistakes_are_refused_in_one_line(tmp_path, change, message):
    with pytest.raises(StudyError) as error:
        small_study(tmp_path, BOTH, change)
    assert message in str(error.value)
    for line in str(error.value).splitlines():
        assert line.startswith(str(Path(tmp_path) / "small.toml:"))


def test_a_condition_that_nothing_predicts_is_warned_of(tmp_path):
    (warning,) = small_study(tmp_path, ALL, replicates={"fresh": 0}).warnings
    assert "drug is held out" in warning
