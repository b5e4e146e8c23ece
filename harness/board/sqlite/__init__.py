"""The board in SQLite: all trials of a run in one file, any number of processes on it.

`board.sql` holds the schema and every statement. Imported by runner, analysis and commands.
"""
