"""What the words of the pages mean: the tables "Glossary" and "Scores" of docs/concepts.md.

A test holds them equal. A page asks for a word with `term`, and one that is missing here is an
error.
"""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from jinja2 import pass_context
from markupsafe import Markup

GLOSSARY: Sequence[tuple[str, str]] = (
    (
        "benchmark",
        "loads instances, says what a system is shown, grades, explains its table "
        "(harness/benchmarks/protocol.py)",
    ),
    (
        "instance",
        "one item of a benchmark: a SWE-bench issue, a LongBench question",
    ),
    (
        "system",
        "what is measured: delm, single, …",
    ),
    (
        "trial",
        "one run of a system on an instance. Text numbers trials from #1, CSV files from 0",
    ),
    (
        "attempt",
        "one execution of a trial. An infrastructure failure leads to another attempt",
    ),
    (
        "submission",
        "one final patch or answer. A trial of delm or independent makes one per agent, any other "
        "system makes one",
    ),
    (
        "agent, orchestrator, subagent",
        "one LLM worker; the main agent of a centralized system; one that an orchestrator "
        "delegates to",
    ),
    (
        "board",
        "the task queue and shared context of one trial",
    ),
    (
        "claim, lease",
        "taking a task; how long the claim holds without renewal",
    ),
    (
        "proposal, entry, evidence",
        "what an agent publishes; what was admitted; what a program can check",
    ),
    (
        "FACT, FAIL, CONSTRAINT, PATCH",
        "the kinds of entries: an observation, a failed approach, something that must keep "
        "passing, a candidate patch",
    ),
    (
        "gate, admission",
        "what decides whether a proposal becomes an entry",
    ),
    (
        "ledger",
        "the record of every model call: tokens, dollars, time",
    ),
    (
        "recording, replay",
        "a file with a model's answers; a run that serves them again and executes their commands "
        "for real",
    ),
    (
        "sandbox, fork",
        "an instance's isolated machine; a copy of it",
    ),
    (
        "salvaged",
        "a submission taken from a system that was interrupted or did not hand it in",
    ),
    (
        "audit",
        "the check at the start of a sandbox that it holds no later commit, remote or other hint "
        "at the fix",
    ),
    (
        "latest",
        "the run that was started last",
    ),
    (
        "remembered",
        "a check whose command, patch, image and settings equal an earlier one's is not run "
        "again: its result is read from the cache, and later runs take less time. delm show and "
        "findings.csv say it of each entry. -c sandbox.remember_checks=false switches this off",
    ),
    (
        "gold patch",
        "the fix that the dataset holds",
    ),
    (
        "injected fault",
        "lines of our own in a release, which an instance asks to mend (injected-offline, delm "
        "dataset inject)",
    ),
    (
        "FAIL_TO_PASS, PASS_TO_PASS",
        "the tests that a fix must make pass; the tests that must keep passing",
    ),
    (
        "difficulty",
        "how hard the dataset says an instance is, in the dataset's own words (1-4 hours, level "
        "3). The scales of two datasets do not compare",
    ),
    (
        "baseline",
        "the system that others are compared with: single where the run has it",
    ),
    (
        "flag",
        "why a pass of the official grader does not count",
    ),
    (
        "copy",
        "a submission that is another agent's patch as it is",
    ),
    (
        "label",
        "what a person or a model says of a trial, with evidence: it stands beside the score and "
        "never changes it. legitimate: the outcome is right, and was reached by solving the task; "
        "cheated: it passes, or tries to, without solving the task; agent's fault: the task was "
        "fair and was not solved; unfair task: what the tests ask for cannot be known from what "
        "the agents were shown; broken verifier: the grading is wrong; environment: the machinery "
        "failed; incomplete: cut off at a limit; unclear: it cannot be told",
    ),
    (
        "critique",
        "the work of a model that labels trials in a fresh sandbox (delm critique), in a store "
        "and on money of its own",
    ),
    (
        "place, quotation",
        "where in a trial something stands (a message, a call, an entry, a test, …); words that "
        "stand there verbatim",
    ),
    (
        "agreement",
        "the share of what two authors labelled that has the same label, and Cohen's kappa: how "
        "far that is beyond chance",
    ),
    (
        "resolved",
        "submissions that the official grader resolves and that our forgery check accepts, out of "
        "those requested. For an unfinished run, 3 of 3 run, 1 not run: what was not run is in no "
        "figure",
    ),
    (
        "Avg.@1",
        "the mean over instances of the share of submissions that are resolved",
    ),
    (
        "Pass@2, Pass@4",
        "the probability that at least one of 2 (4) independent submissions is resolved: the "
        "unbiased estimator 1 − C(n−c,k)/C(n,k). With †: any of the N submissions that shared a "
        "context. The two are not comparable",
    ),
    (
        "Sel.@1",
        "the share of trials whose selected submission is resolved. Selection never sees the "
        "hidden tests",
    ),
    (
        "$/instance",
        "dollars per instance for an equal number of submissions of every system. Use this to "
        "compare systems",
    ),
    (
        "$/task, $/submission",
        "dollars per trial with all its agents; dollars per submission",
    ),
    (
        "budget",
        "the limit per submission. A trial of N submissions gets N times the steps, dollars and "
        "tokens",
    ),
    (
        "latency, last",
        "seconds from the start of a trial to a submission (mean), and to its last submission",
    ),
    (
        "n",
        "agents of a trial. 1+N: an orchestrator and up to N subagents at a time",
    ),
    (
        "95 % interval",
        "bootstrap over instances (BCa); exact (Clopper and Pearson) where every instance came out "
        "the same. It is wide when there are few instances",
    ),
    (
        "infra",
        "trials that failed for infrastructure reasons; they count as not resolved",
    ),
    (
        "published",
        "the figure of the paper, measured on all of SWE-bench Verified at its own budget",
    ),
    (
        "Pareto front",
        "the systems that no other one beats in both score and dollars per instance",
    ),
    (
        "half-width",
        "half of the width of a 95 % interval: the score is known to plus or minus so much",
    ),
    (
        "p",
        "of a paired sign-flip test over instances on all trials, adjusted for all pairs of "
        "systems (Holm). A difference is shown where p is below 0.05, its interval excludes 0, "
        "and at least 20 instances ran",
    ),
)
"""Words, separated by commas where a row explains several, and their meaning."""


@cache
def _meanings() -> dict[str, str]:
    found: dict[str, str] = {}
    for words, meaning in GLOSSARY:
        several = words.split(", ")
        found |= dict.fromkeys(several, f"{words}: {meaning}" if len(several) > 1 else meaning)
    return found


def meaning(word: str) -> str:
    """The meaning of a word. Raises `KeyError` for one that the glossary has not."""
    return _meanings()[word]


def place_of(words: str) -> str:
    """The id of the entry of these words, which are a row's, in the glossary."""
    return "word-" + re.sub(r"[^a-z0-9]+", "-", words.lower().replace("$", "usd-")).strip("-")


@cache
def _places() -> dict[str, str]:
    return {word: place_of(words) for words, _ in GLOSSARY for word in words.split(", ")}


@pass_context
def term(context: Mapping[str, Any], word: str, shown: str = "") -> Markup:
    """The word, with its meaning on hover, as a link to its entry in the glossary: that of the
    `links` of the page. `shown`: how the page spells it there."""
    found, links = meaning(word), context.get("links")
    if not links:
        return Markup('<abbr title="{}">{}</abbr>').format(found, shown or word)
    template = Markup('<a class="term" href="{}" title="{}">{}</a>')
    return template.format(links.word(_places()[word]), found, shown or word)
