"""Check a patch: it applies, leaves tests alone, compiles, imports, and works."""

import base64
import json
import shlex
from collections.abc import Sequence
from dataclasses import replace

from agents import sandbox_scripts
from agents.admission.changes import Change, ChangedTexts, is_test
from agents.admission.command_runner import CommandOutcome, CommandRunner, answer, python
from agents.admission.earlier_bodies import needs_changed_code
from agents.admission.evidence import Refused, reads_only
from agents.admission.matching import shown
from agents.admission.patch_tells import judge_added_code
from agents.admission.shell_words import nothing_ran
from agents.sandbox_scripts.patch_files import TEXTS
from harness.board.evidence import Patch
from harness.protocols import Sandbox
from harness.types import ExecResult

LINK_MODES = ("120000", "160000")
MOST_CHARS = 4_000_000  # of what a script tells of a patch


async def check_patch(
    runs: CommandRunner, patch: Patch, issue: str, *, fresh: bool = False
) -> CommandOutcome:
    """What its command does with the patch. `Refused` when the patch is no candidate.

    `issue`: what is to be mended; what it names a patch may bring. Empty: not known.
    """
    if reads_only(patch):
        raise Refused(
            "The command of a PATCH has to run the code, and this one only reads or prints text. "
            "Give one that shows the wrong behaviour: a test, or `python -c` with an assert."
        )
    async with runs.patched(patch.diff, commit=False) as sandbox:
        changes = await _changes(sandbox)
        judge_changes(changes)
        _judge_command("\n".join([patch.command, *patch.files.values()]), changes)
        await _compiles(sandbox, changes)
        _judge_added(await _texts(sandbox, changes))
        new_tests = await _new_tests(sandbox, changes)
        await _imports(runs, sandbox, changes)
    before = await runs.outcome(new_tests, patch.command, patch.files, fresh=fresh)
    _fails(before, patch.command, new_tests)
    after = await runs.outcome(patch.diff, patch.command, patch.files, fresh=fresh)
    _passes(after)
    await needs_changed_code(runs, patch, issue, new_tests)
    return after if before.lasting else replace(after, by_chance=True)


async def _texts(sandbox: Sandbox, changes: Sequence[Change]) -> ChangedTexts:
    """The texts of changed files that are no tests; what cannot be read is left out."""
    paths = [change.path for change in changes if not is_test(change.path)]
    found = answer(await python(sandbox, TEXTS, json.dumps(paths), max_chars=MOST_CHARS))
    return {path: (before, after) for path, (before, after) in found.items()}


def _judge_added(texts: ChangedTexts) -> None:
    """`Refused` where new code asks for something else than what code does."""
    for path, (old, new) in texts.items():
        if path.endswith(".py") and new:
            judge_added_code(path, old or "", new)


def judge_changes(changes: list[Change]) -> None:
    """`Refused` for a patch that touches what it may not, or nothing that counts."""
    if not changes:
        raise Refused("The patch changes nothing. Change the source first, then publish again.")
    for change in changes:
        if change.mode in LINK_MODES:
            raise Refused(f"{change.path} is a link or a submodule. Leave it out of the patch.")
        if change.status != "A" and is_test(change.path):
            raise Refused(
                f"The patch touches {change.path}, a test file that exists at the base commit. "
                "Leave existing tests as they are; new test files may be added."
            )
    if all(is_test(change.path) for change in changes):
        raise Refused("The patch changes tests only. It has to change the source as well.")


def _judge_command(command: str, changes: list[Change]) -> None:
    """`Refused` where a command, its scripts included, names a file that only the patch brings."""
    for change in changes:
        if change.status == "A" and not is_test(change.path) and change.path in command:
            raise Refused(
                f"The command names {change.path}, which only the patch brings, so that it cannot "
                "but fail without it. Write the check into the command (python - <<'EOF'), or into "
                "a new test file."
            )


async def _changes(sandbox: Sandbox) -> list[Change]:
    result = await sandbox.exec(sandbox_scripts.CHANGES, timeout_s=60, max_output_chars=MOST_CHARS)
    try:
        fields = _decoded(result).decode().split("\0")
    except UnicodeDecodeError:
        raise Refused(
            "The patch changes a file whose name is no UTF-8 text. Leave it out of the patch."
        ) from None
    return [
        Change(path=path, status=meta.split()[4][0], mode=meta.split()[1])
        for meta, path in zip(fields[::2], fields[1::2], strict=False)
    ]


