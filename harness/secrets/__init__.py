"""Keys and passwords: which of them this process has, and text without them.

A secret leaves the process to its provider only. Text is cleaned where it comes in from there
(`harness.model.response_body`) and out of a trial's sandbox (`harness.sandbox.trial_sandbox`), and
again at each door to a disk or a screen: the parameters of every statement of the store and the
board, `write_beside`, the logs of grading, plots, the streams of the command line. Each door looks
for the secrets' values, however they are spelt (`harness.secrets.spellings`), before it cuts a
text. One that holds none is not changed by a byte. What only looks like a key is taken out of
errors and nowhere else: a patch may well say `sorted(key=…)` or have a made-up key in a test.
"""

import os
import re
from collections.abc import Iterable

from harness.secrets.spellings import Spellings
from harness.secrets.variables import PROVIDERS, environment_secrets, is_secret

MARK = "[key]"
_NUMBERS = re.compile(r"[\d\s,;.:]+")
_SHAPES = re.compile(
    rf"{PROVIDERS.pattern}|\b(?:sk|gsk|xai|pk|rk)-[A-Za-z0-9_\-]{{8,}}|\bAIza[A-Za-z0-9_\-]{{8,}}"
    r"|\bBearer\s+\S+|\bBasic\s+[A-Za-z0-9+/]{12,}=*|(?<=[?&_]key=)[^&\s\"']+"
    r"|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)",
)


class Secrets:
    """The values of secrets, and texts without them, however they are spelt there."""

    def __init__(self) -> None:
        self._values: frozenset[str] = frozenset()
        self._spellings = Spellings(())

    def learn(self, values: Iterable[str]) -> None:
        """Know these from now on; what is too short or a plain word is no secret."""
        # without the line end that a file leaves, too: that is how it is sent
        given = {form for value in values for form in (value, value.strip())}
        known = self._values | {value for value in given if is_secret(value)}
        if known != self._values:
            self._values, self._spellings = known, Spellings(sorted(known))

    def redact(self, text: str) -> str:
        """The text with a mark in place of each secret."""
        parts, done = [], 0
        for start, end in self._spellings.spans(text):
            parts += [text[done:start], _mark(text[start:end])]
            done = end
        return "".join([*parts, text[done:]]) if parts else text

    def redact_bytes(self, content: bytes) -> bytes:
        """The content with a mark in place of each secret."""
        encoding = "utf-8"
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            encoding = "latin-1"  # it reads, and writes again, any bytes
            text = content.decode(encoding)
        clean = self.redact(text)
        return content if clean is text else clean.encode(encoding)

    def redact_error(self, text: str) -> str:
        """`text` with a mark in place of each secret, and of what has the shape of one."""
        return _SHAPES.sub(MARK, self.redact(text))


def _mark(spelt: str) -> str:
    """What stands in the place of a secret; of numbers a number, so that JSON stays JSON."""
    return "0" if _NUMBERS.fullmatch(spelt) else MARK


_OURS = Secrets()  # a process has one environment, and so one of these
redact, redact_bytes, redact_error = _OURS.redact, _OURS.redact_bytes, _OURS.redact_error


def learn(*values: str) -> None:
    """Know the secrets of the environment as it is now, and `values` besides."""
    _OURS.learn([*(value for _, value in environment_secrets(os.environ)), *values])
