"""Our verdicts beside those of `swebench`'s own `run_evaluation`, and an image in its layout.

Both grade the same file of predictions, against the same rows, in the same local images. Each
variant of a patch is a row of its own, so that one run grades them all.
"""

import io
import json
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import docker
import pytest
from console import (
    DATASET,
    FINISH,
    FLASK,
    SOLVE,
    Told,
    bash,
    bundled,
    docker_client,
    own_cache,
    query,
    tree_of,
    turns,
    variables,
)
from console import (
    delm_here as delm,
)
from patches import flask_patches, with_few_tests
from scripted_model import ScriptedModel

from harness.benchmarks.swebench.calibrate import NOTHING
from harness.cache import cache_dir
from harness.errors import UserError
from harness.sandbox.docker import image_build
from harness.types import Item

pytestmark = pytest.mark.slow(seconds=150)

OTHER = "pytest-dev__pytest-10051"
# docker stop waits for a main process that is deaf to SIGTERM, as the official program's is
QUICK = "FROM {image}\nSTOPSIGNAL SIGKILL\n"
LAYOUT = """\
FROM {image}
STOPSIGNAL SIGKILL
ENV VIRTUAL_ENV= PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
RUN mkdir -p /opt/miniconda3/bin /opt/miniconda3/envs \
 && ln -s /opt/testbed-venv /opt/miniconda3/envs/testbed \
 && echo 'conda() {{ [ "$1" = activate ] || return 1; export CONDA_DEFAULT_ENV=$2; \
          PATH=/opt/miniconda3/envs/$2/bin:$PATH; }}' > /opt/miniconda3/bin/activate
"""


@pytest.fixture(scope="module")
def client() -> Iterator[docker.DockerClient]:
    with ExitStack() as stack:
        yield docker_client(stack)


@pytest.fixture(scope="module")
def items(client) -> list[Item]:
    """Two bundled instances with their images."""
    found = bundled(FLASK, OTHER)

    async def build() -> None:
        await image_build.build(found, cache=cache_dir(), on_progress=print)

    try:
        anyio.run(build)
    except UserError as error:
        pytest.skip(f"the images of two bundled instances cannot be built here: {error}")
    return found


@pytest.fixture(scope="module")
def derived(client, items) -> Iterator[dict[str, str]]:
    """Images made from those of the instances: each that stops at once, and the official layout."""
    made = {}
    try:
        for name, recipe, item in (
            ("flask", QUICK, items[0]), ("other", QUICK, items[1]), ("layout", LAYOUT, items[0]),
        ):  # fmt: skip
            tag = f"delm-test/{name}:{secrets.token_hex(4)}"
            recipe = recipe.format(image=item.instance.image)
            client.images.build(
                fileobj=io.BytesIO(recipe.encode()), tag=tag, network_mode="none", rm=True
            )
            made[name] = tag
        yield made
    finally:
        for tag in made.values():
            client.images.remove(tag, force=True)


@pytest.fixture(scope="module")
def commit(client, derived) -> str:
    """The base commit in the image of the official layout."""
    command = ["git", "-C", "/testbed", "rev-parse", "HEAD"]
    said = client.containers.run(derived["layout"], command, remove=True, network_mode="none")
    return said.decode().strip()


def row(item: Item, name: str, **more: str) -> dict[str, Any]:
    """The row of `item` as swebench 5.x takes it, under another instance_id."""
    instance, reference = item.instance, item.reference
    return {
        "instance_id": name,
        "repo": instance.repo,
        "base_commit": instance.base_commit,
        "problem_statement": instance.problem_statement,
        "version": instance.version,
        "patch": reference.patch,
        "test_patch": reference.test_patch,
        "FAIL_TO_PASS": json.dumps(list(reference.fail_to_pass)),
        "PASS_TO_PASS": json.dumps(list(reference.pass_to_pass)),
        "image": instance.image,
        "eval_script": reference.eval_script,
        "log_parser": reference.log_parser,
        "eval_type": reference.eval_type,
    } | more


