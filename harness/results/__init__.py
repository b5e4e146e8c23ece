"""The run folder: CSVs and files derived from the store; the estimate before a run.

Imported by commands.
"""
