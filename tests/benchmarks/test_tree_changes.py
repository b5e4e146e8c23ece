"""What a patch changes is seen in the sandbox, whatever way it is written."""

from dataclasses import replace

import pytest
from sandboxes import ShellSandbox

from harness import event_loop
from harness.benchmarks.swebench.guard.added_lines import added_lines, source_text
from harness.benchmarks.swebench.guard.base_commit import BaseCommit
from harness.benchmarks.swebench.guard.import_path import NO_PYTHON
from harness.benchmarks.swebench.guard.tree_changes import Change, TreeChanges, tree_changes
from harness.benchmarks.swebench.official import Log

NEW = """\
diff --git a/{0} b/{0}
new file mode {1}
--- /dev/null
+++ b/{0}
@@ -0,0 +1 @@
+{2}
"""
EDIT = """\
--- a/pkg/core.py
+++ b/pkg/core.py
@@ -1,2 +1,2 @@
 def add(a, b):
-    return a - b
+    return a + b
"""


def new(path: str, text: str = "x = 1", mode: str = "100644") -> str:
    return NEW.format(path, mode, text)


def link(path: str, target: str) -> str:
    return new(path, target, "120000") + "\\ No newline at end of file\n"


def indented(patch: str) -> str:
    return "".join(f"    {line}\n" for line in patch.splitlines())


# As `git diff --binary` writes a file of two bytes, NUL and LF.
BINARY = """\
diff --git a/pkg/core.pyc b/pkg/core.pyc
new file mode 100644
index 0000000000000000000000000000000000000000..1f2a4f5ef3df7f7456d91c961da36fc58904f2f1
GIT binary patch
literal 2
JcmZSJ0ssIE01E&B

literal 0
HcmV?d00001

"""
# By how the patch is written: the patch, and what it changes.
FORMS = {
    "plain": (EDIT, {"pkg/core.py"}),
    "indented": (indented(new("tests/conftest.py")), {"tests/conftest.py"}),
    "a quoted name": (new("b c.py").replace("a/b c.py b/b c.py", '"a/b c.py" "b/b c.py"'),
                      {"b c.py"}),
    "an escaped name": (
        new("X").replace("a/X b/X", '"a/\\143onftest.py" "b/\\143onftest.py"')
        .replace("+++ b/X", '+++ "b/\\143onftest.py"'), {"conftest.py"}),
    "CRLF": (new("conftest.py").replace("\n", "\r\n"), {"conftest.py"}),
    "Index and no other header": (
        "Index: pkg/core.py\n" + "=" * 67 + "\n--- pkg/core.py\t(revision 1)\n"
        "+++ pkg/core.py\t(working copy)\n" + EDIT.split("\n", 2)[2].replace("pkg/", ""), set()),
    "other first folders": (EDIT.replace("a/pkg", "old/pkg").replace("b/pkg", "new/pkg"),
                            {"pkg/core.py"}),
    "two diffs of one file": (
        EDIT + EDIT.replace("return a - b", "RETURN").replace("return a + b", "return a - b")
        .replace("RETURN", "return a + b"), set()),
    "a rename": ("diff --git a/a.txt b/conftest.py\nsimilarity index 100%\n"
                 "rename from a.txt\nrename to conftest.py\n", {"a.txt", "conftest.py"}),
    "a copy": ("diff --git a/a.txt b/conftest.py\nsimilarity index 100%\n"
               "copy from a.txt\ncopy to conftest.py\n", {"conftest.py"}),
    "a mode": ("diff --git a/a.txt b/a.txt\nold mode 100644\nnew mode 100755\n", {"a.txt"}),
    "an empty file": ("diff --git a/e.pth b/e.pth\nnew file mode 100644\n", {"e.pth"}),
    "binary": (BINARY, {"pkg/core.pyc"}),
    "an ignored file": (new("pkg/__pycache__/x.ignored"), {"pkg/__pycache__/x.ignored"}),
    "a removed file": (
        "diff --git a/run.sh b/run.sh\ndeleted file mode 100755\n--- a/run.sh\n+++ /dev/null\n"
        "@@ -1,2 +0,0 @@\n-#!/bin/sh\n-echo run\n", {"run.sh"}),
    "a link": (link("more", "pkg"),
               {"more", "more/__init__.py", "more/core.py", "more/extra.py"}),
    "a link that leads nowhere": (link("pytest", "/tmp/later"), {"pytest"}),
    "a file of .git, which git refuses and patch writes": (new(".git/hooks/post-checkout"),
                                                           {".git/hooks/post-checkout"}),
    "the configuration of git": (
        "--- a/.git/config\n+++ b/.git/config\n@@ -1,1 +1,2 @@\n [core]\n+\tfsmonitor = x\n",
        {".git/config", ".git/config.orig"}),
    "a name with a newline and a tab": (
        new("X").replace("a/X b/X", '"a/n\\n\\tm.py" "b/n\\n\\tm.py"')
        .replace("+++ b/X", '+++ "b/n\\n\\tm.py"'), {"n\n\tm.py"}),
    "outside of the repository": (new("../evil.py"), set()),
    "through a link that it brings": (link("way", "/run") + new("way/evil.py"), {"way"}),
    "no patch": ("Nothing to see here.\n", set()),
}  # fmt: skip


