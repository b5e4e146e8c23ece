"""`delm`: N equal agents over a board. Nobody is in charge; only verified findings are shared."""

from agents.delm.system import Delm

__all__ = ["Delm"]
