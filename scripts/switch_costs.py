"""What each switch of `delm` is worth in dollars: by counterfactual from the ledger of a run.

    python scripts/switch_costs.py RUN [-o FOLDER]

Nothing is run again. From the calls of a finished run of `delm` it computes what would have been
sent besides them, or not sent, with a switch turned: tokens, cached and fresh, at the recorded
rates. What a model would have answered differently is not in it. Prints a Markdown table with one
row for each switch: dollars per submission, and seconds per trial, which a replay does not have.
"""

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

from switch_arithmetic import (
    Call,
    PlayedTrial,
    Rates,
    patch_goes_on,
    with_more_scouts,
    without_carrying,
    without_diffs,
    without_gist_check,
    without_head_start,
    without_scout,
)
from switch_trials import read_trials

from harness import event_loop
from harness.board.vocabulary import TaskKind
from harness.errors import UserError

TEST_USD = 0.0349 / 4  # a test task in the former recording: four of them, nothing cached
HEAD = ("switch", "what differs", "$ per submission", "of delm's", "seconds", "how")
SYSTEMS = Path(__file__).parents[1] / "configs/systems"
ABOUT = re.compile(r"# (?:delm with one switch turned: )?(.*?)(?:\. .*|\.)?$")


@dataclass(frozen=True, slots=True)
class Row:
    """What a switch is worth, in dollars of all trials; None: not known. `bound`: ≤ or ≥."""

    switch: str  # the name of a system, or an option of one
    usd: float | None
    how: str
    bound: str = ""
    seconds: float | None = None  # of all trials


def rows(trials: Sequence[PlayedTrial], alone: Sequence[Call], rates: Rates) -> Iterator[Row]:
    """One row for each switch. `alone`: first calls of agents that see nothing of each other."""
    yield from _from_calls(trials, rates)
    yield _head_start(trials, alone, rates)
    yield from _from_tasks(trials)
    yield from _from_the_board(trials)
    cannot = "not to be computed: no call of the run says what agents do "
    yield Row("delm-no-sharing", None, cannot + "that see nothing of each other")
    yield Row("delm-no-verification", None, cannot + "with findings that nobody checked")
    yield Row("delm-threads", None, cannot + "without a queue")


def _from_calls(trials: Sequence[PlayedTrial], rates: Rates) -> Iterator[Row]:
    ended = [t for trial in trials for t in trial.conversations if t.ends_by_patch()]
    how = (
        f"one more call for each of {len(ended)} tasks that a PATCH ended, its prompt cached; none "
        f"for the {sum(t.asks_for_the_end() for t in ended)} whose author said `finish: true`"
    )
    yield Row("delm-patch-goes-on", sum(patch_goes_on(t, rates) for t in trials), how, "≤")
    how = f"without these {sum(len(t.gist_checks) for t in trials)} calls"
    yield Row("delm-no-gist-check", sum(map(without_gist_check, trials)), how)
    how = (
        "one more turn, which unfolds, for each seat that took over a PATCH whose diff it was "
        "shown; nearly nothing where it unfolds beside a command"
    )
    yield Row("delm-no-diffs", sum(without_diffs(t, rates) for t in trials), how, "≤")
    how = (
        "one more opening, and all that the scout had read before its FACT read again, once fresh; "
        "there is no head start then either: its row comes on top"
    )
    yield Row("delm-no-carry", sum(without_carrying(t, rates) for t in trials), how)
    how = "each other seat costs what the scout's conversation did, and takes over nothing"
    yield Row("delm-no-scout", sum(map(without_scout, trials)), how, "≤")
    how = (
        "the scout's calls up to its first admitted FACT, without its changes, once more for each "
        "other agent, cached as the scout's"
    )
    more = sum(with_more_scouts(t, rates) for t in trials)
    yield Row("localizers: each (in delm-pipeline)", more, how)


def _head_start(trials: Sequence[PlayedTrial], alone: Sequence[Call], rates: Rates) -> Row:
    seats = [talk for trial in trials for talk in trial.seats()]
    looks = [talk.calls[0] for talk in seats if not talk.opens_with_patch]
    source = "the mean first call of seats that began without a PATCH"
    if not looks:
        looks, source = list(alone), "the mean first call of `independent`"
    if not looks:
        source = "what its own first call cost, since no seat began without a PATCH"
    look = mean(call.usd for call in looks) if looks else None
    count = sum(talk.opens_with_patch and talk.takes_over() for talk in seats)
    how = (
        f"one more turn of looking for each of {count} seats that took over the PATCH of their "
        f"opening: {source}; more where a seat writes its own"
    )
    usd = sum(without_head_start(trial, rates, look) for trial in trials)
    return Row("delm-no-head-start", usd, how, "≥", -sum(t.held_back_s for t in trials))


