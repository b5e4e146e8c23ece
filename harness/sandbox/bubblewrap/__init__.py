"""Sandboxes without a daemon: one bubblewrap namespace each, on the instance's rebuilt environment.

Imported by `harness.sandbox.providers` and by `delm doctor`.
"""
