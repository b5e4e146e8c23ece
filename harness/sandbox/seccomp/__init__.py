"""The system calls that a sandbox may make, and the committed filters made from that list.

Imported by both kinds of sandbox.
"""