# Git and `patch` are the host's there.
ONE_KIND = pytest.mark.parametrize("kind", ["bubblewrap"], indirect=True, scope="session")

# Those of them that would judge the patch, and what the guard says of each.
JUDGES = {
    "indented": "put back",
    "an escaped name": "put back",
    "CRLF": "put back",
    "a rename": "put back",
    "a copy": "put back",
    "binary": "put back",
    "a link": "put back",  # a module that nothing imports
    "a link that leads nowhere": "put back, shadows-runner",
    "a file of .git, which git refuses and patch writes": "touches-git",
    "the configuration of git": "touches-git",
    "through a link that it brings": "put back",
}
BASE = BaseCommit.of(
    ["a.txt", "pkg/__init__.py", "pkg/core.py"], {}, ["tests/test_a.py"],
    path=replace(NO_PYTHON, modules={"pytest": 0}),
)  # fmt: skip


@pytest.fixture(scope="module")
def anyio_backend() -> tuple[str, dict[str, object]]:
    return "asyncio", {"loop_factory": event_loop.new}


async def changed(sandbox: ShellSandbox, patch: str) -> TreeChanges:
    return await tree_changes(sandbox, patch, Log())


@ONE_KIND
@pytest.mark.parametrize("form", FORMS)
async def test_what_a_patch_changes_is_seen_in_every_form(bench, form):
    patch, paths = FORMS[form]
    found = await changed(bench, patch)
    assert set(found.paths) == paths
    assert found.outside == ()
    back = ["put back"] if set(BASE.put_back(found)) & paths else []
    assert ", ".join([*back, *BASE.refused(found)]) == JUDGES.get(form, "")


@ONE_KIND
async def test_a_change_says_what_was_there_and_what_is_there_now(bench):
    patch = new("s.sh", mode="100755") + link("more", "pkg") + link("up", "../root")
    paths = (await changed(bench, patch)).paths
    assert paths["s.sh"] == Change(was="", now="file", mode=0o755)
    assert paths["more"] == Change(was="", now="link", mode=0o777, target="/testbed/pkg")
    assert paths["more/core.py"] == Change(was="", now="file", link="more")
    assert paths["up"].target == "/root"


