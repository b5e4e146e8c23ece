"""A terminal is given texts: nothing in them is obeyed, whatever they are printed in."""

import io
import os
import subprocess
import sys

import pandas as pd
import pytest
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from harness.report import plot_style
from harness.results.run_folder import csv_text
from harness.secrets import learn
from harness.terminal import SafeConsole, guarded, one_line, plain

HOSTILE = (
    "\x1b]0;owned\x07\x1b[2J\x9b1m\u202e\u2066\x7f[red]x[/red][link=http://e]y[/link]:skull:\r"
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text: é 漢 🙂", "plain text: é 漢 🙂"),
        ("a\tb\nc\r\nd\re", "a\tb\nc\nd\ufffde"),
        ("\x1b[31mred", "\ufffd[31mred"),
        ("\x9b31m \x85 \x00", "\ufffd31m \ufffd \ufffd"),
        ("\u202eback\u2066\u200f\u200b\ufeff", "\ufffdback\ufffd\ufffd\ufffd\ufffd"),
        ("a\u00a0b\u2028c", "a b c"),
        ("\ud800", "\ufffd"),
    ],
)
def test_what_a_terminal_would_obey_is_a_mark(text, shown):
    assert plain(text) == shown
    assert one_line(text) == shown.replace("\n", " ").replace("\t", " ")


def table() -> Table:
    made = Table(HOSTILE, title=HOSTILE)
    made.add_row(HOSTILE)
    return made


@pytest.mark.parametrize(
    "thing", [HOSTILE, Text(HOSTILE), table(), Panel(HOSTILE, title=HOSTILE), [HOSTILE]]
)
@pytest.mark.parametrize("terminal", [True, False])
def test_nothing_that_is_printed_is_obeyed(thing, terminal):
    out = io.StringIO()
    console = SafeConsole(
        file=out, force_terminal=terminal, width=200, color_system=None, legacy_windows=False
    )
    with Live(thing if not isinstance(thing, list) else "", console=console, transient=False):
        console.print(thing, style="bold")
        console.print(thing, soft_wrap=True)
    console.rule(HOSTILE)
    said = out.getvalue()
    for ours in ("\x1b[?25l", "\x1b[?25h", "\x1b[1m", "\x1b[0m", "\x1b[2K", "\x1b[1A", "\r"):
        said = said.replace(ours, "")
    assert not {c for c in said if not (c.isprintable() or c == "\n")}
    assert "[red]x[/red][link=http://e]y[/link]:skull:" in said


def test_a_secret_is_in_no_stream_of_the_command_line(monkeypatch, capsys):
    monkeypatch.setenv("A_TOKEN", "abc-7f-abc-7f")
    learn()
    with guarded():
        print("out abc-7f-abc-7f")
        sys.stderr.writelines(["err abc-7f-abc-7f"])
        SafeConsole(file=sys.stdout).print("rich abc-7f-abc-7f")
    print("no longer guarded")
    said = capsys.readouterr()
    assert said.out == "out [key]\nrich [key]\nno longer guarded\n"
    assert said.err == "err [key]"


def test_a_secret_that_is_written_in_pieces_is_in_no_stream(monkeypatch, capsys):
    monkeypatch.setenv("A_TOKEN", "abc-7f-abc-7f")
    learn()
    with guarded():
        for piece in ("one abc-7f", "-abc-7f two", "\nx", "abc", "-7f-abc-7f?"):
            sys.stdout.write(piece)
        assert capsys.readouterr().out == "one [key] two\n"
        sys.stdout.flush()
        assert capsys.readouterr().out == "x[key]?"  # a question is seen before its line ends


def test_a_crash_is_told_without_secrets_and_escapes():
    crash = "import sys\nfrom harness.terminal import tell_crash\nsys.excepthook = tell_crash\n"
    done = subprocess.run(
        [sys.executable, "-c", crash + "raise ValueError('\\x1b[31m Bearer abc.def')"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.endswith("ValueError: \ufffd[31m [key]\n")


def test_a_crash_inside_a_command_is_told_so_too():
    script = (
        "import sys\nfrom harness import cli\n"
        "@cli.app.command('boom')\n"
        "def boom(): raise ValueError('sk-planted-7Gh2kQ9 \\x1b]0;x\\x07')\n"
        "sys.argv = ['delm', 'boom']\ncli.main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], env=os.environ | {"MY_API_KEY": "sk-planted-7Gh2kQ9"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "in boom" in done.stderr
    assert "planted" not in done.stderr
    assert "\x1b" not in done.stderr


def test_a_cell_of_a_csv_is_no_formula_and_holds_no_escape():
    rows = [
        {"text": text, "number": number}
        for text, number in (
            ("=1+1", -1),
            ("+a", 2.5),
            ("-b", None),
            ("@c", 0),
            (HOSTILE, -0.5),
            ("＝1+1", 1),
            ("\n =1", 1),
            ("\t1", 1),
        )
    ]
    said = csv_text(rows, ("text", "number"))
    assert not {c for c in said if not (c.isprintable() or c in "\n\t")}
    read = pd.read_csv(io.StringIO(said))
    assert list(read["text"][:4]) == ["'=1+1", "'+a", "'-b", "'@c"]
    assert list(read["text"][5:]) == ["'＝1+1", "'\n =1", "'\t1"]
    assert list(read["number"].dropna()) == [-1, 2.5, 0, -0.5, 1, 1, 1]


def test_a_name_in_a_plot_is_a_text(tmp_path):
    with plot_style.ink():
        figure, axes = plot_style.new_figure(12, 4)
        axes.set_title(f"<b>{HOSTILE}</b> $x^2$")
        axes.plot([0, 1], label=HOSTILE)
        plot_style.legend(figure, axes)
        plot_style.save(figure, tmp_path, "p")
    said = (tmp_path / "p.svg").read_text()
    assert "&lt;b&gt;\ufffd]0;owned\ufffd" in said
    assert not {c for c in said if not (c.isprintable() or c in "\n\t")}


SHOUTS = """
import logging, sys, warnings
from harness.terminal import guarded
with guarded():
    warnings.warn("a library's own: Expected `Message` but got Bearer abcdefgh12345678")
    logging.getLogger("somebody").warning("http://me:pw-12345678@proxy/ AIza0123456789abc")
"""


@pytest.mark.parametrize("options", [(), ("-W", "default")])
def test_what_libraries_say_reaches_a_terminal_without_keys_and_warnings_only_if_asked_for(options):
    told = subprocess.run(
        [sys.executable, *options, "-c", SHOUTS], capture_output=True, text=True, check=True,
        env={k: v for k, v in os.environ.items() if k != "PYTHONWARNINGS"},
    )  # fmt: skip
    assert "http://[key]@proxy/ [key]\n" in told.stderr
    assert ("a library's own" in told.stderr) == bool(options)
    assert "abcdefgh" not in told.stderr
    assert told.stdout == ""
