"""One server for all tests that change nothing."""

from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest
from page_server import Asked, page_server
from planted import plant, plant_board

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture(scope="session")
def runs(tmp_path_factory) -> Path:
    """A folder of two runs, a broken one, and other things that are no runs."""
    output = tmp_path_factory.mktemp("results")

    async def make() -> None:
        folder = await plant(output, "first", created_at="2026-01-01T00:00:00.000+00:00")
        await plant_board(folder, 9, verified_s=7.5)
        await plant(output, "second", created_at="2026-01-02T00:00:00.000+00:00", dataset=HOSTILE)

    anyio.run(make)
    (output / "broken").mkdir()
    (output / "broken" / "run.db").write_bytes(b"no database at all " * 100)
    (output / "empty").mkdir()
    (output.parent / "outside").mkdir()
    (output / "first" / "run.db").exists()
    (output / "linked").symlink_to(output.parent / "outside")
    (output.parent / "outside" / "run.db").write_bytes((output / "first" / "run.db").read_bytes())
    return output


@pytest.fixture(scope="session")
def server(runs) -> Iterator[Asked]:
    with page_server(runs) as client:
        yield client
