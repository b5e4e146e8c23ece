"""What a program or a caller is used to from a machine of its own, asked of both kinds of sandbox.

The properties are those that other harnesses check of theirs. What stands elsewhere is not
repeated: standard input, time limits, floods, forks and the rest of commands and files in
test_sandbox.py; limits in test_sandbox_limits.py and test_sandbox_disk.py; users in
test_sandbox_techniques.py.
"""

import math

import anyio
import pytest

from harness.errors import SandboxError
from harness.sandbox.sandbox import READ_BYTES

pytestmark = pytest.mark.slow(seconds=21)

SOON_S = 15


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


# -------------------------------------------------------------------------------- how it ends


@pytest.mark.parametrize(
    ("command", "status"),
    [
        ("exit 0", 0),
        ("exit 1", 1),
        ("exit 125", 125),
        ("exit 128", 128),
        ("exit 255", 255),
        ("exit 256", 0),
        ("exit -1", 255),
        ("kill -TERM $$", 143),
        ("kill -KILL $$", 137),
        ("kill -SEGV $$", 139),
        ("kill -PIPE $$", 141),
        ("sh -c 'kill -TERM $$'", 143),
        ("python3 -c 'import os; os.abort()'", 134),
        ("/no/such/program", 127),
        ("nosuchprogram", 127),
        ("/etc/passwd", 126),
        ("/testbed", 126),
        ("set -e; false; echo never", 1),
        ("set -o pipefail; false | true", 1),
        ("exec false", 1),
        ("trap 'exit 9' EXIT; true", 9),
        ("sleep 60 & kill $!; wait $!", 143),
    ],
)
async def test_the_exit_status_is_what_a_shell_would_say(bench, command, status):
    result = await bench.exec(command, timeout_s=60)
    assert (result.exit_status, result.timed_out, result.flooded) == (status, False, False)


async def test_a_command_without_an_end_of_its_own_has_any_time_limit(bench):
    for limit in (1e-9, -1, -1000):
        assert (await bench.exec("sleep 60", timeout_s=limit)).timed_out
    for limit in (1e12, math.inf):
        assert (await bench.exec("echo fine", timeout_s=limit)).output == "fine\n"


async def test_an_argument_that_is_too_long_is_the_commands_failure(bench):
    result = await bench.exec("x=$(head -c 3000000 /dev/zero | tr '\\0' y); /bin/true $x")
    assert result.exit_status == 126
    assert "Argument list too long" in result.output
    many = await bench.exec("/bin/echo {1..60000} | wc -w")
    assert many.output == "60000\n"


# ------------------------------------------------------------------------------- where it runs


async def test_a_relative_folder_is_one_of_the_repository(bench):
    await bench.exec("mkdir -p 'a b/-c' \"it's\" $'new\\nline' -- '-' '$HOME'; ln -s pkg to-pkg")
    for folder in ("pkg", "./pkg", "a b/-c", "it's", "new\nline", "-", "$HOME", "a b/.."):
        result = await bench.exec("pwd", cwd=folder)
        assert result.exit_status == 0, folder
        assert result.output.startswith("/testbed"), folder
    assert (await bench.exec("pwd -P; ls core.py", cwd="to-pkg")).output == (
        "/testbed/pkg\ncore.py\n"
    )
    assert (await bench.exec("pwd", cwd="..")).output == "/\n"


@pytest.mark.parametrize("folder", ["a.txt", "missing", "pkg/missing", "x" * 300, "/proc/1/cwd"])
async def test_a_command_is_not_begun_where_it_is_to_run_in_no_folder(bench, folder):
    result = await bench.exec("echo begun", cwd=folder)
    assert result.exit_status == 126
    assert "begun" not in result.output


async def test_the_next_command_runs_though_the_folder_of_the_last_is_gone(bench):
    await bench.exec("mkdir -p /tmp/here")
    gone = await bench.exec("rmdir /tmp/here; pwd; echo still", cwd="/tmp/here")
    assert gone.output.endswith("still\n")
    assert (await bench.exec("echo begun", cwd="/tmp/here")).exit_status == 126
    assert (await bench.exec("pwd")).output == "/testbed\n"


# ----------------------------------------------------------------------------- with what it runs


