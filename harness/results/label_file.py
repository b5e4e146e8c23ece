"""The labels of a run as a CSV in its folder."""

from harness.labels.rows import COLUMNS, csv_rows
from harness.results.run_folder import RunFolder, csv_text, write
from harness.store.protocol import Store

FILE = "labels.csv"


async def write_labels(folder: RunFolder, store: Store) -> None:
    """Write `labels.csv` again."""
    write(folder.path / FILE, csv_text(csv_rows(await store.labels()), COLUMNS))
