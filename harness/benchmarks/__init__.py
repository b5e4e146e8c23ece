"""Benchmarks: load instances, say what a system is shown, grade submissions.

One folder a benchmark. Imported by runner, results, exports and commands.
"""
