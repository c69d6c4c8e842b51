"""Whatever a study file says, `calibrate check` answers with an exit code and lines of its own, soon.

Files are made in two ways: valid ones are damaged, and new ones are put together from what the tables of a
study file may hold.
"""

from __future__ import annotations

import copy
import math
import tomllib
import typing
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from types import NoneType
from typing import Any

import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from calibrate.study.file.base import Section
from calibrate.study.file.samplers import SAMPLERS
from calibrate.study.file.sections import LISTS, TABLES, DerivedParameter, FreeParameter
from tests.helpers.fuzzing import assert_answers_in_its_own_words, call, thorough
from tests.helpers.studies import MODEL, STATISTIC, STUDY


def files(folder: Path) -> set[str]:
    return {
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if "__pycache__" not in path.parts  # of the study's own model
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    found = tmp_path_factory.mktemp("fuzz")
    (found / "tiny.py").write_text(MODEL)
    (found / "statistics.py").write_text(STATISTIC)
    (found / "rates.txt").write_text("1\n2\n3\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(found)
        yield found


def assert_checked(folder: Path, content: bytes, name: str = "small.toml") -> None:
    path = folder / name
    path.write_bytes(content)
    before = files(folder)
    assert_answers_in_its_own_words(*call("check", str(path), "--fast"))
    assert files(folder) == before


ROOT = Path(__file__).parent.parent
VALID = [
    STUDY,
    *(path.read_text() for path in sorted((ROOT / "studies").glob("*.toml"))),
]

# Values that somebody may write, or want to break something with.
NUMBERS = [0, -1, 1, 3, 2**31, 2**63, 10**12, 10**400, -(10**30), 0.1, 1e-300, 1e308, -0.0, 1e300]
NUMBERS += [10**9, 10**6, math.inf, -math.inf, math.nan]
CODE = [
    "__import__('os').system('touch broken')",
    "().__class__.__bases__",
    "N_E.real",
    "9**9**9**9",
    "9**9**9**9**9**9 // 1",
    "(" * 300 + "1" + ")" * 300,
    "-" * 490 + "1",
    "+".join(["1"] * 240),
    "abs(" * 90 + "1" + ")" * 90,
    "max(N_E, 1, 'x')",
    "round(1, 1e308)",
    "[1 for x in 'abc']",
    "lambda: 0",
    "(x := 3)",
    "'\\d' + 1",
    "1if 2else 3",
    "1_000.0_0 / 0",
    "f'{1}'",
    "...",
    "1j",
    "'N_E' * 'N_E'",
    "exp(1000)",
    "log(0)",
    "",
    " ",
    "\0",
    "N_E",
    "floor(1e308 * 10)",
]
NAMES = ["", " ", "../x", "/etc/passwd", "a/b", ".", "..", "-", "a\0b", "é", "名前", "\x1b[31m", "a\nb", "'"]
NAMES += ["x" * 300, "y" * 20_000, "%s", "{0}", "?a=b", "a#b", "[bold]", "\u202e", "rate_E", "E", "recording"]
NAMES += ["/dev/zero", "/dev/null", "/dev/stdin", "tiny.py:tiny", "tiny.py:", ":", ":tiny", "../tiny.py:tiny"]
NAMES += [
    "statistics.py:thirteen",
    "statistics.py:broken",
    "rates.txt",
    "tiny.py:os",
    "no.such:thing",
    "python:x",
]
URLS = ["sqlite://", "sqlite:///", "sqlite:///a.db", "sqlite:///no/such/folder/a.db", "sqlite:////dev/full"]
URLS += [
    "postgresql://u@h:port/d",
    "mysql://u@h/d",
    "nonsense",
    "://",
    "sqlite:///file:a?mode=memory&uri=true",
]
URLS += [f"sqlite:///{'z' * 5000}/a.db", "sqlite:///a\0b/c.db", "postgresql://[::1/d", "sqlite+x:///a.db"]
scalars = (
    st.sampled_from(NUMBERS)
    | st.sampled_from(CODE + NAMES + URLS)
    | st.text(max_size=20)
    | st.integers()
    | st.floats()
    | st.booleans()
    | st.just(date(2026, 1, 1))
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["low", "high", "step", "choices", "expression", "x"]), inner, max_size=3
        )
    ),
    max_leaves=6,
)
KEYS = sorted(
    {*TABLES, *LISTS, "sampler", "parameters", "J+", "N_E", "N_Q", "I_E", "nonsense", "", "é", "a.b", "a b"}
    | {
        key
        for section in (*TABLES.values(), *LISTS.values(), *SAMPLERS.values())
        for key in section.model_fields
    }
)


