"""Text as people and programs write it: YAML, JSON, diffs, paths, import strings.

Imported by everybody; imports only `harness.errors`.
"""
