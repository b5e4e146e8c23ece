"""A dataset of one's own instances on the bundled flask environment, as a YAML file and a wheel."""

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml
from console import DATASET, FLASK, bundled, tree_of
from patches import patch, with_few_tests

from harness.benchmarks.rows import BUNDLED
from harness.cache import cache_dir

MEMBER = "rows.json"


@dataclass(frozen=True, kw_only=True)
class OwnInstance:
    """The flask instance with other tests; its gold patch and issue are the real one's."""

    files: Mapping[str, str]  # what the test patch adds, by path
    fail_to_pass: tuple[str, ...]
    pass_to_pass: tuple[str, ...] = ()
    real_tests: bool = False  # whether the test patch and tests of the real one are there too
    options: str = ""  # of pytest, on the command line


def dataset_of(instances: Mapping[str, OwnInstance], folder: Path) -> tuple[Path, Path]:
    """The dataset's file and a cache with its rows, which shares what is built with the user's."""
    (item,) = bundled(FLASK)
    tree, real = tree_of(item), item.reference
    shipped = yaml.safe_load((BUNDLED / f"{DATASET}.yaml").read_text())
    environment = shipped["instances"][FLASK]["environment"]
    rows, facts = [], {}
    for name, own in instances.items():
        more = {} if own.real_tests else {"fail_to_pass": (), "pass_to_pass": ()}
        few = with_few_tests(item).reference.pass_to_pass
        wanted = {"fail_to_pass": real.fail_to_pass, "pass_to_pass": few} | more
        real_patch = real.test_patch if own.real_tests else ""
        rows.append({
            "instance_id": name, "repo": real.repo, "base_commit": item.instance.base_commit,
            "problem_statement": "An issue.", "golden_patch": real.patch,
            "test_patch": real_patch + patch(tree, own.files),
            "fail_to_pass": [*wanted["fail_to_pass"], *own.fail_to_pass],
            "pass_to_pass": [*wanted["pass_to_pass"], *own.pass_to_pass],
        })  # fmt: skip
        tests = [path for path in own.files if path.rpartition("/")[2].startswith("test_")]
        listed = ["tests/test_blueprints.py", *tests] if own.real_tests else tests
        facts[name] = {
            "environment": environment, "version": "2.3", "log_parser": "parse_log_pytest",
            "test_command": f"python -m pytest -rA {own.options} {' '.join(listed)}",
        }  # fmt: skip
    wheel = io.BytesIO()
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(MEMBER, json.dumps(rows))
    sha256 = hashlib.sha256(wheel.getvalue()).hexdigest()
    source = {"package": "own-rows", "version": "1", "filename": "own_rows-1-py3-none-any.whl",
              "sha256": sha256, "member": MEMBER}  # fmt: skip
    cache = folder / "cache"
    kept = cache / "files" / sha256 / source["filename"]
    kept.parent.mkdir(parents=True)
    kept.write_bytes(wheel.getvalue())
    (cache / "environments").symlink_to(cache_dir() / "environments")
    content = {"rows": source, "instances": facts,
               "environments": {environment: shipped["environments"][environment]}}  # fmt: skip
    (folder / "own.yaml").write_text(yaml.safe_dump(content))
    return folder / "own.yaml", cache
