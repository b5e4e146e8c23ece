"""What every sandbox promises, asked of both kinds. Real containers, real namespaces.

`sandbox` is fresh in each test, and nothing of it may be left afterwards.
"""

import hashlib
import textwrap

import anyio
import pytest
from sandboxes import settled

from harness.errors import FileMissing, FileTooLarge, SandboxError

pytestmark = pytest.mark.slow(seconds=26)

SOON_S = 8  # what happens at once, on a busy machine


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


class TestEverySandbox:
    # ---------------------------------------------------------------- commands

    async def test_gives_output_in_the_order_of_writing_and_the_exit_status(self, sandbox):
        result = await sandbox.exec("echo a; echo b >&2; echo c; exit 7")
        assert (result.output, result.exit_status, result.output_bytes) == ("a\nb\nc\n", 7, 6)
        assert not result.timed_out
        assert not result.flooded

    async def test_runs_where_and_with_what_it_is_told(self, sandbox):
        env = {"QUOTED": 'it\'s "$HOME"\n`id`', "NAME": "žluť"}
        result = await sandbox.exec('pwd; printf %s "$QUOTED$NAME"', cwd="/tmp", env=env)
        assert result.output == '/tmp\nit\'s "$HOME"\n`id`žluť'
        assert (await sandbox.exec("pwd")).output == "/testbed\n"
        missing = await sandbox.exec("echo never", cwd="/no/such")
        assert missing.exit_status == 126
        assert "never" not in missing.output

    async def test_refuses_what_is_no_name_of_a_variable(self, sandbox):
        for name in ("A; echo owned", "", "1A", "A=B", "ä"):
            with pytest.raises(SandboxError):
                await sandbox.exec("true", env={name: "1"})

    async def test_has_an_empty_standard_input(self, sandbox):
        result = await sandbox.exec("cat; read -r line; echo $?", timeout_s=10)
        assert (result.output, result.timed_out) == ("1\n", False)

    async def test_replaces_output_that_is_no_utf8(self, sandbox):
        result = await sandbox.exec(r"printf '\xff\x00\xfeok'")
        assert (result.output, result.output_bytes) == ("�\0�ok", 5)

    async def test_takes_many_lines_any_character_and_bytes(self, sandbox):
        result = await sandbox.exec(
            "for i in 1 2; do\n  echo '🐎ž'$i\ndone\ncat <<'E'\n$x ünï\nE\n"
        )
        assert result.output == "🐎ž1\n🐎ž2\n$x ünï\n"
        assert (await sandbox.exec("s='🐎ž'; echo ${#s}")).output == "2\n"
        assert (await sandbox.exec("printf %s '\udcff\udc80' | od -An -tx1")).output == " ff 80\n"

    async def test_a_syntax_error_is_the_commands_own(self, sandbox):
        result = await sandbox.exec("if then 'unclosed")
        assert result.exit_status not in (0, None)
        assert (await sandbox.exec("echo fine")).output == "fine\n"

    async def test_runs_a_command_of_300_kb(self, sandbox):
        text = "ž0123456789" * 25_000
        result = await sandbox.exec(f"read -r x <<'E'\n{text}\nE\necho ${{#x}} $# $0; exit 3")
        assert (result.output, result.exit_status) == ("275000 0 bash\n", 3)
        assert (await sandbox.exec("ls -A /tmp")).output == ""

    async def test_refuses_what_can_be_no_command(self, sandbox):
        for command in ("echo \0", "echo \ud800", ":" * (17 << 20)):
            with pytest.raises(SandboxError):
                await sandbox.exec(command)
        assert (await sandbox.exec("echo fine")).output == "fine\n"

    async def test_every_command_has_a_process_group_of_its_own(self, sandbox):
        ask = 'read -r stat < /proc/self/stat; set -- ${stat##*) }; echo "$$ $3"'
        seen = [(await sandbox.exec(ask)).output.split() for _ in range(2)]
        assert all(process == group for process, group in seen)
        assert seen[0] != seen[1]

    async def test_remembers_no_state_of_an_earlier_command(self, sandbox):
        await sandbox.exec("cd /; export LEFT=1; umask 0; set -e; trap '' USR1; f() { :; }; false")
        result = await sandbox.exec(
            "false; pwd; echo ${LEFT-none}; umask; type f &> /dev/null; echo $?"
        )
        assert result.output.split() == ["/testbed", "none", "0022", "1"]

    async def test_is_one_command_after_another(self, sandbox):
        running = "[ ! -e /tmp/busy ] && touch /tmp/busy && sleep 0.3 && rm /tmp/busy"
        async with anyio.create_task_group() as tasks:
            results = []

            async def run():
                results.append(await sandbox.exec(running))

            for _ in range(4):
                tasks.start_soon(run)
        assert [result.exit_status for result in results] == [0] * 4

    # ------------------------------------------------------------- time and life

    async def test_at_its_time_limit_everything_dies_and_the_output_stays(self, sandbox):
        before = await settled(sandbox)
        command = textwrap.dedent(
            """
            echo started
            setsid sh -c 'trap "" TERM INT HUP; while :; do echo >> /tmp/beat; sleep 0.02; done' &
            (setsid nohup sh -c 'while :; do echo >> /tmp/beat; sleep 0.02; done' &) &
            trap '' TERM INT HUP USR1
            echo réady
            while :; do sleep 100; done
            """
        )
        result = await sandbox.exec(command, timeout_s=1)
        assert result.timed_out
        assert result.exit_status is None
        assert result.output == "started\nréady\n"
        assert 1 <= result.seconds < 1 + SOON_S
        first, second = [await sandbox.read("/tmp/beat") for _ in range(2)]
        assert first == second
        assert first
        assert await settled(sandbox) == before

    async def test_a_background_process_ends_with_its_command(self, sandbox):
        before = await settled(sandbox)
        beat = "sh -c 'while :; do echo >> /tmp/beat; sleep 0.01; done'"
        result = await sandbox.exec(f"({beat} &) ; nohup setsid {beat} & sleep 0.2; echo done")
        assert result.output == "done\n"
        assert result.exit_status == 0
        assert result.seconds < SOON_S
        first, second = [await sandbox.read("/tmp/beat") for _ in range(2)]
        assert first == second
        assert first
        assert await settled(sandbox) == before

    async def test_a_hopeless_time_limit_breaks_nothing(self, sandbox):
        for limit in (0, 0.001, 0.005, 0.02):
            result = await sandbox.exec("sleep 60", timeout_s=limit)
            assert (result.timed_out, result.exit_status) == (True, None)
        assert (await sandbox.exec("echo fine")).output == "fine\n"

    async def test_no_signal_from_inside_ends_it(self, sandbox):
        everything = "for s in {1..64}; do kill -$s 1; done"
        for command in ("kill -9 -1", "kill -9 1", "kill 1", "pkill -9 bash", "kill -9 0",
                        "kill -STOP 1; kill -STOP -1", "kill -STOP $$", everything):  # fmt: skip
            result = await sandbox.exec(f"{command}; sleep 0.1", timeout_s=20)
            assert result.seconds < SOON_S, command
            assert (await sandbox.exec("echo fine; exit 5")).exit_status == 5, command

    async def test_long_output_keeps_its_ends_and_an_exact_count(self, sandbox):
        result = await sandbox.exec("seq 1 200000", max_output_chars=1000)
        whole = "".join(f"{n}\n" for n in range(1, 200_001))
        assert result.output_bytes == len(whole)
        assert result.output.startswith(whole[:500] + "\n[... ")
        assert result.output.endswith(" left out ...]\n" + whole[-500:])
        assert len(result.output) < 1100

    async def test_loses_no_byte_at_the_end(self, sandbox):
        for size in (1, 4095, 65_536, 300_001):
            result = await sandbox.exec(f"head -c {size} /dev/zero", max_output_chars=1_000_000)
            assert result.output == "\0" * size

    async def test_a_flood_is_killed_soon(self, sandbox):
        result = await sandbox.exec("yes & yes; echo never", timeout_s=60)
        assert result.flooded
        assert not result.timed_out
        assert result.exit_status is None
        assert 64 << 20 < result.output_bytes < 256 << 20
        assert len(result.output) < 20_000
        assert result.seconds < 20
        assert (await sandbox.exec("echo fine")).output == "fine\n"

    async def test_cancelling_a_command_kills_it(self, sandbox):
        before = await settled(sandbox)
        with anyio.move_on_after(0.5) as scope:
            await sandbox.exec("while :; do echo >> /tmp/beat; sleep 0.01; done", timeout_s=60)
        assert scope.cancelled_caught
        first, second = [await sandbox.read("/tmp/beat") for _ in range(2)]
        assert first == second
        assert await settled(sandbox) == before

    # -------------------------------------------------------------------- files

    async def test_reads_back_what_it_wrote(self, sandbox):
        for data in (b"", b"text\n", b"no newline", bytes(range(256)) * 3, b"\0" * 100, b""):
            await sandbox.write("/testbed/new/deep er/ü\n'x", data)
            assert await sandbox.read("new/deep er/ü\n'x") == data

    async def test_writes_and_reads_large_files_in_little_time(self, sandbox):
        data = b"".join(hashlib.sha512(str(n).encode()).digest() for n in range(50_000))
        with anyio.fail_after(4 * SOON_S):
            await sandbox.write("/tmp/large", data)
            assert await sandbox.read("/tmp/large") == data
        with pytest.raises(FileTooLarge, match="too large"):
            await sandbox.read("/tmp/large", max_bytes=len(data) - 1)
        assert (await sandbox.exec("ls -A /tmp")).output == "large\n"

    async def test_says_why_a_file_cannot_be_read(self, sandbox):
        await sandbox.exec("mkfifo /tmp/fifo")
        for path, reason in {
            "/testbed/missing": "no such file",
            "/testbed/pkg": "not a file",
            "/tmp/fifo": "not a file",
            "/dev/zero": "not a file",
            "/testbed/a.txt/b": "no such file",
            "a\0b": "not a path",
            "": "not a path",
        }.items():
            with pytest.raises(SandboxError, match=reason) as caught, anyio.fail_after(SOON_S):
                await sandbox.read(path)
            assert isinstance(caught.value, FileMissing) == (reason == "no such file")
        with pytest.raises(FileTooLarge, match="too large"):
            await sandbox.read("/proc/self/mountinfo", max_bytes=10)

    async def test_writing_keeps_the_mode_and_makes_folders(self, sandbox):
        await sandbox.exec("chmod 0750 run.sh; umask 077")
        for path in ("run.sh", "x/y/z.py"):
            await sandbox.write(path, b"#!/bin/sh\necho changed\n")
        result = await sandbox.exec("./run.sh; stat -c %a run.sh x x/y x/y/z.py")
        assert result.output == "changed\n750\n755\n755\n644\n"

    async def test_writing_replaces_a_link_and_leaves_what_it_led_to(self, sandbox):
        await sandbox.exec("ln -s pkg folder; ln -s missing dangling; ln -s /tmp/out away")
        for name in ("link", "folder", "dangling", "away"):
            await sandbox.write(name, b"mine\n")
        result = await sandbox.exec("stat -c %F link folder dangling away; ls missing /tmp/out")
        assert result.output.count("regular file\n") == 4
        assert result.output.count("No such file") == 2
        assert await sandbox.read("a.txt") == b"one\ntwo\nthree\n"
        assert await sandbox.read("pkg/core.py")

    async def test_says_why_a_file_cannot_be_written(self, sandbox):
        for path in ("/testbed/pkg", "a.txt/b", "/testbed", "/proc/new", "x\0y"):
            with pytest.raises(SandboxError):
                await sandbox.write(path, b"x")
        assert await sandbox.read("a.txt") == b"one\ntwo\nthree\n"
        assert (await sandbox.exec("ls -A /tmp")).output == ""

    async def test_works_whatever_was_done_to_its_temporary_folder(self, sandbox):
        await sandbox.exec("rm -rf /tmp/* /tmp/.[!.]*; rmdir /tmp || chmod 000 /tmp")
        await sandbox.write("a.txt", b"changed\n")
        assert await sandbox.read("a.txt") == b"changed\n"
        assert "+changed" in await sandbox.diff()
        assert (await sandbox.exec("touch /tmp/x && echo fine")).output == "fine\n"

    # -------------------------------------------------------------------- forks

    async def test_a_fork_of_an_untouched_one_is_as_pristine(self, sandbox):
        twin = await sandbox.fork()
        try:
            assert await twin.read("a.txt") == b"one\ntwo\nthree\n"
            assert await twin.diff() == ""
            await twin.write("a.txt", b"twin\n")
            assert await sandbox.diff() == ""
            assert (await twin.exec("git status --porcelain -uno")).output == " M a.txt\n"
        finally:
            await twin.close()

    async def test_a_fork_carries_the_files_and_then_they_part(self, kind, sandbox):
        await sandbox.exec(
            "echo changed >> a.txt; rm data.bin; ln -s nowhere new; mkdir e; chmod 000 run.sh\n"
            "mkdir -m 000 /tmp/closed; echo t > /tmp/t; echo h > ~/h; echo r > /var/r\n"
            "git add a.txt"
        )
        before = await sandbox.diff()
        twin = await sandbox.fork()
        grandchild = await twin.fork()
        kind.leftovers()
        try:
            for fork in (twin, grandchild):
                assert await fork.diff() == before
                look = "cat /tmp/t ~/h /var/r; readlink new; stat -c %a run.sh /tmp/closed; ls -d e"
                result = await fork.exec(look)
                assert result.output == "t\nh\nr\nnowhere\n0\n0\ne\n"
            await sandbox.exec("echo parent > a.txt; echo parent > /tmp/t; git commit -qam x")
            assert await twin.diff() == before
            await twin.exec("rm -rf .git pkg /tmp/t")
            assert (await grandchild.exec("cat /tmp/t && git status -s pkg")).output == "t\n"
            assert await sandbox.read("/tmp/t") == b"parent\n"
            await twin.close()  # before its own fork
            assert await grandchild.diff() == before
        finally:
            for fork in (twin, grandchild):
                await fork.close()

    async def test_a_fork_is_made_though_links_lie_in_its_way(self, kind, sandbox, tmp_path):
        outside = tmp_path / "outside"
        outside.mkdir()
        await sandbox.exec(
            "for d in /opt /etc/ssl /root/.pyenv /home; do\n"
            f"mv $d $d.was; ln -s /oldroot{outside} $d; done\n"
            "rm -f /etc/mime.types; ln -s /etc/passwd /etc/mime.types; echo x > /tmp/x"
        )
        twin = await sandbox.fork()
        try:
            assert (await twin.exec("cat /tmp/x")).output == "x\n"
            assert list(outside.iterdir()) == []
        finally:
            await twin.close()
