"""A journal's address as it is shown, stored and told: built from the parts of the parsed URL that cannot be secret.

What cannot be parsed without doubt is refused and not repeated: half of a password may stand in it.
"""

from __future__ import annotations

import os
import re
import shlex
from urllib.parse import quote, quote_plus

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from rollout import redaction
from rollout.errors import UserError

#: Parameters of libpq whose values may be read by all; any other is left out of what is shown.
_SHOWN = frozenset(
    {
        *("host", "hostaddr", "port", "user", "dbname", "service", "passfile", "sslmode", "sslrootcert", "sslcert"),
        *("sslkey", "sslcrl", "sslnegotiation", "channel_binding", "gssencmode", "application_name"),
        *("connect_timeout", "target_session_attrs", "load_balance_hosts"),
    }
)
_SECRET = ("password", "sslpassword")
_HOST = re.compile(r"[\w./:,%\[\]-]*")
_DATABASE = re.compile(r"[^\s=@:/?]*")


def of_server(text: str) -> URL:
    """Return the parsed address of a server; what is secret in it is hidden from now on. `UserError`: it is none."""
    try:
        url = make_url(text).set(drivername="postgresql+psycopg")
    except (ArgumentError, ValueError):
        raise _unread() from None  # not chained: the parser repeats what it could not read
    hosts = [url.host or "", *_values(url, "host"), *_values(url, "port")]
    if not all(_HOST.fullmatch(host) for host in hosts) or not _DATABASE.fullmatch(url.database or ""):
        raise _unread()
    for secret in (*_secrets(url), os.environ.get("PGPASSWORD")):
        if secret:
            redaction.learn(secret, quote(secret), quote(secret, safe=""), quote_plus(secret))
    return url


def shown(url: URL) -> str:
    """Return an address without what is secret, or may be."""
    query = {name: value for name, value in url.query.items() if name in _SHOWN}
    parts = URL.create(url.drivername, url.username, None, url.host, url.port, url.database, query)
    return parts.render_as_string()


def is_ready(url: URL) -> str:
    """Return the command that asks whether the server of an address is up."""
    return shlex.join(("pg_isready", "--dbname", _of_libpq(url, database_of(url))))


def create(url: URL) -> str:
    """Return the command that creates the database of an address."""
    how, server = ("--encoding", "UTF8", "--template", "template0"), _of_libpq(url, "postgres")
    return shlex.join(("createdb", *how, "--maintenance-db", server, database_of(url) or url.username or "NAME"))


def database_of(url: URL) -> str:
    """Return which database an address names, "" where it leaves that to libpq; a parameter counts before the path."""
    return next(iter(_values(url, "dbname")), url.database or "")


def _of_libpq(url: URL, database: str) -> str:
    """Return an address as the tools of Postgres take it, for this database, without what is secret."""
    plain = make_url(shown(url)).difference_update_query(["dbname"])
    return plain.set(drivername="postgresql", database=database or None).render_as_string()


def has_secret(url: URL) -> bool:
    """Tell whether an address holds what is not shown."""
    return bool(_secrets(url))


def _secrets(url: URL) -> list[str]:
    passwords = [] if url.password is None else [str(url.password)]
    return passwords + [value for name in _SECRET for value in _values(url, name)]


def _values(url: URL, name: str) -> tuple[str, ...]:
    value = url.query.get(name, ())
    return (value,) if isinstance(value, str) else tuple(value)


def _unread() -> UserError:
    return UserError(
        "the journal's address, postgresql…, cannot be read",
        hint="write postgresql+psycopg://USER@HOST:PORT/DATABASE; the password is better left to PGPASSWORD",
    )
