"""Pictures of each page for docs/images, from the bundled replay: `scripts/screenshots.py [RUN]`.

Without RUN (a folder) it makes one: every system on the four quick instances, as `make eval` does.
It needs Chromium and .ci/browser.txt.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "docs" / "images"
DELM = Path(sys.executable).with_name("delm")
WIDTH = 1280
MOST_BYTES = 200_000
INSTANCE = "psf__requests-6028"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, nargs="?", help="folder of a run of the bundled replay")
    given = parser.parse_args().run
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "results"
        if given:
            shutil.copytree(given, output / "demo")
        else:
            subprocess.run([DELM, "eval", "--run-id", "demo", "-o", output], check=True)
        subprocess.run([DELM, "report", "demo", "-o", output], check=True, capture_output=True)
        IMAGES.mkdir(exist_ok=True)
        _take(output)


def _take(output: Path) -> None:
    command = [DELM, "view", "-o", output, "--port", "0"]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server,
        sync_playwright() as playwright,
    ):
        try:
            said = "".join(server.stdout.readline() for _ in range(2))
            address = re.search(r"http://\S+?(?=/)/?(?=\s|#)", said)[0].rstrip("/")
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox"]
            )
            _pictures(browser, address, output / "demo")
            browser.close()
        finally:
            server.terminate()


def _pictures(browser: Any, address: str, run: Path) -> None:
    page = _page(browser, "light")
    report = (run / "report.html").as_uri()
    page.goto(report)
    _shoot(page, "report", height=900)
    page.goto(f"{address}/")
    _shoot(page, "runs", height=320)
    page.goto(f"{address}/runs/demo")
    _shoot(page, "run", height=1000)
    trial = _trial(page, "delm")
    page.goto(address + trial)
    _shoot(page, "trial", height=1000)
    page.locator(".replay input[type=range]").evaluate(
        "(it) => { it.value = it.max * 0.6; it.dispatchEvent(new Event('input')); }"
    )
    for name, section, height in (
        ("submissions", "submissions", 620), ("findings", "findings", 480),
        ("time-lines", "time_lines", 330), ("tasks", "task_graph", 620),
        ("board", "board_replay", 800),
    ):  # fmt: skip
        _section(page, name, section, height)
    page.goto(f"{address}{trial}/entries/F1")
    _shoot(page, "entry", height=580)
    page.goto(f"{address}{trial}/conversations/localize-1")
    _shoot(page, "conversation", height=1000)
    page.goto(f"{address}/runs/demo/compare?a=single&b=delm")
    _shoot(page, "compare", height=1000)
    dark = _page(browser, "dark")
    dark.goto(address + trial)
    _shoot(dark, "trial-dark", height=800)


def _page(browser: Any, scheme: str) -> Any:
    context = browser.new_context(
        viewport={"width": WIDTH, "height": 900}, color_scheme=scheme, reduced_motion="reduce"
    )
    return context.new_page()


def _trial(page: Any, system: str) -> str:
    """The address of the trial of `system` on `INSTANCE`."""
    links = page.locator(f"tr[data-instance='{INSTANCE}'] a.trial-link")
    for link in links.all():
        if link.get_attribute("aria-label").startswith(f"{system} "):
            return link.get_attribute("href")
    raise SystemExit(f"the run has no trial of {system} on {INSTANCE}")


def _section(page: Any, name: str, section: str, height: int) -> None:
    """A picture of one section of a page."""
    place = page.locator(f"section.card[aria-labelledby={section}]")
    box = place.bounding_box()
    clip = {"x": 0, "y": max(0, box["y"] - 12), "width": WIDTH,
            "height": min(height, box["height"] + 24)}  # fmt: skip
    _save(page, name, clip=clip, full_page=True)


def _shoot(page: Any, name: str, *, height: int) -> None:
    """A picture of the top of a page, not higher than it is."""
    page.wait_for_load_state("load")
    page.set_viewport_size({"width": WIDTH, "height": height})
    _save(page, name)


def _save(page: Any, name: str, **how: Any) -> None:
    path = IMAGES / f"{name}.png"
    page.screenshot(path=path, animations="disabled", **how)
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise SystemExit(f"{path} has {size} bytes, more than {MOST_BYTES}")
    print(f"{path.relative_to(ROOT)}: {size} bytes")


if __name__ == "__main__":
    main()
