"""The submissions that a system ships: one per instance."""

from dataclasses import dataclass

from harness.score import counted_attempts
from harness.score.rows import by_trial
from harness.score.submission_rank import choosers, model_name
from harness.score.submission_rank import shipped as shipped_of
from harness.store.rows import RunRows, SubmissionRow, TrialRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipped:
    """The shipped submission of a system on one instance."""

    trial: TrialRow
    submission: SubmissionRow
    chosen: bool  # by the system, of several
    names: tuple[str, ...]  # what its logs can be called, its predictions' name first


def shipped(run: RunRows, system: str) -> dict[str, Shipped]:
    """The shipped submission of each instance, from its first trial if that is done.

    The scores use the same submission (`selected_at_1` and the outcomes of `comparisons.csv`).
    """
    model, trials, submissions = run.facts["model"], run.trials, run.submissions
    made = by_trial(submissions)
    counted = {trial["trial_id"] for trial in counted_attempts(trials)}
    chooses = system in choosers(submissions, counted)
    found = {}
    for trial in trials:
        if (trial["system"], trial["number"], trial["state"]) != (system, 0, "done"):
            continue
        mine = made.get(trial["trial_id"], [])
        one = shipped_of(mine, trial["wanted"], chooses=chooses)
        if one is not None:
            names = (model_name(system, model, i) for i in range(max(len(mine), 1)))
            found[trial["instance_id"]] = Shipped(
                trial=trial,
                submission=one,
                chosen=bool(one["selected"]) and trial["wanted"] > 1,
                names=tuple(name.replace("/", "__") for name in names),
            )
    return found
