"""Observations, recordings and databases that are damaged, foreign or made to do harm: one line says so."""

from __future__ import annotations

import hashlib
import io
import json
import math
import pickle
import sqlite3
import warnings
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from calibrate.cli.commands import execute
from calibrate.errors import CalibrateError, RecordingError, StoreError
from calibrate.objective import Estimate, Statistic
from calibrate.observation import Layout, Observation, Presentation, observe_spikes
from calibrate.observation.recorded_file import read_recording
from calibrate.store import archive
from calibrate.tasks.catalogue import statistics
from tests.helpers.fuzzing import assert_answers_in_its_own_words, call, thorough
from tests.helpers.studies import write_study

LAYOUT = Layout.of([("E", 6, 2), ("I", 2, 1)])


class Bomb:
    """Writes a file where it is unpickled."""

    def __reduce__(self) -> Any:
        return (Path.touch, (Path("unpickled"),))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    found = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(found)
        yield found


def an_observation() -> Observation:
    random = np.random.default_rng(0)
    neuron, step = np.nonzero(random.random((8, 1000)) < 0.02)
    return observe_spikes(step, neuron, LAYOUT, dt_ms=1.0, duration_ms=1000.0)


def saved(folder: Path) -> bytes:
    archive.save(an_observation(), folder / "whole.npz")
    return (folder / "whole.npz").read_bytes()


def packed(arrays: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=True, **{name: np.asarray(array) for name, array in arrays.items()})
    return buffer.getvalue()


def assert_loads_or_is_refused(folder: Path, content: bytes) -> None:
    path = folder / "some.npz"
    path.write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            found = archive.load(path)
        except StoreError as error:
            found, refused = None, str(error)
        for _, statistic in statistics() if found else ():
            assert_estimates_or_refuses(statistic, found)
    assert found or len(refused.splitlines()) == 1
    assert not (folder / "unpickled").exists()


wrong_arrays = st.sampled_from(
    [
        np.array([Bomb()], dtype=object),
        np.array(Bomb(), dtype=object),
        np.zeros(0),
        np.zeros((2, 2)),
        np.full(8, np.nan),
        np.full(8, np.inf),
        np.full(8, -1),
        np.full(8, 2**62),
        np.full((3, 1000), 2**62),
        np.array(["a"] * 8),
        np.array(b"\xff"),
        np.array("2026-01-01", dtype="datetime64[D]"),
        np.zeros(8, dtype=[("a", int)]),
        np.zeros(8, dtype=complex),
        np.zeros(8, dtype=bool),
        np.float64(3),
    ]
)
heads = st.sampled_from(
    [
        "",
        "[]",
        "null",
        "3",
        "{}",
        "[" * 100_000,
        "1" * 5000,
        {"format": None},
        {"format": "1"},
        {"format": 99},
        {"format": -1},
        {"layout": []},
        {"layout": None},
        {"layout": [["E", 0, 0, 10**30]]},
        {"layout": [["E", 0, 0, 8]]},
        {"layout": [["E", 0, 0, 3, 4]]},
        {"layout": [["E", 0, 0, 2.5], ["E", 1, 2.5, 6], ["I", 0, 6, 8]]},
        {"layout": [[["E"], 0, 0, 3], ["E", 1, 3, 6], ["I", 0, 6, 8]]},
        {"dt_ms": 0},
        {"dt_ms": -1.0},
        {"dt_ms": math.nan},
        {"dt_ms": "1"},
        {"duration_ms": math.inf},
        {"duration_ms": 10**400},
        {"duration_ms": -1000},
        {"bin_ms": 0},
        {"bin_ms": None},
        {"bin_ms": 1e-320},
        {"window_ms": 0.0},
        {"window_ms": math.nan},
        {"window_ms": [50]},
        {"presentations": 3},
        {"presentations": [["E"]]},
        {"presentations": [["X", [0], 0.0, 10.0]]},
        {"presentations": [["E", [7], math.nan, 10.0]]},
        {"presentations": [["E", 1, 0.0, 10.0]]},
        {"presentations": [["E", ["a"], "b", None]]},
    ]
)


