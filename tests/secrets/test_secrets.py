"""Secrets: which values are some, and that a text without one is left as it is."""

import json
from time import process_time
from urllib.parse import quote

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from planted_variables import HONEST, VARIABLES
from spelt import WAYS, WHOLE

from harness.board.sqlite.board import SqliteBoard
from harness.cache import write_beside
from harness.config import assignment, resolve
from harness.errors import UserError
from harness.secrets import MARK, Secrets, learn
from harness.secrets.variables import environment_secrets, is_secret
from harness.store.sqlite.connection import Connection, Transaction

TYPICAL = (  # of the forms that providers give out, and none of theirs
    "sk-planted-7Gh2kQ9xLw4Zr8Tn",
    "AIzaPlanted_0-nB5vC8xZ2mK4jH6gF1dS3aQ9wE7rT",
    "wJalrXUtnFEMI/K7MDENG+bPxRfiCYPLANTEDKEY",
)
SHORT = "000000-00a1"
KEY = 'mine-4f"\\é/7d2'


def knowing(*values: str) -> Secrets:
    known = Secrets()
    known.learn(values)
    return known


def test_variables_whose_names_say_so_hold_secrets_and_so_do_addresses():
    found = environment_secrets(
        {
            "OPENAI_API_KEY": "correct-horse-battery",
            "AWS_ACCESS_KEY_ID": "ABCD1234EFGH",
            "MY_KEY_2": "a1b2c3d4e5",
            "github_token": "Zq8_Zq8_Zq8_",
            "PIP_INDEX_URL": "https://me:pass-w0rd@packages.example/simple",
            "PATH": "/usr/bin:/bin",
            "KEYBOARD_LAYOUT": "us-international-1",
            "SSH_AUTH_SOCK": "/tmp/agent.sock-12345",
            "OTHER_API_KEY": "none",
        }
    )
    assert dict(found) == {
        "OPENAI_API_KEY": "correct-horse-battery",
        "AWS_ACCESS_KEY_ID": "ABCD1234EFGH",
        "MY_KEY_2": "a1b2c3d4e5",
        "github_token": "Zq8_Zq8_Zq8_",
        "PIP_INDEX_URL": "pass-w0rd",
    }


def test_a_value_is_a_secret_by_its_name_by_its_look_or_by_what_stands_in_it():
    for name, (value, secret) in VARIABLES.items():
        assert secret in [found for _, found in environment_secrets({name: value})], name
    assert len(VARIABLES) > 60


def test_what_everybody_has_in_the_environment_is_no_secret():
    assert environment_secrets(HONEST) == []
    assert len(HONEST) > 60


@pytest.mark.parametrize(
    "value",
    [
        "",
        "none",
        "EMPTY",
        "not-needed",
        "dummy key",
        "100000000",
        "1.5e-07",
        "/usr/bin/env",
        "changeme123",
        "change-me-now!",
        "your-key-here-0123",
        "password1",
        "Admin2024!",
        "test_1234",
        "${SECRET_1}",
        "$MY_KEY_",
        "<your key 1>",
        "{{ key.1 }}",
        "xxxxxxxx",
        "XXXX-XXXX",
        "********",
        "aaaaaaaaaa",
        "~/.ssh/id_ed25519",
        "x" * 60_000,
    ],
)
def test_words_numbers_and_paths_are_no_secrets(value):
    assert not is_secret(value)


@pytest.mark.parametrize(
    "said",
    [
        f"401: Bearer {KEY} is wrong",
        json.dumps({"error": f"Bearer {KEY}"}),
        json.dumps({"error": f"Bearer {KEY}"}, ensure_ascii=False),
        json.dumps({"arguments": json.dumps({"command": f"echo {KEY}"})}),
        f"https://host/v1?k={quote(KEY, safe='')}",
        repr(f"x{KEY}"),
        json.dumps({"arguments": json.dumps({"command": f"echo {KEY!r}"})}),
        json.dumps(json.dumps(json.dumps(json.dumps(KEY)))),
    ],
)
def test_a_secret_is_found_in_every_form(said):
    clean = knowing(KEY).redact(said)
    assert "[key]" in clean
    assert not said.startswith("{") or json.loads(clean)
    assert "7d2" not in clean
    assert knowing(KEY).redact_bytes(said.encode()).decode() == clean


