"""Statements made of random parts, that either do nothing or can only fail. Text only.

Each form holds both: whether it fails shows only when it runs, and not in how it is built. They run
on Python ≥ 3.5, warn of nothing, and bind no name but that of a loop.
"""

import string
from collections.abc import Sequence
from random import Random

EXCEPTIONS = ("ValueError", "TypeError", "RuntimeError", "LookupError", "AttributeError", "OSError",
              "ArithmeticError", "NotImplementedError", "AssertionError")  # fmt: skip


class Statements:
    """Draws statements. `words` are plain words for texts and names, eight at least."""

    def __init__(self, random: Random, words: Sequence[str]) -> None:
        self._random = random
        self._words = words

    def draw(self, *, fails: bool, block: bool = False) -> list[str]:
        """The lines of a statement, with a tab for each level; one line, but where `block`."""
        simple = (
            self._asserted, self._asserted, self._found, self._parsed, self._looked_up,
            self._divided, self._picked, self._removed, self._encoded, self._unpacked,
        )  # fmt: skip
        if block and self._random.random() < 0.4:
            return self._random.choice((self._raised, self._looped))(fails)
        return [self._random.choice(simple)(fails)]

    def fresh_class(self, parent: str) -> str:
        """An expression for a class below `parent` that nothing has seen."""
        name = "".join(word.capitalize() for word in self.name(2).split("_"))
        return f'type("{name}", ({parent},), {{}})'

    def name(self, count: int) -> str:
        """An identifier of so many words."""
        return "_".join(self._random.sample(self._words, count))

    def letters(self) -> str:
        """Letters that stand nowhere else."""
        return "".join(self._random.choices(string.ascii_lowercase, k=self.between(7, 12)))

    def between(self, least: int, most: int) -> int:
        """A number that says nothing."""
        return self._random.randint(least, most)

    def _numbers(self, count: int) -> list[int]:
        return self._random.sample(range(2, 900), count)

    def _value(self) -> tuple[str, int]:
        """An expression, and its value."""
        a, b, c = self._numbers(3)
        word = self.letters()
        values = [
            (f"{a} + {b}", a + b), (f"{a} * {b} - {c}", a * b - c), (f"{a} - {b}", a - b),
            (f"max({a}, {b})", max(a, b)), (f"len('{word}')", len(word)), (f"{a} % {b}", a % b),
            (f"sum([{a}, {b}, {c}])", a + b + c), (f"abs({a} - {b})", abs(a - b)),
            (f"sorted([{a}, {b}, {c}])[1]", sorted([a, b, c])[1]), (f"int('{a}')", a),
        ]  # fmt: skip
        return self._random.choice(values)

    def _condition(self, holds: bool) -> str:
        """A comparison that holds, or does not."""
        text, value = self._value()
        step = self.between(1, 40)
        right = {"==": (0, step), "!=": (step, 0), "<": (step, -step), ">": (-step, step),
                 "<=": (step, -step), ">=": (-step, step)}  # fmt: skip
        sign, (true, false) = self._random.choice(list(right.items()))
        return f"{text} {sign} {value + (true if holds else false)}"

    def _asserted(self, fails: bool) -> str:
        return f"assert {self._condition(not fails)}"

    def _one_of(self, fails: bool) -> tuple[list[int], int]:
        """Numbers, and one of them or another."""
        *numbers, other = self._numbers(self.between(3, 5))
        return numbers, other if fails else self._random.choice(numbers)

    def _found(self, fails: bool) -> str:
        numbers, one = self._one_of(fails)
        return f"{numbers}.index({one})"

    def _removed(self, fails: bool) -> str:
        numbers, one = self._one_of(fails)
        kind = self._random.choice(("list", "set", "bytearray"))
        if kind == "bytearray":
            numbers, one = [n % 200 for n in numbers], one % 200 if not fails else 233
        return f"{kind}({numbers}).remove({one})"

    def _parsed(self, fails: bool) -> str:
        digits = str(self.between(100, 90_000))
        place = self.between(1, len(digits) - 1)
        wrong = digits[:place] + self._random.choice("ghkmnprsuvwz") + digits[place:]
        kind = self._random.choice(("int", "float"))
        return f"{kind}('{wrong if fails else digits}')"

    def _looked_up(self, fails: bool) -> str:
        first, second, other = self._random.sample(self._words, 3)
        a, b = self._numbers(2)
        asked = other if fails else self._random.choice((first, second))
        return f"{{'{first}': {a}, '{second}': {b}}}['{asked}']"

    def _divided(self, fails: bool) -> str:
        a, b, c = self._numbers(3)
        sign = self._random.choice(("//", "%", "/"))
        return f"{a} {sign} (int('{b}') - {b if fails else c})"

    def _picked(self, fails: bool) -> str:
        numbers = self._numbers(self.between(3, 5))
        place = self.between(len(numbers), 9) if fails else self.between(0, len(numbers) - 1)
        return f"{self._random.choice(('list', 'tuple', 'sorted'))}({numbers})[{place}]"

    def _encoded(self, fails: bool) -> str:
        number = self.between(130, 240) if fails else self.between(40, 120)
        text = f"bytes([{self.between(40, 120)}, {number}])"
        return f"{text}.decode('ascii')"

    def _unpacked(self, fails: bool) -> str:
        word = self.letters()
        asked = word if fails else self._random.choice(("upper", "strip", "title", "split"))
        return f"getattr('{self._random.choice(self._words)}', '{asked}')"

    def _raised(self, fails: bool) -> list[str]:
        kind = self._random.choice((*EXCEPTIONS, self.fresh_class("Exception")))
        said = " ".join(self._random.sample(self._words, 3))
        return [f"if {self._condition(fails)}:", f"\traise {kind}('{said}')"]

    def _looped(self, fails: bool) -> list[str]:
        numbers = self._numbers(self.between(2, 4))
        most = self.between(901, 999) if not fails else self.between(min(numbers), max(numbers) - 1)
        name = f"_{self.name(1)}"
        return [f"for {name} in {numbers}:", f"\tassert {name} <= {most}"]
