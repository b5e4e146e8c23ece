"""The commands of `delm`, one file each, imported only when they are asked for.

With `harness.cli` the only place that puts the other packages together. Nothing imports it.
"""
