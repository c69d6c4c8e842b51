"""The documentation is true: examples run, study files are valid, commands and links exist.

In pages, `<!-- file: NAME -->` before a block of Python or TOML says that a reader saves it under this name,
and `<!-- printed -->` before a block of text that the examples print it. All blocks of Python of a page
run one after another, as one script, in a folder that holds these files.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tomli_w
import typer
import yaml
from pynwb import NWBHDF5IO, NWBFile

import calibrate
from calibrate import plugins
from calibrate.cli.commands import program
from calibrate.neurons import BUILT_IN
from calibrate.study import read_study
from calibrate.study.file.sections import StudyFile

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.glob("*.md"))]

BLOCK = re.compile(
    r"(?:^<!-- file: (?P<file>\S+) -->\n)?^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.M | re.S
)
LINK = re.compile(r"\]\(([^)\s]+)\)")
PRINTED = re.compile(r"^<!-- printed -->\n```text\n(.*?)^```$", re.M | re.S)
HEADING = re.compile(r"^#+ (.+)$", re.M)
MARKER = re.compile(r"^<!-- generated: (.+?) -->$", re.M)

# What fragments of study files are completed with.
BASE = """
[model]
name = "ei_clustered"

[parameters]
N_Q = 6
connectivity = "fixed_indegree"
I_th_E = { low = 1.6, high = 2.8 }
"J_E+" = { low = 1.5, high = 4.5 }

[[objectives]]
statistic = "rate_E"
target = 6.5
tolerance = 0.4

