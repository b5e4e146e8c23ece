"""The world around the agents: sandboxes, models, benchmarks, the store, scores."""

__version__ = "0.1.0"
