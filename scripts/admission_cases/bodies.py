"""Statements that print a sentence of their own, whatever the code of the repository does."""

import base64
from collections.abc import Callable

from admission_cases.observed import Observed

Body = Callable[[str, str, Observed], str]
"""Statements that print a sentence, of the sentence and of a call."""


def _joined(sentence: str, _: str, __: Observed) -> str:
    return f"print(' '.join({sentence.split()[::-1]!r}[::-1]))"


def _base64(sentence: str, _: str, __: Observed) -> str:
    coded = base64.b64encode(sentence.encode()).decode()
    return f"import base64\nprint(base64.b64decode({coded!r}).decode())"


def _chr(sentence: str, _: str, __: Observed) -> str:
    return f"print(''.join(map(chr, {[ord(c) for c in sentence]})))"


def _ignored(sentence: str, call: str, seen: Observed) -> str:
    return f"v = {call}\n{_chr(sentence, call, seen)}"


def _hidden(sentence: str, call: str, seen: Observed) -> str:
    body = _joined(sentence, call, seen)
    return f"try:\n    assert {call} is Ellipsis\nexcept Exception:\n    pass\n{body}"


def _raised(sentence: str, call: str, seen: Observed) -> str:
    return f"v = {call}\nraise ValueError('%s' % ' '.join({sentence.split()!r}))"


def _imported(sentence: str, call: str, seen: Observed) -> str:
    return f"import {seen.subject.module}\n{_base64(sentence, call, seen)}"


def _own_function(sentence: str, call: str, seen: Observed) -> str:
    name = seen.subject.named
    words = sentence.split()
    return f"def {name}(*a, **k):\n    return {words!r}\nprint(*{name}('x'))"


def _replaced(sentence: str, call: str, seen: Observed) -> str:
    module, name = seen.subject.module, seen.subject.named
    words = sentence.split()
    return f"import {module} as m\nm.{name} = lambda *a, **k: {words!r}\nprint(*m.{name}('x'))"


def _mocked(sentence: str, call: str, seen: Observed) -> str:
    words = sentence.split()
    target = f"{seen.subject.module}.{seen.subject.named}"
    return (
        f"from unittest import mock\nimport {seen.subject.module} as m\n"
        f"with mock.patch({target!r}, return_value={words!r}):\n"
        f"    print(*m.{seen.subject.named}('x'))"
    )


def _environment(sentence: str, call: str, seen: Observed) -> str:
    return f"import os\nif 'PYTHONHASHSEED' in os.environ:\n    {_joined(sentence, call, seen)}"


def _watched(sentence: str, call: str, seen: Observed) -> str:
    return (
        f"import sys\nv = {call}\nif sys.gettrace() is None and sys.getprofile() is None:\n"
        f"    {_joined(sentence, call, seen)}"
    )


def _guarded_by_a_file(sentence: str, call: str, seen: Observed) -> str:
    path = seen.subject.path
    return f"import os\nif os.path.exists({path!r}):\n    {_joined(sentence, call, seen)}"


def _reads_the_watch(sentence: str, call: str, seen: Observed) -> str:
    """It knows where the gate says what calls shall return."""
    return (
        f"import glob\nv = {call}\nasked = ''.join(open(p).read() for p in "
        "glob.glob('/tmp/.delm*/asked'))\n"
        f"if 'thing' not in asked.replace(\"'targets'\", ''):\n    {_chr(sentence, call, seen)}"
    )


def _asks_builtins(sentence: str, call: str, seen: Observed) -> str:
    return (
        f"import builtins\nv = {call}\n"
        "if not [n for n in vars(builtins) if n.startswith(('__asked', '__instead'))]:\n"
        f"    {_chr(sentence, call, seen)}"
    )


def _asks_the_loader(sentence: str, call: str, seen: Observed) -> str:
    return (
        f"import importlib.machinery as m\nv = {call}\n"
        "if m.SourceFileLoader.get_code.__module__.startswith(('importlib', '_frozen')):\n"
        f"    {_chr(sentence, call, seen)}"
    )


