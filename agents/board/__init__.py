"""An agent on a board, whatever its tasks are: the task loop, its session, its tools.

Imported by delm and documents.
"""
