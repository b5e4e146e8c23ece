"""Checks a submission folder as those who accept submissions to SWE-bench/experiments would.

What is read is only the folder and the dataset: a folder that another harness made is checked too.
"""

import contextlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from harness import event_loop
from harness.benchmarks.swebench.log_reader import read_log
from harness.benchmarks.swebench.rows import Aside
from harness.errors import LogUnreadable, UserError
from harness.exports import prompt_leaks
from harness.exports.experiments import DISCLAIMERS
from harness.exports.submission_claims import CHECKLIST, DatasetRows
from harness.text import yaml_text
from harness.text.json_text import half_pair

NEEDED = ("all_preds.jsonl", "metadata.yaml", "README.md", "results/results.json")
OTHER_RESULTS = ("results/resolved_by_repo.json", "results/resolved_by_time.json")
LOGS = ("patch.diff", "report.json", "test_output.txt")
FIELDS = ("instance_id", "model_name_or_path", "model_patch")
TO_FILL_IN = {"info": ("site", "report", "authors"), "tags": ("os_model", "os_system")}
"""Of metadata.yaml: only the submitter knows."""


def problems(folder: Path, dataset: DatasetRows) -> list[str]:
    """Every reason to refuse the folder, one line each; empty: there is none.

    Verdicts are taken from the logs: each `test_output.txt` is graded anew by `swebench`, and the
    report and the results have to say the same. A byte that is no text is a problem of its own.
    Blocking, and it runs an event loop of its own.
    Raises `UserError` where there is no such folder.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is no folder")
    missing = [f"{name} is missing" for name in NEEDED if not (folder / name).is_file()]
    if not (folder / "all_preds.jsonl").is_file():
        return missing
    faults, patches = _predictions(folder / "all_preds.jsonl", dataset)
    found = [*missing, *faults]
    found += [*_metadata(folder / "metadata.yaml"), *_readme(folder / "README.md")]
    found += _lacking(folder, patches, dataset)
    resolved = event_loop.run(_resolved, folder, patches, dataset)
    for instance_id, patch in patches.items():
        found += _trajectory(folder, instance_id, dataset)
        found += _logs(folder, instance_id, patch, resolved=instance_id in resolved)
    found += _strays(folder, patches)
    found += _results(folder, patches, resolved)
    found += _secrets(folder)
    found += _bad_bytes(folder, patches)
    return found


def notes(folder: Path, dataset: DatasetRows) -> list[str]:
    """What was not checked and what is still to be filled in, one line each."""
    found = []
    if not any(aside.hints_text for aside in dataset.asides.values()):
        found.append("the rows of the dataset carry no hints_text: hints were not looked for")
    path = folder / "metadata.yaml"
    try:
        content = _yaml(path) if path.is_file() else {}
    except UserError:
        content = {}  # it is one of the problems
    blank = [
        name
        for part, names in TO_FILL_IN.items()
        for name in names
        if isinstance(content.get(part), Mapping) and content[part].get(name) in (None, "", [])
    ]
    if blank:
        found.append(f"metadata.yaml: to be filled in before it is sent: {', '.join(blank)}")
    return found


def _predictions(path: Path, dataset: DatasetRows) -> tuple[list[str], dict[str, str]]:
    """The faults of the predictions, and the first patch of each instance."""
    faults: list[str] = []
    patches: dict[str, str] = {}
    names: set[str] = set()
    for number, line in enumerate(_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        where = f"{path.name}: line {number}"
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        if not isinstance(row, Mapping) or not all(field in row for field in FIELDS):
            faults.append(f"{where} is no prediction: it needs {', '.join(FIELDS)}")
            continue
        key, patch = str(row["instance_id"]), row["model_patch"]
        names.add(str(row["model_name_or_path"]))
        if key in patches:
            faults.append(f"{where}: {key} has a row already: one prediction an instance")
        elif key not in dataset.items:
            faults.append(f"{where}: {key} is not in the dataset")
        elif not isinstance(patch, str | None) or half_pair(patch or "") >= 0:
            faults.append(f"{where}: the patch of {key} is no text")
        else:
            patches[key] = patch or ""
    if len(names) > 1:
        faults.append(f"{path.name} has {len(names)} model names: {', '.join(sorted(names))}")
    return faults, patches


def _metadata(path: Path) -> Iterator[str]:
    if not path.is_file():
        return
    try:
        content = _yaml(path)
    except UserError as error:
        yield str(error)
        return
    info, tags = (content.get(name) for name in ("info", "tags"))
    if not isinstance(info, Mapping) or not info.get("name"):
        yield "metadata.yaml has no info.name"
    system = tags.get("system") if isinstance(tags, Mapping) else None
    attempts = system.get("attempts") if isinstance(system, Mapping) else None
    if str(attempts) != "1":
        yield f"metadata.yaml: tags.system.attempts is {attempts}, and pass@1 is 1"


def _readme(path: Path) -> Iterator[str]:
    if not path.is_file():
        return
    said = [line.strip() for line in _text(path).split("\n")]
    yield from (f"README.md says: {line}" for line in said if line.endswith(DISCLAIMERS))
    ticked = {line.lower().removeprefix("- [x] ") for line in said
              if line.lower().startswith("- [x] ")}  # fmt: skip
    for line in CHECKLIST:
        if line.lower() not in ticked:
            yield f"README.md does not tick: {line}"


def _lacking(folder: Path, patches: Mapping[str, str], dataset: DatasetRows) -> Iterator[str]:
    """One line for instances with no prediction and no statement that there is none."""
    path = folder / "results" / "results.json"
    said = _json(path).get("no_generation") if path.is_file() else None
    without = {str(key) for key in said} if isinstance(said, list) else set()
    if left := len(dataset.items.keys() - patches.keys() - without):
        yield (
            f"{left} of the dataset's {len(dataset.items)} instances are neither predicted nor in "
            "no_generation: the leaderboard counts them as not resolved"
        )


def _trajectory(folder: Path, instance_id: str, dataset: DatasetRows) -> Iterator[str]:
    paths = sorted((folder / "trajs").glob(f"{instance_id}.*"))
    if not paths:
        yield f"{instance_id}: there is no trajectory in trajs/"
    item = dataset.items[instance_id]
    for path in paths:
        text = _text(path)
        try:
            content = json.loads(text)
        except ValueError:
            content = text
        if not prompt_leaks.answers(content):
            yield f"{instance_id}: {path.name} holds no answer of a model"
        said = prompt_leaks.texts(content)
        statement = item.instance.problem_statement
        hints = dataset.asides.get(instance_id, Aside()).hints_text
        if piece := prompt_leaks.hints_in(said, hints, statement):
            yield f"{instance_id}: a prompt holds hints: “{piece}”"
        test = prompt_leaks.tests_in(
            said, item.reference.fail_to_pass, item.reference.test_patch, statement
        )
        if test:
            yield f"{instance_id}: a prompt names the hidden test {test}"


async def _resolved(folder: Path, patches: Mapping[str, str], dataset: DatasetRows) -> set[str]:
    """The instances that are resolved by their log; unreadable logs count as not resolved."""
    found = set()
    for instance_id, patch in patches.items():
        path = folder / "logs" / instance_id / "test_output.txt"
        if not patch.strip() or not path.is_file():
            continue
        reference = dataset.items[instance_id].reference
        with contextlib.suppress(LogUnreadable):
            reading = await read_log(reference, _text(path).encode(), patch=patch, model_name="")
            if reading.report[instance_id]["resolved"]:
                found.add(instance_id)
    return found


def _logs(folder: Path, instance_id: str, patch: str, *, resolved: bool) -> list[str]:
    """The faults of the logs. `resolved` is the result from the test log."""
    path = folder / "logs" / instance_id
    if not patch.strip():
        return [f"{instance_id}: there are logs of an empty patch"] if path.is_dir() else []
    missing = [name for name in LOGS if not (path / name).is_file()]
    found = [f"{instance_id}: logs/{instance_id}/{name} is missing" for name in missing]
    if "patch.diff" not in missing:
        logged = (path / "patch.diff").read_bytes()
        if logged.rstrip(b"\n") != patch.encode().rstrip(b"\n"):
            found.append(f"{instance_id}: patch.diff is not the patch that is predicted")
    if "test_output.txt" in missing:
        return found
    if "report.json" not in missing:
        said = _reported(path / "report.json", instance_id)
        if said is None:
            found.append(f"{instance_id}: report.json is no report of it")
        elif said != resolved:
            found.append(
                f"{instance_id}: report.json says {_word(said)}, "
                f"and test_output.txt says {_word(resolved)}"
            )
    return found


def _reported(path: Path, instance_id: str) -> bool | None:
    try:
        resolved = json.loads(path.read_bytes())[instance_id]["resolved"]
    except (ValueError, KeyError, TypeError):
        return None
    return resolved if isinstance(resolved, bool) else None


def _strays(folder: Path, patches: Mapping[str, str]) -> Iterator[str]:
    for part in ("logs", "trajs"):
        for path in sorted((folder / part).glob("*")):
            if not any(path.name == key or path.name.startswith(f"{key}.") for key in patches):
                yield f"{part}/{path.name} is of no instance that is predicted"


def _results(folder: Path, patches: Mapping[str, str], resolved: set[str]) -> Iterator[str]:
    path = folder / "results" / "results.json"
    if not path.is_file():
        return
    content = _json(path)
    lists = {name: content.get(name) for name in ("no_generation", "no_logs", "resolved")}
    for name, listed in lists.items():
        if not isinstance(listed, list) or not all(isinstance(key, str) for key in listed):
            yield f"results.json has no list {name}"
            return
        twice = [key for key, times in Counter(listed).items() if times > 1]
        yield from (f"{key}: results.json has it twice in {name}" for key in twice)
    claimed = set(lists["resolved"] or ())
    for key in sorted(claimed - resolved):
        why = "its log does not" if key in patches else "there is no prediction of it"
        yield f"{key}: results.json says resolved, and {why}"
    for key in sorted(resolved - claimed):
        yield f"{key}: its log says resolved, and results.json does not"
    without = {key for key, patch in patches.items() if not patch.strip()}
    wrong = set(lists["no_generation"] or ()) & (set(patches) - without)
    yield from (f"{key}: results.json has it in no_generation" for key in sorted(wrong))
    left = without - set(lists["no_generation"] or ())
    yield from (f"{key}: its patch is empty, and no_generation lacks it" for key in sorted(left))
    for name in OTHER_RESULTS:
        if (folder / name).is_file():
            yield from _sums(_json(folder / name), Path(name).stem, len(claimed))


def _sums(content: Mapping[str, Any], name: str, resolved: int) -> Iterator[str]:
    try:
        counted = sum(int(cell["resolved"]) for cell in content.values())
        over = [key for key, cell in content.items() if cell["resolved"] > cell["total"]]
    except (TypeError, KeyError, ValueError):
        yield f"{name}.json is no table of resolved and total"
        return
    if content and counted != resolved:
        yield f"{name}.json adds up to {counted} resolved, and results.json lists {resolved}"
    yield from (f"{name}.json: {key} has more resolved than there are" for key in over)


def _secrets(folder: Path) -> Iterator[str]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and prompt_leaks.KEY.search(_text(path)):
            yield f"{path.relative_to(folder)} holds what looks like an API key"


def _json(path: Path) -> Mapping[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except ValueError:
        return {}
    return content if isinstance(content, Mapping) else {}


def _yaml(path: Path) -> Mapping[str, Any]:
    content = yaml_text.parse(_text(path), where=path.name)
    return content if isinstance(content, Mapping) else {}


def _text(path: Path) -> str:
    """The whole file with its line ends; undecodable bytes are replaced."""
    return path.read_bytes().decode(errors="replace")


def _bad_bytes(folder: Path, patches: Mapping[str, str]) -> Iterator[str]:
    """One line for each checked file that is not UTF-8 text."""
    paths = [folder / name for name in (*NEEDED, *OTHER_RESULTS)]
    paths += [folder / "logs" / key / name for key in patches for name in LOGS]
    paths += sorted((folder / "trajs").glob("*"))
    for path in paths:
        try:
            if path.is_file():
                path.read_bytes().decode()
        except UnicodeDecodeError as error:
            content, at = error.object, error.start
            line = content.count(b"\n", 0, at) + 1
            yield (
                f"{path.relative_to(folder)} is not UTF-8 text: byte {at}, in line {line}, is "
                f"0x{content[at]:02x}"
            )


def _word(resolved: bool) -> str:
    return "resolved" if resolved else "not resolved"
