"""`centralized` and `centralized-parallel`: an orchestrator plans, subagents work, it decides."""

from agents.centralized.orchestrator import Centralized, CentralizedParallel

__all__ = ["Centralized", "CentralizedParallel"]
