"""The gate on real sandboxes of a tiny repository, with proposals that mean harm."""

from typing import Any

import anyio
import pytest
from court import ADD, MEND, ONE_KIND, court_of
from sandboxes import namespace_of, processes_of, vanish

from agents.admission.evidence import Refused
from agents.admission.executed import ExecutedEvidence

pytestmark = pytest.mark.slow(seconds=65)

THROUGH_A_LINK = """\
diff --git a/out b/out
new file mode 120000
--- /dev/null
+++ b/out
@@ -0,0 +1 @@
+/tmp
\\ No newline at end of file
diff --git a/out/x b/out/x
new file mode 100644
--- /dev/null
+++ b/out/x
@@ -0,0 +1 @@
+x
"""


@pytest.fixture
async def court(sandbox, kind, tmp_path):
    async with court_of(sandbox, kind, tmp_path) as made:
        yield made


async def test_a_true_patch_and_what_it_changes_are_admitted(court):
    refused = await court.ran(
        "python -c 'from pkg.core import add; print(add(3, 1))'", 0, "4 in all"
    )
    assert "printed: 2" in refused.reason
    patch = await court.patch(MEND)
    assert patch.settled == "admitted", patch.reason
    label = patch.entry.label
    three = "python -c 'from pkg.core import add; print(\"sum\", add(2, 1))'"
    assert (await court.ran(three, 0, "sum 3", label)).settled == "admitted"
    assert (await court.ran(three, 0, "sum 1")).settled == "admitted"
    stale = await court.ran(three, 0, "sum 1", label)
    assert "In the state 'P3' it printed: sum 3" in stale.reason.replace(label, "P3")
    span = {"form": "span", "path": "pkg/core.py", "line": 2, "quote": "    return a + b"}
    assert (await court.say("FACT", **span, state=label)).settled == "admitted"
    clock = "from datetime import timedelta; print(timedelta(seconds=add(901, 1)))"
    time = f"python -c 'from pkg.core import add; {clock}'"
    assert (await court.ran(time, 0, "0:15:00")).settled == "admitted"
    assert "return a - b" in (await court.say("FACT", **span)).reason


@ONE_KIND
async def test_git_cannot_tell_the_states_apart(court):
    told = (
        "git status --porcelain --untracked-files=no; git diff --quiet && git diff --cached --quiet"
        " && git log --format='%an %ae %cn %aI %cI %s %P|' && git reflog && ls -A /tmp"
    )
    base = await court.checks.run_on("", told)
    patched = await court.checks.run_on(MEND, told)
    assert base.exit_status == patched.exit_status == 0
    assert base.output == patched.output


@ONE_KIND
@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("true", "The patch is empty. Change the source first, then publish again."),
        ("echo '#' >> pkg/core.py", "does not pass"),
        ("echo 'def (' >> pkg/core.py", "does not compile: pkg/core.py: SyntaxError"),
        ("sed -i '1i import nothing_there' pkg/core.py", "`import pkg.core` fails"),
        ("sed -i 's/EXTRA/OTHER/' pkg/extra.py; sed -i 's/-/+/' pkg/core.py", "admitted"),
        ("ln -s /etc/passwd pkg/names.py; sed -i 's/-/+/' pkg/core.py", "pkg/names.py is a link"),
        ("rm link; ln -s pkg link; sed -i 's/-/+/' pkg/core.py", "link is a link"),
        ("mkdir tests; echo 'x = 1' > tests/test_a.py", "tests only"),
        ("mkdir tests; echo 'x = 1' > tests/test_a.py; sed -i 's/-/+/' pkg/core.py", "admitted"),
        ("sed -i 's/-/+/' pkg/core.py; head -c 9999 /dev/urandom > more.bin", "admitted"),
        ("rm pkg/core.py", "`import pkg.core` fails|does not pass"),
    ],
)
async def test_what_becomes_of_a_patch(court, script, why):
    ruling = await court.patch(await court.diff_of(script))
    assert any(part in (ruling.reason or ruling.settled) for part in why.split("|")), ruling


FORGES = """
import os, pathlib
processes = pathlib.Path("/proc")
parent = (processes / "self/stat").read_text().split()[3]
answers = (processes / parent / "fd/1").open("w")
if not os.fork():
    while True:
        answers.write(chr(10) + "DELM[[1]]" + chr(10))
        answers.flush()
"""


@ONE_KIND
async def test_a_module_that_writes_what_the_gate_reads_is_refused(court):
    script = f"cat >> pkg/extra.py <<'E'\n{FORGES}E\nsed -i 's/-/+/' pkg/core.py"
    ruling = await court.patch(await court.diff_of(script))
    assert ruling.settled == "rejected"
    assert "cannot be read" in ruling.reason or "imported one by one" in ruling.reason


@ONE_KIND
async def test_an_answer_that_no_parser_can_hold_is_a_refusal(court):
    answer = """import os; os.write(1, b'\\nDELM' + b'[' * 150_000); os._exit(0)"""
    script = f"echo \"{answer}\" > json.py; sed -i 's/-/+/' pkg/core.py"
    ruling = await court.patch(await court.diff_of(script))
    assert "cannot be read" in ruling.reason


