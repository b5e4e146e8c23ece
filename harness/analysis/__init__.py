"""What happened in a run, read from its store: coordination, findings, time lines, narrative.

Pure functions over rows, and `run_rows`, which reads them. Imported by results, report, commands.
"""
