"""A folder of CSV or Parquet files as a source, read by an in-process DuckDB."""

from __future__ import annotations

import csv
import errno
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import duckdb
from sqlalchemy import Executable, StaticPool, create_engine
from sqlalchemy.exc import DBAPIError

from detectors.source.base import (
    Check,
    Counters,
    FoundTable,
    NativeType,
    Notice,
    QueryError,
    Reach,
    Schema,
    SourceError,
)
from detectors.source.mapping import CANONICAL, CanonicalColumn, SourceMapping
from detectors.source.moments import is_before_christ, is_beyond, nearest, nearest_of_text
from detectors.source.tables import Tables

_DUCKDB_TYPES: dict[str, str] = {"flag": "BOOLEAN", "time": "TIMESTAMPTZ", "json": "JSON", "number": "DECIMAL(18, 4)"}
LONGEST_LINE = 16 * 1024 * 1024
"""In bytes; a CSV line beyond it is refused. DuckDB's own limit is 2 MB, which one long description may exceed."""
_NATIVE: dict[str, NativeType] = {"flag": "flag", "time": "time", "json": "json", "number": "number"}
_EXPECTED = {
    "BOOLEAN": "true or false",
    "TIMESTAMPTZ": "a time with zone such as 2026-02-02T14:35:00Z",
    "JSON": "a JSON object",
    "DECIMAL(18, 4)": "a number",
}


class FolderSource:
    """An open folder: `households.csv`, `households.parquet` or a folder `households/` of Parquet files, and so on.

    Ids are text. CSV is checked and read once; Parquet is read in place by each statement. Raises SourceError from its
    constructor for a folder without the required files, and for a file that is broken, naming file and line or column.
    """

    engine: Literal["postgresql", "duckdb"] = "duckdb"

    def __init__(self, folder: Path, mapping: SourceMapping) -> None:
        if not folder.is_dir():
            raise SourceError(
                f"{folder} is not a folder: --source takes a postgresql:// URL or a folder of CSV or Parquet files"
            )
        self.label = f"folder:{folder.name}"
        self.counters = Counters()
        self.notices: list[Notice] = []
        # One connection, kept: an in-memory DuckDB lives and dies with it.
        self._engine = create_engine("duckdb:///:memory:", poolclass=StaticPool, hide_parameters=True)
        self._connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        self._raw: Any = self._connection.connection.dbapi_connection
        try:
            # What does not fit into memory is spilled where temporary files belong, not into the caller's folder.
            spill = _literal(str(Path(tempfile.gettempdir()) / "hearthwatch-spill"))
            for setting in ("TimeZone = 'UTC'", "autoinstall_known_extensions = false", f"temp_directory = {spill}"):
                self._connection.exec_driver_sql(f"SET {setting}")
            self.schema = self._load(folder, mapping)
            self.tables = Tables(self.schema, _canonical_columns(mapping))
        except BaseException:
            self.close()
            raise

    def _load(self, folder: Path, mapping: SourceMapping) -> Schema:
        tables: dict[str, FoundTable] = {}
        for name, canonical in CANONICAL.items():
            path = _file_of(folder, mapping.table_name(name))
            if path is None:
                if canonical.optional:
                    continue
                raise SourceError(
                    f"{folder} has no {mapping.table_name(name)}.csv or .parquet: export the table, or name its file in the "
                    f"policy under [source.tables.{name}]"
                )
            header = _csv_header(path) if path.suffix == ".csv" else self._parquet_header(path)
            columns = _present(name, path, header, mapping)
            if path.suffix == ".csv":
                self._load_csv(name, path, header, columns, mapping)
            else:
                self._view_parquet(name, path, columns, mapping)
            natives: dict[str, NativeType] = {column: _NATIVE.get(c.kind, "text") for column, c in columns.items()}
            tables[name] = FoundTable(name, natives)
        return Schema(tables)

    def _parquet_header(self, path: Path) -> list[str]:
        try:
            rows = self._connection.exec_driver_sql(f"DESCRIBE SELECT * FROM {_parquet(path)}").all()
        except DBAPIError as error:
            raise SourceError(f"{path} cannot be read as Parquet: export it again") from error
        return [str(row[0]) for row in rows]

    def _load_csv(
        self, name: str, path: Path, header: list[str], columns: dict[str, CanonicalColumn], mapping: SourceMapping
    ) -> None:
        fields = "{" + ", ".join(f"{_literal(column)}: 'VARCHAR'" for column in header) + "}"
        reader = (
            f"read_csv({_literal(str(path))}, auto_detect = false, header = true, delim = ',', quote = '\"', escape = '\"', "
            f"strict_mode = true, max_line_size = {LONGEST_LINE}, columns = {fields})"
        )
        try:
            self._connection.exec_driver_sql(f"CREATE TEMP TABLE raw_csv AS SELECT * FROM {reader}")
        except DBAPIError as error:
            raise SourceError(_csv_reason(path, error)) from error
        selected = _selected(name, columns, mapping, nearest_of_text)
        try:
            self._connection.exec_driver_sql(f"CREATE TABLE {name} AS SELECT {selected} FROM raw_csv")
        except DBAPIError as error:
            raise SourceError(self._bad_value(name, path, columns, mapping)) from error
        self._connection.exec_driver_sql("DROP TABLE raw_csv")

    def _bad_value(self, name: str, path: Path, columns: dict[str, CanonicalColumn], mapping: SourceMapping) -> str:
        for column, canonical in columns.items():
            wanted = _DUCKDB_TYPES.get(canonical.kind)
            if wanted is None:
                continue
            field = _identifier(mapping.column_name(name, column))
            query = (
                f"SELECT min(rowid) FROM raw_csv WHERE {field} IS NOT NULL AND TRY_CAST({field} AS {wanted}) IS NULL"
                f" AND NOT ({canonical.kind == 'time'} AND {is_before_christ(field)})"
            )
            row = self._connection.exec_driver_sql(query).scalar()
            if row is not None:
                # The value itself is not shown: it can be personal.
                return f"{path}: record {row + 1}, column {field}: the value is not {_EXPECTED[wanted]}; correct or re-export it"
        return f"{path}: a value has the wrong type; export it again"

    def _view_parquet(self, name: str, path: Path, columns: dict[str, CanonicalColumn], mapping: SourceMapping) -> None:
        files = _parquet(path)

        def time(field: str) -> str:
            cast = f"CAST({field} AS TIMESTAMPTZ)"
            # The files' statistics answer this. Conditions on a time that is worked out could no longer use them.
            beyond = self._connection.exec_driver_sql(f"SELECT 1 FROM {files} WHERE {is_beyond(cast)} LIMIT 1").all()
            return nearest(cast) if beyond else cast

        try:
            selected = _selected(name, columns, mapping, time)
            self._connection.exec_driver_sql(f"CREATE VIEW {name} AS SELECT {selected} FROM {files}")
            self._connection.exec_driver_sql(f"SELECT * FROM {name} LIMIT 1").all()
        except DBAPIError as error:
            raise SourceError(
                f"{path}: a column has a type that cannot be read as its table needs; export it again"
            ) from error

    def widen(self) -> int:
        """One: each statement uses all cores by itself."""
        return 1

    def rows(self, statement: Executable, purpose: str, *, reach: Reach = "picked") -> Sequence[Any]:
        """All rows of `statement`, as mappings. Raises QueryError."""
        self.counters.count(purpose)
        try:
            return self._connection.execute(statement).mappings().all()
        except (DBAPIError, duckdb.Error) as error:
            # DuckDB quotes values in its messages, so only the kind of error is passed on.
            kind = type(getattr(error, "orig", None) or error).__name__
            raise QueryError(f"the statement failed in DuckDB with {kind}") from error

    def server_checks(self) -> Sequence[Check]:
        """The engine's version; a folder has no privileges, no row-level security and no lag."""
        return [Check("ok", "engine", f"DuckDB {duckdb.__version__}, in this process, reading {self.label}")]

    def cancel(self) -> None:
        """End the statement that runs now, from whatever thread."""
        self._raw.interrupt()

    def close(self) -> None:
        self._connection.close()
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _canonical_columns(mapping: SourceMapping) -> SourceMapping:
    # Loading has renamed tables and columns already; the event types are still the source's.
    return SourceMapping(event_types=mapping.event_types)


