"""Plots and pages of a run, for people to look at.

Imported by commands.
"""
