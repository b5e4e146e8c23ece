"""`centralized` and `centralized-parallel`: an orchestrator delegates to subagents and decides."""

from agents.centralized.orchestrator import Centralized, CentralizedParallel

__all__ = ["Centralized", "CentralizedParallel"]