@settings(deadline=None)
@given(
    st.builds(lambda a, b: f"{a}Zq7x{b}Kp9w", st.text(), st.text()),
    st.text(),
    st.text(),
    st.integers(0, 4),
)
@example("000Zq7x\x1fKp9w", "\x070", "", 1)
@example("Zq7x\x1f0000Kp9w", "", "", 1)
@example("nZq7x\x1fKp9w", "\\", "", 2)
@example("12Zq7x\x1fKp9w", "\\0", "", 1)
@example("Zq7x\x1bKp9w", "", "", 3)
@example("Zq7x\x1fKp9w%4", "", "1", 1)
@example("Zq7x%\ne8Kp9w", "", "", 1)
@example("Zq7x\U000e0020Kp9w", "", "", 1)
def test_a_secret_is_found_however_deep_in_json_and_it_stays_json(key, before, after, depth):
    assume(is_secret(key))  # `~/Zq7xKp9w` is a path
    said = f"{before}{key}{after}"
    for level in range(depth):
        said = json.dumps([said], ensure_ascii=level % 2 == 0)
    clean = knowing(key).redact(said)
    assert MARK in clean
    for _ in range(depth):
        (clean,) = json.loads(clean)


EATEN = (
    "0123456789abcdefABCDEF000"
    + "\\%&#=;xuU{}[]nm\"'< \x07\x1b\x1f\n\u00e9\u200b\uff10\U000e0020\U0001f600"
)
SOME = st.text(EATEN, max_size=5)


@settings(deadline=None)
@given(
    st.builds(lambda a, b, c: f"{a}Zq7x{b}Kp9w{c}", SOME, SOME, st.text(EATEN, max_size=2)),
    SOME,
    SOME,
    st.lists(st.sampled_from(list(WHOLE)), max_size=3),
)
def test_no_escape_before_a_secret_takes_its_first_letters(key, before, after, ways):
    assume(is_secret(key))
    known = knowing(key)
    whole, alone = f"{before}{key}{after}", key
    for way in ways:
        whole, alone = WHOLE[way](whole), WHOLE[way](alone)
    assert MARK in known.redact(whole)
    assert MARK in known.redact(f"{before}{alone}{after}")


@pytest.mark.parametrize(
    ("said", "key", "clean"),
    [
        (r"\u00070000Zq7x\u001fKp9w", "0000Zq7x\x1fKp9w", r"\u0007[key]"),
        (r"\U00070000Zq7x\u001fKp9w", "0000Zq7x\x1fKp9w", r"\U0007[key]"),
        (r"\U000070000Zq7x\x1fKp9w", "0Zq7x\x1fKp9w", r"\U00007000[key]"),
        (r"\u0041Zq7x\u001fKp9w", "u0041Zq7x\x1fKp9w", "[key]"),
        (r"\012Zq7x\x1fKp9w", "12Zq7x\x1fKp9w", r"\0[key]"),
        (r"\\nZq7x\u001fKp9w", "nZq7x\x1fKp9w", "[key]"),
        (r"\nZq7x%1FKp9w", "nZq7x\x1fKp9w", "[key]"),
        (r"\nZq7x%251FKp9w", "nZq7x\x1fKp9w", "[key]"),
        ("%41Zq7x%1FKp9w", "41Zq7x\x1fKp9w", "%[key]"),
        ("%41Zq7x&#31;Kp9w", "41Zq7x\x1fKp9w", "%[key]"),
        ("%2541Zq7x%251FKp9w", "41Zq7x\x1fKp9w", "%25[key]"),
        ("=41Zq7x=1FKp9w", "41Zq7x\x1fKp9w", "=[key]"),
        ("&#1234567Zq7x&#31;Kp9w", "234567Zq7x\x1fKp9w", "&#1[key]"),
        ("&lt;Zq7x&#31;Kp9w", "lt;Zq7x\x1fKp9w", "&[key]"),
        ("\x1b[000Zq7x%1FKp9w", "000Zq7x\x1fKp9w", "\x1b[[key]"),
        ("\x9b000Zq7x%1FKp9w", "000Zq7x\x1fKp9w", "\x9b[key]"),
        (r"\u001b[000Zq7x\u001fKp9w", "000Zq7x\x1fKp9w", r"\u001b[[key]"),
        (
            r"\u001b]8;;https://h/?k=Zq7x%1FKp9w\u0007",
            "Zq7x\x1fKp9w",
            r"\u001b]8;;https://h/?k=[key]\u0007",
        ),
        (
            "\x1b]8;;https://h/?k=Zq7x%251FKp9w\x1b\\",
            "Zq7x\x1fKp9w",
            "\x1b]8;;https://h/?k=[key]\x1b\\",
        ),
    ],
)
def test_what_could_be_a_part_of_an_escape_is_a_part_of_the_secret(said, key, clean):
    assert knowing(key).redact(said) == clean


