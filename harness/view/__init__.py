"""The local web page of runs: `harness.pages` served over HTTP, live, with control of a run.

Imported by commands.
"""
