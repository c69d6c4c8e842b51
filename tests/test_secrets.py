"""Passwords of databases are nowhere: not in what is printed, not in files, not in the database."""

from __future__ import annotations

import ast
import shlex
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from calibrate import make_study
from calibrate.cli.commands import _without_passwords, execute
from calibrate.errors import StoreError
from calibrate.masking import without_password, without_passwords
from calibrate.store import connections, urls
from calibrate.study import read_study
from tests.helpers.studies import STUDY, write_study, write_text

pytestmark = pytest.mark.usefixtures("in_tmp_path")

SECRET = "hunter2secret"
URLS = {
    "nobody listens": f"postgresql://user:{SECRET}@127.0.0.1:1/db",
    "driver": f"postgresql+psycopg://user:{SECRET}@127.0.0.1:1/db",
    "mysql": f"mysql+pymysql://user:{SECRET}@127.0.0.1:1/db",
    "unknown dialect": f"nosql://user:{SECRET}@127.0.0.1:1/db",
    "no colon": f"postgresql//user:{SECRET}@127.0.0.1:1/db",
    "no slashes": f"postgresql:user:{SECRET}@127.0.0.1:1/db",
    "no host": f"postgresql://user:{SECRET}",
    "no port": f"postgresql://user:{SECRET}@127.0.0.1:port/db",
    "percent-encoded": f"postgresql://user:%40{SECRET}%2F%25@127.0.0.1:1/db",
    "an @ in it": f"postgresql://user:x@{SECRET}@127.0.0.1:1/db",
    "signs in it": f"postgresql://user:/:?#&%[{SECRET}]@127.0.0.1:1/db",
    "a blank in it": f"postgresql://user:a {SECRET} b@127.0.0.1:1/db",
    "in the query": f"postgresql://127.0.0.1:1/db?user=user&password={SECRET}",
    "of its key": f"postgresql://127.0.0.1:1/db?sslpassword={SECRET}&connect_timeout=1",
    "sqlite": f"sqlite://user:{SECRET}@/no/such/folder/a.db",
}
SOME = ("nobody listens", "a blank in it")
COMMANDS = (
    "check small.toml --fast",
    "run small.toml --trials 1 --slots 1",
    "show small.toml",
    "validate small.toml",
    "rescore small.toml",
    "report small.toml",
    "export small.toml",
    "map small.toml",
    "simulate small.toml --trial 0",
    "dashboard small.toml --no-browser",
    "selftest small.toml --trials 1",
    "copy small.toml --to sqlite:///other.db",
)
HAS_JSON = ["check", "run", "show", "validate", "rescore", "export", "simulate", "selftest", "copy"]


