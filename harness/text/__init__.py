"""Text as people and programs write it: YAML, JSON, diffs, paths, numbers in sentences.

Imported by everybody; imports only `harness.errors`.
"""
