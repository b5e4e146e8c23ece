"""A run in the forms of other tools: each file reads the store and writes one form.

Imported by commands and results.
"""
