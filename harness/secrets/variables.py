"""Which values of an environment are secrets: by the variable's name, and by the value's own look.

A name that ends like a secret's makes its value one, unless that is a word, a number, a path or a
placeholder. A name that has such a word elsewhere, and any other name, do so where the value looks
random. Passwords inside of values (addresses, connection strings, headers, Docker's logins) count
under every name.
"""

import base64
import re
from binascii import Error
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from harness.secrets.spellings import LEAST

WORDS_LEAST = 20  # characters from which words are a secret, too
RANDOM_LEAST = 24  # letters and digits of a value that looks random, under any name
NAMED_LEAST = 12  # the same, where the name has a secret's word in it

_STRONG = r"KEY|TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|PASSCODE|CREDENTIAL|COOKIE|JWT|BEARER|OTP"
_OWNERS = "DB|PG|MYSQL|FTP|SMTP|IMAP|MAIL|USER|ROOT|ADMIN|SSH|LDAP|REDIS|SUDO|WIFI|MY"
_WEAK = (
    rf"(?:{_OWNERS})?(?:PASS|PWD|PW|PSW)|PAT|AUTH|AUTHORIZATION|SALT|SAS|SIG|SIGNATURE|PIN|HMAC"
    r"|MNEMONIC|SEED_PHRASE|DSN|WEBHOOK|CONNECTION_STRING|CONN_STR|CSRF|XSRF|NETRC|KEYTAB"
)
_TAIL = (
    r"ID|BASE|VALUE|STRING|HEADER|HEADERS|CONFIG|JSON|DATA|CONTENT|CONTENTS|PEM|HEX|B64|BASE64|URL"
    r"|OLD|NEW|PREVIOUS|CURRENT|PRIMARY|SECONDARY|PROD|PRODUCTION|STAGING|DEV|TEST|LIVE|\d+"
)
_ENDS = re.compile(rf"(?:(?:{_STRONG})S?|(?:^|_)(?:{_WEAK}))(?:_(?:{_TAIL}))*$")
_HOLDS = re.compile(rf"(?:^|_)(?:API|ACCESS)?(?:(?:{_STRONG})S?|{_WEAK})(?:_|$)")
_IN_ADDRESS = re.compile("WEBHOOK|DSN|SAS")  # an address of which a part is the secret
_HONEST = frozenset({"PWD", "OLDPWD"})  # where a shell is
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[-.]")

_NUMBER = re.compile(r"[-+.,\deE]+")
_WORDS = re.compile(r"[a-z]+(?:[ _-][a-z]+)*")  # "none", "not-needed"
_PLACEHOLDER = re.compile(
    r"<.*>|\$\{\w+\}|\$[A-Z_]+|\{\{.*\}\}|[x*._ -]+|(.)\1*|(?:your|my|insert|enter)[-_ ].*"
    r"|(?:change|replace)[-_ ]?(?:me|this).*"
    r"|(?:password|passwd|admin|root|test|user|guest|demo|dummy|example|secret|default|postgres"
    r"|mysql|redis|token|letmein|welcome|qwerty)[-_]?\d{0,4}!?",
    re.IGNORECASE,
)
_PAIR = re.compile(
    r"(?:passw(?:or)?d|pwd|secret|token|signature|(?<![a-z])sig|authorization|(?<![\w-])auth|cookie"
    r"|(?:api|account|access|shared|private|subscription)[-_]?(?:access)?[-_]?key)"
    r"[\"']?\s*[=:]\s*[\"']?((?:(?:Bearer|Basic|Token)\s+)?[^\s\"'&;,}]{8,})",
    re.IGNORECASE,
)
_SCHEME = re.compile(r"(?:Bearer|Basic|Token)\s+", re.IGNORECASE)
_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY")
_ONE_TOKEN = re.compile(r"[A-Za-z0-9+/=_.~-]+")
_HEX = re.compile(r"[0-9a-f]+|[0-9A-F]+")
_CHANGES = re.compile(r"(?<=[a-z])[A-Z0-9]|(?<=[A-Z])[0-9]|(?<=[0-9])[A-Za-z]")
PROVIDERS = re.compile(  # what keys of providers begin with
    r"\b(?:sk|gsk|xai|pk|rk)[-_](?=[\w-]*\d)[A-Za-z0-9_-]{16,}|\bAIza[\w-]{30,}"
    r"|\bgh[pousr]_\w{20,}|\bgithub_pat_\w{20,}|\bglpat-[\w-]{16,}|\bhf_[A-Za-z0-9]{20,}"
    r"|\bnpm_[A-Za-z0-9]{30,}|\bpypi-[\w-]{40,}|\bxox[abeoprs]-[\w-]{10,}|\bdop_v1_[0-9a-f]{32,}"
    r"|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b|\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]*"
)