@ONE_KIND
@pytest.mark.parametrize(
    "diff",
    [
        MEND.replace("b/pkg", "b/../pkg").replace("a/pkg", "a/../pkg"),
        MEND.replace("a/pkg", "/testbed/pkg").replace("b/pkg", "/testbed/pkg"),
        "--- /dev/null\n+++ b/../../tmp/escaped\n@@ -0,0 +1 @@\n+x\n",
        "--- /dev/null\n+++ b/.git/hooks/pre-commit\n@@ -0,0 +1 @@\n+x\n",
        "--- /dev/null\n+++ b/link/x\n@@ -0,0 +1 @@\n+x\n",
        "diff --git a/x b/x\nnew file mode 100644\nindex 0000000..1111111\nGIT binary patch\n"
        "literal 9\nzzz\n\n",
        THROUGH_A_LINK,
        MEND.replace("a - b", "nothing like it"),
        "diff --git a/pkg/core.py b/pkg/core.py\n",
        "diff --git a/x b/x\n" + "\x1b\ufffd\u2028" * 1000,
    ],
)  # fmt: skip
async def test_a_patch_that_leads_out_or_is_damaged_is_refused(court, diff):
    ruling = await court.patch(diff)
    assert ruling.settled == "rejected"
    assert "does not apply" in ruling.reason or "changes nothing" in ruling.reason, ruling.reason


@ONE_KIND
async def test_a_test_that_exists_at_base_is_left_alone_whatever_the_diff_calls_it(court):
    async with court.after("mkdir tests; cp pkg/core.py tests/test_core.py") as there:
        for script in (
            "sed -i 's/-/+/' pkg/core.py tests/test_core.py",
            "sed -i 's/-/+/' pkg/core.py; rm tests/test_core.py",
            "sed -i 's/-/+/' pkg/core.py; git mv tests/test_core.py pkg/other.py",
            "sed -i 's/-/+/' pkg/core.py; chmod +x tests/test_core.py",
        ):
            ruling = await there.patch(await there.diff_of(script))
            assert "touches tests/test_core.py" in ruling.reason
        renamed = (
            "diff --git a/tests/test_core.py b/pkg/new.py\nsimilarity index 100%\n"
            "rename from tests/test_core.py\nrename to pkg/new.py\n"
            "diff --git a/pkg/core.py b/pkg/core.py\n" + MEND
        )
        assert "touches tests/test_core.py" in (await there.patch(renamed)).reason


@ONE_KIND
async def test_new_tests_run_against_the_old_code_too(court):
    """A command that fails at base only because its test is not there shows nothing."""
    idle = await court.diff_of(
        "mkdir tests; echo 'assert 1' > tests/test_a.py; echo '#' >> pkg/core.py"
    )
    assert (
        "passes at the base commit with the new tests of the patch already"
        in (await court.patch(idle, "python tests/test_a.py")).reason
    )
    shown = await court.diff_of(
        'mkdir tests; printf \'import sys\\nsys.path.insert(0, ".")\\nfrom pkg.core import add\\n'
        "assert add(1, 1) == 2\\n' > tests/test_a.py; sed -i 's/-/+/' pkg/core.py"
    )
    assert (await court.patch(shown, "python tests/test_a.py")).settled == "admitted"


async def test_new_tests_in_another_encoding_are_the_same_bytes_there(court):
    """What passes at base passes there in Latin-1, too: the file is not mended on its way."""
    idle = await court.diff_of(
        r"mkdir tests; printf '# coding: latin-1\nassert ascii(\"\351\") == ascii(chr(233))\n' "
        "> tests/test_a.py; echo '#' >> pkg/core.py"
    )
    ruling = await court.patch(idle, "python tests/test_a.py")
    assert "passes at the base commit with the new tests of the patch already" in ruling.reason


@ONE_KIND
async def test_a_patch_of_a_file_whose_name_is_no_text_is_refused(court):
    odd = await court.diff_of(r"sed -i 's/-/+/' pkg/core.py; touch $'pkg/\351.py'")
    assert "whose name is no UTF-8 text" in (await court.patch(odd)).reason


@ONE_KIND
async def test_a_module_that_needs_what_was_taken_away_is_imported_too(court):
    """Another module than the changed one, and than its package."""
    async with court.after("echo 'from pkg.core import add' > pkg/user.py") as there:
        renamed = await there.diff_of("sed -i 's/-/+/; s/add/plus/' pkg/core.py")
        shows = "python -c 'from pkg.core import plus; assert plus(1, 1) == 2'"
        assert "`import pkg.user` fails" in (await there.patch(renamed, shows)).reason


