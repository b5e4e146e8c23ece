"""The benchmark's own tables, printed below a run's table."""

from rich.console import Console
from rich.text import Text

from harness import score
from harness.analysis.run_scores import ScoredRun
from harness.benchmarks.registry import of_run
from harness.terminal import widened
from harness.text.text_table import written


def print_breakdown(out: Console, run: ScoredRun) -> None:
    """Print the further tables and lines of the run's benchmark."""
    if not run.table:
        return
    facts = run.rows.facts
    found = of_run(facts).breakdown(run.table, score.ran(run.scores), facts)
    whole = widened(out, 400)
    for title, table in found.tables:
        whole.print()
        whole.print(Text(title, "italic"))
        for text, style in written(table, out.width):
            whole.print(Text(text, style=style), soft_wrap=True)
    for line in found.lines:
        whole.print(Text(line))
