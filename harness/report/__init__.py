"""Plots and pages of a run, for people to look at.

Imported by commands.
"""

FILE = "report.html"
"""The report of a run, in its folder."""
