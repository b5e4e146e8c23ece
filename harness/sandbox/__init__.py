"""Sandboxes: an instance's private machine behind one protocol, in Docker or bubblewrap.

Each kind has a folder. Imported by runner, benchmarks and commands.
"""
