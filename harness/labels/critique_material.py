"""What a critic is shown of an ended trial. Pure functions."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.benchmarks.protocol import Benchmark
from harness.labels.places import (
    ENTRY,
    GOLD,
    GRADE,
    ISSUE,
    MESSAGE,
    SUBMISSION,
    TEST,
    TRIAL,
    Material,
    message_text,
    places,
    test_results,
    text_at,
)
from harness.types import Item

FOLDER = "/tmp/critique"  # noqa: S108 - in the critic's sandbox
SHOWN = 8_000  # characters of one text of the overview; all of it can be read
MESSAGE_CHARS = 3_000  # of one message, where several are read
MOST_MESSAGES = 20  # that are read together
FAILED = 40  # tests that are named
HIDDEN = "hidden:"  # before the name of a text that no system is shown, as a place
_RANGE = re.compile(r"message:(?P<name>.+)#(?P<first>\d{1,6})-(?P<last>\d{1,6})")


def item_texts(benchmark: Benchmark[Any], item: Item) -> dict[str, str]:
    """The texts of an instance that a critic may read, by their place."""
    found = {ISSUE: item.instance.problem_statement, GOLD: benchmark.gold(item)}
    return found | {f"{HIDDEN}{name}": text for name, text in benchmark.for_critics(item).items()}


def overview(material: Material) -> list[tuple[str, str]]:
    """Texts with the place or the heading of each, long ones cut in the middle."""
    trial = material.trial
    about = f"{trial['system']} on {trial['instance_id']}, trial {trial['number'] + 1}"
    found = [
        ("The trial", about),
        *((place, text_at(place, material) or "") for place in (TRIAL, ISSUE)),
    ]
    for made in material.record.submissions:
        number = made["submission_id"]
        grade = text_at(f"{GRADE}:{number}", material) or "not graded"
        found += [
            (f"{SUBMISSION}:{number}", made["patch"] or "(empty)"),
            (f"{GRADE}:{number}", grade),
        ]
        if failed := [name for name, ended in test_results(made) if ended.endswith("failed")]:
            named = "\n".join(f"{TEST}:{name}" for name in failed[:FAILED])
            more = f"\nand {len(failed) - FAILED} more" if len(failed) > FAILED else ""
            found.append((f"Tests that fail with {SUBMISSION}:{number}", named + more))
    found.append((GOLD, material.texts.get(GOLD, "")))
    found.append(("Places that can be read", "\n".join(_listed(material))))
    return [(heading, shortened(text, SHOWN)) for heading, text in found if text]


def files(material: Material) -> dict[str, str]:
    """What lies in the critic's sandbox, by path."""
    found = {f"{FOLDER}/gold.patch": material.texts.get(GOLD, "")}
    for place, text in material.texts.items():
        if place.startswith(HIDDEN):
            found[f"{FOLDER}/{place.removeprefix(HIDDEN)}"] = text
    for made in material.record.submissions:
        found[f"{FOLDER}/submission-{made['submission_id']}.patch"] = made["patch"]
    return {path: text for path, text in found.items() if text}


def read(place: str, material: Material) -> str | None:
    """The text of a place; of `message:NAME#N-M` those messages, each under its place."""
    several = _RANGE.fullmatch(place)
    if several is None:
        return text_at(place, material)
    name, said = several["name"], material.messages.get(several["name"], ())
    first, last = int(several["first"]), int(several["last"])
    last = min(last, len(said), first + MOST_MESSAGES - 1)
    if not 1 <= first <= last:
        return None
    return "\n".join(_messages(name, said, first, last))


def shortened(text: str, chars: int) -> str:
    """`text`, cut in the middle where it has more than `chars` characters."""
    if len(text) <= chars:
        return text
    half = chars // 2
    cut = len(text) - 2 * half
    return f"{text[:half]}\n[… {cut} characters left out …]\n{text[len(text) - half :]}"


def _messages(name: str, said: Sequence[Mapping[str, Any]], first: int, last: int) -> Iterator[str]:
    for number in range(first, last + 1):
        message = said[number - 1]
        yield f"=== {MESSAGE}:{name}#{number} ({message.get('role', '')})"
        yield shortened(message_text(message), MESSAGE_CHARS)


def _listed(material: Material) -> Iterator[str]:
    for name, said in material.messages.items():
        yield f"{MESSAGE}:{name}#1 to #{len(said)}"
    for entry in material.record.entries:
        yield f"{ENTRY}:{entry['label']} {entry['kind']} {shortened(entry['gist'], 200)}"
    for place, _ in places(material):
        if place.startswith(HIDDEN):
            yield place
