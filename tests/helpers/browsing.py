"""A real browser on the pages: Debian's Chromium, driven by Playwright, examined by axe-core.

Where its headless shell is installed, that is taken: the same engine without a window's own pages,
in half the processor time.

    with chromium() as browser, open_page(browser) as page: page.goto(...)

A page that was opened like that fails its test at the end of the block, if anything was written to
the console as an error or a warning, a script raised, or a request went to any other machine.
"""

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from console import DELM

CHROMIUM = shutil.which("chromium-headless-shell") or shutil.which("chromium") or ""
OURS = {"127.0.0.1", "localhost"}
WIDTHS = (1280, 400)
SCHEMES = ("light", "dark")
SERIOUS = {"serious", "critical"}
AXE = {"resultTypes": ["violations"]}
CANARY = "canary"  # what a script of a hostile run would call


def needed() -> None:
    """Skip, in words, where there is no browser."""
    for package in ("playwright", "axe_playwright_python"):
        if find_spec(package) is None:
            pytest.skip(f"{package} is not installed: .venv/bin/python -m pip install --no-deps "
                        "-r .ci/browser.txt")  # fmt: skip
    if not CHROMIUM:
        pytest.skip("chromium is not installed: apt-get install chromium-headless-shell")


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser without a window. Its loop is this thread's until the block ends."""
    needed()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def open_page(
    browser: Any, *, width: int = 1280, scheme: str = "light", allowed: str = "", **more: Any
) -> Iterator[Any]:
    """A new page. `allowed`: a pattern of messages that a test provokes itself, such as a 403."""
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, **more
    )
    faults: list[str] = []

    def refuse(route: Any) -> None:
        faults.append(f"a request to {route.request.url[:200]}")
        route.abort()

    def is_foreign(url: str) -> bool:
        parts = urlsplit(url)
        return parts.scheme not in {"file", "data", "blob"} and parts.hostname not in OURS

    def note(message: Any) -> None:
        told = f"{message.type}: {message.text[:500]}"
        if message.type in {"error", "warning"} and not (allowed and re.search(allowed, told)):
            faults.append(told)

    context.route(is_foreign, refuse)
    context.add_init_script(f"window.{CANARY} = () => {{ window.{CANARY}Sang = true; }}")
    page = context.new_page()
    page.set_default_timeout(20_000)
    page.on("console", note)
    page.on("pageerror", lambda error: faults.append(f"raised: {error}"))
    page.on("dialog", lambda dialog: (faults.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    try:
        yield page
        faults += [f"{CANARY} in {frame.url}" for frame in page.frames
                   if frame.evaluate(f"window.{CANARY}Sang === true")]  # fmt: skip
    finally:
        context.close()
    assert not faults, "\n".join(faults)


@dataclass(frozen=True)
class Served:
    """A running `delm view`."""

    address: str
    token: str

    def at(self, path: str) -> str:
        return self.address + path

    @property
    def with_token(self) -> str:
        return f"#token={self.token}"


@contextmanager
def served(output: Path) -> Iterator[Served]:
    """`delm view` on the runs in `output`."""
    command = [DELM, "view", "-o", output, "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                               env=os.environ | {"COLUMNS": "400"})  # fmt: skip
    said = ""
    try:
        for line in process.stdout:
            said += line
            found = re.search(r"(http://127\.0\.0\.1:\d+)/\S*#token=([\w-]+)", line)
            if found:
                yield Served(found[1], found[2])
                break
        else:
            raise AssertionError(f"delm view did not start: {said}")
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


def faults_everywhere(page: Any) -> list[str]:
    """Serious faults of a page with everything unfolded, in light and dark, wide and narrow."""
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    faults = []
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)
            found = overflow(page) + faults_of(page, colours=scheme == "dark")
            faults += [f"{width} {scheme}: {each}" for each in found]
    return faults


def faults_of(page: Any, *, colours: bool = False) -> list[str]:
    """What axe-core finds that is serious or critical, with the places; only in `colours`, or all.

    What is there to be seen is the same in the dark, so that only its colours are looked at anew.
    """
    from axe_playwright_python.sync_playwright import Axe

    options = AXE | ({"runOnly": ["color-contrast"]} if colours else {})
    found = Axe().run(page, options=options).response["violations"]
    return [
        f"{page.url}: {each['id']} ({each['impact']}): {node['target']} {node['html'][:160]} "
        f"{node.get('failureSummary', '')[:300]}"
        for each in found
        if each["impact"] in SERIOUS
        for node in each["nodes"][:5]
    ]


def overflow(page: Any) -> list[str]:
    """The elements that make the page wider than its window; empty if it is not."""
    script = """() => {
        const width = document.documentElement.clientWidth;
        if (document.documentElement.scrollWidth <= width) return [];
        return [...document.body.querySelectorAll('*')]
            .filter((each) => each.getBoundingClientRect().right > width + 1)
            .filter((each) => !each.parentElement.closest('.scroll'))
            .slice(0, 5)
            .map((each) => `${each.tagName}.${each.className}#${each.id}`);
    }"""
    found = page.evaluate(script)
    wide = page.evaluate("document.documentElement.scrollWidth > document.documentElement"
                         ".clientWidth")  # fmt: skip
    return [f"{page.url}: {each}" for each in (found or ["?"])] if wide else []
