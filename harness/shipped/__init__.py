"""Files that ship with this program. In a checkout they are links to `configs/` and `results/`."""

from pathlib import Path

CONFIGS = (Path(__file__).parent / "configs").resolve()
PUBLISHED = (Path(__file__).parent / "published.csv").resolve()
MEASURED = (Path(__file__).parent / "measured.csv").resolve()


def config_file(name: str) -> Path:
    """The file `name` of `configs/` in the working directory, else of those that ship."""
    own = Path("configs", name)
    return own if own.is_file() else CONFIGS / name
