"""SWE-bench: rows, the official grader in fresh sandboxes, and the second look at what passes.

Only `official` imports the `swebench` package. Imported by `harness.benchmarks` and commands.
"""
