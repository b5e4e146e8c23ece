"""Sandboxes in Docker: one container each; and their images: pulled, built, counted, removed.

Imported by `harness.sandbox.providers` and by commands.
"""
