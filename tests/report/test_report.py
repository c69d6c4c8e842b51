"""The report of a finished study, as a browser shows it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from calibrate import read_results, read_study, run_study, validate
from calibrate.cli.commands import execute
from calibrate.report import make_report, write_report
from tests.helpers.browser import needs_browser, opened
from tests.helpers.studies import RATE_E, RATE_I, small_study, write_study

pytestmark = pytest.mark.usefixtures("in_tmp_path")

CONSTRAINED = {"constraints": [{"statistic": "rate_E", "max": 60.0}]}
FULL = {
    "budget": {"trials": 40},
    "replicates": {"fresh": 2, "confirm": 1},
    "validation": {"replicates": 4},
    **CONSTRAINED,
}
SECTIONS = [
    "targets",
    "activity",
    "validation",
    "search",
    "parameters",
    "posterior",
    "cost",
    "methods",
    "again",
    "study",
]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a study that ran, was validated, and is reported on, with its figures."""
    folder = tmp_path_factory.mktemp("finished")
    study = small_study(folder, FULL)
    run_study(study, slots=2, progress=False, storage=f"sqlite:///{folder}/small.db")
    validate(study, slots=2, progress=False, storage=f"sqlite:///{folder}/small.db")
    more = ["--storage", f"sqlite:///{folder}/small.db", "--figures", str(folder / "figures")]
    assert execute(["report", str(folder / "small.toml"), *more]) == 0
    return folder / "small.html"


@needs_browser
def test_the_page_needs_no_network_and_complains_of_nothing(finished):
    with opened(finished.as_uri()) as shown:
        shown.page.wait_for_timeout(200)
        assert shown.complaints == []
        assert [url for url in shown.requests if not url.startswith(("file:", "data:"))] == []
        sections = shown.page.eval_on_selector_all("section", "all => all.map(one => one.id)")
        assert sections == SECTIONS
        for picture in shown.page.query_selector_all("figure svg"):
            box = picture.bounding_box()
            assert box["width"] > 300
            assert box["height"] > 50


@needs_browser
def test_tables_sort_by_number_and_by_text(finished):
    with opened(finished.as_uri()) as shown:
        table = "#validation table"
        column = f"{table} tbody td:nth-child(3)"

        def means() -> list[float]:
            texts = shown.page.eval_on_selector_all(column, "all => all.map(one => one.textContent)")
            return [float(text.split()[0]) for text in texts if text != "undefined"]

        head = shown.page.locator(f"{table} th:nth-child(3) button")
        before = means()
        head.click()
        assert means() == sorted(before)
        assert shown.page.get_attribute(f"{table} th:nth-child(3)", "aria-sort") == "ascending"
        head.press("Enter")  # the keyboard sorts too
        assert means() == sorted(before, reverse=True)
        shown.page.locator(f"{table} th:nth-child(1) button").click()
        names = shown.page.eval_on_selector_all(
            f"{table} tbody td:nth-child(1)", "all => all.map(one => one.textContent)"
        )
        in_order = "names => [...names].sort((a, b) => a.localeCompare(b))"
        assert names == shown.page.evaluate(in_order, names)


@needs_browser
@pytest.mark.parametrize("dark", [False, True])
def test_it_fits_a_telephone_in_light_and_dark(finished, dark):
    with opened(finished.as_uri(), width=400, height=800, dark=dark) as shown:
        width = shown.page.evaluate("document.documentElement.scrollWidth")
        assert width <= 400
        ink, paper = shown.page.evaluate(
            "[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]"
        )
        assert contrast(ink, paper) > 7
        label = shown.page.evaluate("getComputedStyle(document.querySelector('figure svg text')).fill")
        assert contrast(label, paper) > 7
        for name in ("a", ".verdict", "figcaption", ".hint:not([hidden])"):
            colour = shown.page.evaluate(f"getComputedStyle(document.querySelector('{name}')).color")
            assert contrast(colour, paper) > 4.5


SCROLLING = """
[...document.querySelectorAll("*")].filter(
  box => getComputedStyle(box).overflowX === "auto" && box.scrollWidth > box.clientWidth + 1
)
"""
SAYS_SO = "[...document.querySelectorAll('.hint')].filter(hint => hint.checkVisibility())"


@needs_browser
def test_what_scrolls_sideways_says_so_and_nothing_else_does(finished):
    with opened(finished.as_uri(), width=400, height=800) as shown:
        evaluate = shown.page.evaluate
        assert evaluate(f"({SCROLLING}).length") == evaluate(f"({SAYS_SO}).length") > 3
        hints = evaluate(f"({SCROLLING}).map(box => box.previousElementSibling.textContent)")
        assert set(hints) == {"Wider than the window: scroll sideways ↔"}
        shadow = "getComputedStyle(document.querySelector('#targets .scroll')).boxShadow"
        before = evaluate(shadow)
        shown.page.eval_on_selector("#targets .scroll", "box => { box.scrollLeft = 10000; }")
        shown.page.wait_for_function(f"{shadow} !== '{before}'")  # the shadow is on the other side
        shown.page.set_viewport_size({"width": 1200, "height": 800})
        shown.page.wait_for_function(f"({SAYS_SO}).length === ({SCROLLING}).length")
        assert evaluate(f"({SAYS_SO}).length") == 0


