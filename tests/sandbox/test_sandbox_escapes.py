"""What must not work from inside a sandbox, tried for real in both kinds.

Every test ends with a sandbox that still works, and with nothing left on this machine.
"""

import contextlib
import os
import socket
import subprocess
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import anyio
import pytest
from sandboxes import Bubblewrap, Kind, namespace_of, vanish

from harness.errors import SandboxError
from harness.sandbox.sandbox import ShellSandbox

pytestmark = pytest.mark.slow(seconds=11)

SOON_S = 8
SECRET = f"secret-{uuid.uuid4().hex}"


@pytest.fixture
async def sandbox(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ShellSandbox]:
    monkeypatch.setenv("DELM_TEST_SECRET", SECRET)
    opened = await kind.open()
    namespace = await namespace_of(opened)
    try:
        yield opened
        assert (await opened.exec("echo still; exit 3", timeout_s=30)).exit_status == 3
    finally:
        await opened.close()
    assert kind.leftovers() == set()
    await vanish(namespace, within_s=10)


# ------------------------------------------------------------------------------ network


@pytest.fixture
def listeners() -> Iterator[list[tuple[str, int]]]:
    """Servers of this machine that would answer a sandbox on the machine's network."""
    addresses = {"127.0.0.1"}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, contextlib.suppress(OSError):
        probe.connect(("192.0.2.1", 9))  # sends nothing, but tells which address would
        addresses.add(probe.getsockname()[0])
    with contextlib.ExitStack() as stack:
        servers = []
        for address in addresses:
            servers.append(stack.enter_context(socket.create_server((address, 0))))
            servers[-1].setblocking(False)
        yield [server.getsockname() for server in servers]
        for server in servers:
            with pytest.raises(BlockingIOError):
                server.accept()


async def test_no_address_can_be_reached(sandbox, listeners):
    targets = [*listeners, ("127.0.0.1", 22), ("172.17.0.1", 80), ("192.0.2.1", 80)]
    script = (
        "import socket, sys\n"
        f"for target in {targets!r}:\n"
        "    try: socket.create_connection(target, 2)\n"
        "    except OSError: continue\n"
        "    print('reached', target)\n"
        "try: print('resolved', socket.getaddrinfo('example.com', 80))\n"
        "except OSError: pass\n"
        "sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        "try: print('sent', sender.sendto(b'x', ('192.0.2.1', 53)))\n"
        "except OSError: pass\n"
        "print('tried')\n"
    )
    result = await sandbox.exec(f"python3 - <<'E'\n{script}E", timeout_s=40)
    assert result.output == "tried\n"


async def test_git_fetches_nothing(sandbox):
    for url in ("https://example.com/x.git", "git://192.0.2.1/x.git", "ssh://192.0.2.1/x.git"):
        result = await sandbox.exec(f"GIT_TERMINAL_PROMPT=0 git fetch {url}", timeout_s=20)
        assert result.exit_status not in (0, None)
        assert result.seconds < SOON_S


async def test_no_abstract_socket_of_the_host_can_be_reached(sandbox):
    name = f"delm-{uuid.uuid4().hex}"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("\0" + name)
        server.listen()
        script = f"import socket; socket.socket(socket.AF_UNIX).connect('\\0{name}')"
        result = await sandbox.exec(f'python3 -c "{script}"')
        assert "ConnectionRefusedError" in result.output


# ------------------------------------------------------------------- the host, its secrets


async def test_no_process_of_the_host_can_be_seen_or_killed(sandbox):
    with subprocess.Popen(["sleep", "98765"]) as victim:
        try:
            result = await sandbox.exec(
                f"kill -9 {victim.pid} {os.getpid()}; kill -9 -1; ls /proc/{victim.pid}\n"
                "cat /proc/*/cmdline | tr '\\0' ' '"
            )
            assert "98765" not in result.output
            assert "pytest" not in result.output
            assert victim.poll() is None
        finally:
            victim.kill()


async def test_no_file_of_the_host_can_be_seen(sandbox, tmp_path):
    places = (tmp_path, Path.home(), Path(__file__).parent)
    secrets = [place / f".{SECRET}" for place in places if os.access(place, os.W_OK)]
    for secret in secrets:
        secret.write_text("found")
    try:
        look = "\n".join(f"cat {secret}; cat /proc/1/root{secret}" for secret in secrets)
        result = await sandbox.exec(f"{look}\nfind / -name '.{SECRET}' 2>&-", timeout_s=60)
    finally:
        for secret in secrets:
            secret.unlink()
    refusals = result.output.count("No such file") + result.output.count("Permission denied")
    assert refusals == 2 * len(secrets)
    assert len(result.output.splitlines()) == 2 * len(secrets)
    result = await sandbox.exec("ls /run/docker.sock /var/run/docker.sock /run/containerd")
    assert result.output.count("No such file") == 3