@ONE_KIND
async def test_no_check_sees_what_another_one_left(court):
    """Each run writes into its own /testbed, /tmp and home, and leaves a process behind."""
    leave = (
        "ls /tmp/left ~/left left 2>/dev/null; echo 'X = 1' >> pkg/core.py; "
        "touch left /tmp/left ~/left; (setsid sleep 99 & ) ; wc -l < pkg/core.py; "
        "git add -A; git -c user.name=a -c user.email=a commit -qm x"
    )
    outcome = await court.checks.run_on("", leave)
    outputs = {run.output.split("\n")[0] for run in outcome.runs}
    assert outputs == {"3"}
    assert len(outcome.runs) >= 2
    seen = await court.ran(
        "ls -A /testbed /tmp | grep -c left; wc -l < pkg/core.py", 0, "0\n2 lines"
    )
    assert "printed: 0\n2" in seen.reason


PROGRAM = "cat > odd.sh <<'E'\n{}\nE\ntrue"  # of the repository: in a command it would not be plain


async def test_forks_do_not_see_each_other(court):
    """Two at a time: neither the processes nor the files of the other are there."""
    mark = "echo x >> /tmp/mark; sleep 0.3; wc -l < /tmp/mark; ls /tmp | wc -l"
    async with anyio.create_task_group() as group:
        for number in range(2):
            group.start_soon(court.checks.run_on, "", f"{mark} # {number}")
    for number in range(2):
        outcome = await court.checks.run_on("", f"{mark} # {number}")
        assert {run.output for run in outcome.runs} == {"1\n1\n"}


@ONE_KIND
@pytest.mark.parametrize(
    ("command", "status", "output", "why"),
    [
        ("sleep 99", 0, "never seen", "did not end within 5 s"),
        ("yes | head -c 400000000", 0, "yyy", "wrote too much|not there"),
        ("kill -9 -1; echo I am the gate", 0, "I am here", "not there|killed"),
        ("kill -9 1 $PPID; echo I am alive", 0, "I am here", "not there|killed"),
        ("rm -rf /testbed/* /testbed/.git; echo all is gone now", 0, "gone for ever", "not there"),
        (
            ":(){ :|:& };: ; sleep 1; echo bombs away",
            0,
            "bombs here",
            "not there|killed|exit status|flaky",
        ),
        ("printf 'a\\0b'; echo nul byte here", 0, "nothing like it", "not there"),
        ("cat; echo end of input reached", 0, "something was typed", "not there"),
    ],
)
async def test_a_program_that_misbehaves_is_refused_and_the_next_is_checked(
    court, command, status, output, why
):
    async with court.after(PROGRAM.format(command)) as here:
        ruling = await here.ran("bash odd.sh", status, output)
        assert ruling.settled == "rejected"
        assert any(part in ruling.reason for part in why.split("|")), ruling.reason
        assert len(ruling.reason) < 2000
        span = {"form": "span", "path": "pkg/core.py", "line": 1, "quote": "def add(a, b):"}
        assert (await here.say("FACT", **span)).settled == "admitted"
        assert (await here.ran(ADD, 1, "AssertionError")).settled == "admitted"


@ONE_KIND
async def test_a_command_that_only_fails_the_second_time_is_run_in_a_clean_copy_each_time(court):
    once = PROGRAM.format("test ! -e marker && touch marker")
    shows = "bash odd.sh && python -c 'import pkg.core as c; print(c.add(5, 2))'"
    async with court.after(once) as here:
        assert (await here.ran(shows, 0, "3")).settled == "admitted"
        longer = shows.replace("c.add(5, 2)", "c.__name__, c.add(5, 2)")
        assert (await here.ran(longer, 0, "pkg.core 3")).settled == "admitted"


@ONE_KIND
@pytest.mark.parametrize(
    ("path", "quote", "why"),
    [
        ("link", "one\ntwo", "admitted"),
        ("crlf.txt", "one\ntwo", "admitted"),
        ("no newline.txt", "no newline", "admitted"),
        ("\xfcn\xefcode.txt", "\xfcn\xefc\xf6de", "admitted"),
        ("latin1.txt", "d\xe9j\xe0 vu", "does not stand"),
        ("pkg", "def add", "not a file"),
        ("pkg/extra.py", "EXTRA = 1\n" * 41, "does not stand"),
        ("a.txt; touch /tmp/x", "one", "no such file"),
    ],
)
async def test_quotes_of_odd_files(court, path, quote, why):
    ruling = await court.say("FACT", form="span", path=path, line=0, quote=quote)
    assert why in (ruling.reason or ruling.settled)
    assert len(ruling.reason) < 1500


async def test_a_cancelled_check_leaves_no_process(court):
    """The fork is there before the check begins, so its time limit cuts off the command alone."""
    fork = await court.sandbox.fork()
    namespace = await namespace_of(fork)
    asked = []

    class Ready:
        """Has one fork."""

        async def fork(self) -> Any:
            asked.append(fork)
            return fork

    pristine: Any = Ready()
    slow = ExecutedEvidence(pristine, court.context, command_s=60, time_limit_s=1, count_tokens=len)
    assert processes_of(namespace)
    with pytest.raises(Refused, match="longer than 1 s"):
        await slow.run_on("", "sleep 50")
    assert len(asked) == 1
    await vanish(namespace, within_s=10)
