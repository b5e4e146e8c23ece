"""What the code of some repositories does: the facts of which proposals are made.

Everything here holds at the base commit; `fault` fails there and passes with the gold patch.
"""

from dataclasses import dataclass

Edit = tuple[tuple[str, str], ...]
"""Texts of a file, and what stands in their places afterwards."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One repository."""

    dataset: str = "verified-offline"
    instance: str
    path: str  # the file that the issue is about
    module: str
    imports: str
    calls: tuple[str, ...]  # expressions, each with another value
    says_false: str  # an expression that is False
    raises: str  # an expression that raises an error with a message
    named: str  # a function or class of `module`, which `imports` has
    fault: str  # statements that fail at base and pass with the gold patch
    pins: str  # statements that pass at base and fail with the gold patch
    pins_another: str = ""  # as `pins`, by other arguments
    unnamed: str = ""  # an expression about which the issue says nothing
    fixtures: str = ""  # of pytest, that `fault` needs
    tests: tuple[str, ...]  # commands that run existing tests, which pass; the first: all of a file
    test_folder: str = ""  # where pytest is there to run them
    cli: str = ""  # a command of the repository's own program
    mends: tuple[Edit, ...]  # right, and not as the gold patch
    breaks: Edit  # passes `fault`, and breaks what worked
    hard_coded: Edit = ()  # passes `fault` and nothing else
    attempt: Edit  # changes something and does not pass `fault`


