"""LongBench-v2: questions about long documents, and documents that a program writes.

Imported through `harness.benchmarks` and by commands.
"""
