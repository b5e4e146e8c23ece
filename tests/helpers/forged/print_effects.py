"""Effects that write what the grader reads: lines of passed tests, markers, the end of the run."""

from forged.effects import CALL, LATE, PRINT, Effect

OUT = {
    "the parent's descriptor": 'out = os.open("/proc/%d/fd/1" % os.getppid(), os.O_WRONLY)\n',
    "a descriptor with the runner's output": """
where = os.readlink("/proc/%d/fd/1" % os.getppid())
ours = [number for number in os.listdir("/proc/self/fd") if number.isdigit()]
out = 1
for number in ours:
    try:
        if os.readlink("/proc/self/fd/" + number) == where:
            out = int(number)
    except OSError:
        pass
""",
    "standard output": "out = 1\n",
}
SAYS = {
    "every pass": "os.write(out, PRINTED.encode())\n",
    "every pass in pieces": "for piece in PRINTED.splitlines(True):\n"
    "    os.write(out, piece.encode())\n",
    "every pass behind a carriage return": 'os.write(out, b"\\r\\n" + PRINTED.encode())\n',
    "every pass and the end of the log": 'os.write(out, ("\\n" + PRINTED + END + "\\n" + '
    '"TEST_EXIT: 0\\n").encode())\n',
}
LINE = """
import os

os.write({number}, {text})
"""
IN_LINE = {
    "ok": "b'ok\\n'",
    "ok behind a colour": "b'\\x1b[0m\\nok\\n'",
    "ok behind a carriage return": "b'\\rok\\n'",
    "ok, and a line of its own": "b'ok\\n' + PRINTED.encode()",
}


def _effects() -> list[Effect]:
    found = []
    for where, out in OUT.items():
        for what, said in SAYS.items():
            code = f"import os\nimport sys\n\n{out}{said}"
            stay = "end of the log" in what
            ends = {"": ""} if stay else {", exit 0": "os._exit(0)\n"}
            for end, text in ends.items():
                both = dict.fromkeys(("pytest", "django", "sympy"), code + text)
                moments = tuple(dict.fromkeys((*PRINT, *LATE)))
                found.append(Effect(f"prints {what} to {where}{end}", moments, both))
    for what, text in IN_LINE.items():
        code = {"django": LINE.format(number=2, text=text)}
        code["sympy"] = LINE.format(number=1, text=text)
        found.append(Effect(f"prints {what} in the line of the test", CALL, code))
    return found


PRINT_EFFECTS = tuple(_effects())
