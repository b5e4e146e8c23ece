"""A script that prints which modules a repository has and imports; for Python 3.6 and later."""

# The first names of both, as JSON. Relative imports name no module of their own.
NAMES = r"""
import json, re, subprocess

def git(*words):
    run = subprocess.run(("git",) + words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return run.stdout.decode(errors="surrogateescape")

names = set()
for path in git("ls-files", "-z", "*.py").split("\0"):
    parts = path.split("/")
    for at, part in enumerate(parts[:3]):
        if at == 0 or parts[at - 1] in ("src", "lib", "tests", "test", "testing"):
            names.add(part[:-3] if part.endswith(".py") else part)
lines = git("grep", "-hoE", r"^[ \t]*(from|import)[ \t]+[A-Za-z_][A-Za-z0-9_.]*", "--", "*.py")
names.update(line.split()[1].split(".")[0] for line in lines.splitlines() if line.split()[1:])
names.discard("")
print("\nDELM" + json.dumps({"names": sorted(name for name in names if re.match(r"\w+$", name))}))
"""
