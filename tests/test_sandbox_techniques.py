"""Techniques that are published for getting out of containers, tried in both kinds of sandbox.

Named as in their write-ups. What is tried elsewhere is not tried again: system calls, namespaces,
ptrace and PID 1 in test_sandbox_supervisor.py; mounts, devices, links and forged answers in
test_sandbox_escapes.py; loopbacks and abstract sockets in test_sandbox_network.py.
"""

import pytest

from harness.sandbox.sandbox import ShellSandbox


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


async def python(sandbox: ShellSandbox, script: str, **more: float) -> str:
    """What a Python program prints inside."""
    result = await sandbox.exec(f"python3 - <<'END'\n{script}\nEND", **more)
    assert result.exit_status == 0, result.output
    return result.output


# ---------------------------------------------------- code of a command's in somebody's program


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
