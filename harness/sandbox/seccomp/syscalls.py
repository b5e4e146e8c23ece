"""The system calls that a sandbox may make, for Docker and for bubblewrap.

What is not allowed here does not exist in a sandbox (ENOSYS), so that a call of a later kernel is
closed until somebody reads what it does. `REFUSED` are those that programs try and cope with
(EPERM). `scripts/make_seccomp.py` makes the filters for bubblewrap from this table; Docker takes
`profile()`. Names and what they are for: the man pages of section 2; what Docker allows by default
was the place to begin (its documentation, "Seccomp security profiles for Docker").
"""

import json
from dataclasses import dataclass
from importlib.resources import files
from platform import machine
from typing import Literal

EPERM, ENOSYS, EPROTONOSUPPORT = 1, 38, 93
NEW_NAMESPACES = 0x7E020000  # CLONE_NEWNS, CGROUP, UTS, IPC, USER, PID, NET
PRIO_PROCESS = 0
IOPRIO_PROCESS = 1
AF_UNIX, AF_INET, AF_INET6, AF_NETLINK = 1, 2, 10, 16
# Others are modules that the kernel would load for whoever asks for them (SCTP, DCCP, MPTCP, ...).
PROTOCOLS = (0, 1, 6, 17, 58)  # the default of a type, ICMP, TCP, UDP, ICMPv6
NO_STREAM_NO_DATAGRAM = 0xC  # bits of a type that is neither, nor raw
NETLINK_ROUTE, NETLINK_AUDIT = 0, 9  # others speak to netfilter, to drivers
# All but leases and notices (1024 to 1026): who opens a file that has a lease waits for its holder.
FCNTL = (*range(18), *range(36, 39), *range(1029, 1041))
RLIMIT_CORE, RESOURCES = 4, range(16)
PERSONALITIES = (0x0, 0x8, 0x20000, 0x20008, 0xFFFFFFFF)

FILES = """
    access chdir chmod chown close close_range copy_file_range creat dup dup2 dup3 faccessat
    faccessat2 fadvise64 fallocate fchdir fchmod fchmodat fchmodat2 fchown fchownat fdatasync
    fgetxattr flistxattr flock fremovexattr fsetxattr fstat fstatfs fsync ftruncate futimesat getcwd
    getdents getdents64 getxattr lchown lgetxattr link linkat listxattr llistxattr lremovexattr
    lseek lsetxattr lstat mkdir mkdirat mknod mknodat newfstatat open openat openat2 pread64 preadv
    preadv2 pwrite64 pwritev pwritev2 read readahead readlink readlinkat readv removexattr rename
    renameat renameat2 rmdir sendfile setxattr splice stat statfs statx symlink symlinkat sync
    sync_file_range syncfs tee truncate umask unlink unlinkat utime utimensat utimes vmsplice write
    writev inotify_add_watch inotify_init inotify_init1 inotify_rm_watch ioctl
"""
MEMORY = """
    brk get_mempolicy madvise membarrier memfd_create mincore mlock mlock2 mlockall mmap mprotect
    mremap msync munlock munlockall munmap pkey_alloc pkey_free pkey_mprotect remap_file_pages
"""
PROCESSES = """
    arch_prctl capget capset execve execveat exit exit_group fork get_robust_list get_thread_area
    getcpu getegid geteuid getgid getgroups getpgid getpgrp getpid getppid getpriority getresgid
    getresuid getrlimit getrusage getsid gettid getuid ioprio_get kill landlock_add_rule
    landlock_create_ruleset landlock_restrict_self pause pidfd_open pidfd_send_signal prctl rseq
    rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend
    rt_sigtimedwait rt_tgsigqueueinfo sched_get_priority_max sched_get_priority_min
    sched_getaffinity sched_getattr sched_getparam sched_getscheduler sched_rr_get_interval
    sched_setaffinity sched_yield seccomp set_robust_list set_thread_area set_tid_address setfsgid
    setfsuid setgid setgroups setpgid setregid setresgid setresuid setreuid setsid setuid
    sigaltstack sysinfo tgkill times tkill uname vfork wait4 waitid
"""
WAITING = """
    alarm clock_getres clock_gettime clock_nanosleep epoll_create epoll_create1 epoll_ctl
    epoll_pwait epoll_pwait2 epoll_wait eventfd eventfd2 futex futex_requeue futex_wait futex_waitv
    futex_wake getitimer getrandom gettimeofday nanosleep pipe pipe2 poll ppoll pselect6
    restart_syscall select setitimer signalfd signalfd4 time timer_create timer_delete
    timer_getoverrun timer_gettime timer_settime timerfd_create timerfd_gettime timerfd_settime
"""
MESSAGES = """
    accept accept4 bind connect getpeername getsockname getsockopt listen mq_getsetattr mq_notify
    mq_open mq_timedreceive mq_timedsend mq_unlink msgctl msgget msgrcv msgsnd recvfrom recvmmsg
    recvmsg semctl semget semop semtimedop sendmmsg sendmsg sendto setsockopt shmat shmctl shmdt
    shmget shutdown
"""
ALLOWED = tuple(" ".join((FILES, MEMORY, PROCESSES, WAITING, MESSAGES)).split())
# Other processes' memory and descriptors; what of the kernel sandboxes share; file systems and
# namespaces; the machine itself.
OTHERS = """
    kcmp pidfd_getfd process_madvise process_mrelease process_vm_readv process_vm_writev ptrace
"""
SHARED = """
    add_key bpf io_uring_enter io_uring_register io_uring_setup keyctl lookup_dcookie mbind
    memfd_secret migrate_pages move_pages perf_event_open request_key set_mempolicy
    set_mempolicy_home_node userfaultfd
"""
PLACES = """
    chroot fanotify_init fanotify_mark fsconfig fsmount fsopen fspick mount mount_setattr move_mount
    name_to_handle_at open_by_handle_at open_tree pivot_root quotactl quotactl_fd setdomainname
    sethostname setns umount2 unshare
"""
MACHINE = """
    acct adjtimex clock_adjtime clock_settime delete_module finit_module init_module ioperm iopl
    kexec_file_load kexec_load modify_ldt reboot settimeofday swapoff swapon syslog vhangup
"""
REFUSED = tuple(" ".join((OTHERS, SHARED, PLACES, MACHINE)).split())
ABSENT = ("clone3",)  # cannot be looked into; libc goes on with clone. Older Docker has to be told
Comparison = Literal["==", "!=", "&"]  # "&": none of these bits is set


