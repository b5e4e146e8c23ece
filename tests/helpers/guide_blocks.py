"""The code blocks of docs/guide.md."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]

GUIDE = (ROOT / "docs" / "guide.md").read_text()


def block(language: str, name: str) -> str:
    """The code block of the guide whose first line is a comment with this name."""
    found = re.search(
        rf"^```{language}\n# {re.escape(name)}\n(.*?)^```$", GUIDE, re.DOTALL | re.MULTILINE
    )
    assert found, name
    return found[1]
