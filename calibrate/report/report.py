"""The content of a report, gathered from the results of a study."""

from __future__ import annotations

import importlib.resources
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import jinja2

from calibrate.calibration.validation.verdict import Verdict
from calibrate.errors import CalibrateError
from calibrate.figures.style import save
from calibrate.report import sections
from calibrate.report.activity import activity
from calibrate.report.bibliography import Reference
from calibrate.report.hardening import hardening
from calibrate.report.methods import methods
from calibrate.report.picture import Picture
from calibrate.report.posterior import posterior_section
from calibrate.report.sections import Section
from calibrate.results.results import Results


@dataclass(frozen=True, kw_only=True)
class Report:
    """A report: `title`, a line below it, the verdict on the best trial, and sections."""

    title: str
    line: str
    verdict: Verdict | None
    sections: Sequence[Section]
    references: Sequence[Reference] = ()
    study: str = ""
    made: str = field(default_factory=lambda: datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z"))

    def __repr__(self) -> str:
        return f"<Report on study {self.title}: {', '.join(section.name for section in self.sections)}>"

    @property
    def pictures(self) -> list[Picture]:
        return [picture for section in self.sections for picture in section.pictures]


def make_report(
    results: Results, *, simulate: bool = True, say: Callable[[str], None] = lambda _: None
) -> Report:
    """Make the report on what a study has found so far.

    Parameters
    ----------
    results : Results
        Results of the study.
    simulate : bool
        Whether to simulate the best network once more for the raster if its spikes were not kept.
    say : callable
        Receives a line when that begins.

    Returns
    -------
    Report
        Title, verdict on the best trial, and sections with their tables and figures.

    Raises
    ------
    StudyError
        If the best network cannot be simulated again.
    StoreError
        If the database cannot be read.
    SimulatorError
        If the simulation fails.

    Examples
    --------
    `study.toml` is a finished study:

    >>> from calibrate import make_report, read_results, read_study
    >>> report = make_report(read_results(read_study("study.toml")), simulate=False)
    >>> report.title, [section.name for section in report.sections][:2]
    ('study', ['targets', 'activity'])
    """
    study, best = results.study, results.best
    verdict = None
    if best is not None:
        verdict = next((v for v in results.verdicts if v.trial == best.number and not v.exact), None)
    paragraph, references = methods(results, verdict)
    all_sections = [
        sections.targets(results),
        activity(results, simulate, say),
        sections.validation(results, verdict),
        hardening(results),
        sections.search(results),
        sections.parameters(results),
        posterior_section(results),
        sections.front(results),
        sections.cost(results),
        Section(name="methods", title="Methods", text=[paragraph]),
        sections.again(results),
    ]
    done = results.counts["complete"] + results.counts["failed"]
    return Report(
        title=study.name,
        line=f"{study.file.model.name}: {', '.join(study.space)}; {done} trials",
        verdict=verdict,
        sections=[part for part in all_sections if part.text or part.tables or part.pictures or part.code],
        references=references,
        study=study.text,
    )


def write_report(report: Report, path: Path) -> None:
    """Write a report as one HTML page that needs no network.

    Parameters
    ----------
    report : Report
        Report of `make_report`.
    path : Path
        Where to write it.

    Raises
    ------
    CalibrateError
        If it cannot be written.

    Examples
    --------
    `study.toml` is a finished study:

    >>> from pathlib import Path
    >>> from calibrate import make_report, read_results, read_study, write_report
    >>> report = make_report(read_results(read_study("study.toml")), simulate=False)
    >>> write_report(report, Path("report.html"))
    """
    template = (importlib.resources.files("calibrate.report") / "page.html").read_text(encoding="utf-8")
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    page = environment.from_string(template).render(report=report)
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise CalibrateError(
            f"cannot write the report {path}: {error.strerror}; name a file with --output"
        ) from None


def write_figures(report: Report, folder: Path) -> list[Path]:
    """Write the figures of a report into `folder`, each as PNG and PDF; returns the files."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CalibrateError(f"cannot make the folder {folder}: {error.strerror}") from None
    files = [folder / f"{p.name}.{kind}" for p in report.pictures for kind in ("png", "pdf")]
    for picture, file in zip((p for p in report.pictures for _ in range(2)), files, strict=True):
        save(picture.figure, file)
    return files
