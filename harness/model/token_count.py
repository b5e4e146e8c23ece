"""Counting tokens where no litellm is loaded: with the tokenizer that it falls back to itself."""

import os
import re
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

ENCODING = "cl100k_base"
_LONG_WORD = re.compile(r"\S{500}")  # the tokenizer takes the square of a word's length


def count(text: str) -> int:
    """Tokens of `text` in cl100k, which litellm takes for every model whose own it does not have.

    It imports tiktoken (0.1 s) and not litellm (4 s), and reads the copy of the vocabulary that
    litellm ships: nothing is fetched. A word of more than 500 characters is counted in pieces.
    """
    encode = _encoding().encode
    return sum(len(encode(piece, disallowed_special=())) for piece in _pieces(text))


def _pieces(text: str) -> Iterator[str]:
    begin = 0
    for found in _LONG_WORD.finditer(text):
        yield text[begin : found.end()]
        begin = found.end()
    yield text[begin:]


@cache
def _encoding() -> Any:
    import tiktoken

    found = find_spec("litellm")
    for folder in (found and found.submodule_search_locations) or ():
        shipped = Path(folder) / "litellm_core_utils" / "tokenizers"
        if shipped.is_dir():
            os.environ.setdefault("TIKTOKEN_CACHE_DIR", str(shipped))
    return tiktoken.get_encoding(ENCODING)
