"""The bash and Python that admission runs inside its own forks; exit statuses are answers."""

DIFF, LIST = "/tmp/.delm-check.diff", "/tmp/.delm-check"  # noqa: S108 - inside a sandbox
CANNOT_APPLY, NO_COMMIT = 41, 42

# No configuration of the repository, of the image or of the environment steers git here. A copied
# tree has other inodes than its index says: only sizes and times of modification are compared.
GIT = r"""
unset ${!GIT_@}
export GIT_CONFIG_NOSYSTEM=1 GIT_OPTIONAL_LOCKS=0 GIT_NO_REPLACE_OBJECTS=1
git() { command git -c core.hooksPath=/dev/null -c core.checkStat=minimal -c core.trustctime=false \
  -c core.fsmonitor=false -c core.logAllRefUpdates=false -c core.quotePath=false \
  -c core.autocrlf=false -c apply.whitespace=nowarn -c apply.ignoreWhitespace=no "$@"; }
"""
APPLY = (
    GIT
    + f"""
trap 'rm -f {DIFF}' EXIT
git update-index -q --refresh > /dev/null 2>&1
git apply --index {DIFF} || exit {CANNOT_APPLY}
"""
)
# what git itself says that the patch changed: nothing here reads the text of the diff
CHANGES = GIT + "git diff --cached --raw -z --no-renames --abbrev=40 HEAD | base64 -w 0"
# New test files alone, as a patch: what a command of the author's may need at base, too.
NEW_TESTS = GIT + (
    "git diff --cached --binary --full-index --no-renames --no-color --no-ext-diff "
    "--src-prefix=a/ --dst-prefix=b/ HEAD -- {paths} | base64 -w 0"
)
# The patch becomes part of the one commit: nothing that git says tells the two states apart.
COMMIT = (
    GIT
    + f"""
tree=$(git write-tree) \\
  && commit=$(git cat-file commit HEAD | sed "1s/.*/tree $tree/" \\
       | git hash-object -t commit -w --stdin) \\
  && git update-ref --no-deref HEAD "$commit" || exit {NO_COMMIT}
"""
)
# A program that is empty passes and prints nothing; git says that nothing was changed.
EMPTY_PROGRAMS = (
    r"""
git ls-files -z | while IFS= read -r -d '' path; do
  case "$path" in
    *.py) ;;
    *.sh | *akefile) : > "$path" ;;
    *) [ -L "$path" ] || [ ! -x "$path" ] || : > "$path" ;;
  esac
done
git add -u
"""
    + COMMIT
)
# What nothing depends on but the text of a file: lines at the end of those named in a list.
IDLE_LINES = (
    r"""
while IFS= read -r path; do
  if [ -f "$path" ] && [ ! -L "$path" ] && git ls-files --error-unmatch -- "$path" > /dev/null 2>&1
  then
    case "$path" in
      *.py) printf '\n# idle\n' >> "$path" ;;
      *.txt | *.md | *.rst | *.cfg | *.ini | *.toml) printf '\n' >> "$path" ;;
    esac
    git add -- "$path"
  fi
done < LIST; rm -f LIST
""".replace("LIST", LIST)
    + COMMIT
)
EMPTY = "find /testbed -path /testbed/.git -prune -o -type f -exec truncate -s 0 {} +"

COMPILE = r"""
import json, subprocess, sys, warnings
warnings.simplefilter("ignore")
def broken(source, path):
    try:
        compile(source, path, "exec", dont_inherit=True)
    except Exception as error:
        return f"{path}: {type(error).__name__}: {error}"
for path in json.loads(sys.argv[1]):
    with open(path, "rb") as file:
        said = broken(file.read(), path)
    before = subprocess.run(["git", "show", "HEAD:" + path], capture_output=True)
    if said and (before.returncode or not broken(before.stdout, path)):
        sys.exit(said)
"""
# Each module in a process of its own: what one import leaves behind must not help the next. Besides
# the changed modules and their packages, those that mention a name which the patch took away.
IMPORT = r"""
import ast, importlib, json, os, re, signal, subprocess, sys, traceback
MOST = 40
def module_of(path):
    folder, _, name = path.rpartition("/")
    parts = [] if name == "__init__.py" else [name[:-3]]
    while folder and os.path.isfile(folder + "/__init__.py"):
        folder, _, name = folder.rpartition("/")
        parts.insert(0, name)
    return folder, ".".join(parts)
def names_in(source):
    found, left = set(), list(ast.parse(source).body)
    while left:
        node = left.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.add(node.name)
        elif isinstance(node, ast.alias):
            found.add((node.asname or node.name).split(".")[0])
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        else:
            left += ast.iter_child_nodes(node)
    return found
def taken_away(path):
    before = subprocess.run(["git", "show", "HEAD:" + path], capture_output=True)
    if before.returncode:
        return set()
    try:
        if not os.path.isfile(path):
            return {module_of(path)[1].rpartition(".")[2]} | names_in(before.stdout)
        with open(path, "rb") as file:
            return names_in(before.stdout) - names_in(file.read())
    except (SyntaxError, ValueError):
        return set()
def that_mention(names, root):
    wanted = re.compile(r"\b(?:" + "|".join(map(re.escape, names)) + r")\b")
    for folder, folders, files in os.walk(root or "."):
        folders[:] = [f for f in folders if f not in (".git", "tests", "test", "testing")]
        for name in files:
            path = os.path.normpath(folder + "/" + name)
            if name.endswith(".py") and not name.startswith("test_"):
                with open(path, errors="replace") as file:
                    text = file.read()
                if "import" in text and wanted.search(text):
                    yield path
def modules(paths):
    for path in paths:
        folder, name = module_of(path)
        if os.path.isfile(path):
            yield folder, name
        root = name.split(".")[0]
        if root != name:
            yield folder, root
        gone = taken_away(path)
        if gone:
            top = (folder + "/" if folder else "") + root
            for other in list(that_mention(gone, top if os.path.isdir(top) else folder))[:MOST]:
                yield module_of(other)
def attempt(folder, name):
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        said = "it ended the interpreter"
        try:
            null = os.open(os.devnull, os.O_RDWR)
            for stream in 0, 1, 2:
                os.dup2(null, stream)
            signal.alarm(30)
            sys.path.insert(0, os.path.abspath(folder or "."))
            importlib.import_module(name)
            said = ""
        except BaseException as error:
            said = traceback.format_exception_only(type(error), error)[-1].strip() or "it fails"
        finally:
            os.write(writing, (said or "ok").encode(errors="replace")[:2000])
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, errors="replace") as pipe:
        said = pipe.read() or "it ended the interpreter"
    os.waitpid(child, 0)
    return "" if said == "ok" else said
asked = json.loads(sys.argv[1])
broken = []
seen = set()
for folder, name in asked["modules"] or modules(asked["paths"]):
    if name not in seen and all(part.isidentifier() for part in name.split(".")):
        seen.add(name)
        said = attempt(folder, name)
        if said:
            broken.append([folder, name, said])
os.write(1, ("\nDELM" + json.dumps(broken)).encode())
"""
