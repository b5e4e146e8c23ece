"""The evidence of a finding: one class for each form, with its bounds.

Evidence is made once, from the arguments of an agent's tool call, and carried in proposals and
entries. Only the board's store reads and writes it as JSON, `{"form": "span", "path": …}`. It reads
with the context `STORED`, so that stored evidence is never refused, even if bounds have changed.
"""

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from harness.board.vocabulary import BASE, DOCUMENT, EvidenceForm

GIST_TOKENS, GIST_CHARS, SUMMARY_CHARS = 100, 2_000, 4_000  # of a finding
QUOTE_LINES, QUOTE_CHARS = 100, 10_000
COMMAND_CHARS, OUTPUT_CHARS, DIFF_CHARS = 20_000, 10_000, 180_000
QUOTATIONS, QUOTATION_CHARS = 8, 2_000
FILES, FILE_CHARS = 5, 50_000  # attached to a command
ATTACHED = "/tmp/board/"  # noqa: S108 - the folder of attached files in every sandbox of a trial
STORED = {"stored": True}


def _at_most(chars: int, reason: str, *, lines: int = 0) -> AfterValidator:
    """A validator that raises `ValueError(reason)` for a longer text."""

    def check(text: str, info: ValidationInfo) -> str:
        long = len(text) > chars or (lines and text.count("\n") > lines)
        if long and info.context != STORED:
            raise ValueError(reason)
        return text

    return AfterValidator(check)


ShellCommand = Annotated[
    str,
    _at_most(
        COMMAND_CHARS, f"The command is too long; at most {COMMAND_CHARS} characters are taken."
    ),
]


def _few_files(files: dict[str, str], info: ValidationInfo) -> dict[str, str]:
    if info.context == STORED:
        return files
    if len(files) > FILES:
        raise ValueError(f"The command names {len(files)} files of {ATTACHED}; at most {FILES}.")
    for name, text in files.items():
        if len(text) > FILE_CHARS:
            raise ValueError(
                f"{ATTACHED}{name} has {len(text):,} characters; at most {FILE_CHARS:,}."
            )
    return files


Files = Annotated[dict[str, str], AfterValidator(_few_files)]
"""The texts of files in the folder `ATTACHED` by their names, which a command needs there."""


class _Evidence(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    @field_validator("*")
    @classmethod
    def _is_text(cls, value: Any, info: ValidationInfo) -> Any:
        if not isinstance(value, str):
            return value
        if "\0" in value and info.context != STORED:
            raise ValueError(
                f"The field {info.field_name!r} of the evidence holds a NUL character. Leave it "
                "out."
            )
        return value.encode(errors="replace").decode()  # half a surrogate pair is none


class _InState(_Evidence):
    state: str = BASE  # `BASE`, or the label of a PATCH

    @field_validator("state")
    @classmethod
    def _named(cls, state: str) -> str:
        return state.strip() or BASE


class Span(_InState):
    """Whole lines that stand in a file."""

    form: Literal[EvidenceForm.SPAN] = EvidenceForm.SPAN
    path: str  # relative to the repository, where it is in it
    line: int = Field(default=0, ge=0, strict=True)  # of the first line of `quote`; 0: anywhere
    quote: Annotated[
        str,
        _at_most(
            QUOTE_CHARS,
            f"The quote is too long; at most {QUOTE_LINES} lines and {QUOTE_CHARS} characters are "
            "taken. Quote the few lines that matter.",
            lines=QUOTE_LINES,
        ),
    ]

    @field_validator("path")
    @classmethod
    def _relative(cls, path: str) -> str:
        inner = path.strip().removeprefix("/testbed/")
        root = "/" if inner.startswith("/") else ""
        return root + "/".join(part for part in inner.split("/") if part not in ("", "."))


class Command(_InState):
    """A command, and what comes of it."""

    form: Literal[EvidenceForm.COMMAND] = EvidenceForm.COMMAND
    command: ShellCommand
    exit_status: int = Field(strict=True)
    # lines of its output, in order; `...` in one, or for some, is what was left out
    output: Annotated[
        str,
        _at_most(
            OUTPUT_CHARS,
            f"The expected output is too long; at most {OUTPUT_CHARS} characters are taken. Give "
            "the few lines that matter.",
        ),
    ] = ""
    # a diff that is applied besides: what its author's copy differs in, or the new test files that
    # the command needs
    changes: Annotated[
        str, _at_most(DIFF_CHARS, f"Your copy differs in more than {DIFF_CHARS} characters.")
    ] = ""
    files: Files = Field(default_factory=dict)


class Patch(_Evidence):
    """A change to the base commit, and a command that fails without it and passes with it."""

    form: Literal[EvidenceForm.PATCH] = EvidenceForm.PATCH
    diff: Annotated[
        str,
        _at_most(
            DIFF_CHARS, f"The patch is longer than {DIFF_CHARS} characters. Leave out made files."
        ),
    ]
    command: ShellCommand
    files: Files = Field(default_factory=dict)

    @field_validator("diff")
    @classmethod
    def _ends_its_last_line(cls, diff: str) -> str:
        return diff if not diff or diff.endswith("\n") else diff + "\n"


class Part(_Evidence):
    """A part of a document, `text[start:end]`, and how many claims about it held or were refused.

    Its entry is no finding: another part may be described in the same words.
    """

    form: Literal[EvidenceForm.PART] = EvidenceForm.PART
    start: int
    end: int
    claims: int
    refused: int


class Quotation(_Evidence):
    """Words of an entry, or of the whole document where `label` is `DOCUMENT`."""

    label: Annotated[str, AfterValidator(str.strip)]
    quote: Annotated[
        str, _at_most(QUOTATION_CHARS, f"A quotation has at most {QUOTATION_CHARS} characters.")
    ]


class Quotations(_Evidence):
    """Places of a document, and the labels of the findings that this one builds on."""

    form: Literal[EvidenceForm.QUOTATIONS] = EvidenceForm.QUOTATIONS
    quotations: tuple[Quotation, ...]
    builds_on: tuple[str, ...] = ()

    @field_validator("quotations")
    @classmethod
    def _few(cls, found: tuple[Quotation, ...], info: ValidationInfo) -> tuple[Quotation, ...]:
        if len(found) > QUOTATIONS and info.context != STORED:
            raise ValueError(f"A finding has at most {QUOTATIONS} quotations.")
        return found

    @property
    def labels(self) -> list[str]:
        """The entries that it quotes or builds on, each once."""
        quoted = (each.label for each in self.quotations if each.label != DOCUMENT)
        return list(dict.fromkeys([*quoted, *self.builds_on]))


Evidence = Span | Command | Patch | Part | Quotations
EVIDENCE: TypeAdapter[Evidence] = TypeAdapter(Annotated[Evidence, Field(discriminator="form")])


def state_of(evidence: Evidence) -> str:
    """The state in which it holds: `BASE`, or the label of a PATCH."""
    return evidence.state if isinstance(evidence, _InState) else BASE


def reason_of(error: ValidationError) -> str:
    """The first fault of evidence that could not be made, in words for its author."""
    first = error.errors()[0]
    if first["type"] == "value_error":
        return str(first["ctx"]["error"])
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}."
