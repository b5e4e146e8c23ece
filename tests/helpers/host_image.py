"""A Docker image without a registry or a mirror: this machine's own programs, Git and Python."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import docker

PROGRAMS = (
    "bash", "sh", "awk", "base64", "basename", "cat", "chmod", "chown", "comm", "cp", "cut",
    "date", "dd", "dirname", "env", "find", "git", "grep", "gzip", "head", "hostname", "id",
    "kill", "ldd", "ln", "ls", "mkdir", "mkfifo", "mknod", "mktemp", "mount", "mv", "nohup", "od",
    "perl", "pkill", "printf", "ps", "readlink", "realpath", "rm", "rmdir", "sed", "seq",
    "setsid", "sleep", "sort", "stat", "tail", "tar", "tee", "timeout", "touch", "tr", "true",
    "truncate", "umount", "unshare", "wc", "xargs", "yes",
)  # fmt: skip


def import_host(client: "docker.DockerClient", name: str, folder: Path) -> None:
    """An image of this machine's own programs, Python and git among them."""
    found = {Path(path) for program in PROGRAMS if (path := shutil.which(program))}
    found |= {Path(sys.executable).resolve()}
    wanted = {path.absolute() for path in found}
    listed = subprocess.run(
        ["ldd", *map(str, {path.resolve() for path in found})],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    wanted |= {Path(word) for word in listed.stdout.split() if re.fullmatch(r"/.*[^:]", word)}
    wanted |= {path.resolve() for path in wanted} | {Path("/etc/passwd")}
    core = subprocess.run(["git", "--exec-path"], capture_output=True, text=True, check=True)
    folders = [Path(core.stdout.strip()), Path("/etc/alternatives"), Path(os.__file__).parent]
    folders.append(Path("/usr/lib/locale/C.utf8"))
    perl = subprocess.run(
        ["perl", "-e", "print qq(@INC)"], capture_output=True, text=True, check=True
    )
    folders += [Path(word) for word in perl.stdout.split() if word.endswith("/perl-base")]
    archive = folder / "host.tar"
    seen: set[str] = set()

    def once(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
        known = member.name in seen
        seen.add(member.name)
        unwanted = {"test", "tests", "site-packages", "__pycache__", "idlelib", "ensurepip"}
        return None if known or unwanted & set(Path(member.name).parts) else member

    with tarfile.open(archive, "w") as tar:
        for link in ("bin", "sbin", "lib", "lib64"):
            if Path("/", link).is_symlink():
                tar.add(f"/{link}", link, filter=once)
        for path in wanted:
            inside = path.parent.resolve() / path.name
            tar.add(inside, str(inside).lstrip("/"), filter=once)
        for path in filter(Path.is_dir, folders):
            tar.add(path, str(path).lstrip("/"), filter=once)
        for path, kind, target in (
            ("usr/local/bin/python3", tarfile.SYMTYPE, str(Path(sys.executable).resolve())),
            *((name, tarfile.DIRTYPE, "") for name in ("tmp", "root", "var", "opt", "home")),
        ):
            member = tarfile.TarInfo(path)
            member.type, member.linkname, member.mode = kind, target, 0o1777
            tar.addfile(member)
    repository, _, tag = name.partition(":")
    client.api.import_image_from_file(str(archive), repository=repository, tag=tag)
