"""Units chosen by ranges of numbers, and populations and clusters from columns of any name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from calibrate import RecordingError, read_recording
from tests.helpers.recorded_files import write_nwb

DEPTHS = [120.0, 310.0, 555.0, 790.0, 1200.0, np.nan]
TYPES = ["RS", "pyr", "FS", "fs", "RS", "unclassified"]
AREAS = ["V1", "LM", "V1", "V1", "LM", "V1"]
LAYERS = ["2/3", "4", "4", "2/3", "4", "2/3"]


def nwb(path: Path) -> Path:
    """Six units; unit k fires k + 1 times."""
    columns: dict[str, Any] = {
        "spike_times": [np.arange(1, k + 2) / 10 for k in range(6)],
        "depth": DEPTHS,
        "cell_type": TYPES,
        "area": AREAS,
        "layer": LAYERS,
    }
    return write_nwb(path.with_suffix(".nwb"), columns)


def table(path: Path) -> Path:
    """The same as CSV."""
    rows = [
        (100.0 * n, k, DEPTHS[k], TYPES[k], AREAS[k], LAYERS[k]) for k in range(6) for n in range(1, k + 2)
    ]
    names = ["time_ms", "unit", "depth", "cell_type", "area", "layer"]
    path = path.with_suffix(".csv")
    pd.DataFrame(rows, columns=names).to_csv(path, index=False)
    return path


@pytest.fixture(params=[nwb, table], ids=["nwb", "csv"])
def path(request, tmp_path: Path) -> Path:
    return request.param(tmp_path / "units")


def counts(path: Path, **options: Any) -> dict[str, list[int]]:
    """The number of spikes of each unit, which tells units apart, by population."""
    recording = read_recording(path, **options)
    return {name: [len(train) for train in trains] for name, trains in recording.trains.items()}


@pytest.mark.parametrize(
    ("depth", "kept"),
    [
        ({"min": 310, "max": 790}, [2, 3, 4]),
        ({"min": 600.0}, [4, 5]),
        ({"max": 200}, [1]),
    ],
)
def test_units_are_chosen_by_a_range(path, depth, kept):
    assert counts(path, units={"depth": depth}) == {"E": kept}


def test_several_columns_all_count(path):
    assert counts(path, units={"depth": {"min": 300}, "area": ["V1", "LM"]}) == {"E": [2, 3, 4, 5]}
    assert counts(path, units={"depth": {"min": 300}, "area": "LM"}) == {"E": [2, 5]}


@pytest.mark.parametrize(
    ("units", "message"),
    [
        ({"depth": {"min": 5000}}, "no unit has depth from 5000: they have 120 to 1200"),
        ({"depth": {"min": 320, "max": 330}}, "no unit has depth from 320 to 330: they have 120 to 1200"),
        ({"area": {"max": 3}}, "area has no numbers, by which to choose units from min to max: 4 V1, 2 LM"),
        ({"depth": {"from": 3}}, "units are chosen by depth between min and max, not from"),
        ({"dephts": {"min": 3}}, "by which to choose (did you mean 'depth'?); it has"),
        ({"depth": {"max": 200}, "area": "LM"}, "has no unit with depth to 200, area = LM"),
    ],
)
def test_what_cannot_be_chosen_is_said(path, units, message):
    with pytest.raises(RecordingError) as caught:
        read_recording(path, units=units)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_types_of_cells_are_populations_of_the_network(path):
    types = {"column": "cell_type", "E": ["RS", "pyr"], "I": "FS"}
    assert counts(path, population=types) == {"E": [1, 2, 5], "I": [3, 4]}
    (note,) = (one for one in read_recording(path, population=types).notes if "population" in one)
    assert note == "units of no population are left out, by their cell_type: 1 unclassified"
    assert counts(path, population={"column": "area"}) == {"LM": [2, 5], "V1": [1, 3, 4, 6]}
    assert counts(path, population=types, units={"area": "V1"}) == {"E": [1], "I": [3, 4]}


def test_a_file_may_lack_a_population(path):
    recording = read_recording(path, population={"column": "cell_type", "E": "RS", "I": "PV"})
    assert list(recording.trains) == ["E"]
    assert "there are no units of I, since none has cell_type = PV" in recording.notes


@pytest.mark.parametrize(
    ("population", "message"),
    [
        ({"E": "RS"}, "population does not name a column"),
        ({"column": "cell_typ", "E": "RS"}, "(did you mean 'cell_type'?)"),
        ({"column": "cell_type", "E": "SST"}, "no unit has cell_type = SST: 2 RS, 2 FS, 1 pyr, 1 unclass"),
        ({"column": "cell_type", "E": ["RS"], "I": ["FS", "rs"]}, "cell_type = rs is in both E and I"),
    ],
)
def test_a_population_that_is_not_there_is_said(path, population, message):
    with pytest.raises(RecordingError) as caught:
        read_recording(path, population=population)
    assert message in str(caught.value)


def test_a_column_of_any_name_tells_clusters_apart(path):
    recording = read_recording(path, cluster="layer")
    assert recording.clusters == {"E": [3, 3]}
    assert [len(train) for train in recording.trains["E"]] == [1, 4, 6, 2, 3, 5]
    with pytest.raises(RecordingError, match="1 of 6 units have no depth, but others do"):
        read_recording(path, cluster="depth")


def test_units_with_one_name_in_two_clusters_stay_two_units(tmp_path):
    rows = "time_ms,unit,cluster,layer\n1,0,a,4\n2,0,b,4\n3,1,a,5\n"
    (tmp_path / "units.csv").write_text(rows)
    recording = read_recording(tmp_path / "units.csv", cluster="layer")
    assert recording.clusters == {"E": [2, 1]}
    assert read_recording(tmp_path / "units.csv", population={"column": "cluster", "E": "a"}).units == 2


def test_a_column_that_differs_within_a_unit_is_refused(tmp_path):
    (tmp_path / "units.csv").write_text("time_ms,unit,kind\n1,0,a\n2,0,b\n3,1,a\n")
    for options in ({"cluster": "kind"}, {"population": {"column": "kind", "E": "a"}}):
        with pytest.raises(RecordingError, match="kind differs between the spikes of a unit"):
            read_recording(tmp_path / "units.csv", **options)
