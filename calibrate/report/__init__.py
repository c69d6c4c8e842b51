"""The report of a study: a single page, and its figures as files."""

from calibrate.report.report import Report, make_report, write_figures, write_report

__all__ = ["Report", "make_report", "write_figures", "write_report"]
