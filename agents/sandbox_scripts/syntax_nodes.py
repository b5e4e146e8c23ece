"""The part of the watching program that knows statements: their names, blocks and parameters."""

SYNTAX_NODES = r"""
import ast, copy

COMPOUND = tuple(getattr(ast, name) for name in
                 ("If", "Try", "TryStar", "With", "For", "While") if hasattr(ast, name))
DEFS = (ast.FunctionDef, ast.AsyncFunctionDef)
IMPORTS = (ast.Import, ast.ImportFrom)
dump = ast.dump


def parsed(text):
    (made,) = ast.parse(text).body
    return made


def at(node, place):
    for each in ast.walk(node):
        if hasattr(each, "lineno"):
            each.lineno = each.end_lineno = place.lineno
    return node


def single(body):
    for node in body:
        if isinstance(node, IMPORTS) and len(node.names) > 1:
            for alias in node.names:
                each = copy.copy(node)
                each.names = [alias]
                yield each
        else:
            yield node


def blocks(node):
    for holder in [node] + list(getattr(node, "handlers", [])):
        for field in ("body", "orelse", "finalbody"):
            if getattr(holder, field, None):
                yield holder, field


def flat(body):
    for node in single(body):
        if isinstance(node, COMPOUND):
            for holder, field in blocks(node):
                for each in flat(getattr(holder, field)):
                    yield each
        else:
            yield node


def target(node):
    if isinstance(node, ast.Name):
        return [node.id]
    if isinstance(node, ast.Attribute):
        return ["%s.%s" % (name, node.attr) for name in target(node.value)[:1]]
    if isinstance(node, (ast.Tuple, ast.List)):
        return [name for each in node.elts for name in target(each)]
    return target(node.value) if isinstance(node, ast.Starred) else []


def bound(node):
    if isinstance(node, DEFS + (ast.ClassDef,)):
        return [node.name]
    if isinstance(node, IMPORTS):
        return [(each.asname or each.name).split(".")[0] for each in node.names]
    if isinstance(node, ast.Assign):
        return [name for each in node.targets for name in target(each)]
    if isinstance(node, ast.AugAssign) or (isinstance(node, ast.AnnAssign) and node.value):
        return target(node.target)
    return []


def changed_in_place(node):
    # The name of what `TABLE[x] = …` or `TABLE.add(…)` changes.
    left = []
    if isinstance(node, ast.Assign):
        left = [each for each in node.targets if isinstance(each, ast.Subscript)]
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        left = [node.value.func]
    for each in left:
        if isinstance(getattr(each, "value", None), ast.Name):
            return each.value.id
    return ""


def documented(node):
    return node.body[:1] if ast.get_docstring(node, False) is not None else []


def bare(node):
    return node.body[len(documented(node)):]


def parameters(node):
    args = node.args
    plain = getattr(args, "posonlyargs", []) + args.args
    defaults = [None] * (len(plain) - len(args.defaults)) + args.defaults
    return list(zip([each.arg for each in plain + args.kwonlyargs],
                    defaults + args.kw_defaults))
"""
