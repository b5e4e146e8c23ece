"""Sandboxes: Docker and bubblewrap behind one protocol."""