@pytest.fixture(autouse=True)
def _nobody_is_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine of whatever dialect fails as a driver does that tells too much."""
    real = connections.create_engine

    def create_engine(url: object, **options: object) -> object:
        made = real(url, **options)
        if made.dialect.name == "sqlite":
            return made
        told = made.url.render_as_string(hide_password=False)
        raise OperationalError("connect", {}, Exception(f"connection to {told} ({made.url.password}) failed"))

    monkeypatch.setattr(connections, "create_engine", create_engine)


def assert_untold(folder: Path, printed: str, given: tuple[Path, ...] = ()) -> None:
    assert SECRET not in printed, printed
    for path in folder.rglob("*"):
        if path.is_file() and path not in given:
            assert SECRET.encode() not in path.read_bytes(), path


def ways(command: str) -> Iterator[list[str]]:
    """The command, for people and for programs, with and without the traceback."""
    arguments = command.split()
    yield arguments
    yield [*arguments, "--debug"]
    if arguments[0] in HAS_JSON:
        yield [*arguments, "--json"]


@pytest.mark.parametrize(
    ("command", "url"),
    [
        *((command, url) for command in COMMANDS for url in SOME),
        *((COMMANDS[2], url) for url in URLS if url not in SOME),
    ],
    ids=lambda text: text.partition(" small")[0],
)
def test_no_command_tells_the_password_of_its_database(command, url, tmp_path, monkeypatch, capfd):
    url = URLS[url]
    write_study(tmp_path)
    for arguments in ways(command):
        code = execute([*arguments, "--storage", url])
        assert_untold(tmp_path, "".join(capfd.readouterr()))
        assert code in ((0, 2) if arguments[0] == "check" else (2,))
    arguments = command.split()
    monkeypatch.setenv("OPTUNA_STORAGE", url)
    assert execute([*arguments, "--debug"]) == code
    assert_untold(tmp_path, "".join(capfd.readouterr()))
    monkeypatch.delenv("OPTUNA_STORAGE")
    study = write_study(tmp_path, storage={"url": url})
    assert execute([*arguments, "--debug"]) == code
    assert_untold(tmp_path, "".join(capfd.readouterr()), given=(study,))


def test_the_database_that_a_study_is_copied_to_is_not_told_either(tmp_path, capfd):
    write_study(tmp_path)
    assert execute(["run", "small.toml", "--trials", "1", "--slots", "1", "--quiet"]) == 0
    for url in URLS.values():
        assert execute(["copy", "small.toml", "--to", url, "--debug"]) == 2
        assert_untold(tmp_path, "".join(capfd.readouterr()))


@pytest.mark.parametrize(
    "line",
    [
        f"url = 'postgresql://user:{SECRET}@host/db'",
        f'url = "postgresql://user:{SECRET}\\u0040host/db"',
        f"url = '''\npostgresql://user:{SECRET}@host/db'''",
        f"# was postgresql://user:{SECRET}@host/db\nurl = 'sqlite:///a.db'",
        f"url = 'postgresql://host/db?password={SECRET}'",
        f"url = 'postgresql://user:a {SECRET} b@host/db'",
    ],
)
def test_the_text_of_a_study_has_no_password_and_is_the_same_study(line, tmp_path):
    study = read_study(write_text(tmp_path, f"{STUDY}\n[storage]\n{line}\n"))
    assert SECRET not in study.text
    assert "[storage]" in study.text
    (tmp_path / "again.toml").write_text(study.text)
    assert read_study(tmp_path / "again.toml").content == study.content


def test_the_study_that_is_stored_exported_and_reported_has_no_password(tmp_path, capfd):
    study = write_study(tmp_path, storage={"url": f"postgresql://user:{SECRET}@host/db"})
    given = ["small.toml", "--storage", "sqlite:///here.db"]
    assert execute(["run", *given, "--trials", "1", "--slots", "1"]) == 0
    for command in (["show"], ["export"], ["report"], ["copy", "--to", "sqlite:///there.db"]):
        assert execute([command[0], *given, *command[1:]]) == 0
    assert_untold(tmp_path, "".join(capfd.readouterr()), given=(study,))
    with sqlite3.connect(tmp_path / "here.db") as connection:
        ((text,),) = connection.execute("select text from calibrate_study").fetchall()
    assert "[storage]" in text


def test_a_study_made_in_python_keeps_the_password_to_itself(tmp_path):
    study = make_study(
        "made",
        model="ei_clustered",
        parameters={"N_E": 80, "N_I": 20, "N_Q": 2},
        objectives=[{"statistic": "rate_E", "target": 5.0, "tolerance": 5.0}],
        budget={"trials": 1},
        storage={"url": f"postgresql://user:{SECRET}@host/db"},
        folder=tmp_path,
    )
    assert SECRET not in study.text
    assert SECRET not in repr(study.content)
    assert study.storage.url is not None
    assert SECRET in study.storage.url  # it must be able to connect


@pytest.mark.parametrize("url", [url for url in URLS.values() if SECRET in url])
def test_what_to_type_next_has_no_password(url):
    again = _without_passwords(["run", "small.toml", "--storage", url, f"--storage={url}"])
    assert SECRET not in again
    assert shlex.split(again)[:3] == ["calibrate", "run", "small.toml"]


@pytest.mark.parametrize("table", ["storage = {}", "study = {}", "[storage]\nurl = [{}]", "url = {}"])
def test_a_url_at_a_wrong_place_is_refused_without_its_password(table, tmp_path, capfd):
    url = f"'postgresql://user:{SECRET}@host/db'"
    (tmp_path / "small.toml").write_text(table.format(url))
    assert execute(["check", "small.toml", "--debug"]) == 2
    assert_untold(tmp_path, "".join(capfd.readouterr()), given=(tmp_path / "small.toml",))
    assert execute(["check", "small.toml", url.strip("'")]) == 2
    assert_untold(tmp_path, "".join(capfd.readouterr()), given=(tmp_path / "small.toml",))


def test_a_password_with_an_at_sign_is_refused_with_how_to_write_it():
    with pytest.raises(StoreError, match=r"postgresql://user:\*\*\*@host/db' has a second @.*%40"):
        urls.parse("postgresql://user:a@b@host/db", Path.cwd())


def test_what_holds_no_password_is_shown_as_it_is():
    for url in ("sqlite:///a@b.db", "postgresql://user@host:5432/db", "postgresql://host:5432/db", "small"):
        assert without_password(url) == url
    for text in (
        "at 12:30, a@b.c",
        "rate_E: 5 Hz",
        "file:///a/b.toml:12: [budget] @",
        "http://example.org/a@b",
    ):
        assert without_passwords(text) == text


# What turns bytes into objects or text into code: where, and why it may.
JUSTIFIED = {
    ("calibrate/simulation/worker.py", "pickle.loads"),  # from the pipe of the process that started it
    (
        "calibrate/simulation/dask_pool.py",
        "pickle.loads",
    ),  # in a Dask message, itself a pickle: docs/cluster.md
    ("calibrate/simulation/slot.py", "cloudpickle.dumps"),  # into that pipe
    ("calibrate/simulation/evaluators.py", "pickle.loads"),  # from the process that started it, as above
    ("calibrate/simulation/evaluators.py", "cloudpickle.dumps"),
    ("calibrate/simulation/slot.py", "cloudpickle.register_pickle_by_value"),
    ("calibrate/plugins.py", "__import__"),  # for an import statement of a user's own file, which is running
}
RUNS_CODE = (
    "pickle",
    "cloudpickle",
    "marshal",
    "shelve",
    "joblib",
    "dill",
    "yaml",
    "jsonpickle",
    "pandas.read_pickle",
)


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    """Calls by the name that is called, as module.function where it is written or imported so."""
    imported: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {(alias.asname or alias.name).partition(".")[0]: alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            head, dot, rest = ast.unparse(node.func).partition(".")
            yield imported.get(head, head) + dot + rest, node


def dangerous(tree: ast.AST) -> Iterator[str]:
    for name, node in calls(tree):
        given = {one.arg: ast.unparse(one.value) for one in node.keywords}
        loads = name in ("numpy.load", "numpy.lib.format.read_array") and given.get("allow_pickle") != "False"
        unpickles = name.partition(".")[0] in RUNS_CODE or name.rpartition(".")[2] in (
            "read_pickle",
            "Unpickler",
        )
        runs = name in ("eval", "exec", "compile", "__import__", "os.system", "subprocess.getoutput")
        if loads or unpickles or runs or given.get("shell", "False") != "False":
            yield name


def test_nothing_is_unpickled_or_run_that_comes_from_a_file_a_database_or_the_network():
    root = Path(__file__).parent.parent
    found = {
        (str(path.relative_to(root)), name)
        for folder in ("calibrate", "objectives")
        for path in (root / folder).rglob("*.py")
        for name in dangerous(ast.parse(path.read_text()))
    }
    assert found == JUSTIFIED


def test_the_search_for_dangerous_calls_finds_them():
    code = """
import pickle as p, numpy as np, pandas
from pickle import loads as read
p.load(file), read(text), np.load(file), np.load(file, allow_pickle=True), eval(text)
pandas.read_pickle(file)
np.load(file, allow_pickle=False), subprocess.run("ls", shell=True), re.compile(x)
"""
    expected = [
        "eval",
        "numpy.load",
        "numpy.load",
        "pandas.read_pickle",
        "pickle.load",
        "pickle.loads",
        "subprocess.run",
    ]
    assert sorted(dangerous(ast.parse(code))) == expected


def test_no_sampler_of_optuna_keeps_its_state_as_a_pickle_in_the_database():
    folder = Path(__file__).parent.parent / "calibrate" / "calibration" / "search"
    names = {name for path in folder.glob("*.py") for name, _ in calls(ast.parse(path.read_text()))}
    assert not any(name.rpartition(".")[2].startswith("CmaEs") for name in names)
    assert any(name.startswith("cmaes.") for name in names)
