"""SWE-bench: rows, the official grader in fresh sandboxes, and the second look at what passes.

Only `official` and `log_process` import the `swebench` package. Imported by
`harness.benchmarks` and commands.
"""
