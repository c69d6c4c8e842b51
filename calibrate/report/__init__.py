"""The report of a study: one page that holds everything, and its figures as files."""

from calibrate.report.report import Report, make_report, write_figures, write_report

__all__ = ["Report", "make_report", "write_figures", "write_report"]
