"""What every test module shares."""

import gc
import os
import signal
import sys
from pathlib import Path

import hypothesis
import pytest

from harness import event_loop
from harness.cli import main

HERE = Path(__file__).parent
# Importlib mode adds nothing: what tests share is imported by its bare name.
sys.path.insert(0, str(HERE / "helpers"))

pytest_plugins = ["sandboxes", "postgres_servers"]

# How long it takes to make up an input says how busy the machine is.
hypothesis.settings.register_profile(
    "ours", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("ours")

# A process that has imported all tests and litellm looks at two million objects each time that
# Python collects the oldest: a tenth of the time of what runs in it.
gc.set_threshold(10_000, 10, 500)

# Where nohup, or a shell in the background, has these ignored, what tests start would ignore them
# too; a handler is not handed on.
for each in (signal.SIGINT, signal.SIGHUP):
    if signal.getsignal(each) is signal.SIG_IGN:
        signal.signal(each, lambda *_: None)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--quick", action="store_true", help="only what takes no service and no time")


def seconds(item: pytest.Item) -> float:
    """About how long the tests of its file take, where that is long."""
    mark = item.get_closest_marker("slow")
    return mark.kwargs["seconds"] if mark else 0


def is_quick(item: pytest.Item) -> bool:
    """Whether a test belongs to `make test-quick`: it opens no real sandbox, of whatever kind."""
    return not seconds(item) and "kind" not in getattr(item, "fixturenames", ())


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The slowest files first: one that is begun last is waited for by everybody."""
    if config.getoption("--quick"):
        config.hook.pytest_deselected(items=[item for item in items if not is_quick(item)])
        items[:] = [item for item in items if is_quick(item)]
    items.sort(key=seconds, reverse=True)


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
