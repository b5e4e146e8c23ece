"""A trial opened: its sections, in the order in which they stand on the page.

A section is a function that makes of a `TrialData` what the template of the section's name shows
(`templates/NAME.html.j2`, with the variables `section`, `data` and `links`); None: the trial has
nothing of it, and the section is left out.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from harness.pages import (
    activity,
    board_replay,
    conversations,
    entry,
    findings,
    interventions,
    labels,
    proposal,
    submissions,
    task_graph,
    tests,
    time_lines,
)
from harness.pages.links import Links
from harness.pages.rendering import SHOWN, render
from harness.pages.trial_data import TrialData
from harness.pages.trial_header import header


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A part of the page. `name` is its template, and the id of its heading."""

    name: str
    title: str
    make: Callable[[TrialData], Any]


SECTIONS: Sequence[Section] = (
    Section(name="activity", title="Why it cost what it did", make=activity.section),
    Section(name="submissions", title="Submissions", make=submissions.section),
    Section(name="tests", title="Tests", make=tests.section),
    Section(name="findings", title="Findings", make=findings.section),
    Section(name="time_lines", title="Time lines of the agents", make=time_lines.section),
    Section(name="task_graph", title="Tasks and claims", make=task_graph.section),
    Section(name="board_replay", title="The board, step by step", make=board_replay.section),
    Section(name="entries", title="The shared context", make=entry.section),
    Section(name="proposals", title="What was refused", make=proposal.section),
    Section(name="conversations", title="Conversations", make=conversations.section),
    Section(name="labels", title="Labels", make=labels.section),
    Section(name="interventions", title="What people did to it", make=interventions.section),
)


def trial_html(
    data: TrialData, links: Links, *, without: Collection[str] = (), shown: int = SHOWN
) -> Markup:
    """The trial as HTML, without the frame of a page: for the report and the live page.

    `without`: names of sections to leave out. `shown`: characters of one text.
    """
    made = [(each, each.make(data)) for each in SECTIONS if each.name not in without]
    sections = [{"about": each, "content": found} for each, found in made if found is not None]
    head = header(data)
    return render("trial", data=data, links=links, header=head, sections=sections, most_shown=shown)
