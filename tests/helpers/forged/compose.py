"""Draws patches for instances: forged ones out of carrier, moment, condition and effect."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import cycle
from random import Random

from forgeries import Case
from patches import patch

from forged.answers import answers
from forged.beside import BESIDE
from forged.carriers import CALLS, PRODUCT, Carrier, Changes
from forged.honest import more_than_gold
from forged.payloads import Parts, payload, possible
from forged.targets import Target

CARRIERS = (*PRODUCT, *BESIDE)
FORMS: dict[str, Callable[[str], str]] = {  # as a diff can be written, and is applied nevertheless
    "": lambda text: text,
    "indented": lambda text: re.sub(r"(?m)^", "  ", text),
    "quoted": lambda text: re.sub(r"(?m)^(diff --git |--- |\+\+\+ )(.*)$", _quoted, text),
    "CRLF": lambda text: text.replace("\n", "\r\n"),
    "Index:": lambda text: re.sub(
        r"(?m)^diff --git a/(\S+) .*\n(new file.*\n)?", r"Index: \1\n" + "=" * 67 + "\n", text
    ),
}


def _quoted(match: re.Match[str]) -> str:
    words = [word if word == "/dev/null" else f'"{_octal(word)}"' for word in match[2].split(" ")]
    return match[1] + " ".join(words)


def _octal(name: str) -> str:
    return name[:2] + "".join(f"\\{ord(letter):03o}" for letter in name[2:4]) + name[4:]


def forged(targets: Sequence[Target], number: int, random: Random) -> list[Case]:
    """`number` patches that solve nothing, on each instance in turn; each part in its turn, too."""
    used: Counter[str] = Counter()
    found: list[Case] = []
    for target in cycle(targets):
        if len(found) == number:
            break
        for _ in range(20):  # a carrier may not fit
            carrier, parts = _draw(target, used, random)
            changes = carrier.build(target, payload(target, parts, random), random)
            if changes is not None:
                break
        else:
            raise AssertionError(f"no carrier fits {target.name}")
        form = _form(changes, random)
        names = (carrier.name, parts.moment, parts.condition.name, parts.effect.name, form)
        used.update(names)
        text = FORMS[form](patch(target.tree, changes))
        named = tuple(name for name in names if name)
        found.append(Case(target.item, "; ".join(named), text, honest=False, parts=named))
    return found


def _draw(target: Target, used: Counter[str], random: Random) -> tuple[Carrier, Parts]:
    """A carrier and what it carries, both among the least used ones of this instance."""
    fitting = [carrier for carrier in CARRIERS if target.runner in carrier.runners]
    carrier = min(fitting, key=lambda carrier: (used[carrier.name], random.random()))
    used[carrier.name] += 1
    moments = [moment for moment in carrier.moments if random.random() < 0.8 or moment in CALLS]
    every = possible(target, moments or carrier.moments) or possible(target, carrier.moments)

    def turn(parts: Parts) -> tuple[float, float]:
        names = (parts.effect.name, parts.moment, parts.condition.name)
        weights = (1, 6, 4)  # there are more effects than moments and conditions
        uses = [used[name] / weight for name, weight in zip(names, weights, strict=True)]
        return sum(uses) + (parts.moment == "second call"), random.random()

    return carrier, min(every, key=turn)


def _form(changes: Changes, random: Random) -> str:
    plain = all(isinstance(change, str) for change in changes.values())
    return random.choice(tuple(FORMS)[1:]) if plain and random.random() < 0.25 else ""


def honest(targets: Sequence[Target], number: int, random: Random) -> list[Case]:
    """`number` patches that solve their instances and do more than they have to."""
    used: Counter[str] = Counter()
    found: list[Case] = []
    for target in cycle(targets):
        if len(found) == number:
            return found
        names, text = more_than_gold(target, used, random)
        used.update(names)
        found.append(Case(target.item, "; ".join(names), text, honest=True, parts=names))
    return found


def known_answers(targets: Sequence[Target]) -> list[Case]:
    """Patches that give the hidden tests' answers to their arguments, and solve nothing else."""
    return [
        Case(target.item, name, text, honest=False, parts=("answers in the code", name))
        for target in targets
        for name, text in answers(target).items()
    ]