def test_what_an_escape_and_what_follows_it_only_resemble_stays():
    known = knowing("000Zq7x\x1fKp9w", "zebra-4u", "Yt5rMn3b%4")
    text = r"\u0007Zq7x\u001fKp9w \bra-4u \u00e9ebra-4u Yt5rMn3 %4 \u0000\u0000 Zq7x\u001fKp9w"
    assert known.redact(text) is text


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("key", [*TYPICAL, "Pa55-w/rd", "aB3+/=aB3+/=x>?"])
def test_a_secret_is_found_in_every_spelling_and_json_stays_json(key, way):
    known = knowing(key, "another-0n3-of-them")
    spelt = WAYS[way](key)
    for said in (f"({spelt})", f"{key[:5]} it says\n{spelt} {spelt} {key[-5:]}"):
        for depth in range(3):
            text = said
            for level in range(depth):
                text = json.dumps([text, "next"], ensure_ascii=level % 2 == 0)
            clean = known.redact(text)
            assert clean != text
            assert known.redact(clean) == clean
            for _ in range(depth):
                clean, after = json.loads(clean)
                assert after == "next"
            assert not leaves(clean, spelt), (text, clean)
            assert known.redact_bytes(text.encode()) == known.redact(text).encode()


def leaves(text: str, spelt: str) -> bool:
    """Whether more than an end of it is left: bits of base64 that are a neighbour's, too."""
    size = max(12, 3 * len(spelt) // 4)
    return any(spelt[at : at + size] in text for at in range(len(spelt) - size + 1))


def test_what_only_resembles_a_secret_stays():
    known = knowing("hunter22", "correct-horse-battery", "12345678!x", "Zq7xKp9wRt5y-Mn3b")
    text = (
        "hunter 22, hunter2 and hunter21; the correct horse, a correct\nhorse battery; 12345678; "
        '["Zq7xKp9w", "Rt5yMn3b"] {"Zq7xKp9wRt5y": "Mn3b"} Zq7xKp9wRt5yMn3c ' + "0" * 400
    )
    assert known.redact(text) is text


@settings(deadline=None)
@given(st.text(alphabet="aZ3-/\\\"'%&u\n é", min_size=8, max_size=14), st.text(), st.text())
def test_whatever_a_value_is_made_of_it_is_found_as_it_is(key, before, after):
    if not is_secret(key) or not any(c.isalnum() for c in key):
        return
    assert key not in knowing(key).redact(f"{before}{key}{after}")


HOSTILE = {
    "backslashes": "\\",
    "percents": "%25",
    "entities": "&amp;",
    "beginnings of colours": "\x1b[1",
    "beginnings of links": "\x1b]",
    "most of a secret": TYPICAL[0][:-1],
    "most of a secret, split": "\u200b".join(TYPICAL[0][:-1]),
    "a secret, split so that it is none": '"'.join(TYPICAL[0]),
    "its first letter and what is ignored": TYPICAL[0][0] + "\u200b" * 99,
    "an escape and most of a secret": f"%{ord(TYPICAL[0][0]):x}{TYPICAL[0][1:-1]}",
    "a secret whose first letters an escape has": rf"\x00{SHORT[2:].replace('-', '%2D')}{20 * ' '}",
    "secrets": f"{TYPICAL[0]} ",
    "secrets in escapes": WAYS["JSON, all"](TYPICAL[0]),
}


@pytest.mark.parametrize("piece", HOSTILE.values(), ids=HOSTILE)
def test_four_times_the_text_takes_about_four_times_as_long_whatever_it_holds(piece):
    known = knowing(*TYPICAL, SHORT)

    def seconds(characters: int) -> float:
        text = (piece * (characters // len(piece) + 1))[:characters]
        times = []
        for _ in range(3):
            began = process_time()
            known.redact(text)
            times.append(process_time() - began)
        return min(times)

    assert seconds(400_000) < 8 * seconds(100_000) + 0.05  # sixteen times, if it were quadratic


def test_a_secret_that_is_part_of_another_leaves_nothing_of_it():
    assert knowing("secret-1", "secret-1-and-more-2").redact("<secret-1-and-more-2>") == "<[key]>"


def test_a_text_without_a_secret_is_the_same_object():
    text = "sorted(rows, key=lambda row: row['sk-learn-0123456789abcdef'])" * 100
    known = knowing(KEY)
    assert known.redact(text) is text
    assert known.redact_bytes(content := text.encode()) is content


def test_an_error_loses_what_has_the_shape_of_a_key_a_text_does_not():
    said = (
        "Bearer abc.def, sk-proj-ABCDEFGH123, https://h/?key=zzz&x=1, AKIAIOSFODNN7EXAMPLE, "
        "http://me:pw@host/x, sorted(rows, key=len)"
    )
    assert knowing().redact(said) == said
    assert knowing().redact_error(said) == (
        "[key] [key], https://h/?key=[key]&x=1, [key], http://[key]@host/x, sorted(rows, key=len)"
    )


def test_a_statement_and_a_file_are_given_no_secret(tmp_path, monkeypatch):
    monkeypatch.setenv("PLANTED_API_KEY", KEY)
    learn()
    statements = {
        "make": "CREATE TABLE said (a, n, detail)",
        "add": "INSERT INTO said VALUES (:a, :n, :detail)",
        "all": "SELECT * FROM said",
    }
    file = Connection(tmp_path / "a.db", statements, clock=int, errors={"detail"})
    with Transaction(file) as transaction:
        transaction.rows("make", {})
        transaction.rows("add", {"a": f"<{KEY}>", "n": 7, "detail": "Bearer x"})
        transaction.rows("add", {"a": f"{KEY} \ud800", "n": 8, "detail": ""})
    assert [tuple(row) for row in file.rows("all")] == [("<[key]>", 7, "[key]"), ("[key] ?", 8, "")]
    file.close()
    write_beside(tmp_path / "file", f"<{KEY}>".encode())
    assert (tmp_path / "file").read_text() == "<[key]>"


def test_whatever_an_agent_writes_on_the_board_is_looked_through(tmp_path):
    board = SqliteBoard(tmp_path / "b.db")
    written = {name for each in board._connection.prepared.values() for name in each.clean}
    board.close()
    assert written >= {"text", "key", "subject", "result", "reason", "gist", "summary", "evidence",
                       "refutes", "raw"}  # fmt: skip


@pytest.mark.parametrize(
    "setting",
    [
        "model.extra.api_key=abc-123-def",
        "model.extra.extra_headers={X-Api-Key: abc-123-def}",
        "models.own.api_base=http://me:pw@host/v1",
    ],
)
def test_a_key_in_the_configuration_is_refused(setting):
    with pytest.raises(UserError, match="would be written into the run's files; set the variable"):
        resolve([assignment(setting)])
    resolve([assignment("model.extra.api_key=none")])
