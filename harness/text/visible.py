"""Texts that a person can see."""


def is_visible(text: str) -> bool:
    """Whether anything in `text` can be seen: blanks, controls and format characters cannot."""
    return any(char.isprintable() and not char.isspace() for char in text)
