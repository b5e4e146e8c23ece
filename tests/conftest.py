"""What every test module shares."""

import os
import sys
from pathlib import Path

import pytest

from harness import event_loop
from harness.cli import main

HERE = Path(__file__).parent
# Importlib mode adds nothing: what tests share is imported by its bare name.
sys.path[:0] = [str(HERE), *(str(folder) for folder in HERE.iterdir() if folder.is_dir())]

pytest_plugins = ["sandboxes"]


SLOW = (  # files, the slowest first: one that is begun last is waited for by everybody
    "grade_docker", "delm", "forged_passes", "table", "resume", "providers_run", "floor",
    "unusual_tests", "admission_real", "costs", "eval", "grade", "wall_clock", "reading", "disk",
    "external", "environments", "questions", "plots", "coordination", "budget_storm", "hostile",
    "central_real", "eval_stop", "reading_shared", "images", "board_machine", "board_processes",
    "grading_limits", "calibrate", "run_folders", "eval_docker", "dataset_check",
)  # fmt: skip


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--quick", action="store_true", help="only what takes no service and no time")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Slow files first, the others as they come; with --quick only the quick tests."""
    if config.getoption("--quick"):
        from quick import is_quick

        left_out = [item for item in items if not is_quick(item)]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if is_quick(item)]
    places = {f"test_{name}": place for place, name in enumerate(SLOW)}
    items.sort(key=lambda item: places.get(item.path.stem, len(places)))


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    return "asyncio", {"loop_factory": event_loop.new}


@pytest.fixture
def place(tmp_path, monkeypatch):
    """The folder to be in; nobody's keys are in the environment."""
    from console import PRIVATE

    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.endswith(PRIVATE):
            monkeypatch.delenv(name)
    return tmp_path


@pytest.fixture
def delm(place, monkeypatch, capfd):
    """The console script's own function, in this process: a start of Python costs half a second."""
    from console import Told, quickly

    def call(*words: object, **variables: str) -> Told:
        with monkeypatch.context() as patch:
            patch.setattr(sys, "argv", ["delm", *quickly(words)])
            for name, value in variables.items():
                patch.setenv(name, value)
            capfd.readouterr()
            with pytest.raises(SystemExit) as ended:
                main()
        said = capfd.readouterr()
        return Told(ended.value.code or 0, said.out, said.err)

    return call