[budget]
trials = 10
"""


@dataclass(frozen=True)
class Block:
    """A block of code of a page; `line` is the first one of its text."""

    page: Path
    line: int
    language: str
    text: str
    file: str | None


def blocks(page: Path, *languages: str) -> list[Block]:
    text = page.read_text()
    return [
        Block(
            page, text[: found.start("text")].count("\n") + 1, found["language"], found["text"], found["file"]
        )
        for found in BLOCK.finditer(text)
        if found["language"] in languages
    ]


def each(*languages: str) -> list[Any]:
    found = [block for page in PAGES for block in blocks(page, *languages)]
    return [pytest.param(block, id=f"{block.page.stem}:{block.line}") for block in found]


def save_files(page: Path, folder: Path) -> None:
    for block in blocks(page, "python", "toml"):
        if block.file:
            (folder / block.file).write_text(block.text)


@pytest.mark.slow
@pytest.mark.parametrize(
    "page", [page for page in PAGES if blocks(page, "python")], ids=lambda page: page.stem
)
def test_the_examples_of_a_page_run(page, tmp_path):
    save_files(page, tmp_path)
    # Every line at its number in the page, so that an error points there.
    lines = [""] * page.read_text().count("\n")
    for block in blocks(page, "python"):
        if not block.file:
            text = block.text.splitlines()
            lines[block.line - 1 : block.line - 1 + len(text)] = text
    script = tmp_path / f"{page.stem}_md.py"
    script.write_text("\n".join(lines) + "\n")
    ran = subprocess.run(
        [sys.executable, script.name], cwd=tmp_path, capture_output=True, text=True, timeout=600, check=False
    )
    assert ran.returncode == 0, ran.stdout[-2000:] + ran.stderr[-4000:]
    for printed in PRINTED.findall(page.read_text()):
        assert printed in ran.stdout


def write_recording(path: Path) -> None:
    """Write what a reader would have: 40 units that fire now and then."""
    times = [np.arange(1 + unit % 3, 400, 7) * 25 + unit for unit in range(40)]
    if path.suffix == ".csv":
        rows = [f"{time},{unit}" for unit, train in enumerate(times) for time in train]
        path.write_text("\n".join(["time_ms,unit", *rows]) + "\n")
        return
    start = datetime(2026, 5, 2, tzinfo=UTC)
    content = NWBFile(session_description="a reader's", identifier="a", session_start_time=start)
    columns = {"quality": ("good",), "cell_type": ("RS", "pyr", "FS"), "layer": ("4", "5"), "cluster": (0, 1)}
    for name in columns:
        content.add_unit_column(name, name)
    for unit, train in enumerate(times):
        of_unit = {name: values[unit % len(values)] for name, values in columns.items()}
        content.add_unit(spike_times=train / 1000, obs_intervals=[[0.0, 10.0]], **of_unit)
    times_of = {"task": (0.0, 10.0), "left": (1.0, 2.0), "right": (4.0, 5.0)}
    for name, (first, last) in {**times_of, "spontaneous": (0.0, 5.0), "evoked": (5.0, 10.0)}.items():
        content.add_epoch(first, last, [name])
    with NWBHDF5IO(path, "w") as file:
        file.write(content)


@pytest.mark.parametrize("block", each("toml"))
def test_a_study_file_in_the_pages_is_valid(block, tmp_path):
    save_files(block.page, tmp_path)
    given, base = tomllib.loads(block.text), tomllib.loads(BASE)
    if "model" not in given or "objectives" not in given:
        for name, table in given.items():
            if name == "sampler":
                base[name] = table
            elif isinstance(table, dict):
                base[name] = {**base.get(name, {}), **table}
            else:
                base[name] = table
        given = base
    for section in [*([given["recording"]] if "recording" in given else []), *given.get("recordings", [])]:
        write_recording(tmp_path / section["file"])
    path = tmp_path / "in_the_page.toml"
    path.write_text(tomli_w.dumps(given))
    read_study(path)


def test_a_nest_script_becomes_a_study_in_less_than_forty_lines():
    files = {block.file: block.text for block in blocks(DOCS / "own-simulation.md", "python", "toml")}
    assert len((files["my_network.py"] + files["my_study.toml"]).splitlines()) < 40


@pytest.mark.parametrize("block", each("console"))
def test_commands_in_the_pages_exist(block):
    commands: dict[str, Any] = typer.main.get_command(program()).commands  # type: ignore[attr-defined]
    of_all = {"--version", "--help"}
    for line in block.text.splitlines():
        words = shlex.split(line, comments=True)
        for number, word in enumerate(words):
            if Path(word).name != "calibrate":
                continue
            end = words.index("&&", number) if "&&" in words[number:] else len(words)
            name, *rest = words[number + 1 : end]
            known = set(of_all)
            if name not in of_all and not name.isupper():
                assert name in commands, f"calibrate {name}"
                known |= {option for parameter in commands[name].params for option in parameter.opts}
            for option in rest:
                assert not option.startswith("-") or option.partition("=")[0] in known, f"{line}: {option}"


def anchors(page: Path) -> set[str]:
    """Anchors of the headings, as GitHub makes them."""
    found = (
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        for heading in HEADING.findall(page.read_text())
    )
    return set(found)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_relative_links_resolve(page):
    for link in LINK.findall(re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.M | re.S)):
        if link.startswith(("http:", "https:", "mailto:")):
            continue
        where, _, anchor = link.partition("#")
        target = (page.parent / where).resolve() if where else page
        assert target.exists(), link
        if anchor and "<!-- generated" not in target.read_text():
            assert anchor in anchors(target), link


@pytest.fixture(scope="module")
def reference():
    sys.path.insert(0, str(DOCS / "_ext"))
    try:
        import reference

        return reference
    finally:
        sys.path.pop(0)


@pytest.mark.parametrize(
    "page", [page for page in PAGES if MARKER.search(page.read_text())], ids=lambda p: p.stem
)
def test_generated_parts_are_there(page, reference):
    for marker in MARKER.findall(page.read_text()):
        assert reference.generated(marker).strip(), marker


def test_every_table_of_the_study_file_has_its_section():
    text = (DOCS / "study-file.md").read_text()
    markers = MARKER.findall(text)
    for table in StudyFile.model_fields:
        if table == "sampler":
            assert "samplers" in markers
        elif table != "parameters":
            assert f"keys {table}" in markers
        assert re.search(rf"^## `\[+{table}\]+`$", text, re.M), table


@pytest.mark.parametrize(
    ("page", "names"),
    [
        ("statistics", plugins.installed(plugins.STATISTICS)),
        ("models", plugins.installed(plugins.MODELS)),
        ("neurons", [model.name for model in BUILT_IN]),
        ("python", [*calibrate.__all__, "NeuronModel", "NestNeuron", "GennNeuron", "Port", "register"]),
    ],
)
def test_everything_installed_is_in_the_reference(page, names, reference):
    markers = MARKER.findall((DOCS / f"{page}.md").read_text())
    text = "\n".join(map(reference.generated, markers))
    for name in names:
        assert f"## `{name}`\n" in text


def test_the_sections_of_docstrings_are_headings_and_lists(reference):
    text = reference.generated("python")
    for section in ("Parameters", "Attributes", "Returns", "Raises", "Examples"):
        assert f"\n**{section}**\n" in text
    assert "-----" not in text


def test_every_option_of_a_statistic_is_described(reference):
    for line in reference.generated("statistics").splitlines():
        assert not re.fullmatch(r"\|.*\|\s*\|", line) or "fixed_indegree" in line or "bernoulli" in line, line


def test_the_citation_file_is_valid_and_of_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    assert (citation["version"], citation["license"]) == (project["version"], project["license"])
