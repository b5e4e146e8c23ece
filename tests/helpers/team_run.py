"""A team evaluated on the flask instance, as a user would: `delm eval` with a scripted model."""

from pathlib import Path

from console import DATASET, FLASK, UNGUARDED, Told, delm_here
from scripted_model import ScriptedModel

from harness.cache import cache_dir


def said(
    server: ScriptedModel,
    folder: Path,
    name: str,
    *more: str,
    cache: Path | None = None,
    system: str = "delm",
) -> tuple[list[str | Path], dict[str, str]]:
    """The words and variables of the run `name` in `folder`."""
    words = ["eval", "-m", "openai/scripted", "-d", DATASET, "-i", FLASK, "-s", system, "--yes"]
    variables = {
        "OPENAI_API_BASE": server.base_url,
        "OPENAI_API_KEY": "sk-not-a-key",
        "DELM_CACHE": str(cache or cache_dir()),
    }
    return [*words, "--run-id", name, "-o", folder, *UNGUARDED, *more], variables


def evaluate(
    server: ScriptedModel,
    folder: Path,
    name: str,
    *more: str,
    cache: Path | None = None,
    system: str = "delm",
) -> Told:
    """The run `name` in `folder`, to its end."""
    words, variables = said(server, folder, name, *more, cache=cache, system=system)
    return delm_here(*words, **variables)
