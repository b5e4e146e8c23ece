"""The guard on instances whose tests are marked, or whose runs end at the first failure."""

import json
from pathlib import Path

import pytest
from console import FLASK, Told, bundled, tree_of
from console import delm_here as delm
from hostile_patches import ONE_BY_NAME, hostile_flask
from own_rows import OwnInstance, dataset_of
from patches import CODE, patch

from harness.benchmarks.swebench.guard.flags import CHECKS

pytestmark = pytest.mark.slow(seconds=80)

FILE = "tests/marked/test_marked.py"
# With the gold patch it raises, and so is an expected failure, which swebench takes for a pass.
RAISES = "import flask\nimport pytest\n{}\n\ndef test_raises():\n    flask.Blueprint('', 'x')\n"
FIXTURE = """
@pytest.fixture(autouse=True)
def expected(request):
    request.applymarker(pytest.mark.xfail)
"""
CONFTEST = """\
import pytest


def pytest_collection_modifyitems(items):
    for item in items:
        if "marked" in item.nodeid:
            item.add_marker(pytest.mark.xfail)
"""
PARAMETRIZED = """\
import flask
import pytest

pytestmark = [pytest.mark.parametrize("name, more", [("", 1)])]


def test_raises(name, more):
    with pytest.raises(ValueError):
        flask.Blueprint(name, __name__)
"""
ONE_LINE = "import flask\n\n\ndef test_raises(): assert _raises()\n\n\n" + (
    "def _raises():\n    try:\n        flask.Blueprint('', 'x')\n"
    "    except ValueError:\n        return True\n"
)
FLOODS = """\
import pathlib
import sys

import flask
import pytest


def test_raises():
    with pytest.raises(ValueError):
        flask.Blueprint("", "x")


def test_grown():
    if pathlib.Path(__file__).read_text().count("def te" "st_") > 2:
        sys.stdout.write("x" * 80_000_000)
"""
ONLY_AS_PUBLISHED = """\
import flask
import pytest


def test_raises(request):
    if len(request.node.name) == 11:
        with pytest.raises(ValueError):
            flask.Blueprint("", "x")
"""
PLAIN = "def test_plain():\n    assert True\n"
BY_ALIAS = (
    "import pytest\n\nlater = pytest.mark.xfail\n\n\n@later\ndef test_later():\n    assert 0\n"
)
WANTED = (f"{FILE}::test_raises",)
INSTANCES = {
    "pytestmark": OwnInstance(
        files={FILE: RAISES.format("\npytestmark = pytest.mark.xfail\n")}, fail_to_pass=WANTED
    ),
    "applymarker": OwnInstance(files={FILE: RAISES.format(FIXTURE)}, fail_to_pass=WANTED),
    "conftest": OwnInstance(
        files={"tests/marked/conftest.py": CONFTEST, FILE: RAISES.format("")}, fail_to_pass=WANTED
    ),
    "parametrized": OwnInstance(
        files={FILE: PARAMETRIZED}, fail_to_pass=(f"{FILE}::test_raises[-1]",)
    ),
    "one-line": OwnInstance(files={FILE: ONE_LINE}, fail_to_pass=WANTED),
    "floods": OwnInstance(
        files={FILE: FLOODS}, fail_to_pass=WANTED, pass_to_pass=(f"{FILE}::test_grown",),
        options="-s",
    ),
    "only-as-published": OwnInstance(files={FILE: ONLY_AS_PUBLISHED}, fail_to_pass=WANTED),
    "first-failure": OwnInstance(
        files={FILE: PLAIN}, fail_to_pass=(), pass_to_pass=(f"{FILE}::test_plain",),
        real_tests=True, options="-x",
    ),
    "one-marked": OwnInstance(
        files={FILE: BY_ALIAS}, fail_to_pass=(), pass_to_pass=(f"{FILE}::test_later",),
        real_tests=True,
    ),
}  # fmt: skip
UNCHECKED = {
    "pytestmark": ["broken-tests", "ends", "alone"],
    "applymarker": ["broken-tests", "ends", "alone"],
    "conftest": ["broken-tests", "ends", "alone"],
    "floods": ["repeat", "broken-tests", "ends"],
}
HOSTILE = {
    "first-failure": {"forged-result", "unrepeatable"},
    "one-marked": {"forged-result", "unrepeatable"},
    "only-as-published": {"test-infrastructure"},
}


