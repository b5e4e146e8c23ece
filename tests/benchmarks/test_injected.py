"""Faults in a text, tests taken out of a file, lists written into a file: without a sandbox."""

import ast
import subprocess
from random import Random

import pytest
import yaml
from sandboxes import git
from tally import CODE, FILE, SWAPPED, TESTS, entry, old_sha256, write

from harness.benchmarks.rows import BUNDLED, load
from harness.benchmarks.swebench.injected.faults import Fault, with_faults
from harness.benchmarks.swebench.injected.hidden_tests import without_tests
from harness.benchmarks.swebench.injected.measure import Measured, compare
from harness.benchmarks.swebench.injected.sheet import read_sheet
from harness.benchmarks.swebench.injected.written_lists import with_lists
from harness.cache import cache_dir
from harness.errors import UserError
from harness.text.file_patch import patch_of

NAME = "example__tally-injected-1"
HASHED = SWAPPED | {"path": "tally.py", "old_sha256": "0" * 64}
LISTS = {
    "fail_to_pass": [f"{FILE}::test_spread[values1-3]"],
    "pass_to_pass": [f"{FILE}::test_mean"],
}


def fault(**fields: object) -> Fault:
    whole = {"path": "tally.py", "lines": [8, 8], "old_sha256": old_sha256(8, 8), "new": "    1\n"}
    return Fault.model_validate(whole | fields)


def test_two_faults_of_a_file_are_counted_in_the_lines_of_the_release():
    first = fault(lines=[2, 2], old_sha256=old_sha256(2, 2), new="    total = sum(values)\n    1\n")
    changed = with_faults({"tally.py": CODE}, [first, fault()], "a.tar.gz")["tally.py"]
    lines = CODE.splitlines(keepends=True)
    assert changed == "".join([lines[0], first.new, *lines[2:7], "    1\n", *lines[8:]])


@pytest.mark.parametrize(
    ("faults", "says"),
    [
        ([fault(path="other.py")], "faults.0.path: a.tar.gz has no text file other.py"),
        ([fault(lines=[13, 14])], "faults.0.lines: tally.py has no lines 13 to 14"),
        ([fault(), fault()], "faults.1.lines: .* no other fault replaces"),
        ([fault(new="    return high - low\n")], "faults.0.new: it is what stands there already"),
        ([fault(new="    return (\n")], "faults: tally.py is then no valid Python"),
    ],
)
def test_a_fault_that_cannot_be_put_in_names_its_field(faults, says):
    with pytest.raises(UserError, match=says) as caught:
        with_faults({"tally.py": CODE}, faults, "a.tar.gz")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"level": 3}, f"injected.{NAME}: level 3 with 1 faults"),
        ({"level": 4}, f"injected.{NAME}.level: "),
        ({"issue": ""}, f"injected.{NAME}.issue: "),
        ({"typo": 1}, f"unknown key injected.{NAME}.typo"),
        ({"faults": []}, f"injected.{NAME}.faults: "),
        ({"faults": [HASHED | {"lines": 8}]}, f"{NAME}.faults.0.lines: is two numbers, the first"),
        ({"faults": [HASHED | {"lines": [9, 8]}]}, "lines are counted from 1 on"),
        ({"faults": [HASHED | {"new": "x"}]}, "new has to end with a line end"),
        ({"repo": "tally"}, f"injected.{NAME}.repo: "),
        ({"log_parser": "parse_log_pytst"}, "did you mean 'parse_log_pytest'"),
        ({"test_files": ["../x.py"]}, f"injected.{NAME}.test_files.0: is no path below"),
        ({"test_files": ["tally.py"]}, "tally.py has a fault and is one of test_files"),
        ({"environment": "other"}, f"injected.{NAME}: environment: there is none called 'other'"),
        ({"test_files": ["test_x.py"]}, "test_files.0: tally-1.0.tar.gz has no text file"),
    ],
)
def test_a_mistake_in_the_file_names_the_instance_and_the_field(tmp_path, change, says):
    path = write(tmp_path, {NAME: entry(SWAPPED, **LISTS) | change})
    with pytest.raises(UserError) as caught:
        load(str(path), cache=tmp_path / "cache")
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_environments_come_from_the_file_or_from_another_one(tmp_path):
    path = write(tmp_path, {NAME: entry(SWAPPED)})
    content = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump(content | {"environments_of": "other.yaml"}))
    with pytest.raises(UserError, match="give one of environments and environments_of"):
        read_sheet(path)
    for other in (str(BUNDLED / "verified-offline.yaml"), "verified-offline"):
        shared = {"environments_of": other, "injected": content["injected"]}
        path.write_text(yaml.safe_dump(shared))
        assert "flask-2.2.3" in read_sheet(path).environments
    path.write_text(yaml.safe_dump(shared | {"environments_of": "other"}))
    with pytest.raises(UserError, match=r"'other' is neither a \.yaml file nor a bundled dataset"):
        read_sheet(path)


