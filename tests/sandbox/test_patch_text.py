"""A patch as text, whatever programs write it: in Docker they may be a command's own."""

import pytest

from harness.sandbox.patch_text import as_text


def patch_of(name: bytes, content: bytes) -> bytes:
    return b"diff --git " + name + b" " + name + b"\n" + content + b"\n"


@pytest.mark.parametrize(
    "name",
    [
        b'"a"' + b"-" * 9000 + b"1",
        b'"a"' + b"+b''" * 40_000,
        b'"a" if ' + b"not " * 9000 + b"1 else 1",
        b'"a/\\400\\N{DIGIT ONE}\\"',
    ],
    ids=["signs", "sums", "words", "escapes"],
)
def test_a_name_that_is_no_name_of_git_is_a_name_or_refused(name):
    try:
        text, left_out = as_text(patch_of(name, b"\xff"), patch_of(name, b"\xfe"))
    except ValueError:  # `SandboxError` for whoever asked for the patch
        return
    assert text == ""
    assert len(left_out) == 1


def test_the_name_of_a_link_that_is_no_text_is_read_as_git_writes_it():
    quoted = patch_of(b'"a/\\"d\\303\\251\\t\\\\\\""', b"\xff")
    assert as_text(quoted, quoted) == ("", ['"dé\t\\"'])