async def _new_tests(sandbox: Sandbox, changes: list[Change]) -> str:
    """The test files that the patch adds, as a patch of their own: the command may need them.

    Bytes that are no UTF-8 are in it as `CommandRunner.patched` takes them.
    """
    paths = [change.path for change in changes if change.status == "A" and is_test(change.path)]
    if not paths:
        return ""
    quoted = " ".join(shlex.quote(f":(literal){path}") for path in paths)
    script = sandbox_scripts.NEW_TESTS.replace("{paths}", quoted)
    result = await sandbox.exec(script, timeout_s=60, max_output_chars=MOST_CHARS)
    return _decoded(result).decode(errors="surrogateescape")


def _decoded(result: ExecResult) -> bytes:
    """Base64 output of a script, decoded. Raises `Refused` if it is too long or invalid."""
    try:
        if result.output_bytes > MOST_CHARS:
            raise ValueError
        return base64.b64decode(result.output)
    except ValueError:
        raise Refused(
            "The patch changes more than can be looked at. Leave out files that are generated."
        ) from None


async def _compiles(sandbox: Sandbox, changes: list[Change]) -> None:
    sources = [c.path for c in changes if c.path.endswith(".py") and c.status != "D"]
    if sources:
        result = await python(sandbox, sandbox_scripts.COMPILE, json.dumps(sources))
        if result.exit_status != 0:
            raise Refused(f"A changed file does not compile: {shown(result.output)}\nMend that.")


async def _imports(runs: CommandRunner, sandbox: Sandbox, changes: list[Change]) -> None:
    """`Refused` when a changed module, or its package, cannot be imported and could be at base."""
    paths = [c.path for c in changes if c.path.endswith(".py") and not is_test(c.path)]
    broken = await _not_importable(sandbox, paths=paths) if paths else []
    if not broken:
        return
    async with runs.patched("") as base:
        modules = [(folder, name) for folder, name, _ in broken]
        before = {name for _, name, _ in await _not_importable(base, modules=modules)}
    for _, name, reason in broken:
        if name not in before:
            raise Refused(
                f"With the patch `import {name}` fails, and at the base commit it does not: "
                f"{shown(reason)}\nMend that."
            )


async def _not_importable(
    sandbox: Sandbox, *, paths: Sequence[str] = (), modules: Sequence[tuple[str, str]] = ()
) -> list[tuple[str, str, str]]:
    """Those of `modules`, or of what changing `paths` can have broken: folder, name, reason."""
    asked = json.dumps({"paths": paths, "modules": modules})
    result = await python(sandbox, sandbox_scripts.IMPORT, asked)
    if result.exit_status != 0:
        raise Refused(
            "The changed modules could not be imported one by one (importing them hangs or ends "
            f"the interpreter): {shown(result.output)}"
        )
    try:
        found = json.loads(result.output.rpartition("\nDELM")[2])
        return [(str(folder), str(name), str(reason)) for folder, name, reason in found]
    except (ValueError, TypeError, RecursionError):  # a module wrote in between
        raise Refused(
            "What importing the changed modules gives cannot be read: one of them writes to the "
            f"output of others: {shown(result.output)}"
        ) from None


def _fails(before: CommandOutcome, command: str, new_tests: str) -> None:
    where = "at the base commit" + (" with the new tests of the patch" if new_tests else "")
    if not before.stable:
        statuses = ", ".join(str(run.exit_status) for run in before.runs)
        raise Refused(
            f"The command is flaky {where}: its exit statuses were {statuses}. Give one that "
            "fails each time without the patch."
        )
    status = before.exit_status
    if status == 0:
        raise Refused(
            f"The command passes {where} already, so it does not show what the patch mends. Give "
            f"one that fails without it. It printed: {shown(before.output, 300)}"
        )
    if status is None:
        raise Refused(
            f"The command was killed {where} ({ended(before)}). If that is the fault that the "
            "patch mends, wrap it: `timeout 10 …`."
        )
    if nothing_ran(command, status):
        raise Refused(
            f"The command ran nothing {where} (exit status {status}): {shown(before.output, 300)}\n"
            "Give one that runs there and fails because of the fault."
        )


def _passes(after: CommandOutcome) -> None:
    if after.exit_status == 0:
        return
    if not after.stable:
        raise Refused("With the patch the command is flaky: it passes in some runs only. Mend it.")
    raise Refused(
        f"With the patch the command does not pass ({ended(after)}). It printed: "
        f"{shown(after.output)}\nMend the patch or the command."
    )


def ended(outcome: CommandOutcome) -> str:
    """The end of the first run, in words."""
    first = outcome.runs[0]
    if first.timed_out:
        return f"it did not end within {first.seconds:.0f} s"
    if first.flooded:
        return "it wrote too much"
    if first.disk_full:
        return "its files took more room than they may"
    status = "it was killed" if first.exit_status is None else f"exit status {first.exit_status}"
    return f"{status}, {first.out_of_memory}" if first.out_of_memory else status
