"""Which resolved submissions make the change of the gold patch."""

from dataclasses import replace

import anyio
from planted import System, plant

from harness.pages.gold import as_gold, gold_cautions

GOLD = "diff --git a/m.py b/m.py\n--- a/m.py\n+++ b/m.py\n@@ -1,3 +1,3 @@\n a\n-b\n+c\n d\n"
MOVED = "diff --git a/m.py b/m.py\n--- a/m.py\n+++ b/m.py\n@@ -9,2 +9,2 @@\n-b\n+c\n d\n"
OTHER = GOLD.replace("+c", "+e")


async def counted(tmp_path, patches, gold):
    """Of four resolved submissions of two systems with these patches."""
    every = {"a__a-1": ["R", "R"]}
    systems = {"single": System(1, "one", every), "delm": System(2, "shared", every)}
    folder = await plant(tmp_path, "r", systems)
    async with folder.open() as store:
        rows = await store.read()
        await store.keep_texts([{"instance_id": "a__a-1", "asked": "?", "gold": gold}])
        made = [
            {**row, "patch": patch, "patch_sha256": patch}
            for row, patch in zip(rows.submissions, patches, strict=True)
        ]
        return await as_gold(store, replace(rows, submissions=made))


def test_the_same_change_counts_wherever_it_stands(tmp_path):
    found = anyio.run(counted, tmp_path, [GOLD, OTHER, MOVED, GOLD], GOLD)
    assert sum(same for same, _ in found.values()) == 3
    assert sum(every for _, every in found.values()) == 4
    (caution,) = gold_cautions(found)
    assert caution.text.startswith("3 resolved submissions make the very change of the gold patch")
    assert "1 of 2" in caution.text
    assert "2 of 2" in caution.text


def test_nothing_is_said_without_a_gold_patch_or_a_match(tmp_path):
    found = anyio.run(counted, tmp_path / "none", [GOLD] * 4, "")
    assert gold_cautions(found) == []
    found = anyio.run(counted, tmp_path / "unlike", [OTHER] * 4, GOLD)
    assert gold_cautions(found) == []
