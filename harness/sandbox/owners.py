"""Whom a thing belongs to, and whether that process is certainly dead.

A process is named by machine, boot, process namespace, id and the moment at which it began, so that
an id that is used again fools nobody. What cannot be known (another machine, another container, a
name that is not of this form) counts as alive.
"""

import os
from dataclasses import dataclass
from pathlib import Path

FIRST_NAMESPACE = "4026531836"  # the kernel's own; from there all processes can be seen
PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Owner:
    """One process of one boot of one machine."""

    machine: str
    boot: str
    namespace: str
    process: int
    began: int  # clock ticks after the boot

    @classmethod
    def me(cls) -> "Owner":
        """This process. Without /proc, an owner whose death nobody can determine."""
        process = os.getpid()
        began = _began(process)
        return cls(_machine(), _boot(), _namespace(PROC / "self"), process, began or 0)

    @classmethod
    def read(cls, name: str) -> "Owner | None":
        """The owner with that name, as `str` writes it; None if it is not such a name."""
        words = name.split("/")
        if len(words) != 5 or not (words[3].isdecimal() and words[4].isdecimal()):
            return None
        return cls(words[0], words[1], words[2], int(words[3]), int(words[4]))

    def __str__(self) -> str:
        here = (self.machine, self.boot, self.namespace)
        return "/".join([*here, str(self.process), str(self.began)])

    def dead(self, *, active: bool = False) -> bool:
        """Whether it is certain that the process has ended.

        `active`: what it owns is running. That lives through no reboot, so an owner of another boot
        is on another machine, whatever it is called there.
        """
        if not (self.boot and self.namespace):
            return False
        if self.boot != _boot():
            return bool(self.machine) and self.machine == _machine() and not active
        mine = _namespace(PROC / "self")
        if self.namespace == mine:
            return not self._lives(self.process)
        return mine == FIRST_NAMESPACE and not self._lives_below()

    def _lives(self, process: int) -> bool:
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return False
        except PermissionError:  # another user's, perhaps hidden in /proc
            pass
        began = _began(process)
        return began is None or began == self.began

    def _lives_below(self) -> bool:
        """Whether it is in a namespace below this one, or may be where nobody lets us look."""
        for folder in PROC.glob("[0-9]*"):
            try:
                if _namespace(folder, strict=True) != self.namespace:
                    continue
                status = (folder / "status").read_text(errors="replace")
            except FileNotFoundError:
                continue
            except OSError:
                return True
            ids = next(line for line in status.splitlines() if line.startswith("NSpid:"))
            if int(ids.split()[-1]) == self.process and _began(int(folder.name)) == self.began:
                return True
        return False


def dead(name: str, *, active: bool = False) -> bool:
    """`Owner.dead` of the owner with that name; False where it is nobody's."""
    owner = Owner.read(name)
    return owner is not None and owner.dead(active=active)


def _began(process: int) -> int | None:
    """When a process began; 0 where it has ended and waits to be reaped, None: not to be seen."""
    try:
        text = (PROC / str(process) / "stat").read_text(errors="replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return 0 if fields[0] in "ZX" else int(fields[19])


def _namespace(folder: Path, *, strict: bool = False) -> str:
    try:
        return str((folder / "ns" / "pid").readlink()).strip("pid:[]")
    except OSError:
        if strict:
            raise
        return ""


def _boot() -> str:
    try:
        return (PROC / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _machine() -> str:
    try:
        return Path("/etc/machine-id").read_text().strip()
    except OSError:
        return ""
