"""The style of all plots. matplotlib is imported inside functions, because it takes a second."""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness.cache import write_beside
from harness.secrets import redact
from harness.terminal import plain

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#555555", "#B2A300")
"""Of Okabe and Ito (2008): told apart with every kind of colour blindness; yellow darkened."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
SPREAD = 30.0  # largest by smallest from which an axis of dollars is logarithmic
MANY = 300.0  # the same, from which only powers of ten have a label
STYLE = {
    "svg.hashsalt": "delm",  # ids of an SVG are random without it
    "svg.fonttype": "none",
    "text.parse_math": False,  # a dollar is a dollar
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "legend.frameon": False,
}
FORMATS = ("png", "svg")


@contextmanager
def ink() -> Iterator[None]:
    """Draw with the common style inside this block."""
    import matplotlib as mpl

    with mpl.rc_context(STYLE):
        yield


def new_figure(width: float, height: float) -> tuple[Any, Any]:
    """A figure of so many inches, and its axes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def colour(index: int) -> str:
    """The colour of the system at that place. Colours repeat, with other markers."""
    return COLOURS[index % len(COLOURS)]


def marker(index: int) -> str:
    """The marker of the system at that place."""
    return MARKERS[(index + index // len(MARKERS)) % len(MARKERS)]


def dollar_axis(axes: Any, which: str, values: Sequence[float]) -> None:
    """Start the axis `which` ("x" or "y") at 0; use a log scale only for a wide range of values."""
    least, most = min(values, default=0.0), max(values, default=0.0)
    limits = axes.set_xlim if which == "x" else axes.set_ylim
    if least > 0 and most / least > SPREAD:
        from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

        (axes.set_xscale if which == "x" else axes.set_yscale)("log")
        axis = axes.xaxis if which == "x" else axes.yaxis
        few = most / least < MANY  # the powers of ten alone would be one label or two
        axis.set_major_locator(LogLocator(subs=(1, 2, 5) if few else (1,)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_formatter(NullFormatter())
        limits(least / 1.5, most * 1.5)
    else:
        limits(0, most * 1.08 or 1.0)


def percent_axis(axes: Any) -> None:
    """Show 0 to 100 %, with a margin for marks at the ends."""
    axes.set_ylim(-2, 103)
    axes.set_yticks(range(0, 101, 20))


def legend(figure: Any, axes: Any, order: Sequence[str] = ()) -> None:
    """Place the legend to the right of the plot: labels in `order` first, then the others."""
    found = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    labels = [label for label in order if label in found]
    labels += [label for label in found if label not in labels]
    if labels:
        figure.legend([found[label] for label in labels], labels, loc="outside right upper")


def caption(figure: Any, words: str) -> None:
    """Write a line below the plot."""
    figure.supxlabel(words, x=0.01, ha="left", fontsize=8, color="0.35")


def save(figure: Any, folder: Path, name: str) -> list[Path]:
    """Write the figure in every format. The same figure always gives the same bytes."""
    from matplotlib.text import Text

    for text in figure.findobj(Text):  # names in it may be anybody's
        text.set_text(plain(redact(text.get_text())))
    paths = []
    for form in FORMATS:
        target = io.BytesIO()
        metadata = {"Date": None} if form == "svg" else {"Software": None}
        figure.savefig(target, format=form, dpi=150, metadata=metadata)
        path = folder / f"{name}.{form}"
        write_beside(path, target.getvalue())
        paths.append(path)
    return paths