def _from_tasks(trials: Sequence[PlayedTrial]) -> Iterator[Row]:
    tests, tests_usd = _of_kind(trials, TaskKind.TEST)
    repairs, repairs_usd = _of_kind(trials, TaskKind.REPAIR)
    for switch, most in (("delm-tests-one", 1), ("delm-tests-each", sys.maxsize)):
        count = sum(min(trial.candidates, most) for trial in trials)
        how = f"{count} tests at ${TEST_USD:.4f}, as in the former recording (nothing cached)"
        yield Row(switch, count * TEST_USD - tests_usd, how, "≤")
    yield Row("delm-no-tests", -tests_usd, f"without {tests} `test` tasks")
    yield Row("delm-no-repairs", -repairs_usd, f"without {repairs} `repair` tasks")


def _of_kind(trials: Sequence[PlayedTrial], kind: TaskKind) -> tuple[int, float]:
    """How many conversations there are about tasks of a kind, and their dollars."""
    found = [talk for trial in trials for talk in trial.conversations if talk.kind == kind]
    return len(found), sum(call.usd for talk in found for call in talk.calls)


def _from_the_board(trials: Sequence[PlayedTrial]) -> Iterator[Row]:
    """What adds no call where the board had no occasion for it; else it is not known."""
    early = sum(trial.early for trial in trials)
    how = f"in {early} trials seats were released before the end of `localize` or its PATCH"
    waited = sum(trial.released_s for trial in trials)
    yield Row("delm-no-early-release", None if early else 0.0, how, seconds=waited)
    how = "no call more; the longest check of each answer with findings, without a PATCH"
    yield Row("delm-verdicts-at-once", 0.0, how, "≤", sum(t.checked_s for t in trials))
    for switch, count, how in (
        ("delm-no-cross-checks", sum(t.candidates > 1 for t in trials),
         "no model runs them; trials with two candidates:"),
        ("delm-no-binding", sum(t.refused for t in trials), "PATCHes that were refused:"),
        ("delm-no-merging", sum(t.equal for t in trials), "equal patches that are no copies:"),
        ("delm-dispatch", sum(t.news for t in trials),
         "findings of others that were told in the middle of a task:"),
    ):  # fmt: skip
        yield Row(switch, None if count else 0.0, f"{how} {count}")


def table(found: Sequence[Row], trials: Sequence[PlayedTrial], *, timed: bool) -> Iterator[str]:
    """The lines of a Markdown table. `timed`: seconds are those of a run that was no replay."""
    submissions = sum(trial.submissions for trial in trials)
    total = sum(trial.usd for trial in trials)
    yield f"| {' | '.join(HEAD)} |"
    yield f"|{' --- |' * len(HEAD)}"
    for row in found:
        usd = "?" if row.usd is None else f"{row.bound} {row.usd / submissions:+.4f}".strip()
        share = f"{100 * row.usd / total:+.1f} %" if row.usd else ""
        usd = usd if row.usd is None or row.usd else "0"
        known = timed and row.seconds is not None
        seconds = f"{(row.seconds or 0) / len(trials):+.0f}" if known else ""
        name = row.switch if " " in row.switch else f"`{row.switch}`"
        yield f"| {name} | {_differs(row.switch)} | {usd} | {share} | {seconds} | {row.how} |"


def _differs(switch: str) -> str:
    """What the file of a system says of it in its first line."""
    path = SYSTEMS / f"{switch}.yaml"
    if not path.exists():
        return "every agent localizes"
    said = ABOUT.match(path.read_text(encoding="utf-8").partition("\n")[0])
    return said[1] if said else ""


def main() -> int:
    """Print the table; the exit code."""
    parser = argparse.ArgumentParser(description="What each switch of delm is worth.")
    parser.add_argument("run", help="the id of a run")
    parser.add_argument("-o", "--output", type=Path, default=Path("results"))
    options = parser.parse_args()
    try:
        read = event_loop.run(read_trials, options.run, options.output)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    usd = sum(trial.usd for trial in read.trials)
    submissions = sum(trial.submissions for trial in read.trials)
    print(f"{options.run}: {len(read.trials)} trials of delm, {submissions} submissions, "
          f"${usd:.4f}, ${usd / submissions:.4f} per submission\n")  # fmt: skip
    found = list(rows(read.trials, read.alone, read.rates))
    print(*table(found, read.trials, timed=read.timed), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
