"""What programs are used to find on a machine, they find in both kinds of sandbox."""

import pytest

pytestmark = pytest.mark.slow(seconds=2)


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


PROGRAMS = {
    "processes in a pool": (
        "import multiprocessing as m\nwith m.get_context('fork').Pool(4) as pool:\n"
        "    print(sum(pool.map(abs, range(-50, 50))))",
        "2500",
    ),
    "a lock and a queue between processes": (
        "import multiprocessing as m\nc = m.get_context('fork')\n"
        "lock, queue = c.Lock(), c.Queue()\ndef work():\n    with lock: queue.put('done')\n"
        "p = c.Process(target=work); p.start(); print(queue.get(timeout=20)); p.join()",
        "done",
    ),
    "shared memory": (
        "from multiprocessing import shared_memory as s\na = s.SharedMemory(create=True, size=9)\n"
        "a.buf[0] = 7; b = s.SharedMemory(a.name)\nprint(b.buf[0])\n"
        "b.close(); a.close(); a.unlink()",
        "7",
    ),
    "sixty threads": (
        "import threading\nt = [threading.Thread(target=lambda: None) for _ in range(60)]\n"
        "[x.start() for x in t]; [x.join() for x in t]; print(len(t))",
        "60",
    ),
    "a pseudo terminal": (
        "import os, pty\npid, master = pty.fork()\n"
        "if not pid: os.execlp('sh', 'sh', '-c', 'test -t 0 && echo terminal')\n"
        "print(os.read(master, 99).decode().strip())",
        "terminal",
    ),
    "a server of its own": (
        "import socket, threading\ns = socket.create_server(('localhost', 0))\n"
        "threading.Thread(target=lambda: s.accept()[0].sendall(b'hello')).start()\n"
        "print(socket.create_connection(s.getsockname()).recv(9).decode())",
        "hello",
    ),
    "a socket in a folder": (
        "import socket\na = socket.socket(socket.AF_UNIX); a.bind('/tmp/s'); a.listen()\n"
        "b = socket.socket(socket.AF_UNIX); b.connect('/tmp/s'); print('connected')",
        "connected",
    ),
    "locks of files": (
        "import fcntl, os\nf = open('lock', 'w'); fcntl.flock(f, fcntl.LOCK_EX)\n"
        "g = open('lock', 'w')\ntry: fcntl.flock(g, fcntl.LOCK_EX | fcntl.LOCK_NB)\n"
        "except BlockingIOError: print('locked')",
        "locked",
    ),
    "a file in memory": (
        "import mmap\nf = open('m', 'w+b'); f.truncate(8192); m = mmap.mmap(f.fileno(), 8192)\n"
        "m[5000:5003] = b'abc'; m.flush(); f.seek(5000); print(f.read(3).decode())",
        "abc",
    ),
    "alarms and signals": (
        "import signal\nsignal.signal(signal.SIGALRM, lambda *_: print('rang'))\n"
        "signal.setitimer(signal.ITIMER_REAL, 0.05); signal.pause()",
        "rang",
    ),
    "events of files": (
        "import ctypes, os\nlibc = ctypes.CDLL(None); n = libc.inotify_init()\n"
        "libc.inotify_add_watch(n, b'/tmp', 0x100); open('/tmp/x', 'w')\n"
        "print(len(os.read(n, 99)) > 0)",
        "True",
    ),
    "asyncio and its subprocesses": (
        "import asyncio\nasync def main():\n"
        "    p = await asyncio.create_subprocess_exec('echo', 'async', stdout=-1)\n"
        "    print((await p.communicate())[0].decode().strip())\nasyncio.run(main())",
        "async",
    ),
    "times and links of files": (
        "import os\nos.utime('a.txt', (1, 2)); os.symlink('a.txt', 's'); os.link('a.txt', 'h')\n"
        "print(os.stat('s').st_mtime, os.stat('h').st_nlink, os.readlink('s'))",
        "2.0 2 a.txt",
    ),
    "temporary files": (
        "import os, tempfile as t\nwith t.NamedTemporaryFile() as f, t.TemporaryDirectory() as d:\n"
        "    print(f.name.startswith('/tmp/'), os.path.isdir(d))",
        "True True",
    ),
    "random numbers and clocks": (
        "import os, time\nprint(len(os.urandom(9)), time.time() > 1e9, time.monotonic() > 0)",
        "9 True True",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", PROGRAMS)
async def test_programs_find_what_they_are_used_to(bench, what):
    script, wanted = PROGRAMS[what]
    result = await bench.exec(f"python3 - <<'END'\n{script}\nEND", timeout_s=60)
    assert result.output.strip() == wanted


async def test_git_does_its_daily_work(bench):
    result = await bench.exec(
        "set -e; git config user.email a@example.org; git config user.name A\n"
        "git checkout -q -b topic; echo more >> a.txt; git add a.txt; git commit -q -m more\n"
        "git checkout -q -; git merge -q topic; git stash list; echo x >> a.txt; git stash -q\n"
        "git stash pop -q; git diff --stat | tail -1; git log --oneline | wc -l; git gc -q"
    )
    assert result.output == " 1 file changed, 1 insertion(+)\n2\n"
    assert result.exit_status == 0
