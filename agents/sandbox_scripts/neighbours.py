"""Scripts about the tests that lie beside what a patch changes; for Python 3.6 and later."""

# Prints the test files that belong to the changed modules, best first, each with the command that
# runs it. The patch is applied and not committed; test files that it adds are removed.
FIND = r"""
import ast, importlib.util, json, os, re, shlex, subprocess, sys
most, is_test = json.loads(sys.argv[1])

def git(*words):
    run = subprocess.run(("git",) + words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return run.stdout.decode(errors="surrogateescape")

def names_of(path):
    # The functions and classes of which the patch changes a line.
    found = re.findall(r"^@@ -(\d+)(?:,(\d+))?", git("diff", "--cached", "-U0", "HEAD", "--", path),
                       re.M)
    lines = {n for at, count in found for n in range(int(at), int(at) + max(int(count or 1), 1))}
    try:
        tree = ast.parse(git("show", "HEAD:" + path))
    except (SyntaxError, ValueError):
        return set()
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            last = max([getattr(each, "lineno", 0) for each in ast.walk(node)])
            if lines & set(range(node.lineno, last + 1)) and len(node.name) > 2:
                names.add(node.name)
    return {name for name in names if not name.startswith("__")}

def dotted(path):
    parts = path[:-3].split("/")
    first = len(parts) - 1
    while first and os.path.exists("/".join(parts[:first]) + "/__init__.py"):
        first -= 1
    return ".".join(parts[first:]).replace(".__init__", "")

def common(one, other):
    return len(os.path.commonprefix([one.split("/")[:-1], other.split("/")[:-1]]))

def score(test, text, path, module, names):
    stem, name = test.rpartition("/")[2][:-3], module.rpartition(".")[2]
    said = 0
    if stem in ("test_" + name, name + "_test", name + "_tests", name):
        said += 4
    elif stem.endswith("_" + name):
        said += 2
    package = module.rpartition(".")[0]
    mentions = re.escape(module) + r"\b"
    if package:
        mentions += r"|from\s+%s\s+import\s[^\n]*\b%s\b" % (re.escape(package), re.escape(name))
    said += 2 * bool(re.search(mentions, text))
    said += 3 * any(stem.lower() == "test_" + each.lower() for each in names)
    said += min(2, sum(bool(re.search(r"\b%s\b" % each, text)) for each in names))
    return (said, common(test, path), -len(text))

def command(test):
    quoted = shlex.quote(test)
    if test.startswith("tests/") and os.path.isfile("tests/runtests.py"):
        label = test[len("tests/"):-3].replace("/", ".")
        return "python tests/runtests.py --verbosity 2 --parallel 1 " + shlex.quote(label)
    if importlib.util.find_spec("pytest"):
        return "python -m pytest -q -rp --tb=no -p no:cacheprovider " + quoted
    if test.startswith("sympy/"):
        return "python -c 'import sys, sympy; sympy.test(sys.argv[1], verbose=True, " \
               "subprocess=False)' " + quoted
    return "python -m unittest -v " + quoted

changed, added = [], set()
fields = git("diff", "--cached", "--name-status", "--no-renames", "-z", "HEAD").split("\0")
for status, path in zip(fields[::2], fields[1::2]):
    test = re.search(is_test, path)
    if status == "A" and test:
        added.add(path)
        os.remove(path)
    elif status != "A" and path.endswith(".py") and not test:
        changed.append(path)
best = {}
for path in changed:
    module, names = dotted(path), names_of(path)
    last = module.rpartition(".")[2]
    words = [each for name in [module, last] + sorted(names) for each in ("-e", name)]
    holding = git("grep", "-lwIFz", *(words + ["--", "*.py"])).split("\0")
    for test in set(holding) - added:
        stem = test.rpartition("/")[2]
        if re.match(r"(test_.*|.*_tests?|tests)\.py$", stem) and re.search(is_test, test):
            with open(test, errors="replace") as file:
                said = score(test, file.read(), path, module, names)
            if said[0] >= 2:
                best[test] = max(said, best.get(test, said))
chosen = sorted(best, key=lambda test: (best[test], test), reverse=True)[:most]
sys.stdout.write("\nDELM" + json.dumps([[test, command(test)] for test in chosen]))
"""
