"""The report of a run: one HTML file in Chinese and English, and a summary for the terminal."""

from stresslab.report.page import write_html
from stresslab.report.phrase import Language
from stresslab.report.run_tables import RunTables, read_run
from stresslab.report.summary import print_summary

__all__ = ["Language", "RunTables", "print_summary", "read_run", "write_html"]