async def test_variables_have_any_value_and_are_gone_afterwards(bench):
    values = {
        "EMPTY": "",
        "SPACE": " two  words ",
        "LINES": "a\nb\n\n",
        "QUOTES": "'\"`$(id)`\\",
        "STAR": "* ? [a]",
        "LONG": "x" * 100_000,
        "BYTES": "\udcff\udc80",
        "WIDE": "🐎ž",
        "HOME": "/tmp",
    }
    for name, value in values.items():
        result = await bench.exec(f'printf "%s" "${name}" | od -An -v -tx1', env={name: value},
                                  max_output_chars=1_000_000)  # fmt: skip
        wanted = value.encode(errors="surrogateescape").hex()
        assert result.output.replace(" ", "").replace("\n", "") == wanted, name
    left = await bench.exec('echo "${EMPTY-none} ${LONG-none}"; echo $HOME')
    assert left.output == "none none\n/root\n"


async def test_a_thousand_variables_are_not_too_many(bench):
    result = await bench.exec("env | grep -c ^V[0-9]", env={f"V{n}": str(n) for n in range(1000)})
    assert result.output == "1000\n"


async def test_commands_are_those_of_root_at_home_and_speak_utf8(bench):
    result = await bench.exec("id -un; id -u; echo ~; python3 -c 'print(\"ž🐎\")'; umask")
    assert result.output == "root\n0\n/root\nž🐎\n0022\n"


# ------------------------------------------------------------------------------ what it writes


@pytest.mark.parametrize("limit", [2, 3, 10, 1000, 65_536])
async def test_output_is_cut_when_it_is_longer_than_the_limit_and_not_before(bench, limit):
    even = limit - limit % 2
    whole = await bench.exec(f"head -c {even} /dev/zero | tr '\\0' x", max_output_chars=limit)
    assert (whole.output, whole.output_bytes) == ("x" * even, even)
    more = limit + 1
    cut = await bench.exec(f"head -c {more} /dev/zero | tr '\\0' x", max_output_chars=limit)
    assert "left out" in cut.output
    assert cut.output_bytes == more
    assert cut.output.count("x") <= limit


async def test_a_character_that_comes_in_pieces_is_one(bench):
    pieces = (
        "import os, time\nfor byte in 'ž🐎'.encode(): os.write(1, bytes([byte])); time.sleep(.05)"
    )
    assert (await bench.exec(f'python3 -c "{pieces}"')).output == "ž🐎"
    many = await bench.exec("yes 🐎 | head -n 30000 | tr -d '\\n'", max_output_chars=1_000_000)
    assert many.output == "🐎" * 30_000