def contrast(one: str, other: str) -> float:
    """Contrast of two colours as WCAG 2 defines it."""

    def luminance(colour: str) -> float:
        channels = [int(value) / 255 for value in re.findall(r"\d+", colour)[:3]]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted([luminance(one), luminance(other)])
    return (high + 0.05) / (low + 0.05)


@needs_browser
def test_screen_readers_are_told_what_is_there(finished):
    with opened(finished.as_uri()) as shown:
        evaluate = shown.page.evaluate
        assert evaluate("document.documentElement.lang") == "en"
        assert evaluate("document.querySelectorAll('h1').length") == 1
        assert evaluate("[...document.querySelectorAll('[role=img]')].every(x => x.ariaLabel.length > 10)")
        assert evaluate("[...document.querySelectorAll('th')].every(x => x.scope === 'col')")
        ids = evaluate("[...document.querySelectorAll('[id]')].map(x => x.id)")
        assert len(ids) == len(set(ids))
        links = evaluate("[...document.querySelectorAll('nav a')].map(x => x.hash.slice(1))")
        assert set(links) <= set(ids)


def test_figures_are_written_as_png_and_pdf(finished):
    files = sorted(path.name for path in (finished.parent / "figures").iterdir())
    names = ["activity", "distributions", "history", "importance", "looseness", "map"]
    names += ["posterior", "predictive", "slices"]
    assert files == sorted(f"{name}.{kind}" for name in names for kind in ("pdf", "png"))
    for path in (finished.parent / "figures").iterdir():
        assert path.read_bytes()[:4] in (b"\x89PNG", b"%PDF")


def test_the_page_says_what_was_found(finished):
    study = read_study(finished.with_name("small.toml"))
    results = read_results(study, storage=f"sqlite:///{finished.parent}/small.db")
    report = make_report(results, simulate=False)
    by_name = {section.name: section for section in report.sections}
    assert f"Trial {results.best.number} has the lowest loss" in by_name["targets"].text[0]
    assert [row[0] for row in by_name["targets"].tables[0].rows] == ["rate_E", "rate_I"]
    methods = by_name["methods"].text[0]
    assert "Two parameters (I_E and I_I) of the network model tiny (40 E and 10 I neurons" in methods
    assert "I_E and I_I" in methods
    assert "excluded" in methods
    assert "40 parameter sets" in methods
    dois = [reference.doi for reference in report.references]
    assert "10.1145/3292500.3330701" in dois
    for number in range(1, len(dois) + 1):
        assert re.search(rf"\[(\d+, )*{number}(, \d+)*\]", methods)
    assert "calibrate run small.toml" in by_name["again"].code


def test_what_people_wrote_is_text_and_no_markup(tmp_path):
    evil = {"objectives": [RATE_E | {"source": "<script>alert(1)</script>"}, RATE_I]}
    study = small_study(tmp_path, evil)
    run_study(study, slots=1, progress=False)
    write_report(make_report(read_results(study), simulate=False), tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_the_command_says_where_the_page_is_and_simulates_for_the_raster(tmp_path, capsys):
    write_study(tmp_path)
    assert execute(["run", "small.toml", "--quiet", "--slots", "1"]) == 0
    capsys.readouterr()
    assert execute(["report", "small.toml", "-o", "page.html", "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out.replace("models may print\n", "")) == {"report": "page.html", "figures": []}
    assert "again for its raster" in err
    assert execute(["report", "small.toml", "--no-simulation"]) == 0
    assert "Report: small.html" in capsys.readouterr().out
    assert execute(["report", "small.toml", "-o", str(tmp_path)]) == 2
    assert execute(["report", "small.toml", "-o", "nowhere/page.html"]) == 2


def test_a_study_in_which_nothing_completed_has_a_report_too(tmp_path):
    study = small_study(tmp_path, parameters={"wrong_above": 0.0})
    run_study(study, slots=1, progress=False)
    report = make_report(read_results(study))
    assert report.verdict is None
    assert "No complete trial" in report.sections[0].text[0]
    write_report(report, tmp_path / "page.html")


def test_a_pareto_study_shows_its_front(tmp_path):
    study = small_study(tmp_path, study={"pareto": True})
    run_study(study, slots=1, progress=False)
    results = read_results(study)
    sections = make_report(results, simulate=False).sections
    front = next(section for section in sections if section.name == "front")
    assert [row[0] for row in front.tables[0].rows] == [str(best.number) for best in results.front]
    assert front.pictures[0].name == "front"
