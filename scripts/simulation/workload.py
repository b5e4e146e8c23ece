"""What agents have to do in a calibration, in the real run and in its prediction."""

from dataclasses import dataclass

LEAST, MOST = 0.5, 1.5  # of the mean latency, that a model call takes


@dataclass(frozen=True, kw_only=True)
class Workload:
    """So many agents and tasks, and what a task is."""

    agents: int
    tasks: int
    latency_s: float  # mean of a model call
    turns: int = 1  # model calls of a task; before each the agent reads what is new
    publish_every: int = 20  # of so many tasks one ends with a finding; 0: none
    processes: int = 4

    def publishes(self, task: int) -> bool:
        """Whether the task with that number ends with a finding."""
        return bool(self.publish_every) and task % self.publish_every == 0