@ONE_KIND
async def test_the_added_lines_are_those_of_the_files_not_those_of_the_patch(bench):
    """The context of a patch with rejects or fuzz may name other lines, and other numbers."""
    head = "diff --git a/pkg/core.py b/pkg/core.py\n"
    patch = head + EDIT.replace("-1,2 +1,2", "-1,3 +1,3") + " never there\n"
    found = await changed(bench, patch + new("n.py", "import os"))
    assert found.applied
    assert found.added_lines == {
        "pkg/core.py": ((2, "    return a + b"),), "n.py": ((1, "import os"),),
    }  # fmt: skip
    assert found.sources["pkg/core.py"] == "def add(a, b):\n    return a + b\n"


@ONE_KIND
async def test_python_is_read_through_a_link_to_a_file_of_another_name(bench):
    """Python imports the link, whatever the file is called to which it leads."""
    patch = new("pkg/notes.txt", "import gc") + link("pkg/more.py", "notes.txt")
    found = await changed(bench, patch + link("pkg/none.py", "nowhere"))
    assert found.sources == {"pkg/more.py": "import gc\n"}
    assert found.added_lines == {"pkg/more.py": ((1, "import gc"),)}


@ONE_KIND
async def test_what_is_written_elsewhere_is_seen(bench):
    hook = "#!/bin/sh\ntouch /root/evil /tmp/evil\n"
    await bench.write(".git/hooks/post-checkout", hook.encode())
    await bench.exec("chmod +x .git/hooks/post-checkout")
    assert (await changed(bench, indented(EDIT))).outside == ("/root/evil", "/tmp/evil")


@ONE_KIND
async def test_an_index_that_hides_files_from_git_is_a_change(bench):
    hook = "#!/bin/sh\ngit update-index --assume-unchanged a.txt\n"
    await bench.write(".git/hooks/post-checkout", hook.encode())
    await bench.exec("chmod +x .git/hooks/post-checkout")
    assert set((await changed(bench, indented(EDIT))).paths) == {".git/index", "pkg/core.py"}


@ONE_KIND
async def test_what_git_does_for_itself_when_it_tries_three_ways_is_no_change(bench):
    """It writes objects and its index, and marks a pack as used."""
    assert (
        await bench.exec("git repack -adq; touch -d 2020-01-01 .git/objects/pack/*")
    ).output == ""
    await bench.write("there.ignored", b"y\n")
    assert (await changed(bench, new("there.ignored"))).paths == {}


@pytest.mark.parametrize(
    ("before", "after", "added"),
    [
        ("a\nb\nc\n", "a\nx\nc\n", [(2, "x")]),
        ("a\nb\n", "b\na\n", []),
        ("a\n", "a\na\n", [(2, "a")]),
        ("", "a\r\nb", [(1, "a"), (2, "b")]),
        ("a\n", "a\x0cb\n", [(1, "a\x0cb")]),
        ("a\n", "", []),
    ],
)
def test_added_lines_are_counted_as_python_counts_them(before, after, added):
    assert list(added_lines(before, after)) == added


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"# coding: utf-7\n+AGEAYg-\n", "# coding: utf-7\nab\n"),
        ("# coding: latin-1\n\xe9".encode("latin-1"), "# coding: latin-1\n\xe9"),
        (b"\xef\xbb\xbfa", "a"),
        (b"a\xff", "a\ufffd"),
        (b"# coding: nonsense\na", "# coding: nonsense\na"),
    ],
)
def test_a_source_is_read_in_the_encoding_that_it_names(data, text):
    assert source_text(data) == text


@ONE_KIND
async def test_a_patch_of_many_files_is_read_whole(bench):
    found = await changed(bench, "".join(new(f"deep/{'x' * 200}/{n}.py") for n in range(300)))
    assert len(found.paths) == len(found.added_lines) == 300


@ONE_KIND
async def test_what_a_patch_adds_is_told_from_what_was_there(bench):
    found = await changed(bench, EDIT + new("pkg/more.py"))
    assert found.adds(["pkg/more.py"])
    assert found.adds([])
    assert not found.adds(["pkg/more.py", "pkg/core.py"])
    assert not found.adds(["pkg/none.py"])
