"""A model that labels ended trials, with evidence that stands in them."""

from agents.critic.critic import Critic

__all__ = ["Critic"]