@thorough(100)
@given(st.data())
def test_a_damaged_file_of_an_observation_is_refused_in_one_line(folder, data):
    content = saved(folder)
    start = data.draw(st.integers(0, len(content)))
    what = data.draw(st.sampled_from(["end", "insert", "overwrite"]))
    piece = data.draw(st.binary(min_size=1, max_size=8))
    damaged = {
        "end": content[:start],
        "insert": content[:start] + piece + content[start:],
        "overwrite": content[:start] + piece + content[start + len(piece) :],
    }[what]
    assert_loads_or_is_refused(folder, damaged)


@thorough(100)
@given(st.data())
def test_an_observation_of_wrong_arrays_is_refused_in_one_line(folder, data):
    with np.load(io.BytesIO(saved(folder))) as found:
        arrays: dict[str, Any] = dict(found)
    head = json.loads(str(arrays["head"]))
    changes = data.draw(st.dictionaries(st.sampled_from(sorted(arrays)), wrong_arrays, max_size=2))
    changed = data.draw(st.none() | heads)
    if changed is not None:
        changes["head"] = changed if isinstance(changed, str) else json.dumps({**head, **changed})
    arrays |= changes
    for name in data.draw(st.sets(st.sampled_from(sorted(arrays)), max_size=1)):
        del arrays[name]
    assert_loads_or_is_refused(folder, packed(arrays))


