"""What the host makes of the supervisor's bytes, whatever a command writes between the marks."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import SandboxUnavailable
from harness.sandbox.shell import Capture, _Stream

NONCE = "a1b2c3d4e5f6a1b2c3d4e5f6"
END = f"\0{NONCE} ".encode()

# Bytes that look like marks, cut anywhere: none of them is one, as no whole nonce follows a NUL.
almost = st.sampled_from([END[:-2], b"\0", b"\n", NONCE.encode(), b"\0" + b"f" * 24 + b" 0\n"])
written = st.lists(st.one_of(st.binary(max_size=40), almost), max_size=12).map(b"|".join)
cuts = st.lists(st.integers(0, 600), max_size=20)


def pieces(data: bytes, at: list[int]) -> list[bytes]:
    edges = [0, *sorted(min(a, len(data)) for a in at), len(data)]
    return [data[i:j] for i, j in itertools.pairwise(edges) if i < j]


def stream(limit: int = 10_000) -> _Stream:
    return _Stream(NONCE, Capture(limit))


@given(written, cuts, st.sampled_from(["0", "1", "137", "killed"]))
def test_any_chunking_gives_the_same_output_and_status(
    output: bytes, at: list[int], status: str
) -> None:
    found = stream()
    for piece in pieces(output + END + f"{status}\n".encode(), at):
        assert found.status is None
        found.feed(piece)
    assert found.status == status
    assert found.capture.text() == output.decode(errors="replace")
    assert found.capture.total == len(output)


@given(written, st.text("0123456789abcdef", min_size=24, max_size=24))
def test_a_forged_mark_without_the_nonce_is_output(output: bytes, guess: str) -> None:
    if guess == NONCE:
        return
    forged = f"\0{guess} 0\n\0{guess}\n".encode()
    found = stream()
    found.feed(output + forged)
    assert found.status is None
    found.feed(END + b"3\n")
    assert found.status == "3"
    assert found.capture.total == len(output + forged)


def test_the_end_of_the_stream_is_no_result() -> None:
    found = stream()
    found.feed(b"half")
    with pytest.raises(SandboxUnavailable):
        found.feed(b"")
    assert found.status is None


@given(st.lists(st.binary(max_size=300), max_size=30), st.integers(2, 400))
def test_a_capture_keeps_head_and_tail_and_counts_what_is_between(
    chunks: list[bytes], limit: int
) -> None:
    capture = Capture(limit)
    for chunk in chunks:
        capture.feed(chunk)
    whole = b"".join(chunks)
    half = limit // 2
    assert capture.total == len(whole)
    if len(whole) <= 2 * half:
        assert capture.text() == whole.decode(errors="replace")
    else:
        assert capture.text() == (
            whole[:half]
            + f"\n[... {len(whole) - 2 * half} bytes left out ...]\n".encode()
            + whole[-half:]
        ).decode(errors="replace")


def test_a_capture_stays_small_however_much_comes() -> None:
    capture = Capture(1000)
    for _ in range(2000):
        capture.feed(b"x" * 10_000)
    assert capture.total == 20_000_000
    assert len(capture.head) + len(capture.tail) < 20_000
