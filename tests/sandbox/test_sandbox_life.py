"""How every sandbox ends, well or badly, and that nothing of it stays on this machine."""

import contextlib
import os
import signal
import sys

import anyio
import pytest
from sandboxes import Bubblewrap, namespace_of, processes_of, vanish

from harness.config import SandboxLimits
from harness.errors import SandboxUnavailable
from harness.sandbox.bubblewrap.folders import sweep
from harness.sandbox.docker.sweep import sweep_docker
from harness.sandbox.sandbox import ShellSandbox

pytestmark = pytest.mark.slow(seconds=18)

SOON_S = 8  # what happens at once, on a busy machine


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


class TestTheEndOfEverySandbox:
    async def test_closing_twice_is_closing_once_and_nothing_works_afterwards(self, sandbox):
        await sandbox.exec("sleep 100 & touch /tmp/x")
        await sandbox.close()
        await sandbox.close()
        with anyio.fail_after(SOON_S):
            await _is_unavailable(sandbox)

    async def test_closing_ends_a_command_that_runs(self, sandbox):
        async with anyio.create_task_group() as tasks:

            async def run():
                with pytest.raises(SandboxUnavailable):
                    await sandbox.exec("sleep 100", timeout_s=200)

            tasks.start_soon(run)
            await anyio.sleep(0.3)
            with anyio.fail_after(2 * SOON_S):
                await sandbox.close()

    async def test_closing_is_done_though_it_is_cancelled(self, sandbox):
        with anyio.CancelScope() as scope:
            scope.cancel()
            await sandbox.close()

    @pytest.mark.parametrize("during", ["echo started; sleep 100", ""])
    async def test_killed_from_outside_it_is_unavailable_and_gives_no_result(
        self, kind, sandbox, during
    ):
        namespace = await namespace_of(sandbox)
        async with anyio.create_task_group() as tasks:

            async def run():
                with pytest.raises(SandboxUnavailable), anyio.fail_after(2 * SOON_S):
                    await sandbox.exec(during, timeout_s=200)

            if during:
                tasks.start_soon(run)
                await anyio.sleep(0.3)
            await anyio.to_thread.run_sync(kind.kill, sandbox)
        await vanish(namespace, within_s=SOON_S)
        with anyio.fail_after(2 * SOON_S):
            await _is_unavailable(sandbox)

    async def test_its_processes_killed_with_9_it_is_unavailable_and_gives_no_result(
        self, kind, sandbox
    ):
        namespace = await namespace_of(sandbox)
        async with anyio.create_task_group() as tasks:

            async def run():
                with pytest.raises(SandboxUnavailable), anyio.fail_after(2 * SOON_S):
                    await sandbox.exec("echo no result; sleep 100", timeout_s=200)

            tasks.start_soon(run)
            await anyio.sleep(0.3)
            for process in processes_of(namespace):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
        with anyio.fail_after(2 * SOON_S):
            await _is_unavailable(sandbox)

    async def test_many_at_a_time_do_not_mix(self, kind, sandbox):
        seen = {}

        async def one(number):
            opened = await kind.open()
            try:
                await opened.exec(f"echo {number} > a.txt; echo {number} > /tmp/n")
                twin = await opened.fork()
                result = await twin.exec("cat a.txt /tmp/n")
                await twin.close()
                seen[number] = result.output
            finally:
                kind.leftovers()
                await opened.close()

        async with anyio.create_task_group() as tasks:
            for number in range(4):
                tasks.start_soon(one, number)
        assert seen == {number: f"{number}\n{number}\n" for number in range(4)}

    async def test_sweeping_leaves_the_living_alone(self, kind, sandbox):
        await sandbox.exec("touch /tmp/x")
        twin = await sandbox.fork()
        before = kind.leftovers()
        if isinstance(kind, Bubblewrap):
            assert sweep(kind.store) == []
        else:
            sweep_docker(kind.client)
        assert kind.leftovers() == before
        assert (await twin.exec("ls /tmp/x")).output == "/tmp/x\n"
        await twin.close()

    async def test_may_have_more_processors_than_the_machine(self, kind, sandbox):
        opened = await kind.open(limits=SandboxLimits(cpus=500, memory_mb=1 << 22))
        try:
            assert (await opened.exec("echo fine")).output == "fine\n"
        finally:
            await opened.close()

    async def test_a_repository_is_needed_and_a_failed_start_leaves_nothing(self, kind, sandbox):
        await sandbox.exec("rm -rf .git")
        with pytest.raises(SandboxUnavailable, match="no git repository"):
            await ShellSandbox.start(await sandbox._machine.copy("change", used=False))

    async def test_leaves_nothing_when_the_harness_is_killed(self, kind):
        script = (
            "import anyio\nfrom pathlib import Path\n"
            "from harness.config import SandboxLimits\n"
            "from harness.sandbox.sandbox import ShellSandbox\n"
            + kind.script()
            + "async def main():\n"
            "    first = await ShellSandbox.start(await machine)\n"
            "    await first.exec('touch /tmp/x')\n"
            "    twin = await first.fork()\n"
            "    for sandbox in (first, twin):\n"
            "        found = await sandbox.inspect('readlink /proc/self/ns/pid')\n"
            "        print(found.output, end='', flush=True)\n"
            "    async with anyio.create_task_group() as tasks:\n"
            "        for sandbox in (first, twin):\n"
            "            tasks.start_soon(sandbox.exec, \"trap '' TERM; sleep 999 & sleep 999\")\n"
            "        await anyio.sleep(0.3)\n"
            "        print('ready', flush=True)\n"
            "anyio.run(main)\n"
        )
        process = await anyio.open_process([sys.executable, "-c", script], stderr=None)
        async with process:
            said = ""
            with anyio.fail_after(60):
                while "ready" not in said:
                    said += (await process.stdout.receive()).decode()
            process.kill()
        for namespace in said.split()[:2]:
            assert namespace.startswith("pid:[")
            await vanish(namespace, within_s=15)
        if isinstance(kind, Bubblewrap):
            with anyio.fail_after(15):
                while kind.mounts():
                    await anyio.sleep(0.05)
            assert len(sweep(kind.store)) == 2
        else:
            with anyio.move_on_after(15):
                while any(kind.client.api.containers(filters=kind.filters())):
                    await anyio.sleep(0.2)
            sweep_docker(kind.client)
        assert kind.leftovers() == set()


async def _is_unavailable(sandbox):
    for call in (
        sandbox.exec("echo"),
        sandbox.read("a.txt"),
        sandbox.write("a.txt", b""),
        sandbox.diff(),
        sandbox.fork(),
    ):
        with pytest.raises(SandboxUnavailable):
            await call
