"""Rebuild an instance's software from its release archive and pins, once, into the cache.

Imported by sandbox, benchmarks and commands.
"""
