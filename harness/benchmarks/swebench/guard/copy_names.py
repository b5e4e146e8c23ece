"""Names for planted tests, made of the words of their neighbours: a patch cannot know them."""

import ast
import re
from collections.abc import Callable
from random import Random

PLAIN = (
    "default", "value", "input", "order", "name", "result", "empty", "list", "simple", "error",
    "option", "field", "nested", "string", "other", "update", "missing", "single", "again",
)  # fmt: skip
PREFIX = re.compile(r"test_?|[a-z]+_", re.IGNORECASE)


class CopyNames:
    """Draws names that nothing in a file has."""

    def __init__(self, text: str, tree: ast.Module, random: Random) -> None:
        self._random = random
        self._taken = set(re.findall(r"\w+", text))
        names = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
        words = {word for name in names for word in name.lower().split("_")}
        kept = {word for word in words if re.fullmatch(r"[a-z]{3,14}", word)}
        self.words = sorted((kept | set(PLAIN)) - {"test", "tests"})

    def test(self, like: str) -> str:
        """A name of a test that the runner takes for one as it takes `like`."""
        prefix = PREFIX.match(like)
        start = prefix[0] if prefix else like
        if start.lower() == "test":
            return self._new(lambda words: start + "".join(map(str.capitalize, words)))
        return self._new(lambda words: start + "_".join(words))

    def of_class(self) -> str:
        """A name of a class."""
        return self._new(lambda words: "".join(map(str.capitalize, words)))

    def other(self) -> str:
        """A name of something else."""
        return self._new(lambda words: "_" + "_".join(words))

    def _new(self, joined: Callable[[list[str]], str]) -> str:
        while True:
            name = joined(self._random.sample(self.words, self._random.choice((3, 4, 5))))
            if name not in self._taken:
                self._taken.add(name)
                return name
