"""What people did to a run and to one of its trials, for a page."""

from collections.abc import Sequence

from markupsafe import Markup

from harness.analysis.interventions import Told, of_trial, told
from harness.pages.links import Links
from harness.pages.rendering import render
from harness.pages.run_data import RunData
from harness.pages.trial_data import TrialData


def interventions_html(run: RunData, links: Links) -> Markup | None:
    """The table of all interventions; None: nobody interfered."""
    rows = told(run.rows)
    return render("interventions", section=rows, links=links) if rows else None


def section(data: TrialData) -> Sequence[Told] | None:
    """The interventions on a trial, whichever attempt at it; None: nobody interfered."""
    return told(data.run, of_trial(data.run, data.trial)) or None
