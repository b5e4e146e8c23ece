"""Instances out of a dataset file and the release archives that it names."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from harness.benchmarks.checked_row import CheckedRow
from harness.benchmarks.swebench.environment_facts import environment_of
from harness.benchmarks.swebench.eval_script import eval_script
from harness.benchmarks.swebench.injected.faults import change_digest, with_faults
from harness.benchmarks.swebench.injected.hidden_tests import without_tests
from harness.benchmarks.swebench.injected.sheet import InjectedFacts, InjectedSheet
from harness.benchmarks.swebench.items import IssueItem, IssueReference
from harness.environments.archive_files import read_texts
from harness.environments.rebuild import local_image
from harness.errors import UserError
from harness.text.file_patch import patch_of
from harness.types import Environment, Issue


@dataclass(frozen=True, slots=True, kw_only=True)
class Injection:
    """The texts of one instance, each by path."""

    facts: InjectedFacts
    release: Environment  # without the fault
    sound: Mapping[str, str]  # the files with faults, as the release has them
    faulty: Mapping[str, str]
    tests: Mapping[str, str]  # the test files, as the release has them

    @property
    def fault_patch(self) -> str:
        """From the release to the fault."""
        return patch_of(self.sound, self.faulty)


def check_injected(path: Path, sheet: InjectedSheet, cache: Path) -> Iterator[CheckedRow]:
    """Every instance of `sheet`, which `path` holds, in its order, with what is wrong with it."""
    for name in sheet.injected:
        where = f"{path}: injected.{name}:"
        try:
            injection = injection_of(name, sheet, path.parent, cache)
            yield CheckedRow(where=where, item=item_of(name, injection))
        except UserError as error:
            yield CheckedRow(where=where, faults=(str(error),))


def injection_of(name: str, sheet: InjectedSheet, beside: Path, cache: Path) -> Injection:
    """The texts of the instance `name`. Raises `UserError` that begins with the field."""
    facts = sheet.injected[name]
    if facts.environment not in sheet.environments:
        raise UserError(f"environment: there is none called {facts.environment!r}")
    release = environment_of(
        facts.environment, sheet.environments[facts.environment], beside, cache
    )
    changed = [fault.path for fault in facts.faults]
    texts = read_texts(release, [*changed, *facts.test_files], cache)
    for number, test_file in enumerate(facts.test_files):
        if test_file not in texts:
            raise UserError(
                f"test_files.{number}: {release.sdist_filename} has no text file {test_file}"
            )
    return Injection(
        facts=facts,
        release=release,
        sound={path: texts.get(path, "") for path in changed},
        faulty=with_faults(texts, facts.faults, release.sdist_filename),
        tests={path: texts[path] for path in facts.test_files},
    )


def item_of(name: str, injection: Injection) -> IssueItem:
    """The instance. Raises `UserError` where its lists are not there yet, or do not fit."""
    facts, release = injection.facts, injection.release
    if not facts.fail_to_pass:
        raise UserError("fail_to_pass: it is empty; run: delm dataset inject FILE")
    shown = without_tests(injection.tests, facts.fail_to_pass, facts.log_parser)
    patch = injection.fault_patch + patch_of(injection.tests, shown)
    environment = replace(release, name=name, patch=patch)
    image = local_image(environment)
    version = facts.version or release.sdist_version
    test_patch = patch_of(shown, injection.tests)
    return IssueItem(
        instance=Issue(
            instance_id=name,
            repo=facts.repo,
            base_commit=change_digest(release.sdist_sha256, patch),
            problem_statement=facts.issue,
            version=version,
            image=image,
            environment=name,
            difficulty=f"level {facts.level}",
        ),
        reference=IssueReference(
            instance_id=name,
            repo=facts.repo,
            version=version,
            image=image,
            patch=patch_of(injection.faulty, injection.sound),
            test_patch=test_patch,
            fail_to_pass=facts.fail_to_pass,
            pass_to_pass=facts.pass_to_pass,
            eval_script=eval_script(test_patch, facts.command),
            log_parser=facts.log_parser,
            eval_type="pass_and_fail",
        ),
        environment=environment,
    )


def release_item(name: str, injection: Injection) -> IssueItem:
    """The release without the fault, for runs of its tests; nothing can be graded on it."""
    release, facts = injection.release, injection.facts
    image = local_image(release)
    return IssueItem(
        instance=Issue(
            instance_id=name,
            repo=facts.repo,
            base_commit=change_digest(release.sdist_sha256, ""),
            problem_statement=facts.issue,
            image=image,
            environment=release.name,
        ),
        reference=IssueReference(
            instance_id=name,
            repo=facts.repo,
            version=facts.version or release.sdist_version,
            image=image,
            log_parser=facts.log_parser,
            eval_type="pass_and_fail",
        ),
        environment=release,
    )
