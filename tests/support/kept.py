"""Towns of the rules' tests, put into tables that are kept from test to test: making them anew takes longer than most scans.

A folder is read and a database made for each town where what is read is itself in question, and always when we explore.
"""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Mapping, Sequence
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import psycopg
from psycopg import sql

from detectors.source import CANONICAL, Counters, Source, SourceMapping, Tables, open_source
from detectors.source.folder import FolderSource
from tests.support.postgres import Database, copy_rows

Rows = Sequence[Mapping[str, Any]]
_UUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_FIRST, _LAST = datetime(1900, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


class KeptFolder:
    """A folder that was opened once, whose tables are filled anew for each town."""

    def __init__(self, folder: Path) -> None:
        """`folder` has every table, none of them with a row."""
        self._source = FolderSource(folder, SourceMapping())
        self._types = {name: self._columns(name) for name in CANONICAL}
        self._filled: dict[str, Any] = {name: [] for name in CANONICAL}

    def _columns(self, table: str) -> dict[str, str]:
        return {row[0]: row[1] for row in self._source._execute(f"DESCRIBE {table}")}

    def holding(self, tables: Mapping[str, Rows]) -> Source | None:
        """The tables with these rows, until they are filled again; None if a file might not be read as they stand here."""
        filled = {name: _read_as_they_stand(name, tables.get(name, ())) for name in CANONICAL}
        if any(rows is None for rows in filled.values()):
            return None
        for name, rows in filled.items():
            if rows != self._filled[name]:
                self._fill(name, cast(list[tuple[Any, ...]], rows))
        return _Opened(self._source)

    def _fill(self, table: str, rows: list[tuple[Any, ...]]) -> None:
        columns = ", ".join(f"{name} {stored}" for name, stored in self._types[table].items())
        raw: Any = self._source._raw
        self._filled[table] = None
        raw.execute(f"CREATE OR REPLACE TABLE {table} ({columns})")
        if rows:
            one = f"({', '.join('?' * len(rows[0]))})"
            raw.execute(
                f"INSERT INTO {table} ({', '.join(CANONICAL[table].columns)}) VALUES {', '.join([one] * len(rows))}",
                [value for row in rows for value in row],
            )
        self._filled[table] = rows

    def close(self) -> None:
        """End the source for good."""
        self._source.close()


class _Opened(FolderSource):
    """A source as it was when the folder had just been opened, in the connection of the one that is kept."""

    def __init__(self, kept: FolderSource) -> None:
        vars(self).update(vars(kept))
        self.counters, self.notices = Counters(), []
        self.tables = Tables(self.schema, kept.tables.mapping)
        self._deadline = time.monotonic() + self._scan_seconds

    def close(self) -> None:
        """Nothing: others use what it is made of."""


class KeptDatabase:
    """A database with the app's tables, filled anew for each town."""

    def __init__(self, database: Database) -> None:
        """`database` is without rows, and nobody else's."""
        self._database = database
        self._connection = database.connect()
        self._filled: dict[str, Any] = {name: [] for name in CANONICAL}

    def holding(self, tables: Mapping[str, Rows]) -> Source:
        """The tables with these rows, until they are filled again."""
        changed = {name: rows for name, rows in tables.items() if rows != self._filled[name]}
        emptied = [name for name in changed if self._filled[name] != []]
        self._filled.update(dict.fromkeys(changed))
        try:
            self._fill(emptied, changed)
        except psycopg.OperationalError:
            # Somebody may have ended the connection, or all of the server's.
            self._connection = self._database.connect()
            self._fill(emptied, changed)
        # Tests change rows and their metadata in place.
        self._filled.update(deepcopy(changed))
        return open_source(self._database.url, SourceMapping())

    def _fill(self, emptied: Sequence[str], changed: Mapping[str, Rows]) -> None:
        with self._connection.transaction(), self._connection.cursor() as cursor:
            if emptied:
                cursor.execute(sql.SQL("TRUNCATE {}").format(sql.SQL(", ").join(map(sql.Identifier, emptied))))
            copy_rows(cursor, changed)

    def close(self) -> None:
        """End the connection that fills it."""
        self._connection.close()


def _read_as_they_stand(table: str, rows: Rows) -> list[tuple[Any, ...]] | None:
    """Rows as a folder's tables hold them; None where one holds what a file's reader would look at more closely."""
    kinds = {column: canonical.kind for column, canonical in CANONICAL[table].columns.items()}
    result = []
    for row in rows:
        values = [_value(kind, row.get(column)) for column, kind in kinds.items()]
        if ... in values or row.get("id") is None:
            return None
        result.append(tuple(values))
    return result if len({row["id"] for row in rows}) == len(rows) else None


def _value(kind: str, value: Any) -> Any:
    """A value as it is read from a file; `...` for one that its reader might change."""
    if value is None or value == "":
        return None
    found: Any = ...
    if kind in {"user", "household", "id"}:
        if type(value) is int or (isinstance(value, str) and _UUID.fullmatch(value)):
            found = str(value)
    elif kind == "time":
        if isinstance(value, datetime) and value.tzinfo is UTC and _FIRST < value < _LAST:
            found = value
    elif kind == "flag":
        found = value if isinstance(value, bool) else ...
    elif kind == "json":
        found = json.dumps(value) if isinstance(value, dict) else ...
    elif kind == "number":
        found = value if isinstance(value, int | float) and math.isfinite(value) else ...
    elif isinstance(value, str) and value.isprintable() and value not in {"NULL", "\\N"}:
        found = value
    return found if len(str(found)) <= 1_000 else ...
