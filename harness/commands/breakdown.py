"""What the benchmark of a run shows below its table."""

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from harness import score
from harness.benchmarks.registry import of_run
from harness.score.rows import Row
from harness.store.sqlite import Store
from harness.terminal import widened
from harness.text.text_table import written


def print_breakdown(out: Console, rows: Sequence[Row], store: Store) -> None:
    """Print the further tables and lines of the run's benchmark; `rows` are of `table.csv`."""
    facts = store.description()
    if not rows:
        return
    scores = score.instance_scores(store.trials(), store.calls(), store.submissions())
    found = of_run(facts).breakdown(rows, score.ran(scores), facts)
    whole = widened(out, 400)
    for title, table in found.tables:
        whole.print()
        whole.print(Text(title, "italic"))
        for text, style in written(table, out.width):
            whole.print(Text(text, style=style), soft_wrap=True)
    for line in found.lines:
        whole.print(Text(line))
