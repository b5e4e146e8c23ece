"""Benchmarks: load instances, say what a system is shown, grade submissions.

`protocol.Benchmark` is what they have in common; each has a folder, and a line in `registry`.
Imported by runner, results, exports and commands.
"""
