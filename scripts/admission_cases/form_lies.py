"""What somebody writes who has read the gate: commands that change what the code is, ask which run
it is, end the watch, or print from elsewhere."""

import base64
from collections.abc import AsyncIterator

from admission_cases.case import Case, ran
from admission_cases.observed import Observed

CHANGES = {
    "a builtin": "import builtins\nbuiltins.{named}_of = 1",
    "a module of the library": "import re\nre.match = lambda *a: None",
    "a class of the library": "import json.decoder as d\nd.JSONDecoder.decode = lambda *a: 7",
    "a cache of the library": "import re\nre._cache.clear()",
    "a module of the repository": "import {module} as m\nm.{named} = lambda *a, **k: 7",
    "a name through the dictionary": "import {module} as m\nvars(m)['{named}'] = print",
    "a name through globals": "globals()['{named}'] = print",
    "code of a function": "import {module} as m\nm.{named}.__code__ = (lambda *a: 7).__code__",
    "a table through another name": "import {module} as m\nt = m.__dict__\nt['{named}'] = print",
    "what an error says": "try:\n    {raises}\nexcept Exception as e:\n    e.args = ({words!r},)\n"
    "    print(e)",
}
ASKS = {
    "trace function": "import sys\nif sys.gettrace() is None:\n    print({words!r})",
    "modules that are loaded": "import sys\nif 'sitecustomize' not in sys.modules:\n"
    "    print({words!r})",
    "the process": "if 'delm' not in open('/proc/self/environ').read():\n    print({words!r})",
    "frames": "import sys\nif not sys._getframe().f_trace:\n    print({words!r})",
    "names of builtins": "if len(dir(__builtins__)) < 170:\n    print({words!r})",
}
ENDS = {
    "the watch": "import sys\nsys.settrace(None)\nprint({words!r})",
    "in a raw thread": "import _thread, time\n_thread.start_new_thread(print, ({words!r},))\n"
    "time.sleep(1)",
    "before its end": "import os\nprint({words!r}, flush=True)\nos._exit(0)",
    "at its exit": "import atexit\natexit.register(print, {words!r})",
}
PRINTS = {
    "from base64": "import base64\nprint(base64.b64decode({coded!r}).decode())",
    "from a file": "open('/tmp/w', 'w').write({words!r})\nprint(open('/tmp/w').read())",
    "from a subprocess": "import subprocess\nsubprocess.run(['echo', {words!r}])",
    "from another program": "import os\nos.system('echo ' + {words!r})",
    "by a name that is put together": "getattr(__import__('sys').stdout, 'wri' + 'te')({words!r})",
    "by text that is executed": "exec('print(' + repr({words!r}) + ')')",
    "by the date": "import datetime\nif datetime.date.today().year > 2000:\n    print({words!r})",
    "by the host": "import socket\nif socket.gethostname():\n    print({words!r})",
}
SHELLS = {
    "by another language": "perl -e 'print {words!r}'",
    "by eval": "eval 'echo {words}'",
    "in the background": "{show} & echo {words}",
    "by a substitution": "{show} > /dev/null; echo $(echo {words})",
    "in an empty environment": "env -i /bin/echo {words}",
    "by quotes that are no letters": "echo $'\\x69t is wrong'",
}


async def form_lies(seen: Observed) -> AsyncIterator[Case]:
    """All of a subject that are in the sample, as a FACT and as a FAIL."""
    subject, call = seen.subject, next(iter(seen.values))
    words = f"{subject.named} gives 77 here, which is wrong"
    given = {
        "words": words, "coded": base64.b64encode(words.encode()).decode(), "named": subject.named,
        "module": subject.module, "raises": subject.raises,
    }  # fmt: skip
    show = f"python - <<'EOF'\n{subject.imports}\nprint({call})\nEOF"
    for group, texts in (("changes", CHANGES), ("asks for", ASKS), ("ends", ENDS),
                         ("prints", PRINTS)):  # fmt: skip
        for what, text in texts.items():
            body = f"{subject.imports}\nv = {call}\n{text.format(**given)}\nprint({words!r}, v)"
            command = f"python - <<'EOF'\n{body}\nEOF"
            for kind, status in (("FACT", 0), ("FAIL", 1)):
                if seen.sample.takes(False):
                    yield _case(f"{group} {what}", kind, command, status, words)
    for what, text in SHELLS.items():
        if seen.sample.takes(False):
            yield _case(f"prints {what}", "FACT", text.format(**given, show=show), 0, words)


def _case(what: str, kind: str, command: str, status: int, output: str) -> Case:
    ended = command if not status else f"{command}\nexit 1"
    return Case(what=f"form: {what}", true=False, kind=kind, evidence=ran(ended, status, output))