async def test_a_character_that_is_cut_in_two_spoils_no_other(bench):
    result = await bench.exec("yes 🐎 | head -n 1000 | tr -d '\\n'", max_output_chars=101)
    head, _, tail = result.output.partition("\n[... ")
    assert head.rstrip("\ufffd") == "🐎" * (50 // 4)
    assert tail.partition("...]\n")[2].lstrip("\ufffd") == "🐎" * (50 // 4)


async def test_what_is_written_to_any_of_its_outputs_is_there_in_order(bench):
    result = await bench.exec(
        "echo 1; echo 2 >&2; echo 3 > /dev/stdout; echo 4 > /dev/stderr; echo 5 > /proc/self/fd/1;"
        "echo 6 | tee /dev/stderr > /dev/null; python3 -c 'import sys; sys.stderr.write(\"7\\n\")'"
    )
    assert result.output == "1\n2\n3\n4\n5\n6\n7\n"


# --------------------------------------------------------------------------------------- files


NAMES = ["-rf", " ", "a b", "*", "?", "[a]", "$HOME", "`id`", "\\", "'", '"', "new\nline", "\t",
         "#x", "~", "ž🐎", "\udcff", "x" * 255, "https:/example.org/a%20b?c=d&e#f", "...", "a;b|c",
         "{a,b}", "!x", "deep/" * 60 + "x"]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
async def test_a_file_of_any_name_is_written_read_and_in_the_patch(bench, name):
    data = b"content of it\n"
    for path in (name, f"/tmp/{name}"):
        await bench.write(path, data)
        assert await bench.read(path) == data
    patch = await bench.diff()
    assert "content of it" in patch or "GIT binary patch" in patch


@pytest.mark.parametrize("path", ["x" * 256, "/tmp/" + "y" * 300, "z/" * 2100 + "x"])
async def test_a_name_that_no_file_can_have_is_refused(bench, path):
    with pytest.raises(SandboxError):
        await bench.write(path, b"x")
    with pytest.raises(SandboxError):
        await bench.read(path)
    assert (await bench.exec("ls -A /tmp")).output == ""


async def test_a_refusal_names_the_file(bench):
    for path in ("no/such/file.py", "https:/example.org/x", "pkg"):
        with pytest.raises(SandboxError, match=path):
            await bench.read(path)


async def test_every_way_of_writing_a_path_leads_to_the_one_file(bench):
    await bench.exec("ln -s pkg inside; echo made > pkg/made")
    for path in ("pkg/made", "./pkg/made", "pkg/../pkg//made", "/testbed/pkg/made", "inside/made",
                 "//testbed/./inside/../pkg/made", "/tmp/../testbed/pkg/made"):  # fmt: skip
        assert await bench.read(path) == b"made\n", path
    await bench.write("inside/new", b"through a link\n")
    assert await bench.read("pkg/new") == b"through a link\n"


async def test_a_shorter_content_replaces_a_longer_one(bench):
    for data in (b"long " * 1000, b"short", b"", b"longer than short"):
        await bench.write("a.txt", data)
        assert await bench.read("a.txt") == data
        assert (await bench.exec("stat -c %s a.txt")).output == f"{len(data)}\n"


async def test_a_file_that_a_command_made_empty_is_empty(bench):
    await bench.exec("touch made; : > a.txt")
    assert await bench.read("made") == await bench.read("a.txt") == b""


@pytest.mark.parametrize("mode", ["000", "200", "444", "4755"])
async def test_no_mode_keeps_a_caller_from_a_file(bench, mode):
    await bench.exec(f"echo before > f; chmod {mode} f; mkdir d; echo x > d/f; chmod {mode[:3]} d")
    assert await bench.read("f") == b"before\n"
    await bench.write("f", b"after\n")
    assert await bench.read("f") == b"after\n"
    assert await bench.read("d/f") == b"x\n"
    await bench.write("d/g", b"y\n")
    assert (await bench.exec("stat -c %a f")).output == f"{int(mode)}\n"


async def test_writing_takes_one_name_of_a_file_and_leaves_the_others(bench):
    await bench.exec("ln a.txt other")
    await bench.write("a.txt", b"mine\n")
    assert await bench.read("other") == b"one\ntwo\nthree\n"


async def test_what_is_no_file_is_replaced_or_refused_at_once(bench):
    await bench.exec("mkfifo fifo; python3 -c 'import socket as s; s.socket(1).bind(\"socket\")'")
    with anyio.fail_after(SOON_S):
        for path in ("fifo", "socket"):
            with pytest.raises(SandboxError, match="not a file"):
                await bench.read(path)
            await bench.write(path, b"a file now\n")
            assert await bench.read(path) == b"a file now\n"


async def test_as_many_bytes_are_read_as_were_asked_for_and_no_more_is_taken(bench):
    await bench.exec("head -c 5000 /dev/urandom > random; truncate -s 60M sparse")
    assert len(await bench.read("random", max_bytes=5000)) == 5000
    with pytest.raises(SandboxError, match="too large"):
        await bench.read("random", max_bytes=4999)
    with pytest.raises(SandboxError, match="too large"), anyio.fail_after(SOON_S):
        await bench.read("sparse", max_bytes=1 << 40)


async def test_a_file_of_the_largest_size_is_carried_in_and_out(bench):
    data = bytes(range(256)) * (READ_BYTES // 256)
    await bench.write("/tmp/large", data)
    assert await bench.read("/tmp/large", max_bytes=READ_BYTES) == data


async def test_a_file_that_grows_while_it_is_read_is_read_to_its_end_then(bench):
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(bench.exec, "for n in 1 2 3 4; do echo $n >> grows; sleep 0.1; done")
        await anyio.sleep(0.1)
        assert await bench.read("grows") == b"1\n2\n3\n4\n"  # it waits for its turn


async def test_a_write_that_is_cancelled_leaves_the_file_that_was_there(bench):
    await bench.write("a.txt", b"before\n")
    with anyio.move_on_after(0.05):
        await bench.write("a.txt", b"x" * 30_000_000)
    found = await bench.read("a.txt", max_bytes=READ_BYTES)
    assert found in (b"before\n", b"x" * 30_000_000)
    assert (await bench.exec("echo fine; ls /testbed | grep -c delm")).output == "fine\n0\n"


async def test_files_are_written_and_read_side_by_side(bench):
    async def one(number: int) -> None:
        data = str(number).encode() * 10_000
        await bench.write(f"n/{number}", data)
        assert await bench.read(f"n/{number}") == data

    async with anyio.create_task_group() as tasks:
        for number in range(12):
            tasks.start_soon(one, number)
    assert (await bench.exec("ls n | wc -l")).output == "12\n"
