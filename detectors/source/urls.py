"""Addresses of PostgreSQL servers, as libpq takes them, and why a server does not let us in. No secret leaves this module.

An address is taken apart by libpq itself. Nothing of an address that could not be taken apart is ever repeated: where
a password holds an `@` or a `/`, any part of the rest may be a part of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import Engine, NullPool, create_engine, make_url
from sqlalchemy.exc import ArgumentError

_SCHEMES = {"postgresql", "postgres", "postgresql+psycopg"}
_KEYWORDS = frozenset(default.keyword.decode() for default in psycopg.pq.Conninfo.get_defaults())
_FORM = "write postgresql://USER@HOST:5432/NAME"
_ENCODE = (
    "cannot be taken apart: percent-encode what stands in user, password and name "
    "(@ is %40, / is %2F, # is %23, ? is %3F, % is %25, a blank is %20)"
)
_HOST = re.compile(r"[\w.:*-]+(,[\w.:*-]*)*|/[^,]*(,/[^,]*)*|@[\w.-]+", re.ASCII)
_PORT = re.compile(r"\d{0,5}(,\d{0,5})*", re.ASCII)
_OF_OTHERS = {
    "schema": "name the schema in the policy, [source] schema = …, and leave ?schema= out",
    "currentSchema": "name the schema in the policy, [source] schema = …, and leave ?currentSchema= out",
    "search_path": "name the schema in the policy, [source] schema = …, and leave ?search_path= out",
}
"""Parameters that other programs read in an address, and what to do here instead."""
_DEFAULTS = {
    "connect_timeout": "10",
    "fallback_application_name": "hearthwatch",
    # A connection that somebody on the way has dropped in silence is noticed after two minutes.
    "keepalives_idle": "60",
    "keepalives_interval": "10",
    "keepalives_count": "6",
}


class AddressError(Exception):
    """An address that cannot be used. The message goes on after "the source's address" and holds no part of it."""


@dataclass(frozen=True, slots=True)
class Server:
    """Where a PostgreSQL server is and how to log in; `label` is for people and holds no secret."""

    label: str
    parameters: Mapping[str, str] = field(repr=False)

    def engine(self, **arguments: Any) -> Engine:
        """Connections to it, one for each time that one is asked for; `arguments` are psycopg's."""
        # The engine's own address stays empty, so that nothing that shows it can show a password. No prepared statements:
        # behind a transaction pooler they would outlive their server connection.
        given = {**_DEFAULTS, **self.parameters, "client_encoding": "UTF8", "prepare_threshold": None, **arguments}
        return create_engine("postgresql+psycopg://", poolclass=NullPool, connect_args=given, hide_parameters=True)


def is_server(where: str) -> bool:
    """Whether `where` is meant as the address of a PostgreSQL server: a URL of its own, or libpq's `key=value` words."""
    scheme, parted, _ = where.strip().partition("://")
    if parted and re.fullmatch(r"[\w+]+", scheme):
        return scheme.lower() in _SCHEMES
    keyword, parted, _ = where.partition("=")
    return bool(parted) and keyword.strip() in _KEYWORDS


def may_hold_a_secret(where: str) -> bool:
    """Whether a text that should be a path looks like a mistyped address, so that it is not to be shown."""
    return any(sign in where for sign in ("@", "://", "password", "postgres:", "postgresql:"))


def server_at(where: str) -> Server:
    """The server at an address for which `is_server` holds. Raises AddressError."""
    where = where.strip()
    if any(character < " " or character == "\x7f" for character in where):
        raise AddressError("holds a control character: write it on one line, without tabs")
    parameters = _of_url(where) if "://" in where.partition("=")[0] else _of_words(where)
    host, port = (parameters.get(name) or "" for name in ("host", "port"))
    if host and not _HOST.fullmatch(host):
        raise AddressError(_ENCODE)
    if not _PORT.fullmatch(port):
        raise AddressError(
            "names a port that is no number: write HOST:5432, and percent-encode what stands in the password (/ is %2F)"
        )
    return Server(_label(parameters), parameters)


def _of_words(where: str) -> dict[str, str]:
    try:
        return _strings(conninfo_to_dict(where))
    except psycopg.Error:
        raise AddressError(
            "cannot be taken apart: write KEY=VALUE with libpq's keywords, a value with blanks in quotes"
        ) from None


def _of_url(where: str) -> dict[str, str]:
    rest = where.partition("://")[2]
    before, at, after = rest.partition("@")
    place, _, query = (rest if not at or "/" in before else after).partition("?")
    # libpq takes the first @ for the end of the password, and what follows for a host.
    if "@" in place:
        raise AddressError(_ENCODE)
    names = [name for name in re.findall(r"(?:^|&)(\w+)(?==)", query) if name in {*_KEYWORDS, *_OF_OTHERS}]
    for name in names:
        if name in _OF_OTHERS:
            raise AddressError(f"has a parameter that PostgreSQL does not know: {_OF_OTHERS[name]}")
    try:
        if names.count("host") > 1:
            return _of_several(f"postgresql+psycopg://{rest}")
        return _strings(conninfo_to_dict(f"postgresql://{rest}"))
    except psycopg.Error as error:
        if "URI query parameter" in str(error):
            raise AddressError(
                "has a parameter after the ? that PostgreSQL does not know: leave it out (a ? in a password is %3F)"
            ) from None
        raise AddressError(_ENCODE) from None
    except (ArgumentError, ValueError):
        raise AddressError(_ENCODE) from None


