"""The parts of `scripts/simulate.py`."""