def bomb_of(size: int) -> bytes:
    """A zip of a few KB whose one array takes `size` bytes."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f8", "fortran_order": False, "shape": (size // 8,)}
    )
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archived:
        for name in ("head", "time_ms", "unit"):
            with archived.open(f"{name}.npy", "w", force_zip64=True) as file:
                file.write(header.getvalue())
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content", [b"", b"PK", b"\x80\x04.", pickle.dumps(Bomb()), bomb_of(2**60), b"x" * 1000]
)
def test_what_is_no_observation_and_no_recording_is_refused_and_never_unpickled(content, folder):
    (folder / "some.npz").write_bytes(content)
    with pytest.raises(StoreError, match="is not an observation that calibrate wrote"):
        archive.load(folder / "some.npz")
    with pytest.raises(RecordingError, match=r"cannot be read as a recording|would need"):
        read_recording(folder / "some.npz")
    assert not (folder / "unpickled").exists()


def test_an_observation_that_was_changed_is_refused_by_its_hash(folder):
    content = saved(folder)
    (folder / "some.npz").write_bytes(content)
    archive.load(folder / "some.npz", hashlib.sha256(content).hexdigest())
    with pytest.raises(StoreError, match="its hash differs"):
        archive.load(folder / "some.npz", hashlib.sha256(content[:-1]).hexdigest())


cells = st.sampled_from(
    ["1", "-5", "2.5", "", "nan", "inf", "x", "1e308", "-1e308", "9" * 400, '"', "é", "\0", "E", "1970"]
)


@thorough(60)
@given(
    st.lists(
        st.sampled_from(["time_ms", "time_s", "unit", "population", "cluster", "start_ms", "x", ""]),
        max_size=5,
    ),
    st.lists(st.lists(cells, max_size=5), max_size=6),
    st.sampled_from(["utf-8", "utf-16", "latin-1"]),
)
@example(["time_ms", "unit"], [["1", "1"], ["1e308", "1"]], "utf-8")
@example(["time_ms", "unit", "cluster"], [["1", "1", "E"], ["2000", "2", "1"], ["1", "3", ""]], "utf-8")
@example(["time_ms", "unit"], [["0.1", "1"], ["1e12", "1"]], "utf-8")
def test_any_csv_is_a_recording_or_refused_in_lines_of_its_own(folder, columns, rows, encoding):
    text = "\n".join(",".join(row) for row in [columns, *rows])
    (folder / "some.csv").write_bytes(text.encode(encoding, "replace"))
    assert_answers_in_its_own_words(*call("stats", "some.csv", "--repeats", "2", "--statistic", "rate_E"))


@thorough(60)
@given(
    st.dictionaries(
        st.sampled_from(["time_ms", "time_s", "unit", "population", "cluster", "start_ms", "stop_ms"]),
        wrong_arrays
        | st.sampled_from(
            [np.arange(8.0) * 1000, np.arange(8), np.array(1e5), np.array(-5.0), np.array(["E"] * 8)]
        ),
        max_size=5,
    )
)
@example({"time_ms": np.arange(8.0) * 1000, "unit": np.arange(8), "start_ms": np.array(1e300)})
@example({"time_ms": np.arange(8.0) * 1000, "unit": np.arange(8), "stop_ms": np.array(1e300)})
@example({"time_ms": np.arange(8.0) * 1000, "unit": np.arange(8), "stop_ms": np.array(1e12)})
@example({"time_ms": np.arange(8.0) * 1000, "unit": np.arange(8), "stop_ms": np.array(np.nan)})
@example({"time_ms": np.arange(8.0) * 1000, "unit": np.arange(8), "cluster": np.zeros(3)})
@example({"time_ms": np.arange(8.0) * 1000, "unit": np.arange(8), "population": np.zeros(3)})
def test_any_npz_is_a_recording_or_refused_in_lines_of_its_own(folder, arrays):
    (folder / "some.npz").write_bytes(packed(arrays))
    assert_answers_in_its_own_words(*call("stats", "some.npz", "--repeats", "2", "--statistic", "rate_E"))
    assert not (folder / "unpickled").exists()


def assert_estimates_or_refuses(statistic: object, observation: Observation) -> None:
    """A finite or NaN estimate, or an error of ours; never an infinity or another exception."""
    assert isinstance(statistic, Statistic)
    try:
        estimate = statistic(observation)
    except CalibrateError:
        return
    assert isinstance(estimate, Estimate)
    assert not math.isinf(estimate.value), statistic.name
    assert estimate.defined or 0 <= estimate.shortfall <= 1, statistic.name


@st.composite
def observations(draw: st.DrawFn) -> Observation:
    """Networks of a few neurons: silent, with one spike, with all there can be, very short, with stimuli."""
    clusters, size = draw(st.integers(1, 4)), draw(st.sampled_from([1, 2, 3, 10]))
    populations = [("E", clusters * size, clusters)]
    populations += [("I", draw(st.integers(1, 3)), 1)] if draw(st.booleans()) else []
    layout = Layout.of(populations)
    dt_ms = draw(st.sampled_from([0.1, 0.5, 1.0]))
    duration_ms = draw(st.sampled_from([10.0, 50.0, 100.0, 500.0, 2000.0]))
    n = round(duration_ms / dt_ms)
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    share = draw(st.sampled_from([0.0, 1 / (n * layout.n_neurons), 0.001, 0.01, 0.2, 1.0]))
    fires = random.random((layout.n_neurons, n)) < share
    if draw(st.booleans()):
        fires[1:] = fires[0]  # all as one
    neuron, step = np.nonzero(fires)
    found = observe_spikes(
        step,
        neuron,
        layout,
        dt_ms=dt_ms,
        duration_ms=duration_ms,
        bin_ms=draw(st.sampled_from([1.0, 5.0, 10.0])),
        window_ms=draw(st.sampled_from([10.0, 50.0])),
    )
    onsets = draw(st.lists(st.integers(0, int(duration_ms) - 1), max_size=5).map(sorted))
    shown = tuple(
        Presentation("E", (draw(st.integers(0, clusters - 1)),), float(t), min(t + 20.0, duration_ms))
        for t in onsets
    )
    depolarisation = random.choice([np.nan, 0.5, -3.0, 1.0], len(layout.groups))
    return replace(found, presentations=shown, depolarisation=depolarisation)


@thorough(60)
@given(observations())
def test_every_statistic_gives_a_number_or_nan_for_whatever_a_network_shows(observation):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _, statistic in statistics():
            assert_estimates_or_refuses(statistic, observation)


@pytest.fixture(scope="module")
def database(folder: Path) -> bytes:
    """A study that was run, as the bytes of its database."""
    write_study(folder)
    assert execute(["run", "small.toml", "--trials", "3", "--slots", "1", "--quiet"]) == 0
    with sqlite3.connect(folder / "small.db") as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("PRAGMA journal_mode = DELETE")
    connection.close()
    return (folder / "small.db").read_bytes()


COMMANDS = (("show",), ("export",), ("report",), ("simulate", "--trial", "0"))
WRITING = (("run", "--quiet", "--slots", "1"), ("rescore",), ("copy", "--to", "sqlite:///copy.db"))
JUNK = [
    "",
    "x",
    "null",
    "[]",
    "{}",
    "3",
    '"a"',
    "{",
    "[" * 5000,
    b"\xff\xfe",
    None,
    -1,
    2**62,
    1e308,
    "9" * 5000,
]
JUNK += ['{"simulation": 3}', '{"rate_E": {}}', '{"rate_E": {"value": "x"}}', "[[1]]", "NaN", "2026-13-45"]
COLUMNS = [
    *(("calibrate_study", name) for name in ("name", "content", "text", "created", "versions", "taken")),
    *(
        ("calibrate_simulation", name)
        for name in ("uuid", "parameters", "backend", "finished", "statistics", "status")
    ),
    *(
        ("calibrate_simulation", name)
        for name in ("seed", "candidate", "observation", "sha256", "wall_s", "trial")
    ),
    *(("trial_user_attributes", name) for name in ("key", "value_json")),
    *(("trial_params", name) for name in ("param_value", "distribution_json")),
    *(("trial_values", name) for name in ("value", "value_type")),
    *(("trials", name) for name in ("number", "state")),
    ("calibrate_schema", "version"),
    ("studies", "study_name"),
    ("study_directions", "direction"),
    ("version_info", "schema_version"),
]
TABLES = sorted({table for table, _ in COLUMNS} | {"calibrate_verdict", "alembic_version"})


def assert_every_command_answers(folder: Path, content: bytes, commands: tuple[tuple[str, ...], ...]) -> None:
    for command, *more in commands:
        for name in ("some.db", "some.db-wal", "some.db-shm", "copy.db"):
            (folder / name).unlink(missing_ok=True)
        (folder / "some.db").write_bytes(content)
        code, out, err = call(command, "small.toml", "--storage", "sqlite:///some.db", *more)
        errors = [line for line in err.splitlines() if line.startswith("error: ")]
        assert code in (0, 1, 2), (command, err)
        assert "unexpected:" not in err, (command, err)
        assert "Traceback" not in out + err, (command, err)
        assert (code != 0) == bool(errors), (command, code, err)


def with_sql(folder: Path, content: bytes, statement: str, *values: object) -> bytes:
    path = folder / "changed.db"
    path.write_bytes(content)
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA foreign_keys = OFF")
    with connection:
        connection.execute(statement, values)
    connection.close()
    return path.read_bytes()


@pytest.mark.slow
@thorough(60)
@given(st.sampled_from(COLUMNS), st.sampled_from(JUNK), st.sampled_from(COMMANDS))
def test_a_database_with_junk_in_a_column_costs_one_line(folder, database, column, junk, command):
    table, name = column
    try:
        content = with_sql(folder, database, f"UPDATE {table} SET {name} = ?", junk)
    except sqlite3.IntegrityError:
        return  # the database keeps it out
    assert_every_command_answers(folder, content, (command,))


@pytest.mark.parametrize("table", TABLES)
def test_a_database_without_one_of_its_tables_costs_one_line(folder, database, table):
    content = with_sql(folder, database, f"DROP TABLE {table}")
    assert_every_command_answers(folder, content, COMMANDS + WRITING)


@pytest.mark.parametrize(
    "content", [b"", b"a text\n", b"SQLite format 3\0", b"SQLite format 3\0" + b"\xff" * 5000]
)
def test_a_file_that_is_no_database_costs_one_line(folder, content):
    write_study(folder)
    assert_every_command_answers(folder, content, COMMANDS)


def test_a_database_that_is_cut_or_another_programs_costs_one_line(folder, database):
    for length in (50, 100, 4096, 10_000, len(database) // 2, len(database) - 4096):
        assert_every_command_answers(folder, database[:length], COMMANDS)
    (folder / "empty.db").unlink(missing_ok=True)
    other = with_sql(folder, b"", "CREATE TABLE calibrate_study (id INTEGER)")
    assert_every_command_answers(folder, other, COMMANDS + WRITING[1:])
