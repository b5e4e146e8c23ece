"""What a command leaves in a sandbox for programs of the harness to run is run by none of them."""

import contextlib
from pathlib import Path

import pytest
from sandboxes import LIMITS

from harness.sandbox.docker.machine import DockerMachine
from harness.sandbox.sandbox import ShellSandbox

pytestmark = pytest.mark.slow(seconds=5)


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


async def test_a_library_that_a_command_has_loaded_into_every_program_is_not_in_its_forks(sandbox):
    """/etc/ld.so.preload: the loader of a fork's PID 1 would run it with all of PID 1's rights."""
    loaded = "cat /proc/self/maps | grep -c /libm"
    await sandbox.exec(
        "ldd $(command -v perl) | grep -o '/[^ ]*/libm[.][^ ]*' > /etc/ld.so.preload;"
        "cp -f /etc/ld.so.preload /tmp/preload; mv /etc /old; mkdir /etc; mkdir /etc/ld.so.preload;"
        "rmdir /etc/ld.so.preload; cp /tmp/preload /etc/ld.so.preload; ln -sf preload /tmp/link"
    )
    twin = await sandbox.fork()
    try:
        assert (await twin.exec(loaded)).output == "0\n"
        again = await twin.fork()
        assert (await again.exec(loaded)).output == "0\n"
        await again.close()
    finally:
        await twin.close()


MOVE = r"""
perl -e '
    open my $mounts, "<", "/proc/self/mountinfo"; open my $perl, "<", "/usr/bin/perl";
    read $perl, my $head, 4096;
    my ($loader) = $head =~ m{(/lib[^\0]*/ld[^\0]*)};
    for ($loader, "/bin/bash", "/sbin/x", "/usr/bin/git", map { (split)[4] } <$mounts>) {
        for (my $path = $_; length $path > 1; $path =~ s{/[^/]*$}{}) {
            print "$path " if rename $path, "/moved" . $n++ or unlink $path;
        }
    }'
"""
LOADED = "grep -c planted /proc/$$/maps"
PLANT = r"""
rm -rf /libnss_x; mkdir /libnss_x
cp "$(ldd /usr/bin/perl | grep -o '/[^ ]*/libm[.][^ ]*')" /root/planted.so.2
(cp -a /etc /other; mv /etc /old; mv /other /etc) 2> /dev/null
echo 'passwd: x/../root/planted files' > /etc/nsswitch.conf
echo /root/planted.so.2 > /etc/ld.so.preload
"""


@pytest.mark.parametrize("kind", ["bubblewrap"], indirect=True)
async def test_no_program_and_no_library_of_a_bubblewrap_sandbox_can_be_exchanged(sandbox):
    """A folder above a mount point could be renamed, a link to the folder of the loader replaced.

    The C library loads what /etc/nsswitch.conf names, for bash as soon as it looks up its user.
    """
    async with contextlib.AsyncExitStack() as stack:
        twin = await sandbox.fork()
        stack.push_async_callback(twin.close)
        for each in (sandbox, twin):
            assert (await each.exec(MOVE, cwd="/")).output == ""
            await each.exec(PLANT, cwd="/")
            assert (await each.inspect(LOADED)).output == "0\n"
        again = await twin.fork()
        stack.push_async_callback(again.close)
        assert (await again.inspect(LOADED)).output == "0\n"