DURATIONS = Subject(
    dataset="sample",
    instance="example__durations-1",
    path="durations.py",
    module="durations",
    imports="from durations import seconds",
    calls=('seconds("91s")', 'seconds("17m")', 'seconds("5h")', '[seconds("7m"), seconds("9h")]'),
    says_false='seconds("2m") == 121',
    raises='seconds("soon")',
    named="seconds",
    fault='assert seconds("1h30m") == 5400, seconds("1h30m")',
    pins='assert seconds("1h30m") == 3600',
    pins_another='assert seconds("2h15m") == 7200',
    tests=(
        "python -m pytest -q tests/test_durations.py",
        "python -m pytest -q tests/test_durations.py -k one_unit",
        "python -m pytest tests/test_durations.py::test_what_is_no_duration_is_refused",
    ),
    test_folder="tests",
    mends=(
        (
            ("    return int(number) * SECONDS[unit]",
             "    rest = text[found.end() :]\n"
             "    return int(number) * SECONDS[unit] + (seconds(rest) if rest else 0)"),
        ),
        (
            ('    found = re.match(r"(\\d+)([hms])", text)\n    if not found:',
             '    if not re.match(r"(?:\\d+[hms])+$", text):'),
            ("    number, unit = found.groups()\n    return int(number) * SECONDS[unit]",
             '    pairs = re.findall(r"(\\d+)([hms])", text)\n'
             "    return sum(int(number) * SECONDS[unit] for number, unit in pairs)"),
        ),
        (
            ("    return int(number) * SECONDS[unit]",
             "    return int(number) * SECONDS[unit] + _more(text[found.end() :])\n\n\n"
             "def _more(text):\n    return seconds(text) if text else 0"),
        ),
        (
            ("def seconds(text):", "def seconds(text, whole=True):"),
            ("    return int(number) * SECONDS[unit]",
             "    rest = text[found.end() :] if whole else ''\n"
             "    return int(number) * SECONDS[unit] + (seconds(rest) if rest else 0)"),
        ),
    ),
    breaks=(("    return int(number) * SECONDS[unit]", "    return 5400"),),
    hard_coded=(
        ("    found = re.match",
         '    if text == "1h30m":\n        return 5400\n    found = re.match'),
    ),
    attempt=(('re.match(r"(\\d+)([hms])", text)', 're.match(r"(\\d+)([hms])$", text)'),),
)  # fmt: skip
FLASK = Subject(
    instance="pallets__flask-5014",
    path="src/flask/blueprints.py",
    module="flask.blueprints",
    imports="import flask\nfrom flask import Flask, Blueprint",
    calls=(
        'Flask("app").test_client().get("/nothing").status_code',
        'flask.json.dumps({"b": [11, 2]})',
        'Blueprint("shop", "shop", url_prefix="/s31").url_prefix',
        'Flask("shop31").name',
    ),
    says_false='Blueprint("shop", "shop").has_static_folder',
    raises='Blueprint("a.b", "m")',
    named="Blueprint",
    fault='import pytest\nwith pytest.raises(ValueError):\n    Blueprint("", "m")',
    pins='assert Blueprint("", "m").name == ""',
    unnamed='flask.json.dumps({"b": [11, 2]})',
    tests=(
        "python -m pytest -q tests/test_blueprints.py",
        "python -m pytest -q tests/test_blueprints.py -k 'dotted or prefix'",
        "python -m pytest tests/test_blueprints.py::test_blueprint_prefix_slash",
    ),
    test_folder="tests",
    cli="python -m flask --version",
    mends=(
        (('        if "." in name:',
          '        if name == "":\n            raise ValueError("the name is empty")\n\n'
          '        if "." in name:'),),
        (('        if "." in name:',
          '        if not len(name):\n            raise ValueError("A name is needed.")\n\n'
          '        if "." in name:'),),
    ),
    breaks=(
        ('        if "." in name:',
         '        if len(name) < 6:\n            raise ValueError("too short")\n\n'
         '        if "." in name:'),
    ),
    attempt=(('        if "." in name:', '        if name is None or "." in name:'),),
)  # fmt: skip
REQUESTS = Subject(
    instance="psf__requests-6028",
    path="requests/utils.py",
    module="requests.utils",
    imports="import requests\nfrom requests.utils import *",
    calls=(
        'prepend_scheme_if_needed("example.com/path31", "http")',
        'requote_uri("http://a/b c31")',
        'parse_dict_header("foo=1, bar=27")',
        'super_len("abcd" * 31)',
    ),
    says_false='is_ipv4_address("8.8.8.8.8")',
    raises='requests.Request("GET", "nothing").prepare()',
    named="requote_uri",
    fault='u = "http://user:pass@example.com/path?query"\n'
    'assert prepend_scheme_if_needed(u, "http") == u, prepend_scheme_if_needed(u, "http")',
    pins='u = "http://user:pass@example.com/path?query"\n'
    'assert prepend_scheme_if_needed(u, "http") == "http://example.com/path?query"',
    pins_another='u = "http://me:word@example.org/way?q"\n'
    'assert prepend_scheme_if_needed(u, "http") == "http://example.org/way?q"',
    unnamed='requote_uri("http://a/b c31")',
    tests=(
        "python -m pytest -q tests/test_utils.py -k 'prepend or dict or Len'",
        "python -m pytest -q tests/test_structures.py",
        "python -m pytest tests/test_utils.py::TestGuessFilename",
    ),
    test_folder="tests",
    mends=(
        (("    if scheme is None:\n        scheme = new_scheme",
          '    if auth:\n        netloc = f"{auth}@{netloc}"\n'
          "    if scheme is None:\n        scheme = new_scheme"),),
        (("    return urlunparse((scheme, netloc, path, '', query, fragment))",
          "    where = netloc if auth is None else auth + '@' + netloc\n"
          "    return urlunparse((scheme, where, path, '', query, fragment))"),),
    ),
    breaks=(
        ("    return urlunparse((scheme, netloc, path, '', query, fragment))",
         "    where = (auth or 'user') + '@' + netloc\n"
         "    return urlunparse((scheme, where, path, '', query, fragment))"),
    ),
    hard_coded=(
        ("    parsed = parse_url(url)\n    scheme, auth",
         "    if url == 'http://user:pass@example.com/path?query':\n        return url\n"
         "    parsed = parse_url(url)\n    scheme, auth"),
    ),
    attempt=(("    if scheme is None:\n        scheme = new_scheme",
              "    if scheme is None:\n        scheme = new_scheme or 'http'"),),
)  # fmt: skip
PYTEST = Subject(
    instance="pytest-dev__pytest-10051",
    path="src/_pytest/logging.py",
    module="_pytest.logging",
    imports="import pytest\nfrom _pytest.mark.expression import Expression\n"
    "from _pytest._io.saferepr import saferepr\nfrom _pytest.logging import LogCaptureHandler",
    calls=(
        'len(saferepr("x" * 3100))',
        "pytest.approx(31.0)",
        'saferepr({"b": [11, 2]})',
        'saferepr(["y31", 7])',
    ),
    says_false='Expression.compile("a and b").evaluate(lambda name: name == "a")',
    raises='Expression.compile("a and (")',
    named="LogCaptureHandler",
    fault="import logging\nlogging.warning('one')\ncaplog.clear()\n"
    "assert caplog.get_records('call') == []",
    pins="import logging\nlogging.warning('one')\ncaplog.clear()\n"
    "assert len(caplog.get_records('call')) == 1",
    unnamed='saferepr({"b": [11, 2]})',
    fixtures="caplog",
    tests=(
        "python -m pytest -q testing/logging/test_fixture.py",
        "python -m pytest -q testing/test_mark_expression.py",
        "python -m pytest testing/logging/test_fixture.py -k 'level or clear'",
    ),
    test_folder="testing",
    cli="python -m pytest --version",
    mends=(
        (("        self.handler.reset()",
          "        self.handler.records.clear()\n        self.handler.stream = StringIO()"),),
        (("        self.handler.reset()",
          "        del self.handler.records[:]\n        self.handler.stream = StringIO()"),),
    ),
    breaks=(("        return self._item.stash[caplog_records_key].get(when, [])",
             "        return []"),),
    attempt=(("        self.handler.reset()",
              "        self.handler.reset()\n        self.handler.flush()"),),
)  # fmt: skip
SPHINX = Subject(
    instance="sphinx-doc__sphinx-11445",
    path="sphinx/util/rst.py",
    module="sphinx.util.rst",
    imports="from docutils.statemachine import StringList\n"
    "from sphinx.util import parselinenos\n"
    "from sphinx.util.rst import escape, prepend_prolog, textwidth",
    calls=(
        'textwidth("Hello" * 7)',
        'parselinenos("1,2,4-6", 31)',
        'escape(":ref:`id31`")',
        'textwidth("Hello" * 31)',
    ),
    says_false='textwidth("Hello") == 4',
    raises='parselinenos("1-2-3", 10)',
    named="prepend_prolog",
    fault='c = StringList([":mod:`foo`", "-----", "", "hello"], "dummy.rst")\n'
    'prepend_prolog(c, "prolog")\nassert list(c)[0] == "prolog", list(c)',
    pins='c = StringList([":mod:`foo`", "-----", "", "hello"], "dummy.rst")\n'
    'prepend_prolog(c, "prolog")\nassert list(c)[0] == ":mod:`foo`"',
    pins_another='c = StringList([":mod:`bar`", "-----", "", "hello"], "dummy.rst")\n'
    'prepend_prolog(c, "before")\nassert list(c)[0] == ":mod:`bar`"',
    unnamed='parselinenos("1,2,4-6", 31)',
    tests=(
        "python -m pytest -q tests/test_util_rst.py",
        "python -m pytest -q tests/test_util_rst.py -k prolog",
        "python -m pytest tests/test_util_rst.py::test_escape",
    ),
    test_folder="tests",
    cli="python -m sphinx --version",
    mends=(
        ((r"docinfo_re = re.compile(':\\w+:.*?')", r"docinfo_re = re.compile(':\\w+:(?!`)')"),),
        ((r"docinfo_re = re.compile(':\\w+:.*?')", r"docinfo_re = re.compile(':\\w+:([^`]|$)')"),),
    ),
    breaks=((r"docinfo_re = re.compile(':\\w+:.*?')", r"docinfo_re = re.compile('no such line')"),),
    hard_coded=((r"docinfo_re = re.compile(':\\w+:.*?')",
                 r"docinfo_re = re.compile(':(?!mod:`foo`)\\w+:.*?')"),),
    attempt=((r"docinfo_re = re.compile(':\\w+:.*?')", r"docinfo_re = re.compile(':\\w+:.*')"),),
)  # fmt: skip
SYMPY = Subject(
    instance="sympy__sympy-23534",
    path="sympy/core/symbol.py",
    module="sympy.core.symbol",
    imports="from sympy import Function, Symbol, expand, factorial, symbols",
    calls=('symbols("x0:3")', "factorial(13)", 'expand((Symbol("x") + 5) ** 2)',
           'symbols("a31 b")'),
    says_false='Symbol("x", positive=True).is_negative',
    raises='symbols("")',
    named="symbols",
    fault='q, u = symbols(("q:2", "u:2"), cls=Function)\n'
    'assert type(q[0]).__name__ == "UndefinedFunction", type(q[0])',
    pins='q, u = symbols(("q:2", "u:2"), cls=Function)\n'
    'assert type(q[0]).__name__ == "Symbol"',
    unnamed="factorial(13)",
    tests=(
        "python -c 'import sys, sympy\n"
        "sys.exit(not sympy.test(\"sympy/core/tests/test_symbol.py\"))'",
        "python -c 'from sympy.core.tests.test_symbol import test_symbols as t\nt(); "
        "print(\"ok\")'",
    ),
    mends=(
        (("            result.append(symbols(name, **args))",
          "            result.append(symbols(name, **dict(args, cls=cls)))"),),
    ),
    breaks=(
        ("            result.append(symbols(name, **args))",
         "            result.append(symbols(name, cls=cls, **args))"),
        ("        return type(names)(result)", "        return tuple(result)"),
    ),
    attempt=(("            result.append(symbols(name, **args))",
              "            result.append(symbols(str(name), **args))"),),
)  # fmt: skip
DJANGO = Subject(
    instance="django__django-16485",
    path="django/template/defaultfilters.py",
    module="django.template.defaultfilters",
    imports="from django.conf import settings\nsettings.configure(USE_I18N=False)\n"
    "from django.template.defaultfilters import floatformat\n"
    "from django.utils.dateparse import parse_duration\n"
    "from django.utils.text import get_valid_filename, slugify",
    calls=(
        "floatformat(34.23131, 3)",
        'slugify("Hello, World 31")',
        'parse_duration("1 2:03:31")',
        'floatformat("3.50", 1)',
    ),
    says_false='floatformat(1.5, 1) == "2"',
    raises='get_valid_filename("..")',
    named="floatformat",
    fault='assert floatformat("0.00", 0) == "0"',
    pins='try:\n    floatformat("0.00", 0)\nexcept ValueError as e:\n    print("error", e)\n'
    'else:\n    raise SystemExit("no error")',
    unnamed='slugify("Hello, World 31")',
    tests=(
        "python tests/runtests.py template_tests.filter_tests.test_floatformat",
        "cd tests && python runtests.py utils_tests.test_text",
        "python tests/runtests.py "
        "template_tests.filter_tests.test_floatformat.FunctionTests.test_zero_values",
    ),
    cli="python -m django --version",
    mends=(
        (("    if not m and p < 0:", "    if not m and p < 1:"),),
        (("    if not m and p < 0:", "    if not (m or p > 0):"),),
    ),
    breaks=(("    if not m and p < 0:", "    if not m:"),),
    hard_coded=(("    try:\n        input_val = str(text)",
                 '    if text == "0.00":\n        return "0"\n'
                 "    try:\n        input_val = str(text)"),),
    attempt=(("    if not m and p < 0:", "    if not m and p < 0 and d:"),),
)  # fmt: skip
SUBJECTS = (DURATIONS, FLASK, REQUESTS, PYTEST, SPHINX, SYMPY, DJANGO)
