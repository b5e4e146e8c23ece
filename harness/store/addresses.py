"""Addresses of stores: the path of a SQLite file, or `postgresql://…#RUN`."""

import os
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

from harness import secrets
from harness.errors import UserError

VARIABLE = "DELM_STORE"  # holds the URL of a server, with its password where it needs one


def is_postgres(address: str) -> bool:
    """Whether an address is that of a PostgreSQL server."""
    return address.startswith(("postgresql://", "postgres://"))


def server_url(url: str) -> str:
    """The URL of a server that a user gives, with its password where the variable has it.

    `UserError`: it is none, or names a run.
    """
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises where it is no number
    except ValueError as error:
        raise UserError(f"--store: {secrets.redact_error(url)} is no URL: {error}") from None
    if not is_postgres(url):
        raise UserError(
            f"--store: {secrets.redact_error(url)} is no PostgreSQL server that several machines "
            "can reach; give postgresql://USER@HOST/DATABASE, or leave it out: then the run is a "
            "SQLite file in its folder, for this machine alone"
        )
    if parts.fragment:
        raise UserError("--store: leave out the part after #; --run-id names the run")
    secrets.learn(*filter(None, (_password(url),)))
    return with_password(url)


def without_password(url: str) -> str:
    """The same URL without its password."""
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    query = [(key, value) for key, value in parse_qsl(parts.query) if key != "password"]
    return urlunsplit(
        parts._replace(netloc=user.partition(":")[0] + at + host, query=urlencode(query, safe="/"))
    )


def with_password(address: str, *urls: str) -> str:
    """`address`, which has no password, with the one of the first of `urls`, or of the variable,
    that is for the same server."""
    url, mark, run = address.partition("#")
    for given in (*urls, os.environ.get(VARIABLE, "")):
        if given and is_postgres(given) and without_password(given) == without_password(url):
            return f"{given}{mark}{run}"
    return address


def _password(url: str) -> str:
    parts = urlsplit(url)
    return unquote(parts.password or "") or dict(parse_qsl(parts.query)).get("password", "")
