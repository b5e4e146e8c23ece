"""Datasets of faults that were put into releases: a YAML file with the key `injected`.

The file holds what is ours: where a fault is, the lines that come in, the issue, and the names of
tests. The release's own lines are read from its archive when the dataset is loaded: the gold patch
takes the fault back, and the test patch brings back the tests that fail with it, which the
repository that a system gets does not hold.
"""
