"""The guard: the second look at what the official grader resolves.

`examination` runs it; the other modules say what a patch changed and what its tests have to show.
Imported by `harness.benchmarks.swebench` and, for the words of its flags, by exports.
"""
