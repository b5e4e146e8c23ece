"""Addresses of stores: the path of a SQLite file, or `postgresql://…#RUN`."""

import os
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

from harness import secrets
from harness.errors import UserError

SECRET = ("password", "sslpassword")  # of a URL's options
VARIABLE = "DELM_STORE"  # holds the URL of a server, with its password where it needs one


def is_postgres(address: str) -> bool:
    """Whether an address is that of a PostgreSQL server."""
    return address.startswith(("postgresql://", "postgres://"))


def server_url(url: str) -> str:
    """The URL of a server that a user gives, with its password where the variable has it.

    `UserError`: it is none, or names a run.
    """
    if not is_postgres(url):
        raise UserError(
            f"--store: {secrets.redact_error(url)} is no PostgreSQL server that several machines "
            "can reach; give postgresql://USER@HOST/DATABASE, or leave it out: then the run is a "
            "SQLite file in its folder, for this machine alone"
        )
    _check(url, "--store")
    if urlsplit(url).fragment:
        raise UserError("--store: leave out the part after #; --run-id names the run")
    found = with_password(url)
    secrets.learn(*_passwords(found))
    return found


def _check(url: str, what: str) -> None:
    """Raise `UserError`, which does not quote it, where a URL cannot be read."""
    try:
        for host in urlsplit(url).netloc.rpartition("@")[2].split(","):
            name, colon, port = host.rpartition(":")
            if colon and not host.endswith("]"):
                int(port)
            else:
                name = host
            name.strip("[]").encode("idna")
    except ValueError:
        raise UserError(
            f"{what} is no URL (not shown, for its password): give "
            "postgresql://USER@HOST:PORT/DATABASE; in a password, write / # ? @ [ as "
            "%2F %23 %3F %40 %5B"
        ) from None


def without_password(url: str) -> str:
    """The same URL without its password."""
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    query = [(key, value) for key, value in parse_qsl(parts.query) if key not in SECRET]
    return urlunsplit(
        parts._replace(netloc=user.partition(":")[0] + at + host, query=urlencode(query, safe="/"))
    )


def with_password(address: str, *urls: str) -> str:
    """`address`, which has no password, with the one of the first of `urls`, or of the variable,
    that is for the same server."""
    url, mark, run = address.partition("#")
    for given in (*urls, os.environ.get(VARIABLE, "")):
        if not (given and is_postgres(given)):
            continue
        _check(given, VARIABLE)
        if without_password(given) == without_password(url):
            return f"{given}{mark}{run}"
    return address


def _passwords(url: str) -> list[str]:
    parts = urlsplit(url)
    found = [value for key, value in parse_qsl(parts.query) if key in SECRET]
    return [each for each in (parts.password or "", unquote(parts.password or ""), *found) if each]
