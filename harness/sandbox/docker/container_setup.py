"""The settings with which a container is created: rights, limits and files."""

import posixpath
from collections.abc import Mapping
from typing import Any

from harness.config import SandboxLimits
from harness.errors import SandboxUnfit
from harness.sandbox.scripts import ROOT
from harness.sandbox.seccomp import syscalls
from harness.sandbox.shell import CORE_BYTES

PERIOD_US = 100_000
# What programs of an image are used to as root. SETPCAP is the supervisor's alone.
CAPABILITIES = ("CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "NET_BIND_SERVICE", "SETGID",
                "SETPCAP", "SETUID")  # fmt: skip
# What has a program load what commands may have made; PID 1 is begun without.
LOADING = {"LC_ALL": "C", "LD_LIBRARY_PATH": "", "LD_PRELOAD": "", "LD_AUDIT": "", "PERL5LIB": "",
           "PERL5OPT": ""}  # fmt: skip
INSIDE = "DELM_"  # before the name of one of these: what commands get


def bounds(limits: SandboxLimits, *, network: bool) -> dict[str, Any]:
    """The rights and the resource limits of the container."""
    from docker.types import LogConfig, Ulimit

    return {
        "network_mode": "bridge" if network else "none",
        "mem_limit": f"{limits.memory_mb}m",
        "memswap_limit": f"{limits.memory_mb}m",
        "cpu_period": PERIOD_US,  # unlike nano_cpus it may be more than the machine has
        "cpu_quota": int(limits.cpus * PERIOD_US),
        "pids_limit": limits.processes,
        "ulimits": [
            Ulimit(name="nofile", soft=limits.open_files, hard=limits.open_files),
            Ulimit(name="core", soft=CORE_BYTES, hard=CORE_BYTES),
        ],
        "cap_drop": ["ALL"],
        "cap_add": list(CAPABILITIES),
        "security_opt": ["no-new-privileges", f"seccomp={syscalls.profile()}"],
        "log_config": LogConfig(type="none"),
    }


def surroundings(declared: Mapping[str, Any], labels: Mapping[str, str]) -> dict[str, Any]:
    """What its main process is begun in. `declared` is the configuration of its image.

    What that declares as volumes are volumes with our labels, fresh in every fork. Raises
    `SandboxUnfit` where the repository would be in one.
    """
    from docker.types import Mount

    paths = declared.get("Volumes") or {}
    for path in paths:
        if posixpath.commonpath([path, ROOT]) in (posixpath.normpath(path), ROOT):
            raise SandboxUnfit(
                f"the image declares {path} as a volume, which no fork of a sandbox would have: "
                "build it without"
            )
    return {
        "command": [],
        "user": "0:0",
        "working_dir": "/",  # a link in the place of any other would have the runtime follow it
        "environment": variables(declared),
        "hostname": "testbed",
        "mounts": [Mount(path, None, type="volume", labels=dict(labels)) for path in paths],
        "auto_remove": True,
        "stop_signal": "SIGKILL",  # PID 1 takes no SIGTERM
        "healthcheck": {"test": ["NONE"]},  # else the engine runs what commands left there
        "stdin_open": True,
        "detach": False,  # sets StdinOnce: when the attachment ends, so does the supervisor
    }


def variables(declared: Mapping[str, Any]) -> dict[str, str]:
    """Those that it has besides its image's own.

    A locale is files, and they name libraries to load: PID 1 of a fork, whose files commands have
    changed, is begun in the one that has none. `supervisor.pl` gives commands the image's own.
    """
    its = {name: value for name, _, value in (p.partition("=") for p in declared.get("Env") or ())}
    own = {  # the first: a fork's image has ours
        INSIDE + name: its.get(INSIDE + name, its.get(name, "")) for name in LOADING
    }
    return {"PAGER": "cat", "TERM": "dumb", "SHELL": "/bin/bash"} | LOADING | own