def environment_secrets(environ: Mapping[str, str]) -> list[tuple[str, str]]:
    """Each variable and a secret in it: its value, or a part of that."""
    found = [(name, value) for name in environ for value in _in_variable(name, environ[name])]
    return [(name, value) for name, value in dict.fromkeys(found) if is_secret(value)]


def names_a_secret(name: str) -> bool:
    """Whether a name says that its value is a secret."""
    spelt = _CAMEL.sub("_", name).upper()
    return spelt not in _HONEST and _ENDS.search(spelt) is not None


def is_secret(value: str) -> bool:
    """Whether a value under a secret's name is one: no word, number, placeholder or file."""
    if len(value) < LEAST or _NUMBER.fullmatch(value) or _PLACEHOLDER.fullmatch(value):
        return False
    if (len(value) < WORDS_LEAST and _WORDS.fullmatch(value)) or value.startswith(("~/", "./")):
        return False
    return not (value.startswith("/") and "\0" not in value and Path(value).exists())


def passwords(text: str) -> list[str]:
    """The passwords of the addresses in `text`, as they stand there and as they are typed.

    A name without a password is one where it looks random: that is how tokens are sent.
    """
    found: list[str] = []
    for address in text.split() if "://" in text and "@" in text else ():
        try:
            parts = urlsplit(address.strip("\"'"))
        except ValueError:
            continue
        name = parts.username or ""
        password = parts.password or (name if looks_random(name, NAMED_LEAST) else "")
        found += [password, unquote(password)] if password else []
    return list(dict.fromkeys(found))


def looks_random(value: str, least: int = RANDOM_LEAST) -> bool:
    """Whether nobody would type `value`: letters and digits without order, as in a base64.

    Hashes and words with numbers do not: where capitals and digits begin is counted. Of 62
    characters by chance almost half are such beginnings.
    """
    letters = re.sub(r"[^A-Za-z0-9]", "", value)
    if (
        len(letters) < least
        or not _ONE_TOKEN.fullmatch(value)
        or value.startswith(("/", "./", "~"))
    ):
        return False
    kinds = [any(map(kind, letters)) for kind in (str.isdigit, str.islower, str.isupper)]
    if _HEX.fullmatch(letters) or not kinds[0] or (least >= RANDOM_LEAST and not all(kinds)):
        return False
    return len(_CHANGES.findall(letters)) >= 0.3 * len(letters)


def _in_variable(name: str, value: str) -> Iterator[str]:
    spelt = _CAMEL.sub("_", name).upper()
    ends = _ENDS.search(spelt) if spelt not in _HONEST else None
    if value.startswith(("http://", "https://")):
        if ends and _IN_ADDRESS.search(spelt):
            yield from (value, value.rstrip("/").rpartition("/")[2])
    elif (
        ends
        or (_HOLDS.search(spelt) and looks_random(value, NAMED_LEAST))
        or looks_random(value)
        or _PRIVATE_KEY.search(value)
    ):
        yield from (value, *_unpacked(value))
        if "COOKIE" in spelt:
            yield from (part.partition("=")[2] for part in re.split(r";\s*", value))
    for pair in _PAIR.finditer(value):
        yield from _unpacked(pair[1])
    yield from (match[0] for match in PROVIDERS.finditer(value))
    yield from passwords(value)


def _unpacked(value: str) -> Iterator[str]:
    """A value without the word for its kind, and the password of a name and a password."""
    bare = _SCHEME.sub("", value, count=1)
    yield bare
    try:
        name, colon, password = base64.b64decode(bare, validate=True).decode().partition(":")
    except (Error, ValueError):
        return
    if colon and name.isprintable() and password.isprintable():
        yield password