def test_the_patches_of_an_instance_fit_together(tmp_path):
    path = write(tmp_path, {NAME: entry(SWAPPED, **LISTS)})
    (item,) = load(str(path), cache=tmp_path / "cache").items
    assert (item.instance.difficulty, item.instance.version) == ("level 1", "1.0")
    assert len(item.instance.base_commit) == 40
    assert item.environment.name == item.instance.instance_id == NAME
    tree = tmp_path / "tally"
    git(tree, "init", "-q")
    for text in (item.environment.patch, item.reference.patch, item.reference.test_patch):
        (tmp_path / "patch").write_text(text)
        git(tree, "apply", str(tmp_path / "patch"))
        if text == item.environment.patch:
            assert "test_spread" not in (tree / FILE).read_text()
    assert ((tree / "tally.py").read_text(), (tree / FILE).read_text()) == (CODE, TESTS)


def test_git_applies_the_patch_of_any_two_texts(tmp_path):
    random = Random(7)
    lines = ["a", "b", "", "\r", "c\x0c", "d\u2028", "x"]
    for _ in range(40):
        old, new = (
            "\n".join(random.choices(lines, k=random.randrange(1, 12))) + random.choice(["", "\n"])
            for _ in range(2)
        )
        text = patch_of({"f": old}, {"f": new})
        if not (old and new and text):
            continue  # git writes a file that begins or ends otherwise
        (tmp_path / "f").write_bytes(old.encode())
        ran = subprocess.run(["git", "apply", "-"], cwd=tmp_path, input=text.encode(), check=False)
        assert ran.returncode == 0, text
        assert (tmp_path / "f").read_bytes() == new.encode()


OTHER = """\
import unittest


class A(unittest.TestCase):
    # why it is there
    @unittest.skipIf(False, "")
    def test_one(self):
        pass

    # stays
    value = 1


class B(unittest.TestCase):
    def test_one(self):
        def inner():
            return 1

        assert inner()


async def test_two():
    pass
"""


def test_functions_go_with_decorators_and_comments_and_an_emptied_class_stays_valid():
    names = ["test_one (x.A)", "test_one (x.B)"]
    left = without_tests({"t.py": OTHER}, names, "parse_log_django")["t.py"]
    tree = ast.parse(left)
    assert [ast.unparse(node.body[-1]) for node in tree.body if isinstance(node, ast.ClassDef)] == [
        "value = 1", "pass",
    ]  # fmt: skip
    assert "why it is there" not in left
    assert "# stays" in left
    assert "async def test_two" in left


def test_sympy_names_have_no_file_and_pytest_names_have():
    texts = {"a.py": OTHER, "b.py": OTHER}
    both = without_tests(texts, ["test_two"], "parse_log_sympy")
    assert not any("test_two" in text for text in both.values())
    one = without_tests(texts, ["b.py::test_two"], "parse_log_pytest")
    assert ("test_two" in one["a.py"], "test_two" in one["b.py"]) == (True, False)


@pytest.mark.parametrize("name", ["a.py::test_three", "c.py::test_two", "a.py::A::test_two"])
def test_a_test_that_stands_nowhere_cannot_be_hidden(name):
    with pytest.raises(UserError, match="stands in no function of test_files"):
        without_tests({"a.py": OTHER}, [name], "parse_log_pytest")


def test_what_varies_is_unstable_and_what_is_missing_is_no_pass():
    sound = [{"a": "PASSED", "b": "XFAIL", "c": "PASSED", "d": "FAILED"}] * 2
    faulty = [{"a": "FAILED", "b": "XFAIL", "c": "PASSED"}, {"a": "ERROR", "b": "PASSED"}]
    assert compare(sound, faulty) == Measured(
        fail_to_pass=("a",), pass_to_pass=("b",), unstable=("c",)
    )
    assert compare(sound, faulty, leave_out=["a", "c"]).fail_to_pass == ()


FORMS = """\
# the whole
environments_of: other.yaml
injected:
  a__a-1:
    fail_to_pass: [old, "older"]   # by hand
    level: 1
    pass_to_pass:
      - "x"
      - 'y: z'
    issue: |
      text
      # no comment

  # the second
  a__a-2:
    level: 2
    issue: |
      more
"""


def test_lists_are_replaced_and_added_and_the_rest_stays():
    names = ("t.py::test[a: b]", 'q"uote\\', "tab\there", "\u00fcnicode \U0001f600", "#x", "- y")
    found = Measured(fail_to_pass=names, pass_to_pass=(), unstable=())
    written = with_lists(FORMS, {"a__a-1": found, "a__a-2": found})
    content = yaml.safe_load(written)["injected"]
    assert [content[name]["fail_to_pass"] for name in content] == [list(names)] * 2
    assert content["a__a-1"]["issue"] == "text\n# no comment\n"
    for line in ("# the whole", "  # the second"):
        assert line in written.splitlines()
    assert with_lists(written, {"a__a-1": found, "a__a-2": found}) == written


def test_a_form_that_takes_no_lines_is_refused():
    text = "injected:\n  a__a-1: {level: 1, issue: x}\n"
    with pytest.raises(UserError, match=r"injected\.a__a-1: write it without braces"):
        with_lists(text, {"a__a-1": Measured(fail_to_pass=("a",), pass_to_pass=(), unstable=())})


def test_a_damaged_file_of_the_cache_is_made_again(tmp_path):
    path, cache = write(tmp_path, {NAME: entry(SWAPPED, **LISTS)}), tmp_path / "cache"
    first = load(str(path), cache=cache).items
    (kept,) = (cache / "rows").iterdir()
    kept.write_text('{"cut')
    assert load(str(path), cache=cache).items == first
    assert cache_dir() != cache