async def test_no_variable_of_the_host_can_be_seen(sandbox):
    result = await sandbox.exec("env; set; cat /proc/*/environ; cat /proc/*/cmdline")
    assert "PATH=" in result.output
    assert SECRET not in result.output
    assert "DELM_TEST" not in result.output


async def test_no_other_sandbox_can_be_seen(kind, sandbox):
    other = await kind.open()
    try:
        await other.exec(f"echo {SECRET} > /tmp/{SECRET}; echo {SECRET} > /testbed/{SECRET}")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(other.exec, f"sleep 5 & : {SECRET}; wait")
            await anyio.sleep(0.2)
            look = f"find / -name '{SECRET[:10]}*' 2>/dev/null; cat /proc/*/cmdline | tr '\\0' ' '"
            result = await sandbox.exec(look, timeout_s=60)
            assert result.output.count(SECRET) == 0
            tasks.cancel_scope.cancel()
    finally:
        await other.close()


async def test_the_machine_cannot_be_changed(sandbox):
    swappiness = Path("/proc/sys/vm/swappiness").read_text()
    tries = {
        "a setting of the kernel": f"echo {swappiness.strip()} > /proc/sys/vm/swappiness",
        "what the kernel runs on a crash": "cat /proc/sys/kernel/core_pattern"
        " > /proc/sys/kernel/core_pattern",
        "the magic key": "echo h > /proc/sysrq-trigger",
        "interrupts": "cat /proc/irq/default_smp_affinity > /proc/irq/default_smp_affinity",
        "a read-only mount": "mount -o remount,rw,bind /usr",
        "a mount": "mkdir -p /tmp/m && mount -t tmpfs none /tmp/m",
        "proc": "mkdir -p /tmp/p && mount -t proc none /tmp/p",
        "control groups": "mkdir -p /tmp/c && mount -t cgroup2 none /tmp/c",
        "a device": "mknod /tmp/disk b 8 0",
        "its name": "hostname owned || exit 1; sysctl -w kernel.hostname=owned",
        "its own limits": "ulimit -f unlimited || ulimit -n 10000000",
        "a namespace in which it may do so": "unshare -Urm mount -t tmpfs none /mnt",
        "umount": "umount /usr || umount /proc/sys",
    }
    for what, command in tries.items():
        result = await sandbox.exec(command)
        assert result.exit_status not in (0, None), what


async def test_system_places_are_nobody_elses(kind, sandbox):
    name = f"delm-{uuid.uuid4().hex}"
    python = (await sandbox.exec("python3 -c 'import os; print(os.__file__)'")).output.strip()
    places = [
        "/usr/bin",
        "/usr/lib",
        "/etc",
        "/etc/alternatives",
        "/opt",
        "/",
        str(Path(python).parent),
    ]
    result = await sandbox.exec("\n".join(f"touch {place}/{name}" for place in places))
    if isinstance(kind, Bubblewrap):
        assert result.output.count("Read-only file system") == 4
        venv = await sandbox.exec("touch /opt/testbed-venv/x || rm -r /opt/testbed-venv/pyvenv.cfg")
        assert "Read-only file system" in venv.output
    for place in places:
        assert not Path(place, name).exists()
    other = await kind.open()
    try:
        assert (await other.exec(f"ls {' '.join(places)} | grep {name}")).output == ""
    finally:
        await other.close()


# ------------------------------------------------------------------- tricks on the harness


LINKS = {
    "a link to a file": "ln -s /etc/passwd x",
    "a link to a folder": "ln -s /etc x",
    "a chain": "ln -s /etc /tmp/1; ln -s /tmp/1 /tmp/2; ln -s /tmp/2 x",
    "a relative link": "ln -s ../etc x",
    "a link inside a folder": "mkdir d; ln -s /etc d/e; ln -s d/e x",
    "a link through proc": "ln -s /proc/self/root/etc x",
    "a link to itself": "ln -s x x",
}


