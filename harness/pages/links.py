"""Where a page's links lead. Templates ask for a link and do not know which page they are on."""

from collections.abc import Mapping
from typing import Protocol
from urllib.parse import quote, urlencode


class Links(Protocol):
    """The `href` of everything that a page can point at. An empty one: this page has no such
    place, and the template writes plain text."""

    def run(self) -> str:
        """The run's own page: verdict, plot and grid."""
        ...

    def word(self, place: str) -> str:
        """The entry of the glossary with this id."""
        ...

    def trial(self, trial_id: int, section: str = "") -> str:
        """An attempt at a trial, opened; `section`: the id of a heading there."""
        ...

    def conversation(self, trial_id: int, name: str, message: int = 0) -> str:
        """A conversation of a trial, at its message of that number, from 1 on; 0: at its top."""
        ...

    def call(self, trial_id: int, call_id: int) -> str:
        """One model call, with its new and cached prompt tokens and its dollars."""
        ...

    def entry(self, trial_id: int, label: str) -> str:
        """An entry of the shared context, with the execution that admitted it."""
        ...

    def proposal(self, trial_id: int, number: int) -> str:
        """A proposal and its ruling."""
        ...

    def submission(self, trial_id: int, submission_id: int) -> str:
        """A submission: its diff, its grade, its tests."""
        ...

    def rows(self, table: str, **equal: str | int) -> str:
        """The rows of a table (`calls`, `trials`, `submissions`, `proposals`, …) whose columns are
        `equal` to these values: what a number is made of."""
        ...

    def compare(self, a: str, b: str) -> str:
        """Two systems of the run beside each other."""
        ...

    def label(self, trial_id: int) -> str:
        """Where a label of the trial is posted to."""
        ...

    def control(self) -> str:
        """Where an intervention is posted to."""
        ...


class ReportLinks:
    """Links inside of the report: one file, so each place is a fragment of it."""

    def run(self) -> str:
        """See `Links`."""
        return "#verdict"

    def word(self, place: str) -> str:
        """See `Links`."""
        return f"#{place}"

    def trial(self, trial_id: int, section: str = "") -> str:
        """See `Links`."""
        return _fragment("trial", trial_id, section)

    def conversation(self, trial_id: int, name: str, message: int = 0) -> str:
        """See `Links`. The report holds no conversations."""
        return ""

    def call(self, trial_id: int, call_id: int) -> str:
        """See `Links`. The report holds no calls."""
        return ""

    def entry(self, trial_id: int, label: str) -> str:
        """See `Links`."""
        return _fragment("trial", trial_id, f"entry-{label}")

    def proposal(self, trial_id: int, number: int) -> str:
        """See `Links`."""
        return _fragment("trial", trial_id, f"proposal-{number}")

    def submission(self, trial_id: int, submission_id: int) -> str:
        """See `Links`."""
        return _fragment("trial", trial_id, f"submission-{submission_id}")

    def rows(self, table: str, **equal: str | int) -> str:
        """See `Links`. The report holds no rows."""
        return ""

    def compare(self, a: str, b: str) -> str:
        """See `Links`."""
        return f"#{quote(pair_place(a, b), safe='')}"

    def label(self, trial_id: int) -> str:
        """See `Links`. Nothing is written from the report."""
        return ""

    def control(self) -> str:
        """See `Links`. The report changes nothing."""
        return ""


class ViewLinks:
    """Links of the live page: paths of its server below `/runs/<run id>`."""

    def __init__(self, run_id: str) -> None:
        self._root = f"/runs/{_quoted(run_id)}"

    def run(self) -> str:
        """See `Links`."""
        return self._root

    def word(self, place: str) -> str:
        """See `Links`."""
        return f"{self.run()}#{place}"

    def trial(self, trial_id: int, section: str = "") -> str:
        """See `Links`."""
        return f"{self._root}/trials/{trial_id}" + (f"#{_quoted(section)}" if section else "")

    def conversation(self, trial_id: int, name: str, message: int = 0) -> str:
        """See `Links`."""
        place = f"{self.trial(trial_id)}/conversations/{_quoted(name)}"
        return place + (f"#message-{message}" if message else "")

    def call(self, trial_id: int, call_id: int) -> str:
        """See `Links`."""
        return f"{self.trial(trial_id)}/calls/{call_id}"

    def entry(self, trial_id: int, label: str) -> str:
        """See `Links`."""
        return f"{self.trial(trial_id)}/entries/{_quoted(label)}"

    def proposal(self, trial_id: int, number: int) -> str:
        """See `Links`."""
        return f"{self.trial(trial_id)}/proposals/{number}"

    def submission(self, trial_id: int, submission_id: int) -> str:
        """See `Links`."""
        return self.trial(trial_id, f"submission-{submission_id}")

    def rows(self, table: str, **equal: str | int) -> str:
        """See `Links`."""
        return f"{self._root}/rows/{_quoted(table)}" + _query(equal)

    def compare(self, a: str, b: str) -> str:
        """See `Links`."""
        return f"{self._root}/compare" + _query({"a": a, "b": b})

    def label(self, trial_id: int) -> str:
        """See `Links`."""
        return f"{self.trial(trial_id)}/labels"

    def control(self) -> str:
        """See `Links`."""
        return f"{self._root}/control"


def pair_place(a: str, b: str) -> str:
    """The id of the place of two systems in the report, whichever is named first."""
    return "pair-" + "--".join(quote(name, safe="") for name in sorted((a, b)))


def _fragment(kind: str, number: int, section: str) -> str:
    return f"#{kind}-{number}" + (f"/{_quoted(section)}" if section else "")


def _quoted(text: str) -> str:
    """`text` as a part of an address; half a surrogate pair, which is no text, as a mark."""
    return quote(text.encode(errors="replace"), safe="")


def _query(values: Mapping[str, str | int]) -> str:
    return f"?{urlencode(values, errors='replace')}" if values else ""
