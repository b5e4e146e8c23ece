"""A team evaluated on the flask instance, as a user would: `delm eval` with a scripted model."""

from pathlib import Path

from console import DATASET, FLASK, Told, delm_here
from scripted_model import ScriptedModel

from harness.cache import cache_dir


def evaluate(
    server: ScriptedModel,
    folder: Path,
    name: str,
    *more: str,
    cache: Path | None = None,
    system: str = "delm",
) -> Told:
    """The run `name` in `folder`."""
    return delm_here(
        *("eval", "-m", "openai/scripted", "-d", DATASET, "-i", FLASK, "-s", system, "--yes"),
        *("--run-id", name, "-o", folder, *more),
        OPENAI_API_BASE=server.base_url,
        OPENAI_API_KEY="sk-not-a-key",
        DELM_CACHE=str(cache or cache_dir()),
    )