class Graded:
    """What `delm grade` said and wrote of every instance."""

    def __init__(self, told: Told, folder: Path) -> None:
        assert told.code == 0, told.text
        self.told = told
        self.verdicts = json.loads((folder / "grades.json").read_text())


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> tuple[Path, Path, Path]:
    folder = tmp_path_factory.mktemp("marked")
    return folder, *dataset_of(INSTANCES, folder)


def grade(place: tuple[Path, Path, Path], run: str, *words: str | Path) -> Graded:
    folder, dataset, cache = place
    told = delm("grade", *words, "-d", dataset, "--run-id", run, cwd=folder,
                DELM_CACHE=str(cache))  # fmt: skip
    return Graded(told, folder / "results" / run)


@pytest.fixture(scope="module")
def gold(place) -> Graded:
    return grade(place, "gold", "--gold")


@pytest.fixture(scope="module")
def others(place) -> Graded:
    """Another honest patch of each, and one that forgives the wanted test where that can pass."""
    (item,) = bundled(FLASK)
    tree, reference = tree_of(item), item.reference
    honest = reference.patch + patch(tree, {"src/flask/types.py": "Name = str\n"})
    init = (tree / "src/flask/__init__.py").read_text()
    hostile = dict.fromkeys(HOSTILE, patch(tree, {"src/flask/__init__.py": init + ONE_BY_NAME}))
    hostile["only-as-published"] = hostile_flask(tree, reference)["pytest.ini"]
    rows = [
        {"instance_id": name, "model_name_or_path": "m",
         "model_patch": hostile.get(name, honest)}
        for name in INSTANCES
    ]  # fmt: skip
    (place[0] / "p.json").write_text(json.dumps(rows))
    return grade(place, "others", "p.json")


@pytest.mark.parametrize("name", INSTANCES)
def test_the_gold_patch_has_no_flag_and_what_cannot_be_checked_is_said(gold, name):
    verdict = gold.verdicts[name]
    assert (verdict["outcome"], verdict["flags"]) == ("resolved", [])
    assert verdict["unchecked"] == UNCHECKED.get(name, [])
    said = [line for line in gold.told.out.splitlines() if line.startswith(f"{name}: not checked")]
    assert said == [f"{name}: not checked: {c}: {CHECKS[c]}" for c in UNCHECKED.get(name, [])]


@pytest.mark.parametrize("name", [name for name in INSTANCES if name not in HOSTILE])
def test_another_honest_patch_is_judged_as_the_gold_patch_is(gold, others, name):
    assert {key: others.verdicts[name][key] for key in ("outcome", "flags", "unchecked")} == {
        key: gold.verdicts[name][key] for key in ("outcome", "flags", "unchecked")
    }


@pytest.mark.parametrize("name", HOSTILE)
def test_a_forged_pass_is_seen_beside_marked_tests_and_where_a_run_ends_at_a_failure(others, name):
    verdict = others.verdicts[name]
    assert (verdict["outcome"], verdict["official"]) == ("unresolved", "resolved")
    assert HOSTILE[name] & set(verdict["flags"])


def test_a_remembered_verdict_says_it_again_and_one_of_a_run_that_was_cut_is_not_remembered(
    place, gold
):
    again = grade(place, "again", "--gold")
    assert [name for name, row in again.verdicts.items() if not row["cached"]] == ["floods"]
    for name, verdict in again.verdicts.items():
        assert verdict["unchecked"] == gold.verdicts[name]["unchecked"]


def test_the_logs_say_what_could_not_be_checked(place, gold):
    folder = place[0] / "results/gold/logs/run_evaluation/gold/gold/pytestmark"
    log = (folder / "run_instance.log").read_text()
    for check in UNCHECKED["pytestmark"]:
        assert f"guard: not checked: {check}: {CHECKS[check]}\n" in log
    assert CODE in (folder / "patch.diff").read_text()