def places(tables: Any, at: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Where something stands in tables, from the outside in."""
    inner = (
        tables.items() if isinstance(tables, dict) else enumerate(tables) if isinstance(tables, list) else ()
    )
    for key, value in inner:
        yield (*at, key)
        yield from places(value, (*at, key))


def dumped(tables: dict[str, Any]) -> bytes:
    try:
        return tomli_w.dumps(tables).encode("utf-8", "surrogatepass")
    except RecursionError:
        return b"x = " + b"[" * 5000


@st.composite
def changed(draw: st.DrawFn) -> bytes:
    """A valid study in which some values are others, are missing, or stand where they do not belong."""
    tables = copy.deepcopy(tomllib.loads(draw(st.sampled_from(VALID))))
    for _ in range(draw(st.integers(1, 3))):
        there = list(places(tables))
        *outer, last = draw(st.sampled_from(there)) if there else ("study",)
        at: Any = tables
        for key in outer:
            at = at[key]
        match draw(st.sampled_from(["replace", "replace", "replace", "remove", "add"])):
            case "replace":
                at[last] = draw(values)
            case "remove":
                del at[last]
            case "add" if isinstance(at, dict):
                at[draw(st.sampled_from(KEYS))] = draw(values)
    return dumped(tables)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """The bytes of a valid study, cut, doubled and overwritten here and there."""
    content = draw(st.sampled_from(VALID)).encode(
        draw(st.sampled_from(["utf-8"] * 8 + ["utf-16", "utf-8-sig"]))
    )
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(content)))
        stop = min(start + draw(st.integers(0, 30)), len(content))
        match draw(st.sampled_from(["cut", "double", "insert", "end", "token", "line"])):
            case "cut":
                content = content[:start] + content[stop:]
            case "double":
                content = content[:stop] + content[start:]
            case "insert":
                content = content[:start] + draw(st.binary(max_size=8)) + content[start:]
            case "end":
                content = content[:start]
            case "token":
                tokens = [
                    b'"',
                    b"'''",
                    b"[",
                    b"[[",
                    b"{",
                    b"=",
                    b"\n",
                    b"\r",
                    b"#",
                    b"nan",
                    b"-inf",
                    b"9" * 5000,
                ]
                tokens += [
                    b"[" * 3000,
                    b"a." * 2000,
                    b"\xff",
                    b"\\u0000",
                    b"[study]\n",
                    b"1e999",
                    b"1979-05-27",
                ]
                content = content[:start] + draw(st.sampled_from(tokens)) + content[stop:]
            case "line":
                lines = content.split(b"\n")
                lines.insert(start % len(lines), draw(st.sampled_from(lines)))
                content = b"\n".join(lines)
    return content


def of_type(annotation: Any) -> st.SearchStrategy[Any]:
    """Values of the type that a key has, mostly."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Literal:
        return st.sampled_from(arguments)
    if origin is list:
        return st.lists(of_type(arguments[0]), max_size=3)
    if origin is dict:
        return st.dictionaries(st.sampled_from(["population", "bin_ms", "x", ""]), scalars, max_size=2)
    if arguments and origin is not typing.Annotated:
        return st.one_of([of_type(one) for one in arguments if one is not NoneType])
    if origin is typing.Annotated:
        return of_type(arguments[0])
    known: dict[Any, st.SearchStrategy[Any]] = {
        bool: st.booleans(),
        int: st.integers(-1, 5) | st.sampled_from([n for n in NUMBERS if isinstance(n, int)]),
        float: st.sampled_from([0.1, 1.0, 50.0, 2000.0]) | st.floats() | st.sampled_from(NUMBERS),
        str: st.sampled_from(["rate_E", "cv2_E", "tiny.py:tiny", "ei_clustered", "x.csv", *NAMES, *CODE]),
    }
    return known.get(annotation, scalars)


def of_section(section: type[Section]) -> st.SearchStrategy[dict[str, Any]]:
    needed = {k: of_type(f.annotation) for k, f in section.model_fields.items() if f.is_required()}
    others = {k: of_type(f.annotation) for k, f in section.model_fields.items() if not f.is_required()}
    return st.fixed_dictionaries(needed, optional=others)


@st.composite
def built(draw: st.DrawFn) -> bytes:
    """A study put together of the keys that there are, with the rest of a valid one."""
    tables = tomllib.loads(STUDY)
    names = draw(st.sets(st.sampled_from([*TABLES, *LISTS, "sampler", "parameters"]), min_size=1, max_size=3))
    for name in sorted(names):
        if name in TABLES:
            made = draw(of_section(TABLES[name]))
            tables[name] = {**tables.get(name, {}), **made} if draw(st.booleans()) else made
        elif name in LISTS:
            tables[name] = draw(st.lists(of_section(LISTS[name]), min_size=1, max_size=2))
        elif name == "sampler":
            sampler = draw(st.sampled_from(sorted(SAMPLERS)))
            tables[name] = {**draw(of_section(SAMPLERS[sampler])), "name": sampler}
        else:
            keys = st.sampled_from(["N_E", "N_Q", "I_E", "I_I", "J+", "rule", "flag"])
            kinds = of_section(FreeParameter) | of_section(DerivedParameter) | scalars
            tables[name] = draw(st.dictionaries(keys, kinds, max_size=4))
    return dumped(tables)


@thorough(100)
@given(changed())
def test_a_study_with_other_values_is_checked_or_refused_in_lines_of_its_own(folder, content):
    assert_checked(folder, content)


@thorough(100)
@given(damaged())
def test_a_damaged_study_file_is_refused_in_lines_of_its_own(folder, content):
    assert_checked(folder, content)


@thorough(100)
@given(built())
def test_a_study_made_of_all_that_there_is_is_checked_or_refused_in_lines_of_its_own(folder, content):
    assert_checked(folder, content)
