"""What a lake holds of the mapped tables: where they are, of which version, and how each column is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from sqlalchemy import ColumnElement, DateTime, Text, cast, func, literal_column
from sqlalchemy.sql.functions import Function

from detectors.source.app import worked_out
from detectors.source.base import FoundTable, NativeType, QueryError, Schema, SlowError, SourceError
from detectors.source.canonical import CANONICAL, DISPENSABLE, CanonicalColumn
from detectors.source.gone_rows import marking
from detectors.source.mapping import SourceMapping
from detectors.source.spark.address import Place
from detectors.source.spark.faults import HiddenError
from detectors.source.spark.functions import object_in
from detectors.source.spark.writing import identifier, literal

Reading = Callable[[ColumnElement[Any]], ColumnElement[Any]]

_NATIVE: dict[str, NativeType] = {
    "string": "text",
    "tinyint": "integer",
    "smallint": "integer",
    "int": "integer",
    "bigint": "integer",
    "decimal": "number",
    "float": "number",
    "double": "number",
    "boolean": "flag",
    "timestamp": "time",
    "timestamp_ntz": "time",
    "binary": "bytes",
    "struct": "json",
    "map": "json",
    "variant": "json",
}
_IDS: set[NativeType] = {"text", "integer", "bytes"}
_ACCEPTED: dict[str, set[NativeType]] = {
    "user": _IDS,
    "household": _IDS,
    "id": _IDS,
    "text": {"text", "integer"},
    "flag": {"flag"},
    "time": {"time"},
    "json": {"json", "text", "bytes"},
    "number": {"number", "integer"},
}
_WANTED = {
    "user": "string, binary or a whole number",
    "household": "string, binary or a whole number",
    "id": "string, binary or a whole number",
    "text": "string",
    "flag": "boolean",
    "time": "timestamp",
    "json": "string, struct, map or variant",
    "number": "decimal",
}


class Catalog(Protocol):
    """What is asked of a session about its tables."""

    def types(self, relation: str) -> dict[str, str]:
        """The columns of a relation with their types; none where there is no such. Raises SourceError."""
        ...

    def first(self, statement: str) -> Mapping[str, Any] | None:
        """The first row of a statement, empty where there is no row; None where the table's format knows no such question.

        Raises SourceError where it is known, and not answered.
        """
        ...


@dataclass(frozen=True, slots=True)
class Lake:
    """The mapped tables of a lake."""

    schema: Schema
    relations: Mapping[str, str]
    """By canonical name how a statement names the table, with the version that the whole scan reads."""
    versions: Mapping[str, str]
    names: Mapping[str, str]
    """By canonical name the table itself, without a version."""
    unsure: Mapping[str, str] = field(default_factory=dict)
    """By canonical name why it could not be asked which versions the table keeps."""


def read_lake(catalog: Catalog, place: Place, mapping: SourceMapping, label: str) -> Lake:
    """What the server holds of the mapped tables.

    Raises SourceError for a required table or column that is missing, may not be read, or cannot be read as what it is.
    """
    found: dict[str, tuple[str, dict[str, str]]] = {}
    hidden: set[str] = set()
    for name in CANONICAL:
        try:
            typed = ((relation, catalog.types(relation)) for relation in _relations(place, mapping, name))
            first = next((each for each in typed if each[1]), None)
        except HiddenError:
            hidden.add(name)
            first = None
        except SlowError:
            raise
        except QueryError as error:
            raise SourceError(f"{label}: {mapping.table_name(name)}: {error}") from error
        if first is not None:
            found[name] = first
        elif mapping.needs_table(name):
            raise SourceError(f"{label}: {_not_there(name, mapping, place, hidden=name in hidden)}")
    reader = _Reader(mapping)
    tables = {name: table for name, each in found.items() if (table := reader.table(name, *each))}
    names = {name: found[name][0] for name in tables}
    versions, unsure = _versions(catalog, names)
    relations = {
        name: f"{relation} VERSION AS OF {versions[name]}" if name in versions else relation
        for name, relation in names.items()
    }
    unreadable = frozenset(f"{name}.{column}" for name in hidden for column in CANONICAL[name].columns)
    schema = worked_out(Schema(tables, unreadable=unreadable, unusable=reader.unusable), mapping)
    lacking = sorted(f"{name}.{column}" for name, found in schema.tables.items() for column in found.computed)
    if lacking:
        raise SourceError(
            f"{label}: {', '.join(lacking)} would have to be worked out of other columns, and Spark is not asked to: "
            "scan the database itself or a folder of exports, or make views that have them"
        )
    return Lake(schema, relations, versions, names, unsure)


def _relations(place: Place, mapping: SourceMapping, name: str) -> Iterator[str]:
    """How the table may be named, the likeliest first."""
    own = mapping.table_name(name)
    if place.folder:
        for ending in ("", f".{place.format}"):
            yield f"{place.format}." + identifier(f"{place.folder.rstrip('/')}/{own}{ending}")
        return
    around = [place.catalog, place.schema] if place.schema else [place.catalog, *(mapping.schema_name or "").split(".")]
    parts = own.split(".")
    before = [part for part in around if part]
    yield identifier(*before[: max(0, len(before) - len(parts) + 1)], *parts)


def _versions(catalog: Catalog, names: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """By canonical name the version of a table that keeps any, and why it could not be asked for."""
    versions: dict[str, str] = {}
    unsure: dict[str, str] = {}
    for name, relation in names.items():
        try:
            if version := _version(catalog, relation):
                versions[name] = version
        except SlowError:
            raise
        except (QueryError, HiddenError) as error:
            # The table's rows may be read all the same.
            unsure[name] = str(error)
    return versions, unsure


def _version(catalog: Catalog, relation: str) -> str:
    """The version that the table has now, where its format keeps versions (Delta, Iceberg); empty where it does not."""
    history = catalog.first(f"DESCRIBE HISTORY {relation} LIMIT 1")
    version = (history or {}).get("version")
    if version is None:
        version = (catalog.first(f"SELECT snapshot_id FROM {relation}.refs WHERE name = 'main'") or {}).get(
            "snapshot_id"
        )
    if (
        version is None
        or catalog.first(f"SELECT 1 AS one FROM {relation} VERSION AS OF {int(version)} LIMIT 1") is None
    ):
        return ""
    return str(int(version))


def _not_there(name: str, mapping: SourceMapping, place: Place, *, hidden: bool) -> str:
    own = mapping.table_name(name)
    if hidden:
        return f"this user may not read {own}: GRANT SELECT ON it"
    if place.folder:
        return f"the folder has no {own} that the server can read as {place.format}: write the table there, or name it in the policy under [source.tables.{name}]"
    return (
        f"the required table {own} is missing or not visible to this user: name it in the policy under [source.tables.{name}], "
        "or its place in the address, ;catalog=…;schema=…"
    )


@dataclass
class _Reader:
    """Decides for each canonical column whether and how the source's own column can be read."""

    mapping: SourceMapping
    unusable: dict[str, str] = field(default_factory=dict)

    def table(self, name: str, relation: str, present: Mapping[str, str]) -> FoundTable | None:
        """The table with its usable columns; None where an optional one lacks what it cannot do without."""
        types: dict[str, NativeType] = {}
        read_as: dict[str, Reading] = {}
        shown = relation.replace("`", "")
        for column, wanted in CANONICAL[name].columns.items():
            read = self._column(name, column, wanted, present, shown)
            if read is not None:
                types[column], steps = read
                if steps is not None:
                    read_as[column] = steps
        if any(not wanted.optional and column not in types for column, wanted in CANONICAL[name].columns.items()):
            return None
        names = {column: self.mapping.column_name(name, column) for column in types}
        marks = marking(name, present, self.mapping)
        return FoundTable(shown, types, column_names=names, place=("", name), read_as=read_as, marking=marks)

    def _column(
        self, name: str, column: str, wanted: CanonicalColumn, present: Mapping[str, str], shown: str
    ) -> tuple[NativeType, Reading | None] | None:
        """The column's type and what to do with its values; None for an optional one that cannot be read."""
        own = self.mapping.column_name(name, column)
        declared = present.get(own) or next(
            (kind for each, kind in present.items() if each.lower() == own.lower()), None
        )
        if declared is None:
            if not wanted.optional:
                named = f'name the right one in the policy, [source.tables.{name}.columns] {column} = "…"'
                self._missing(name, f"{shown} has no column {own}", named)
            return None
        read = _reading(declared, wanted.kind, self.mapping.zone)
        if read is None:
            why = f"{shown}.{own} is of type {declared}, but {_WANTED[wanted.kind]} is needed"
            if wanted.optional:
                self.unusable[f"{name}.{column}"] = why
            else:
                self._missing(name, why, "map another column, or a view with a cast")
        return read

    def _missing(self, name: str, why: str, remedy: str) -> None:
        """Leave out a table that no scan needs. Raises SourceError for another one."""
        if name not in DISPENSABLE:
            raise SourceError(f"{why}: {remedy}")
        self.unusable[name] = why


def _reading(declared: str, kind: str, zone: str) -> tuple[NativeType, Reading | None] | None:
    stored = declared.partition("(")[0].partition("<")[0].partition(" ")[0]
    native: NativeType | None = "text" if stored in {"varchar", "char"} else _NATIVE.get(stored)
    if native is None or native not in _ACCEPTED[kind]:
        return None
    if kind == "json":
        return "text", {"json": _as_json, "bytes": _text_in}.get(native, object_in)
    if stored == "timestamp_ntz":
        return native, _in_zone(zone)
    return native, None


def _as_json(column: ColumnElement[Any]) -> ColumnElement[Any]:
    return Function("to_json", column, type_=Text())


def _text_in(column: ColumnElement[Any]) -> ColumnElement[Any]:
    return object_in(cast(column, Text))


def _in_zone(zone: str) -> Reading:
    # Written out: as an argument it would make two different expressions of one column that is selected and grouped by.
    return lambda column: func.to_utc_timestamp(
        cast(column, DateTime(timezone=True)), literal_column(literal(zone)), type_=DateTime(timezone=True)
    )
