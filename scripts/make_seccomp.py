"""Make the system call filters of bubblewrap sandboxes from `harness.sandbox.seccomp.syscalls`.

    .venv/bin/python scripts/make_seccomp.py [--check]

Writes harness/sandbox/seccomp/<machine>.bpf for x86_64 and aarch64; --check only compares, and
ends with 1 where one of them is not what the table says. Needs pyseccomp (a development
dependency) and libseccomp 2.5 or newer.
"""

import argparse
import contextlib
import sys
import tempfile
from pathlib import Path

import pyseccomp

from harness.sandbox.seccomp import syscalls
from harness.sandbox.seccomp.syscalls import Condition

FOLDER = Path(__file__).parent.parent / "harness" / "sandbox" / "seccomp"
MACHINES = {"x86_64": pyseccomp.Arch.X86_64, "aarch64": pyseccomp.Arch.AARCH64}


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    wrong = 0
    for machine, arch in MACHINES.items():
        path = FOLDER / f"{machine}.bpf"
        made = program(arch)
        if check and (not path.exists() or path.read_bytes() != made):
            wrong += 1
            print(f"{path.name} is not what harness/sandbox/seccomp/syscalls.py says")
        if not check:
            path.write_bytes(made)
            print(f"{path.name}: {len(made)} bytes")
    return 1 if wrong else 0


def program(arch: int) -> bytes:
    """The filter for one kind of machine."""
    filtered = pyseccomp.SyscallFilter(pyseccomp.ERRNO(syscalls.ENOSYS))
    filtered.set_attr(pyseccomp.Attr.ACT_BADARCH, pyseccomp.ERRNO(syscalls.ENOSYS))
    native = pyseccomp.system_arch()
    if arch != native:
        filtered.add_arch(arch)
        filtered.remove_arch(native)
    for name in syscalls.ALLOWED:
        add(filtered, pyseccomp.ALLOW, name)
    for name in syscalls.REFUSED:
        add(filtered, pyseccomp.ERRNO(syscalls.EPERM), name)
    for rule in syscalls.RULES:
        action = pyseccomp.ALLOW if rule.refusal is None else pyseccomp.ERRNO(rule.refusal)
        add(filtered, action, rule.name, *(argument(c) for c in rule.conditions))
    with tempfile.TemporaryFile() as file:
        filtered.export_bpf(file)
        file.seek(0)
        return file.read()


def add(filtered: pyseccomp.SyscallFilter, action: int, name: str, *arguments: object) -> None:
    """One rule. A call that this kind of machine has not got needs none."""
    with contextlib.suppress(OSError):
        filtered.add_rule_exactly(action, name, *arguments)


def argument(condition: Condition) -> object:
    """A condition as libseccomp takes it."""
    if condition.comparison == "&":
        return pyseccomp.Arg(condition.argument, pyseccomp.MASKED_EQ, condition.value, 0)
    comparison = pyseccomp.EQ if condition.comparison == "==" else pyseccomp.NE
    return pyseccomp.Arg(condition.argument, comparison, condition.value)


if __name__ == "__main__":
    sys.exit(main())