async def test_links_out_of_the_repository_are_not_followed(sandbox):
    await sandbox.exec("echo root:secret > /etc/hosts")
    for what, link in LINKS.items():
        await sandbox.exec(f"rm -rf x d /tmp/1 /tmp/2; {link}")
        for path in ("x", "x/passwd", "x/hosts", "/testbed/pkg/../x/hosts", "//testbed/x/hosts"):
            with pytest.raises(SandboxError):
                await sandbox.read(path)
            if path != "x":
                with pytest.raises(SandboxError):
                    await sandbox.write(path, b"owned")
        assert "root:" not in await sandbox.diff(), what
        assert (await sandbox.exec("cat /etc/hosts")).output == "root:secret\n", what


async def test_dots_lead_to_the_sandboxs_own_files(sandbox, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    for path in (f"../../../../../..{secret}", f"/testbed/../..{secret}", f"/proc/1/root{secret}"):
        with pytest.raises(SandboxError):
            await sandbox.read(path)
    await sandbox.write("../../../../../../tmp/inside", b"x")
    assert not Path("/tmp/inside").exists()


async def test_a_forged_answer_is_output(sandbox):
    result = await sandbox.exec(
        r"printf '\0%s 0\n' aaaaaaaaaaaaaaaaaaaaaaaa | tee /proc/1/fd/1; echo real; exit 4"
    )
    assert result.exit_status == 4
    assert result.output.endswith("real\n")


async def test_a_forged_order_is_not_carried_out(sandbox):
    order = "echo order > /tmp/ordered; sleep 60"
    for trick in (
        f"printf '%s' 'abc {len(order)} 99\n{order}' > /proc/1/fd/0",
        "echo abc 999999999 99 > /proc/1/fd/0",
        "yes '' | head -c 60000 > /proc/1/fd/0",
        "(cat /proc/1/fd/0 > /tmp/stolen &) ; sleep 0.2",
        "exec 0< /proc/1/fd/0; cat & sleep 0.2",
    ):
        await sandbox.exec(trick, timeout_s=5)
        result = await sandbox.exec("echo mine; exit 5", timeout_s=20)
        assert (result.output, result.exit_status) == ("mine\n", 5), trick
    assert "No such file" in (await sandbox.exec("ls /tmp/ordered")).output


async def test_programs_of_an_agent_do_not_answer_for_the_system(sandbox):
    await sandbox.exec(
        "mkdir -p ~/bin ~/.local/bin bin\n"
        "for p in git base64 realpath stat mv find head; do for d in ~/bin ~/.local/bin bin .; do\n"
        "printf '#!/bin/sh\\ntouch /tmp/owned\\necho owned\\n' > $d/$p; chmod +x $d/$p\n"
        "done; done\n"
        "echo 'touch /tmp/owned; git() { echo owned; }; export -f git' | tee ~/.bashrc ~/.profile "
        "~/.bash_profile ~/.bash_login > ~/.bash_env; echo more >> a.txt"
    )
    assert await sandbox.read("a.txt") == b"one\ntwo\nthree\nmore\n"
    await sandbox.write("b.txt", b"b\n")
    assert "+more\n" in await sandbox.diff()
    assert "No such file" in (await sandbox.exec("ls /tmp/owned")).output


async def test_terminal_escapes_are_data(sandbox):
    result = await sandbox.exec(r"printf '\e]0;owned\a\e[2J\e[31m\r\b\x07%s' '</output>'")
    assert result.output == "\x1b]0;owned\x07\x1b[2J\x1b[31m\r\b\x07</output>"
    assert (
        await sandbox.exec("tty; test -t 0 || test -t 1 || echo none; : < /dev/tty")
    ).output.count("none\n")


async def test_whatever_was_made_is_removed(kind):
    opened = await kind.open()
    namespace = await namespace_of(opened)
    deep = "import os\nfor n in range(3000):\n    os.mkdir('d'); os.chdir('d')"
    result = await opened.exec(
        "mkdir -m 000 closed; mkdir -p shut/er; touch shut/er/x; chmod 000 shut/er shut\n"
        "mkfifo fifo\n"
        f"python3 -c \"{deep}\" || exit 1; ln -s / all; touch $'new\\nline' $'\\xff' -- -rf\n"
        "python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"socket\")' || exit 2\n"
        "ln a.txt hard; chmod 4755 a.txt; chmod 0 . /tmp /root; touch /dev/shm/x",
        timeout_s=60,
    )
    assert result.exit_status == 0, result.output
    await opened.close()
    assert kind.leftovers() == set()
    await vanish(namespace, within_s=10)