def official_script(item: Item, commit: str) -> str:
    """An evaluation script as the published rows of SWE-bench Verified have it."""
    activate = "source /opt/miniconda3/bin/activate\nconda activate testbed\n"
    tests = "tests/test_blueprints.py"
    return (
        f"#!/bin/bash\nset -uxo pipefail\n{activate}cd /testbed\n"
        "git config --global --add safe.directory /testbed\ncd /testbed\ngit status\ngit show\n"
        f"git -c core.fileMode=false diff {commit}\n{activate}"
        f"git checkout {commit} {tests}\n"
        f"git apply -v - <<'EOF_114329324912'\n{item.reference.test_patch}\nEOF_114329324912\n"
        f": '>>>>> Start Test Output'\npytest -rA {tests}\n: '>>>>> End Test Output'\n"
        f"git checkout {commit} {tests}\n"
    )


@dataclass(frozen=True)
class Graded:
    """What both graders made of the same predictions."""

    folder: Path
    told: Told
    expected: dict[str, bool]
    official: dict[str, Any]  # the run's report
    run_id: str

    def report(self, name: str, *, ours: bool) -> dict[str, Any] | None:
        """The instance's report.json, or None where there is none."""
        base = self.folder / (f"results/{self.run_id}" if ours else "official")
        path = base / "logs/run_evaluation" / self.run_id / "model" / name / "report.json"
        return json.loads(path.read_text())[name] if path.exists() else None


@pytest.fixture(scope="module")
def graded(items, derived, commit, tmp_path_factory) -> Graded:
    flask, other = items
    folder = tmp_path_factory.mktemp("parity")
    official = {"image": derived["layout"], "eval_script": official_script(flask, commit)}
    patches = flask_patches(tree_of(flask), flask.reference.patch) | {"empty": (NOTHING, False)}
    # each that is resolved is looked at again, which takes the longer the more tests are asked for
    cases = [(flask if name == "gold" else with_few_tests(flask), f"flask__{name}-1", *patch,
              {"image": derived["flask"]}) for name, patch in patches.items()]  # fmt: skip
    cases += [
        (other, "other__gold-1", other.reference.patch, True, {"image": derived["other"]}),
        (other, "other__empty-1", NOTHING, False, {"image": derived["other"]}),
        (flask, "layout__gold-1", flask.reference.patch, True, official),
    ]
    rows, predictions = folder / "rows.jsonl", folder / "predictions.jsonl"
    rows.write_text(
        "".join(json.dumps(row(item, name, **more)) + "\n" for item, name, _, _, more in cases)
    )
    predictions.write_text(
        "".join(
            json.dumps({"instance_id": name, "model_name_or_path": "model", "model_patch": text})
            + "\n"
            for _, name, text, _, _ in cases
        )
    )
    run_id = f"parity-{secrets.token_hex(4)}"
    theirs = officially(folder / "official", rows, predictions, run_id)
    told = delm(
        *("grade", "predictions.jsonl", "-d", "rows.jsonl", "--sandbox", "docker", "-w", "2"),
        *("--run-id", run_id),
        cwd=folder,
        DELM_CACHE=str(own_cache(folder / "cache")),
    )
    expected = {name: solves for _, name, _, solves, _ in cases}
    return Graded(folder, told, expected, theirs, run_id)


def officially(
    folder: Path, rows: Path, predictions: Path, run_id: str, *, model: str = "model"
) -> dict[str, Any]:
    """The report that `swebench`'s own program writes, run in `folder`."""
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "swebench.harness.run_evaluation", "-d", str(rows), "-p",
         str(predictions), "-id", run_id, "--max_workers", "3", "-t", "300"],
        cwd=folder, env=variables(), capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads((folder / f"{model}.{run_id}.json").read_text())


def test_the_verdicts_equal_the_official_ones(graded):
    assert graded.told.code == 0, graded.told.text
    official = {name: name in graded.official["resolved_ids"] for name in graded.expected}
    grades = json.loads((graded.folder / f"results/{graded.run_id}/grades.json").read_text())
    ours = {name: grades[name]["outcome"] == "resolved" for name in graded.expected}
    assert ours == official
    assert ours == graded.expected  # and both are what a person would say
    assert not [name for name, grade in grades.items() if grade["outcome"] == "error"]
    solved = sum(graded.expected.values())
    assert graded.told.out.splitlines()[-1] == f"resolved {solved} of {len(graded.expected)}"


