"""Which resolved submissions of a run make the change of the gold patch."""

from collections.abc import Mapping, Sequence

from harness.analysis.cautions import Caution
from harness.benchmarks.registry import of_run
from harness.pages.diff_view import same_change
from harness.store.protocol import Store
from harness.store.rows import RunRows
from harness.text.counted import counted

AsGold = Mapping[str, tuple[int, int]]
"""By system: the resolved submissions that make the change of the gold patch, and all that are
resolved on instances whose gold patch the run recorded."""


async def as_gold(store: Store, rows: RunRows) -> AsGold:
    """Count them. Empty where submissions are no patches."""
    if of_run(rows.facts).submission != "patch":
        return {}
    instance_of = {trial["trial_id"]: trial["instance_id"] for trial in rows.trials}
    gold: dict[str, str] = {}
    known: dict[tuple[str, str], bool] = {}
    found: dict[str, tuple[int, int]] = {}
    for row in rows.submissions:
        if row["outcome"] != "resolved":
            continue
        instance_id = instance_of[row["trial_id"]]
        if instance_id not in gold:
            text = await store.instance_text(instance_id)
            gold[instance_id] = text["gold"] if text else ""
        if not gold[instance_id]:
            continue
        key = (instance_id, row["patch_sha256"])
        if key not in known:
            known[key] = _same(row["patch"], gold[instance_id])
        same, every = found.get(row["system"], (0, 0))
        found[row["system"]] = (same + known[key], every + 1)
    return found


def gold_cautions(found: AsGold) -> Sequence[Caution]:
    """What to know of a run of which some submissions are the gold patch; one caution at most."""
    told = [f"{name} {same} of {every}" for name, (same, every) in found.items() if same]
    if not told:
        return []
    count = sum(same for same, _ in found.values())
    makes = "makes" if count == 1 else "make"
    text = (
        f"{counted(count, 'resolved submission')} {makes} the very change of the gold patch "
        f"({', '.join(told)}): the model may know these instances, or the fix has few forms."
    )
    return [Caution(kind="gold", text=text)]


def _same(patch: str, gold: str) -> bool:
    """`same_change`, without reading patches whose lines differ anyway."""
    return _lines(patch) == _lines(gold) and same_change(patch, gold)


def _lines(patch: str) -> list[str]:
    headers = ("+++", "---")
    changed = (line for line in patch.split("\n") if line.startswith(("+", "-")))
    return sorted(line.rstrip("\r") for line in changed if not line.startswith(headers))