PLANTED = r"""
owned='touch /tmp/owned'
for hook in pre-commit post-checkout post-index-change reference-transaction fsmonitor-watchman; do
  printf '#!/bin/sh\n%s\n' "$owned" > .git/hooks/$hook && chmod +x .git/hooks/$hook
done
printf '#!/bin/sh\n%s; cat\n' "$owned" > /tmp/filter && chmod +x /tmp/filter
steer='[core]\n fsmonitor = /tmp/filter\n pager = /tmp/filter\n editor = /tmp/filter
 hooksPath = /testbed/.git/hooks\n attributesFile = /tmp/attributes\n excludesFile = /tmp/excludes
 sshCommand = /tmp/filter\n alternateRefsCommand = /tmp/filter\n worktree = /tmp
[diff]\n external = /tmp/filter\n[diff "x"]\n textconv = /tmp/filter\n command = /tmp/filter
[filter "x"]\n clean = /tmp/filter\n smudge = /tmp/filter\n process = /tmp/filter\n required = true
[alias]\n diff = !/tmp/filter\n add = !/tmp/filter\n[include]\n path = /tmp/more\n'
mkdir -p ~/.config/git
for file in ~/.gitconfig ~/.config/git/config .git/config /tmp/more; do
  printf "$steer" >> $file
done
for file in .gitattributes .git/info/attributes ~/.config/git/attributes /tmp/attributes; do
  echo '* filter=x diff=x' >> $file
done
echo '*' > /tmp/excludes; echo '*' > ~/.config/git/ignore
cp .git/config .git/config.worktree
for file in ~/.bashrc ~/.profile ~/.bash_env ~/.inputrc ~/.perldb /tmp/sitecustomize.pl; do
  echo "$owned" > $file
done
echo more >> a.txt
"""


async def test_what_is_planted_for_the_programs_of_the_harness_is_run_by_none(sandbox):
    """Hooks, filters, drivers, aliases and includes of git; start files of shells and of perl."""
    names = ("BASH_ENV", "ENV", "PROMPT_COMMAND", "PS4", "LD_PRELOAD", "LD_AUDIT", "PERL5OPT",
             "GIT_EXTERNAL_DIFF", "GIT_SSH_COMMAND", "PAGER")  # fmt: skip
    planted = await sandbox.exec(PLANTED + "rm -f /tmp/owned", env=dict.fromkeys(names, "/tmp/x"))
    assert planted.exit_status == 0
    patch = await sandbox.diff()
    assert "+more\n" in patch
    assert "+* filter=x diff=x\n" in patch
    assert await sandbox.read("a.txt") == b"one\ntwo\nthree\nmore\n"
    await sandbox.write("b.txt", b"b\n")
    twin = await sandbox.fork()
    try:
        assert "+b\n" in await twin.diff()
        for each in (sandbox, twin):
            left = await each.exec("ls /tmp/owned; env")
            assert "No such file" in left.output
            assert "=/tmp/x" not in left.output
    finally:
        await twin.close()


@pytest.mark.parametrize("kind", ["docker"], indirect=True)
async def test_a_fork_of_a_container_begins_in_no_locale_and_its_commands_in_the_images(kind):
    """A changed locale names a character set, and that a library to load."""
    image = f"{kind.image}-locale"
    container = kind.client.containers.create(kind.image, ["true"])
    container.commit(*image.split(":"), changes="ENV LC_ALL=C.UTF-8 LANG=C.UTF-8")
    container.remove()
    machine = DockerMachine(kind.client, image, kind.labels, LIMITS, network=False, activate=False)
    await machine.start()
    sandbox = await ShellSandbox.start(machine)
    twin = None
    try:
        await sandbox.exec("true > changed")
        twin = await sandbox.fork()
        again = await twin.fork()
        for each in (sandbox, twin, again):
            assert (await each.exec("env | grep LC_ALL")).output == "LC_ALL=C.UTF-8\n"
            inside = each._machine
            assert isinstance(inside, DockerMachine)
            assert inside._container is not None
            inside._container.reload()
            maps = Path(f"/proc/{inside._container.attrs['State']['Pid']}/maps")
            try:
                assert "locale" not in maps.read_text()
            except PermissionError:
                pytest.skip("only root sees what is loaded into a container's PID 1")
        await again.close()
    finally:
        if twin is not None:
            await twin.close()
        await sandbox.close()
        kind.client.images.remove(image, force=True)
