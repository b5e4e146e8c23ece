"""What docs/guide.md says to write works as it stands there."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from console import FLASK, bundled, query
from guide_blocks import GUIDE, ROOT, block
from scripted_model import ScriptedModel

from harness.benchmarks.rows import load

pytestmark = pytest.mark.slow(seconds=1)


def test_the_system_of_the_guide_asks_once_and_resolves(delm, place, monkeypatch):
    (item,) = bundled(FLASK)
    monkeypatch.syspath_prepend(str(place))
    (place / "guide_ask_once.py").write_text(block("python", "agents/ask_once.py"))
    system = yaml.safe_load(block("yaml", "configs/systems/ask-once.yaml"))
    system["system"] = system["system"].replace("agents.ask_once", "guide_ask_once")
    (place / "ask-once.yaml").write_text(yaml.safe_dump(system))
    script = f"git apply <<'END_OF_PATCH'\n{item.reference.patch}END_OF_PATCH\n"
    with ScriptedModel(lambda request, n: {"content": f"So:\n```bash\n{script}```"}) as server:
        told = delm(
            "eval", "-m", "openai/scripted", "-s", "ask-once.yaml", "-d", "verified-offline",
            "-i", FLASK, "--yes", "--run-id", "run",
            OPENAI_API_BASE=server.base_url, OPENAI_API_KEY="none",
        )  # fmt: skip
    assert told.code == 0, told.text
    (trial,) = query(place / "results/run", "SELECT state, reason FROM trial")
    assert (trial["state"], trial["reason"]) == ("done", "finished")
    (grade,) = query(place / "results/run", "SELECT outcome FROM grade")
    assert grade["outcome"] == "resolved"


def test_the_row_of_the_guide_is_taken_and_only_its_gold_patch_passes_its_tests(tmp_path):
    blocks = re.findall(r"^```json\n(.*?)^```$", GUIDE, re.DOTALL | re.MULTILINE)
    text = next(block for block in blocks if "acme__calc-1" in block)
    (tmp_path / "rows.jsonl").write_text(json.dumps(json.loads(text)) + "\n")
    (item,) = load(str(tmp_path / "rows.jsonl"), cache=tmp_path).items
    repository = tmp_path / "testbed"
    repository.mkdir()
    (repository / "calc.py").write_text("def add(a, b):\n    return 5\n")
    script = item.reference.eval_script.replace("/testbed", str(repository))

    def run(command: str) -> str:
        own = {"HOME": str(tmp_path), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        ran = subprocess.run(
            ["bash", "-c", command], cwd=repository, env=own, capture_output=True, text=True
        )
        return ran.stdout

    run("git init -q && git add -A && git -c user.name=a -c user.email=a@b commit -qm base")
    assert "FAILED test_calc.py::test_add" in run(script)
    (tmp_path / "gold.diff").write_text(item.reference.patch)
    run(f"git apply {tmp_path}/gold.diff")
    assert "PASSED test_calc.py::test_add" in run(script)
    assert run("git status --porcelain --untracked-files=no").strip() == "M calc.py"


def test_the_system_of_the_guide_has_at_most_fifteen_lines():
    code = [line for line in block("python", "agents/ask_once.py").splitlines() if line.strip()]
    assert len(code) <= 15


@pytest.mark.parametrize("page", ["README.md", "docs/guide.md", "docs/concepts.md"])
def test_every_link_of_a_page_leads_to_a_file(page):
    path = ROOT / page
    prose = re.sub(r"^```.*?^```$", "", path.read_text(), flags=re.DOTALL | re.MULTILINE)
    links = re.findall(r"\]\((?!https?:)([^)#]+)", prose)
    assert [link for link in links if not (path.parent / link).exists()] == []


def test_every_picture_is_named_in_the_docs_and_is_small():
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    named = {
        (page.parent / link).resolve()
        for page in pages
        for link in re.findall(r"\]\(([^)]+\.png)\)", page.read_text())
    }
    pictures = set((ROOT / "docs/images").glob("*.png"))
    assert named == pictures
    assert (ROOT / "docs/images/trial.png") in pictures
    assert max(path.stat().st_size for path in pictures) <= 200_000
    top = (ROOT / "README.md").read_text().splitlines()[:20]
    assert any(line.startswith("![") for line in top)


@pytest.mark.parametrize("page", ["README.md", "docs/guide.md", "docs/concepts.md"])
def test_every_file_that_a_page_names_is_there(page):
    named = re.findall(
        r"`((?:harness|agents|tests|scripts|configs|docs)/[\w./-]+\.\w+)`",
        (ROOT / page).read_text(),
    )
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().split()) <= 1200
