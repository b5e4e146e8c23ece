"""The gate between a proposal and the shared context: evidence is executed again.

Imported by delm and documents.
"""