def _of_several(url: str) -> dict[str, str]:
    """SQLAlchemy's own way of naming several hosts, `?host=h1:5432&host=h2:5433`."""
    parsed = make_url(url)
    _, arguments = parsed.get_dialect()().create_connect_args(parsed)
    return _strings({name: value for name, value in arguments.items() if name in _KEYWORDS})


def _strings(parameters: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in parameters.items() if value is not None}


def _label(parameters: Mapping[str, str]) -> str:
    hosts = (parameters.get("host") or parameters.get("hostaddr") or "").split(",")
    ports = (parameters.get("port") or "").split(",")
    if parameters.get("service") and not any(hosts):
        hosts = [f"service {parameters['service']}"]
    places = ",".join(_places(hosts, ports))
    return f"postgresql://{places}/{parameters.get('dbname', '')}"


def _places(hosts: list[str], ports: list[str]) -> Iterator[str]:
    for place, host in enumerate(hosts):
        port = ports[place] if len(ports) == len(hosts) else ports[0]
        name = "local" if not host or host[0] in "/@" else f"[{host}]" if ":" in host else host
        yield f"{name}:{port}" if port and name != "local" else name


LOST_STATES = ("08", "57P", "25P03", "25P04", "40", "72")
"""Beginnings of the SQLSTATEs with which a server ends a connection, or what was done in it, for no fault of the statement."""
_NOT_YET = (
    "starting up",
    "shutting down",
    "recovery mode",
    "not yet accepting",
    "closed the connection",
    "connection is closed",
)
_REFUSALS = (
    ("statement pooling", "a pooler in statement mode is in between, which knows no snapshots: use another pool mode"),
    ("password authentication failed", "the server refuses the password: correct it, or the user"),
    ("no password supplied", "the server wants a password: give one by PGPASSWORD or a passfile"),
    (
        "no pg_hba.conf entry",
        "the server lets nobody in from here to that database as this role: add a line to its pg_hba.conf, or set sslmode",
    ),
    (
        "pg_hba.conf rejects",
        "the server lets nobody in from here to that database as this role: see its pg_hba.conf, or set sslmode",
    ),
    ("authentication failed", "the server refuses to log this role in: check the user and how it is to prove itself"),
    ("not permitted to log in", "the role may not log in: name another one, or run ALTER ROLE … LOGIN"),
    ("permission denied for database", "the role may not connect to that database: GRANT CONNECT on it"),
    ('role "', "the server knows no such role: correct the user"),
    ('database "', "the server has no such database: correct its name"),
    ("connection slots", "the server has no connection left: try again later, or raise the role's limit"),
    ("too many clients", "the server has no connection left: try again later, or raise its max_connections"),
    ("too many connections", "the role or the database has no connection left: try again later, or raise the limit"),
    ("failed to resolve", "there is no such host: correct its name"),
    ("could not translate host", "there is no such host: correct its name"),
    ("connection refused", "nothing listens there: check host and port, and whether the server runs"),
    ("no such file", "no server listens on that socket: check host and port, and whether the server runs"),
    ("timeout expired", "no answer came in time: check host, port and firewall"),
    ("connection timeout", "no answer came in time: check host, port and firewall"),
    ("unreachable", "there is no way to that host from here: check the address and the network"),
    ("no route to host", "there is no way to that host from here: check the address and the network"),
    ("definition of service", "there is no such service: name one of pg_service.conf, or set PGSERVICEFILE"),
    ("service file", "the service file cannot be read: check PGSERVICEFILE"),
    ("invalid sslmode", "sslmode has a value that libpq does not take: correct it"),
    ("does not support ssl", "the server speaks no TLS: set sslmode=prefer, or turn ssl on there"),
    ("certificate", "the certificates do not fit: check sslmode, sslrootcert, sslcert and sslkey"),
    ("private key file", "the key cannot be used: check sslkey and the rights of its file"),
    ("ssl", "TLS could not be agreed on: check sslmode and the certificates"),
    ("session is", "no server of the kind that target_session_attrs asks for is there"),
    ("server is", "no server of the kind that target_session_attrs asks for is there"),
    ("invalid ", "a parameter of the address has a value that libpq does not take: correct it"),
)
"""What libpq's message holds, and what that means. Its own words may quote the address, so they are never passed on."""


def cause_of(error: BaseException) -> BaseException:
    """The driver's error behind SQLAlchemy's."""
    return getattr(error, "orig", None) or error


def refusal(error: BaseException) -> str:
    """Why no connection was made, with the remedy, in our own words."""
    said = str(cause_of(error)).lower()
    if is_passing(error):
        return "the server is starting, stopping or has ended the connection: try again in a minute"
    known = (reason for sign, reason in _REFUSALS if sign in said)
    return next(known, "no connection was made: try the same address with psql, which tells more")


def is_passing(error: BaseException) -> bool:
    """Whether a connection failed for a reason that passes by itself, as while a server restarts."""
    said = str(cause_of(error)).lower()
    return any(sign in said for sign in _NOT_YET)


def sqlstate(error: BaseException) -> str:
    """The server's code for what happened; empty if the server said nothing."""
    return getattr(cause_of(error), "sqlstate", None) or ""
