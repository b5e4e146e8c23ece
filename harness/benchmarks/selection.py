"""Select items of a dataset, with the options of mini-swe-agent."""

import difflib
import random
import re
from collections.abc import Sequence

from harness.errors import UserError
from harness.types import Item

SLICE = re.compile(r"(-?\d+)?:(-?\d+)?(?::(-?\d+)?)?")


def select(
    items: Sequence[Item],
    *,
    ids: Sequence[str] = (),
    filter_regex: str = "",
    slice_spec: str = "",
    shuffle: bool = False,
    seed: int = 42,
) -> list[Item]:
    """Restrict `items`: to `ids` in their order, shuffled, matching, sliced; in this sequence.

    The filter is matched at the beginning of the instance_id. Shuffling sorts by id first, so that
    it depends on the ids and `seed` alone. Raises `UserError`, also when nothing is left.
    """
    chosen = _named(items, ids) if ids else list(items)
    if shuffle:
        chosen.sort(key=lambda item: item.instance.instance_id)
        random.Random(seed).shuffle(chosen)  # noqa: S311
    if filter_regex:
        try:
            pattern = re.compile(filter_regex)
        except re.error as error:
            raise UserError(
                f"the filter {filter_regex!r} is no regular expression: {error}"
            ) from error
        chosen = [item for item in chosen if pattern.match(item.instance.instance_id)]
        if not chosen:
            raise UserError(f"no instance_id begins with a match of the filter {filter_regex!r}")
    chosen = chosen[_slice(slice_spec)]
    if not chosen:
        raise UserError(f"the slice {slice_spec!r} selects nothing")
    return chosen


def neighbours(items: Sequence[Item]) -> list[Item]:
    """The same items, reordered so that items of one image follow each other."""
    first = {item.instance.image: place for place, item in reversed(list(enumerate(items)))}
    return sorted(items, key=lambda item: first[item.instance.image])


def _named(items: Sequence[Item], ids: Sequence[str]) -> list[Item]:
    by_id = {item.instance.instance_id: item for item in items}
    for name in ids:
        if name not in by_id:
            near = difflib.get_close_matches(name, by_id, n=1, cutoff=0.3)
            hint = f"; the nearest is {near[0]}" if near else ""
            raise UserError(f"no instance {name} among the {len(by_id)} of the dataset{hint}")
    return [by_id[name] for name in dict.fromkeys(ids)]


def _slice(spec: str) -> slice:
    if not spec:
        return slice(None)
    if not (match := SLICE.fullmatch(spec)):
        raise UserError(f"{spec!r} is no slice: write start:stop, as in 0:5")
    start, stop, step = (int(part) if part else None for part in match.groups())
    if step == 0:
        raise UserError(f"{spec!r} is no slice: its step is 0")
    return slice(start, stop, step)