@dataclass(frozen=True, slots=True)
class Condition:
    """What an argument of a call is compared with."""

    argument: int
    comparison: Comparison
    value: int


@dataclass(frozen=True, slots=True)
class Rule:
    """A call that is allowed where every one of the conditions holds; several rules: where any.

    With a `refusal`: that fails with this error number; 0: it does nothing, and does not fail.
    """

    name: str
    conditions: tuple[Condition, ...]
    refusal: int | None = None


# Compared are all 64 bits, of which the kernel may look at 32: only what is equal is let through.
OF_ITSELF = 0  # as a process id
# The limit of core dumps stays as the harness sets it (`shell.CORE_BYTES`). Programs that set
# it lower mean well, and are let go on.
_CORE = Condition(0, "==", RLIMIT_CORE)
_OWN_CORE = (Condition(0, "==", OF_ITSELF), Condition(1, "==", RLIMIT_CORE))
_OTHERS = [resource for resource in RESOURCES if resource != RLIMIT_CORE]
RULES = (
    Rule("clone", (Condition(0, "&", NEW_NAMESPACES),)),
    *(Rule("fcntl", (Condition(1, "==", value),)) for value in FCNTL),
    *(Rule("personality", (Condition(0, "==", value),)) for value in PERSONALITIES),
    Rule("socket", (Condition(0, "==", AF_UNIX),)),
    Rule("socketpair", (Condition(0, "==", AF_UNIX),)),
    Rule("socket", (Condition(0, "==", AF_NETLINK), Condition(2, "==", NETLINK_ROUTE))),
    # Programs that log in a user (PAM) go on where the kernel has no audit.
    Rule(
        "socket",
        (Condition(0, "==", AF_NETLINK), Condition(2, "==", NETLINK_AUDIT)),
        refusal=EPROTONOSUPPORT,
    ),
    *(
        Rule(
            "socket",
            (
                Condition(0, "==", family),
                Condition(1, "&", NO_STREAM_NO_DATAGRAM),
                Condition(2, "==", protocol),
            ),
        )
        for family in (AF_INET, AF_INET6)
        for protocol in PROTOCOLS
    ),
    *(
        Rule(name, (Condition(0, "==", OF_ITSELF),))
        for name in ("sched_setattr", "sched_setparam", "sched_setscheduler")
    ),
    *(Rule("setrlimit", (Condition(0, "==", resource),)) for resource in _OTHERS),
    Rule("setrlimit", (_CORE,), refusal=0),
    *(
        Rule("prlimit64", (Condition(0, "==", OF_ITSELF), Condition(1, "==", resource)))
        for resource in _OTHERS
    ),
    Rule("prlimit64", (*_OWN_CORE, Condition(2, "==", 0))),  # it is only asked for
    Rule("prlimit64", (*_OWN_CORE, Condition(2, "!=", 0)), refusal=0),
    Rule("setpriority", (Condition(0, "==", PRIO_PROCESS), Condition(1, "==", OF_ITSELF))),
    Rule("ioprio_set", (Condition(0, "==", IOPRIO_PROCESS), Condition(1, "==", OF_ITSELF))),
)


def profile() -> str:
    """The table as a seccomp profile for Docker (JSON)."""

    def words(condition: Condition) -> dict[str, object]:
        found: dict[str, object] = {"index": condition.argument, "value": condition.value}
        if condition.comparison == "&":
            return found | {"op": "SCMP_CMP_MASKED_EQ", "valueTwo": 0}
        return found | {"op": "SCMP_CMP_EQ" if condition.comparison == "==" else "SCMP_CMP_NE"}

    calls: list[dict[str, object]] = [
        {"names": list(ALLOWED), "action": "SCMP_ACT_ALLOW"},
        {"names": list(REFUSED), "action": "SCMP_ACT_ERRNO", "errnoRet": EPERM},
        {"names": list(ABSENT), "action": "SCMP_ACT_ERRNO", "errnoRet": ENOSYS},
    ]
    for rule in RULES:
        args = [words(condition) for condition in rule.conditions]
        action: dict[str, object] = {"action": "SCMP_ACT_ALLOW"}
        if rule.refusal is not None:
            action = {"action": "SCMP_ACT_ERRNO", "errnoRet": rule.refusal}
        calls.append({"names": [rule.name], "args": args} | action)
    return json.dumps(
        {
            "defaultAction": "SCMP_ACT_ERRNO",
            "defaultErrnoRet": ENOSYS,
            "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64"],
            "syscalls": calls,
        }
    )


def bubblewrap_filter() -> bytes:
    """The table as a program for the kernel of this machine (classic BPF).

    Raises `FileNotFoundError` where none was made for machines of this kind.
    """
    return files("harness.sandbox.seccomp").joinpath(f"{machine()}.bpf").read_bytes()
