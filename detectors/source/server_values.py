"""How the values of a PostgreSQL server are read: times, ids, metadata, and texts of a server that knows no letters."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.abc import Buffer
from psycopg.adapt import Loader
from psycopg.types.string import TextLoader

from detectors.source.moments import NearestTime


class _AnyText(Loader):
    """Reads texts of a server that knows no letters: bytes that are no UTF-8 are spelled out, so that two ids stay two."""

    def load(self, data: Buffer) -> str:
        return str(data, "utf-8", "backslashreplace")


def told_at_login(connection: psycopg.Connection, name: str) -> str:
    """A setting that the server announces by itself; empty where a pooler in between does not."""
    return (connection.pgconn.parameter_status(name.encode()) or b"").decode("ascii", "replace")


def read_values(connection: psycopg.Connection, _: Any) -> None:
    """Let a new connection hand out values as rules and passes take them."""
    connection.adapters.register_loader("timestamptz", NearestTime)
    # Ids are texts to every rule; a scan reads too many to make objects of them first.
    connection.adapters.register_loader("uuid", TextLoader)
    # Metadata is read by our own reader, which no number and no nesting stops.
    for kind in ("json", "jsonb"):
        connection.adapters.register_loader(kind, TextLoader)
    if told_at_login(connection, "server_encoding") == "SQL_ASCII":
        # Asked for UTF-8, the server would refuse each row that holds something else.
        connection.autocommit = True
        connection.execute("SET client_encoding TO 'SQL_ASCII'")
        connection.autocommit = False
        for kind in ("text", "varchar", "bpchar", "name", "uuid", "json", "jsonb"):
            connection.adapters.register_loader(kind, _AnyText)
