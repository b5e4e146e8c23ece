"""Diffs on a page: whatever a system hands in is shown, cut, and never broken."""

import time

import pytest
from hostile_texts import HOSTILE, LONG_LINE, balanced, faults, parsed

from harness.pages.diff_view import MOST_CHARS, MOST_LINE, diff_view, same_change
from harness.pages.rendering import render

PLAIN = """diff --git a/src/a.py b/src/a.py
--- a/src/a.py
+++ b/src/a.py
@@ -10,4 +10,4 @@ def f(x):
     # before
-    return "old" + str(1)
+    return "new" + str(2)  # why
     \"\"\"
 and while True is prose
\\ No newline at end of file
"""
BINARY = """diff --git a/logo.png b/logo.png
new file mode 100644
index 0000000..1b2c3d4
Binary files /dev/null and b/logo.png differ
"""
GIT_BINARY = """diff --git a/logo.png b/logo.png
new file mode 100644
index 0000000..1b2c3d4
GIT binary patch
literal 10
Rcmb=J<<>T;U|?WiU|<9S0RR91

"""
RENAMED = """diff --git a/old.py b/new.py
similarity index 100%
rename from old.py
rename to new.py
"""
HUGE = PLAIN.partition("@@")[0] + "@@ -1,0 +1,2500000 @@\n" + "+\n" * 2_500_000


def html(diff: str) -> str:
    one = '{% from "diff_view.html.j2" import diff %}{{ diff(view, name) }}'
    return str(render.__globals__["_templates"]().from_string(one).render(
        view=diff_view(diff), name=diff[:50],
    ))  # fmt: skip


def text_of(line) -> str:
    return "".join(text for _, text in line.spans)


def test_a_diff_has_its_lines_with_numbers_and_colours():
    view = diff_view(PLAIN)
    (file,) = view.files
    assert (file.path, file.added, file.removed, view.left_out) == ("src/a.py", 1, 1, 0)
    lines = [(line.kind, line.before, line.after, text_of(line)) for line in file.lines]
    assert lines[1:4] == [
        ("", 10, 10, "    # before"),
        ("del", 11, None, '    return "old" + str(1)'),
        ("add", None, 11, '    return "new" + str(2)  # why'),
    ]
    colours = {text: mark for line in file.lines for mark, text in line.spans}
    assert (colours["return"], colours["# why"], colours["2"]) == ("tk", "tc", "tn")
    # a docstring that ends in the hunk does not make strings of the code after it
    assert colours['"new"'] == "ts"
    assert not any("and while" in text and mark == "ts" for text, mark in colours.items())


@pytest.mark.parametrize(("diff", "change"), [(BINARY, "binary"), (RENAMED, "renamed from old.py")])
def test_files_without_lines_say_what_became_of_them(diff, change):
    (file,) = diff_view(diff).files
    assert (file.change, file.lines) == (change, ())
    assert change in html(diff)


HOSTILE_DIFFS = {
    "empty": "",
    "blank": "\n \n",
    "none": "not a diff at all",
    "text": HOSTILE,
    "inside": PLAIN.replace("why", HOSTILE).replace("before", HOSTILE),
    "path": PLAIN.replace("src/a.py", "src/" + HOSTILE.replace("\n", "")),
    "counts": PLAIN.replace("-10,4 +10,4", "-99999999999999999999,9 +1,99"),
    "digits": PLAIN.replace("-10,4", "-" + "9" * 5000 + ",4"),
    "cut": PLAIN[:-40],
    "head": "@@ -1 +1 @@\n-a\n+b\n",
    "after": PLAIN + "and then words\n",
    "carriage": PLAIN.replace("\n", "\r\n"),
    "separators": PLAIN.replace("why", "\x0b\x0c\x1c\x85\u2028\u2029"),
    "long line": PLAIN.replace("why", LONG_LINE),
    "huge": HUGE,
    "git binary": GIT_BINARY,
    "surrogate": PLAIN.replace("why", "\ud800"),
    "html end": PLAIN.replace("why", "</td></tr></table></div></section>"),
    "quotes": PLAIN.replace("why", '"""' * 2000),
    "brackets": PLAIN.replace("why", "([{" * 3000),
    "many files": "".join(PLAIN.replace("src/a.py", f"src/{n}.py") for n in range(150)),
}


@pytest.mark.parametrize("name", HOSTILE_DIFFS)
def test_no_diff_breaks_the_page_or_takes_long(name):
    began = time.perf_counter()
    page = html(HOSTILE_DIFFS[name])
    took = time.perf_counter() - began
    assert faults(page) == []
    assert balanced(page)
    assert len(page) < 600_000
    assert took < 2
    shown = "".join(parsed(page).text)
    assert max(map(len, shown.splitlines() or [""])) < 2 * MOST_CHARS


def test_what_is_left_out_is_told():
    page = html(HUGE)
    left_out = diff_view(HUGE).left_out
    assert left_out >= len(HUGE) - MOST_CHARS
    assert f"{left_out:,} more characters are left out" in page
    one = diff_view(PLAIN.replace("why", "A" * 3000)).files[0]
    assert all(len(text_of(line)) < MOST_LINE + 40 for line in one.lines)
    assert any("more characters" in text_of(line) for line in one.lines)


def test_a_change_is_the_same_wherever_it_stands():
    moved = PLAIN.replace("-10,4 +10,4", "-50,4 +52,4").replace("before", "another context")
    assert same_change(PLAIN, PLAIN)
    assert same_change(PLAIN, moved)
    assert not same_change(PLAIN, PLAIN.replace("new", "newer"))
    assert not same_change(PLAIN, PLAIN.replace("src/a.py", "src/b.py"))
    assert not same_change("", PLAIN)
    assert not same_change("words", "other words")
    assert same_change(HUGE, HUGE)
    assert not same_change(HUGE, HUGE + "+\n")
