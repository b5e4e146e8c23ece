"""The part of the watching program that merges a module's texts before and after a patch.

See `agents.sandbox_scripts.earlier_bodies`. Names in `__…__` are functions that it puts into
builtins. It stands after `agents.sandbox_scripts.syntax_nodes`.
"""

MERGED_TREE = r"""
def merged_tree(path, old, new, back, unread, functions, data):
    # `functions` and `data` gain what the patch changes. Without `back` only notes are put in.
    def key_of(name, place, new=False):
        lines = [each.lineno for each in ast.walk(place) if hasattr(each, "lineno")]
        functions.append((path, name, new, min(lines), max(lines)))
        return len(functions) - 1

    def noted(node, name, new=False):
        made = at(parsed("__ran__(%d)" % key_of(name, node, new)), node)
        node.body = documented(node) + [made] + bare(node)
        return node

    def in_place(old_body, new_body):
        # Statements of before that still stand there have the lines that they have now.
        places = {}
        for node in [each for inner in new_body for each in ast.walk(inner)]:
            if isinstance(node, ast.stmt):
                places.setdefault(dump(node), []).append(node)
        for node in [each for inner in old_body for each in ast.walk(inner)]:
            there = places.get(dump(node)) if isinstance(node, ast.stmt) else None
            if there:
                for one, other in zip(ast.walk(node), ast.walk(there.pop(0))):
                    ast.copy_location(one, other)
        return old_body

    def with_notes(node, name):
        # A statement of before, the functions in which say that they run.
        if isinstance(node, DEFS):
            return noted(node, name)
        for each in ast.walk(node):
            if isinstance(each, ast.Lambda):
                body = parsed("__ran__(%d) or 0" % key_of(name, node)).value
                body.values[1] = each.body
                each.body = ast.copy_location(body, each.body)
        return node

    def as_before(old, new):
        # What the earlier body needs besides the names of the new parameters.
        lines = []
        before, after = dict(parameters(old)), dict(parameters(new))
        more = [name for name in after if name not in before]
        key = len(functions)
        for holder, given in ((new.args.defaults, after), (new.args.kw_defaults, after)):
            for place, value in enumerate(holder):
                names = [n for n, each in given.items() if each is value and each is not None]
                if not names or names[0] not in before:
                    continue
                was = before[names[0]]
                if was is None or dump(was) != dump(value):
                    made = parsed("__kept__(%d, %r, 0)" % (key, names[0])).value
                    made.args[2] = value
                    holder[place] = ast.copy_location(made, value)
                    line = parsed("if %s is __kept__(%d, %r): %s = 0" % (names[0], key, names[0],
                                                                         names[0]))
                    if was is None:
                        line.body[0] = parsed("raise TypeError(%r)" % names[0])
                    else:
                        line.body[0].value = copy.deepcopy(was)
                    lines.append(line)
        for name, default in before.items():
            if name not in after:
                if more:
                    line = parsed("%s = %s" % (name, more.pop(0)))
                elif default is None:
                    line = parsed("raise TypeError(%r)" % name)
                else:
                    line = parsed("%s = 0" % name)
                    line.value = copy.deepcopy(default)
                lines.append(line)
        for field, empty in (("vararg", "()"), ("kwarg", "{}")):
            was, now = getattr(old.args, field), getattr(new.args, field)
            if was and (not now or now.arg != was.arg):
                lines.append(parsed("%s = %s" % (was.arg, now.arg if now else empty)))
        return [at(ast.fix_missing_locations(line), new) for line in lines]

    def lasting(node):
        # What of a function is more than words: not docstrings, not annotations.
        return ([dump(each) for each in bare(node)], [
            (name, value and dump(value)) for name, value in parameters(node)],
            [each and each.arg for each in (node.args.vararg, node.args.kwarg)],
            isinstance(node, ast.AsyncFunctionDef))

    def changed(old, new, name):
        if lasting(old) == lasting(new) and not differ(old.decorator_list, new.decorator_list):
            return [new]
        if not back:
            return [noted(new, name)]
        if differ(old.decorator_list, new.decorator_list):
            key = len(functions)
            hold = parsed("__like__(%d, %s)" % (key, new.name))
            old.body = documented(new) + bare(old)
            return [new, at(hold, new), noted(old, name), at(copy.deepcopy(hold), new)]
        made = copy.copy(old)
        made.decorator_list, made.args, made.returns = new.decorator_list, new.args, new.returns
        made.lineno, made.end_lineno = new.lineno, getattr(new, "end_lineno", None)
        lines = as_before(old, new)
        made.body = documented(new) + lines + in_place(bare(old), bare(new))
        return [noted(made, name)]

    def differ(one, other):
        return [dump(each) for each in one] != [dump(each) for each in other]

    def added(node, name, of_class):
        # A function that was not there: away where the code calls it, or its class has another.
        if not back:
            return noted(node, name, True)
        words = {getattr(each, "id", getattr(each, "attr", "")) for each in node.decorator_list}
        args = node.args
        first = (getattr(args, "posonlyargs", []) + args.args)[:1]
        key = key_of(name, node, True)
        plain = isinstance(node, ast.FunctionDef) and "staticmethod" not in words
        if of_class and first and plain:
            own = first[0].arg
            given = [each.arg for each in (getattr(args, "posonlyargs", []) + args.args)[1:]]
            given += ["*" + args.vararg.arg] if args.vararg else []
            given += ["%s=%s" % (each.arg, each.arg) for each in args.kwonlyargs]
            given += ["**" + args.kwarg.arg] if args.kwarg else []
            given = [own] + given if node.name == "__new__" else given
            call = "" if any("property" in word for word in words) else "(%s)" % ", ".join(given)
            text = "if __absent__({0}, __class__, {1}): return __parent__({0}, __class__, {1}){2}"
            text = text.format(key, own, call)
        else:
            text = "if __absent__({0}): __parent__({0})".format(key)
        (made,) = parsed("async def f():\n " + text).body
        node.body = documented(node) + [at(made, node)] + bare(node)
        return node

    def compared(node):
        # Whether a comparison holds of everything is asked where it is made.
        asked = "eq contains lt le gt ge instancecheck subclasscheck".split()
        names = [name for name in bound(node) if name in ["__%s__" % each for each in asked]]
        return [at(parsed("{0} = __compared__({0})".format(name)), node) for name in names]

    def all_added(node, name):
        node.body += [each for inner in flat(node.body) for each in compared(inner)]
        for each in flat(node.body):
            if isinstance(each, DEFS):
                added(each, "%s.%s" % (name, each.name), False)
            elif isinstance(each, ast.ClassDef):
                all_added(each, "%s.%s" % (name, each.name))

    def is_read(name, of_class):
        last = name.rpartition(".")[2]
        if last[:2] == last[-2:] == "__":
            return of_class and last not in ("__doc__", "__module__")
        return last not in unread

    def scope(old_body, new_body, owner):
        before = {}
        for node in flat(old_body):
            for name in bound(node):
                before.setdefault(name, []).append(node)
        known = {dump(node) for node in flat(old_body)}
        kept = {dump(node) for node in flat(new_body)}
        now = {name for node in flat(new_body) for name in bound(node)}
        gone = [node for node in flat(old_body)
                if bound(node) and not now & set(bound(node)) and (
                    isinstance(node, DEFS + IMPORTS + (ast.ClassDef,))
                    or any(is_read(name, owner) for name in bound(node)))]
        gone = [node for node in gone if back and getattr(node, "module", "") != "__future__"]
        used, kept_defs = [], {}

        def restored(place):
            while gone and (place is None or gone[0].lineno < place.lineno):
                node = gone.pop(0)
                for each in [node] if isinstance(node, DEFS) else getattr(node, "body", []):
                    if isinstance(each, DEFS):
                        noted(each, each.name)
                if not isinstance(node, DEFS + IMPORTS):
                    data.update(bound(node))
                yield node

        def earlier(name, node):
            left = [each for each in before.get(name, []) if each not in used
                    and (dump(each) not in kept or dump(each) == dump(node))]
            alike = [each for each in left if dump(each) == dump(node)]
            alike = alike or [each for each in left if isinstance(each, DEFS) and isinstance(
                node, DEFS) and not differ(each.decorator_list, node.decorator_list)] or left
            used.extend(alike[:1])
            return alike[0] if alike else None

        def one(node):
            names = bound(node)
            if isinstance(node, DEFS):
                was = earlier(node.name, node)
                name = owner + node.name
                if isinstance(was, DEFS):
                    kept_defs[node.name] = node
                    return changed(was, node, name)
                if was is not None and back == "all":
                    data.update(names)
                    return [node, with_notes(was, name)]
                return [added(node, name, bool(owner))]
            if isinstance(node, ast.ClassDef):
                was = earlier(node.name, node)
                if not isinstance(was, ast.ClassDef):
                    all_added(node, owner + node.name)
                    return [node]
                node.body = scope(was.body, node.body, owner + node.name + ".")
                for field in ("bases", "keywords", "decorator_list"):
                    if differ(getattr(was, field), getattr(node, field)):
                        node.body.insert(0, at(parsed("__changed__(%r)" % node.name), node))
                        if back == "all":
                            setattr(node, field, getattr(was, field))
                new = {name for each in flat(node.body) for name in bound(each)
                       if not isinstance(each, DEFS + IMPORTS + (ast.ClassDef,))}
                new -= {name for each in flat(was.body) for name in bound(each)}
                if not new or back != "all":
                    return [node]
                text = "__inherited__(%s, %r)" % (node.name, sorted(new))
                return [node, at(parsed(text), node)]
            if dump(node) in known:
                for name in names:
                    earlier(name, node)
                return [node]
            core = [name for name in names if name in before and is_read(name, owner)]
            if owner and not core and all(name not in before and name[:2] == "__" and is_read(
                name, owner) for name in names) and names:
                return [at(parsed("__changed__(%r)" % names[0]), node)] + (
                    [] if back == "all" else [node])
            within = changed_in_place(node)
            if within in before and not isinstance(before[within][0],
                                                   DEFS + IMPORTS + (ast.ClassDef,)):
                core.append(within)
            data.update(name.rpartition(".")[2] for name in core)
            if not core or back != "all":
                return [node]
            found = []
            for name in set(core) & set(kept_defs):  # bound to something else after its definition
                noted(kept_defs.pop(name), owner + name)
            for was in [earlier(name, node) for name in core if name in names]:
                if was is not None and was not in found:
                    found += list(restored(was)) + [with_notes(was, owner + names[0])]
            if len(core) < len(names):
                found.insert(0, node)
            return found

        def each(body):
            made = []
            for node in single(body):
                if isinstance(node, COMPOUND):
                    for holder, field in blocks(node):
                        setattr(holder, field, each(getattr(holder, field)) or [
                            ast.copy_location(ast.Pass(), node)])
                    made.append(node)
                else:
                    made += one(node)
                    if owner and dump(node) not in known:
                        made += compared(node)
            return made

        imported = [node for node in gone if isinstance(node, IMPORTS)]
        gone[:] = [node for node in gone if not isinstance(node, IMPORTS)]
        made = each(new_body)
        made += list(restored(None))
        first = 0
        while first < len(made) and (
            getattr(made[first], "module", "") == "__future__"
            or (not first and isinstance(made[0], ast.Expr))
        ):
            first += 1
        return made[:first] + imported + made[first:]

    tree = ast.parse(new)
    tree.body = scope(ast.parse(old).body, tree.body, "")
    return ast.fix_missing_locations(tree)
"""
