"""Composes patches for the bundled instances out of parts: forged ones, and honest ones."""