def _file_of(folder: Path, name: str) -> Path | None:
    try:
        for path in (folder / f"{name}.parquet", folder / f"{name}.csv", folder / name):
            if path.is_file() or (path.is_dir() and any(path.glob("*.parquet"))):
                if not os.access(path, os.R_OK):
                    raise PermissionError(errno.EACCES, "", str(path))
                return path
    except PermissionError as error:
        raise SourceError(f"{error.filename} cannot be read by this user: give it the right to") from error
    return None


def _csv_header(path: Path) -> list[str]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            header = next(csv.reader(file, strict=True), [])
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SourceError(f"{path} cannot be read as CSV in UTF-8: export it again") from error
    if not header:
        raise SourceError(f"{path} is empty: a CSV file needs at least its header line")
    if len(set(header)) < len(header):
        raise SourceError(f"{path}: the header names a column twice")
    return header


def _present(name: str, path: Path, header: list[str], mapping: SourceMapping) -> dict[str, CanonicalColumn]:
    columns = {}
    for column, canonical in CANONICAL[name].columns.items():
        source_name = mapping.column_name(name, column)
        if source_name in header:
            columns[column] = canonical
        elif not canonical.optional:
            raise SourceError(
                f"{path} has no column {source_name}: name the right one in the policy, "
                f'[source.tables.{name}.columns] {column} = "…"'
            )
    return columns


def _selected(
    name: str, columns: dict[str, CanonicalColumn], mapping: SourceMapping, time: Callable[[str], str]
) -> str:
    """The source's columns cast and named as the canonical ones; `time` makes the expression of a time."""
    expressions = []
    for column, canonical in columns.items():
        field = _identifier(mapping.column_name(name, column))
        wanted = _DUCKDB_TYPES.get(canonical.kind, "VARCHAR")
        cast = time(field) if canonical.kind == "time" else f"CAST({field} AS {wanted})"
        expressions.append(f"{cast} AS {column}")
    return ", ".join(expressions)


def _csv_reason(path: Path, error: DBAPIError) -> str:
    if "Maximum line size" in str(error.orig):
        return f"{path}: a line is longer than {LONGEST_LINE // 1024**2} MB; is a quote missing? export it again"
    for line in str(error.orig).splitlines():
        before, found, rest = line.partition("Error on Line: ")
        if found:
            return f"{path}: line {rest.strip() or before} is not valid CSV with the header's number of columns; export it again"
    return f"{path} is not valid CSV; export it again"


def _parquet(path: Path) -> str:
    return f"read_parquet({_literal(str(path / '*.parquet' if path.is_dir() else path))})"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
