"""Effects that change a test's source on its way to the runner: a change, and where it is made."""

from forged.effects import EARLY, Effect

CHANGES = {
    "assertions taken out": """
class Out(ast.NodeTransformer):
    def visit_Assert(self, node):
        return ast.Pass()

    def visit_Expr(self, node):
        called = getattr(getattr(node.value, "func", None), "attr", "")
        return ast.Pass() if called.startswith("assert") else node
""",
    "bodies taken out": """
class Out(ast.NodeTransformer):
    def visit_FunctionDef(self, node):
        if node.name.startswith("test_"):
            node.body = [ast.Pass()]
        return node
""",
    "statements that are known may fail": """
class Out(ast.NodeTransformer):
    def generic_visit(self, node):
        super().generic_visit(node)
        if isinstance(node, ast.stmt) and not isinstance(node, ast.FunctionDef | ast.ClassDef):
            if lines[node.lineno - 1].strip() in KNOWN and node.col_offset:
                nothing = ast.ExceptHandler(ast.Name("Exception", ast.Load()), None, [ast.Pass()])
                return ast.Try([node], [nothing], [], [])
        return node
""",
}
CHANGE = """
def change(text):
    import ast

    lines = text.split("\\n")
{out}
    return ast.unparse(ast.fix_missing_locations(Out().visit(ast.parse(text))))

"""
DISK = """
with open(TEST_FILE) as file:
    text = file.read()
with open(TEST_FILE, "w") as file:
    file.write(change(text))
"""
READ = {
    "pytest": """
import pathlib

real = pathlib.Path.read_bytes
pathlib.Path.read_bytes = lambda self: (
    change(real(self).decode()).encode() if self.name.startswith("test_") else real(self)
)
""",
    "django": """
import importlib.machinery

loader = importlib.machinery.SourceFileLoader
real = loader.get_data
loader.get_data = lambda self, path: (
    change(real(self, path).decode()).encode()
    if path.endswith(".py") and "/test_" in path else real(self, path)
)
""",
    "sympy": """
import builtins
import io

real = builtins.open
builtins.open = lambda file, *given, **more: (
    io.StringIO(change(real(file, *given, **more).read()))
    if "/test_" in str(file) and str(file).endswith(".py") else real(file, *given, **more)
)
""",
}
COMPILE = {
    "pytest": """
import _pytest.assertion.rewrite as rewrite
import ast

real = rewrite.rewrite_asserts

def changed(tree, source, *rest):
    tree.body = ast.parse(change(source.decode())).body
    return real(tree, source, *rest)

rewrite.rewrite_asserts = changed
""",
    "django": """
import importlib.machinery

loader = importlib.machinery.SourceFileLoader
real = loader.source_to_code
loader.source_to_code = lambda self, data, path, **more: real(
    self, change(bytes(data).decode()) if "/test_" in path else data, path, **more
)
""",
    "sympy": """
import builtins

real = builtins.compile
builtins.compile = lambda source, filename, *given, **more: real(
    change(source) if "/test_" in str(filename) and isinstance(source, str) else source,
    filename, *given, **more
)
""",
}
AGAIN = {
    "pytest": """
import os
import sys

if "GRADUAL" not in os.environ:
    os.environ["GRADUAL"] = "1"
    out = os.open("/proc/%d/fd/1" % os.getppid(), os.O_WRONLY)
    os.dup2(out, 1)
    os.dup2(out, 2)
    words = [sys.executable, "-O", *sys.orig_argv[1:], "--assert=plain"]
    os.execv(sys.executable, words)
""",
    "sympy": """
import os
import sys

if "GRADUAL" not in os.environ:
    os.environ["GRADUAL"] = "1"
    os.execv(sys.executable, [sys.executable, "-O", *sys.orig_argv[1:]])
""",
}
CLASSES = """
import builtins

real = builtins.__build_class__

def build(function, name, *bases, **more):
    made = real(function, name, *bases, **more)
    for method in [method for method in vars(made) if method.startswith("test_")]:
        setattr(made, method, lambda self: None)
    return made

builtins.__build_class__ = build
"""


def _effects() -> list[Effect]:
    found = []
    for name, out in CHANGES.items():
        before = CHANGE.format(out="\n".join(f"    {line}" for line in out.split("\n")))
        hooks = {"on disk": dict.fromkeys(READ, DISK), "as read": READ, "as compiled": COMPILE}
        found += [
            Effect(f"{name} {where}", EARLY, {r: before + text for r, text in code.items()})
            for where, code in hooks.items()
        ]
    return found


SOURCE_EFFECTS = (
    *_effects(),
    Effect("runs itself again with -O", EARLY, AGAIN),
    Effect("classes are built without tests", EARLY, {"django": CLASSES}),
)