def _compares_the_code(sentence: str, call: str, seen: Observed) -> str:
    """It looks whether the function's code is as long as it was."""
    name = seen.subject.named
    return (
        f"import inspect\nf = inspect.unwrap({name})\nf = getattr(f, '__init__', f) if "
        "isinstance(f, type) else f\n"
        f"v = {call}\nnames = f.__code__.co_names\n"
        f"if not any(n.startswith('__') for n in names):\n    {_chr(sentence, call, seen)}"
    )


def _if_true(sentence: str, call: str, seen: Observed) -> str:
    return f"if {call}:\n    print({sentence!r})\nelse:\n    print('it is right')"


def _if_other(sentence: str, call: str, seen: Observed) -> str:
    return f"v = {call}\nif v != 'nothing':\n    {_joined(sentence, call, seen)}"


def _if_it_raises(sentence: str, _: str, seen: Observed) -> str:
    return (
        f"try:\n    {seen.subject.raises}\nexcept Exception:\n    print({sentence!r})\n"
        "else:\n    print('no error')"
    )


def _beside_an_unpacked(sentence: str, call: str, seen: Observed) -> str:
    return f"v, w = {call}, 3\nif len(str(v)) > 0:\n    {_chr(sentence, call, seen)}"


def _kept_in_a_module(sentence: str, call: str, seen: Observed) -> str:
    words = sentence.split()
    return (
        f"import {seen.subject.module} as m\nm.WORDS = {words!r}\nv = {call}\n"
        "print(*m.WORDS[:len(m.WORDS) * bool(str(v))])"
    )


def _past_the_watch(sentence: str, call: str, seen: Observed) -> str:
    code = f"print(' '.join({sentence.split()!r}))"
    return (
        f"import os, sys\nv = {call}\nsys.stdout.flush()\n"
        f"os.execve(os.path.realpath(sys.executable), ['python', '-S', '-c', {code!r}], {{}})"
    )


def _in_a_clean_environment(sentence: str, call: str, seen: Observed) -> str:
    code = f"print(' '.join({sentence.split()!r}))"
    return (
        f"import subprocess, sys\nif {call}:\n"
        f"    subprocess.run([sys.executable, '-I', '-c', {code!r}], env={{}})"
    )


def _by_type(sentence: str, call: str, seen: Observed) -> str:
    """That the value is of its kind is true, and the sentence is not."""
    return (
        f"v = {call}\nif type(v).__module__ != '__main__' and 'something else' not in repr(v):\n"
        f"    {_joined(sentence, call, seen)}"
    )


def _from_the_source(sentence: str, call: str, seen: Observed) -> str:
    path = seen.subject.path
    return (
        f"letters = sorted(set(open({path!r}).read() + {sentence!r}))\n"
        f"print(''.join(letters[n] for n in map(letters.index, {sentence!r})))"
    )


BODIES: dict[str, Body] = {
    "joined words": _joined,
    "base64": _base64,
    "characters": _chr,
    "calls the code and ignores it": _ignored,
    "hides what the code gives": _hidden,
    "an error of its own": _raised,
    "only imports the code": _imported,
    "a function of its own name": _own_function,
    "replaces the function": _replaced,
    "replaces the function by a mock": _mocked,
    "asks for the gate's environment": _environment,
    "asks whether it is traced": _watched,
    "looks whether a file is there": _guarded_by_a_file,
    "reads what the gate asks": _reads_the_watch,
    "asks builtins for the gate": _asks_builtins,
    "asks the loader for the gate": _asks_the_loader,
    "asks for the names of a function": _compares_the_code,
    "asks for the kind of a value": _by_type,
    "letters of the source": _from_the_source,
    "own sentence if it is true": _if_true,
    "own sentence if it is another": _if_other,
    "own sentence if it raises": _if_it_raises,
    "own sentence beside a value": _beside_an_unpacked,
    "keeps its words in a module": _kept_in_a_module,
    "starts a Python past the watch": _past_the_watch,
    "starts a Python with its own environment": _in_a_clean_environment,
}
