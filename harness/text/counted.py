"""Numbers in sentences."""


def counted(count: int, noun: str) -> str:
    """`1 trial`, `2 trials`: the number and its noun, which takes an s for any number but one."""
    return f"{count} {noun if count == 1 else f'{noun}s'}"