def test_test_by_test_the_reports_equal_the_official_ones(graded):
    compared = 0
    for name in graded.expected:
        theirs, ours = graded.report(name, ours=False), graded.report(name, ours=True)
        if theirs is None:  # what does not apply is an error there, without a report
            assert name in graded.official["error_ids"]
            assert ours is not None
            assert not ours["resolved"]
            continue
        assert ours == theirs, name
        compared += 1
    assert compared >= len(graded.expected) - 4


def test_the_official_program_gives_exported_predictions_the_verdicts_of_the_run(
    items, derived, tmp_path
):
    rows = tmp_path / "rows.jsonl"
    rows.write_text(json.dumps(row(items[0], FLASK, image=derived["flask"])) + "\n")
    wrong = bash("echo '# a comment' >> src/flask/blueprints.py")
    with ScriptedModel(turns([[SOLVE, FINISH], [wrong, FINISH]])) as server:
        told = delm(
            *("eval", "-m", "openai/scripted", "-s", "single", "-d", DATASET, "-i", FLASK),
            *("-k", "2", "-w", "1", "--yes", "--run-id", "x", "-o", tmp_path),
            OPENAI_API_BASE=server.base_url,
            OPENAI_API_KEY="none",
            DELM_CACHE=str(own_cache(tmp_path / "cache")),
        )
    assert told.code == 0, told.text
    made = query(tmp_path / "x", "SELECT outcome FROM grade ORDER BY submission_id")
    assert [each["outcome"] for each in made] == ["resolved", "unresolved"]
    exported = tmp_path / "exported.jsonl"
    assert delm("export", "x", exported, "-o", tmp_path).code == 0
    second = tmp_path / "x/preds/single.2.jsonl"
    for predictions, suffix, solved in ((exported, "", [FLASK]), (second, ".2", [])):
        report = officially(
            tmp_path / f"official{suffix}", rows, predictions, f"e-{secrets.token_hex(4)}",
            model=f"single.openai__scripted{suffix}",
        )  # fmt: skip
        assert report["resolved_ids"] == solved
        assert report["completed_ids"] == [FLASK]


def test_what_does_not_apply_is_said_to(graded):
    grades = json.loads((graded.folder / f"results/{graded.run_id}/grades.json").read_text())
    not_applied = {
        name for name, grade in grades.items() if grade["reason"] == "the patch does not apply"
    }
    assert not_applied == set(graded.official["error_ids"])
    assert "flask__not-applying-1" in not_applied


def test_an_image_in_the_official_layout_runs_an_official_script_unchanged(graded):
    report = graded.report("layout__gold-1", ours=True)
    assert report is not None
    assert report["resolved"]
    logs = graded.folder / f"results/{graded.run_id}/logs/run_evaluation/{graded.run_id}/model"
    output = (logs / "layout__gold-1/test_output.txt").read_text()
    assert "+ conda activate testbed" in output
    assert "Applied patch tests/test_blueprints.py cleanly." in output


def test_an_agent_in_an_official_image_has_the_environment_active(derived, commit, items, tmp_path):
    image = derived["layout"]
    made = row(items[0], "layout__agent-1", image=image, base_commit=commit)
    (tmp_path / "rows.jsonl").write_text(json.dumps(made) + "\n")
    call = {"id": "c", "name": "bash", "arguments": json.dumps({"command": "which python; env"})}
    done = {"id": "d", "name": "finish", "arguments": json.dumps({"summary": ""})}
    lines = [{"model": "openai/scripted", "dataset": DATASET, "created": ""}]
    lines += [
        {"system": "single", "instance_id": "layout__agent-1", "trial": 0, "position": position,
         "conversation": "agent-1", "prompt_sha256": "", "content": "", "tool_calls": [what]}
        for position, what in enumerate((call, done))
    ]  # fmt: skip
    (tmp_path / "r.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    told = delm("eval", "-m", "replay:r.jsonl", "-d", "rows.jsonl", "--run-id", "x", cwd=tmp_path)
    assert told.code == 0, told.text
    (path,) = (tmp_path / "results/x/trajectories").rglob("*.json")
    said = json.loads(path.read_text())["messages"]
    output, _ = [message["content"] for message in said if message["role"] == "tool"]
    assert "/opt/miniconda3/envs/testbed/bin/python\n" in output
    assert "CONDA_DEFAULT_ENV=testbed\n" in output
