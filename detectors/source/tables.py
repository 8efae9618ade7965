"""The canonical tables as SQLAlchemy Core, whatever the source calls them and however it types its ids."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any
from typing import cast as typing_cast

import sqlalchemy
from sqlalchemy import (
    ColumnElement,
    FromClause,
    Select,
    TableClause,
    Text,
    case,
    cast,
    false,
    func,
    null,
    select,
    type_coerce,
)

from detectors.source.base import NativeType, Schema
from detectors.source.canonical import CANONICAL
from detectors.source.compared_ids import ComparedIds
from detectors.source.mapping import SourceMapping
from detectors.source.moments import EVER
from detectors.source.repeated import LATEST, key_of
from detectors.source.sql import WrappedJSONB
from detectors.source.typed_ids import TYPES, written_as_text

_BY_KIND: dict[str, NativeType] = {"text": "text", "flag": "flag", "time": "time", "number": "number"}
IDS = frozenset({"user", "household", "id"})
_HOLDS_JSON = frozenset({"json", "jsonb", "text", "bytes"})


Spellings = Mapping[str, Mapping[str, str]]
"""By table.column: the source's spellings of our words, where they differ from ours."""


class Tables(ComparedIds):
    """`tables["households"].c.leader_id` and so on, for the tables that the source has.

    Each is a subquery that renames and casts; both engines flatten it, so it costs nothing. Ids of users are of one
    type in all tables, and so are ids of households: the source's own type where its tables agree, text where not.
    """

    def __init__(
        self,
        schema: Schema,
        mapping: SourceMapping,
        odd: frozenset[str] = frozenset(),
        spellings: Spellings | None = None,
    ) -> None:
        """`odd` names the columns (table.column) of ids in other notations than `plain_id` writes, and of objects in strings."""
        self.mapping = mapping
        self._odd = odd
        self._zeros: frozenset[str] = frozenset()
        self._once: frozenset[str] = frozenset()
        self.schema = schema
        self._spellings: Spellings = spellings or {}
        self._events = self._spellings.get("household_events.event_type", {})
        self._named = {mapping.event_name(event_type): event_type for event_type in mapping.event_types}
        self._raw: dict[str, TableClause] = {}
        self.user_type = self._common(schema, "user")
        self.household_type = self._common(schema, "household")
        self._tables: dict[str, FromClause] = {}

    def __getitem__(self, name: str) -> FromClause:
        # Two threads may make one at the same time; both take the one that was kept, as a statement must not mix them.
        found = self._tables.get(name)
        return self._tables.setdefault(name, self._table(name)) if found is None else found

    def __contains__(self, name: str) -> bool:
        return name in self.schema.tables

    def _no_rows(self, name: str) -> FromClause:
        """A table that the app does not have: it has our columns and no rows."""
        kinds = {column: canonical.kind for column, canonical in CANONICAL[name].columns.items()}
        types = {column: TYPES[self._target(f"{name}.{column}", kind, "text")] for column, kind in kinds.items()}
        return select(*(cast(null(), types[column]).label(column) for column in kinds)).where(false()).subquery(name)

    def respelled(self, spellings: Spellings, zeros: Collection[str] = (), once: Collection[str] = ()) -> Tables:
        """The same tables, with the words of these columns in our spelling. A tidy source keeps its plain columns.

        `zeros` are the columns (table.column) of times in which a clock's zero stands for no time; `once` the tables of a
        server of whose rows with one id one is read.
        """
        again = Tables(self.schema, self.mapping, self._odd, spellings)
        again._zeros, again._once = self._zeros.union(zeros), self._once.union(once)
        plain = {
            name: found
            for name, found in self._tables.items()
            if name not in once and not any(place.startswith(f"{name}.") for place in (*spellings, *zeros))
        }
        again._tables.update(plain)
        again._raw.update({name: self._raw[name] for name in plain if name in self._raw})
        return again

    def of(self, schema: Schema) -> Tables:
        """The tables of `schema`, which lacks a column of what was found."""
        return Tables(schema, self.mapping, self._odd, self._spellings)

    def raw(self, name: str, column: str) -> ColumnElement[Any]:
        """A column as it stands in the source, so that its index serves whatever its type is."""
        return typing_cast(ColumnElement[Any], self.source_table(name).c[self.mapping.column_name(name, column)])

    def stored(self, name: str, column: str) -> ColumnElement[Any]:
        """A column of the source's own table, read as what it should hold."""
        return self.value(self.source_table(name), name, column)

    def is_odd(self, name: str, column: str) -> bool:
        """Whether a column's ids stand there in several notations."""
        return f"{name}.{column}" in self._odd

    def _in_our_words(self, place: str, column: ColumnElement[Any]) -> ColumnElement[Any]:
        spellings = self._spellings.get(place)
        # The types of events are asked for by every spelling, so that an index on them serves.
        if spellings is None or place == "household_events.event_type":
            return column
        text = cast(column, Text)
        ours = [
            (text.in_([word for word, said in spellings.items() if said == our]), our)
            for our in sorted(set(spellings.values()))
        ]
        return case(*ours, else_=text) if ours else text

    def _none_at_zero(self, place: str, column: ColumnElement[Any]) -> ColumnElement[Any]:
        return case((column >= EVER, column)).label(column.name) if place in self._zeros else column

    def _common(self, schema: Schema, kind: str) -> NativeType:
        found = {
            self._own(f"{name}.{column}", table.columns[column])
            for name, table in schema.tables.items()
            for column, canonical in CANONICAL[name].columns.items()
            if canonical.kind == kind and column in table.columns
        }
        if found == {"integer", "number"}:
            return "number"
        return found.pop() if len(found) == 1 else "text"

    def _own(self, name: str, native: NativeType) -> NativeType:
        """The type in which a column of ids can be compared, seen for itself."""
        return native if native in {"uuid", "integer", "number"} and name not in self._odd else "text"

    def _target(self, name: str, kind: str, native: NativeType) -> NativeType:
        if kind == "user":
            return self.user_type
        if kind == "household":
            return self.household_type
        if kind == "json":
            return native if native in _HOLDS_JSON else "json"
        if name == "household_events.id" and native == "uuid":
            # Of these the least is asked for, and PostgreSQL has no least UUID.
            return "text"
        return self._own(name, native) if kind == "id" else _BY_KIND[kind]

    def source_table(self, name: str) -> TableClause:
        """The source's own table, with its own names."""
        known = self._raw.get(name)
        return self._raw.setdefault(name, self._make_source_table(name)) if known is None else known

    def _make_source_table(self, name: str) -> TableClause:
        found = self.schema.tables[name]
        schema_name, table_name = found.place or (None, found.name)
        # One column of the source may be several of ours; what is worked out of it comes later, and says nothing of its type.
        natives: dict[str, NativeType] = {}
        for column in found.columns:
            natives.setdefault(self.mapping.column_name(name, column), found.columns[column])
        # Not Table: statements about it are equal whenever it looks the same, and are then compiled once.
        return sqlalchemy.table(
            table_name,
            *(sqlalchemy.column(own, TYPES.get(native, Text())) for own, native in natives.items()),
            schema=schema_name,
        )

    def value(self, rows: FromClause, name: str, column: str) -> ColumnElement[Any]:
        """A column of ours in `rows` of the source's own table, as its type is read."""
        own, read_as = rows.c[self.mapping.column_name(name, column)], self.schema.tables[name].read_as
        return read_as[column](own) if column in read_as else own

    def _table(self, name: str) -> FromClause:
        if name == "household_join_requests" and self.mapping.app.no_requests:
            return self._no_rows(name)
        found, raw = self.schema.tables[name], self.source_table(name)
        columns: list[ColumnElement[Any]] = []
        for column, canonical in CANONICAL[name].columns.items():
            native, place = found.columns.get(column), f"{name}.{column}"
            if native is None:
                native = "json" if canonical.kind == "json" else "text"
                columns.append(cast(null(), TYPES[self._target(place, canonical.kind, native)]).label(column))
                continue
            columns.append(self._read(name, column, self.value(raw, name, column)).label(column))
        columns = [self._none_at_zero(f"{name}.{column.name}", column) for column in columns]
        spelled = (self._in_our_words(f"{name}.{column.name}", column) for column in columns)
        rows = select(*(one.label(column.name) for one, column in zip(spelled, columns, strict=True)))
        return (self._read_once(name, rows) if name in self._once else rows).subquery(name)

    def _read(self, name: str, column: str, own: ColumnElement[Any]) -> ColumnElement[Any]:
        """A value of a column, of its own type, as the type that it is compared in."""
        native, kind, place = (
            self.schema.tables[name].columns[column],
            CANONICAL[name].columns[column].kind,
            f"{name}.{column}",
        )
        target = self._target(place, kind, native)
        if kind in IDS and target == "text":
            return written_as_text(own, native, place in self._odd)
        if native == "jsonb" and place in self._odd:
            return type_coerce(own, WrappedJSONB())
        return own if native == target else cast(own, TYPES[target])

    def worked_out(self, name: str, column: str, origin: ColumnElement[Any]) -> ColumnElement[Any]:
        """A column that the app does not have, of a row whose column it is worked out of is `origin`: for few rows of many."""
        return self._read(name, column, self.schema.tables[name].read_as[column](origin)).label(column)

    def _read_once(self, name: str, own: Select[Any]) -> Select[Any]:
        rows = own.subquery(f"every_{name}")
        keys = [rows.c[key] for key in key_of(name)]
        latest = rows.c[LATEST[name]].desc().nulls_last() if name in LATEST else None
        nth = func.row_number().over(partition_by=keys, order_by=latest).label("nth")
        numbered = select(rows, nth).subquery(f"numbered_{name}")
        return select(*(numbered.c[column.name] for column in rows.c)).where(numbered.c.nth == 1)

    def finds(self, table: str, column: str | None = None) -> bool:
        """Whether a scan of one household may look for rows of `table` by `column`, or without it by what no index holds.

        It may if an index finds them, or if reading the whole table takes no time worth naming.
        """
        found = self.schema.tables[table]
        if not self.schema.has_catalog or (found.estimated_rows or 0) <= self.mapping.look_through_rows:
            return True
        first = (found.column_names.get(column or ""),)
        return any(index.valid and not index.partial and index.columns[:1] == first for index in found.indexes)

    def event_is(self, *event_types: str, common: bool = False) -> ColumnElement[bool]:
        """The condition that an audit row is of one of `event_types` (canonical names).

        Of `common` types there is a share of all rows ever written. Where another condition names few rows, an index on the
        types is no help, yet a planner combines it with the other index, and reads more of it with every year.
        """
        column = typing_cast(ColumnElement[str], self["household_events"].c.event_type)
        if common:
            column = func.coalesce(column, "")
        names = [name for event_type in event_types for name in self.spelled(event_type)]
        return column == names[0] if len(names) == 1 else column.in_(names)

    def spelled(self, event_type: str) -> list[str]:
        """The source's spellings of a type of event: those that were seen, and the name that it should have."""
        seen = [word for word, ours in self._events.items() if ours == event_type]
        return list(dict.fromkeys([self.mapping.event_name(event_type), *seen]))

    def canonical_event(self, name: str) -> str:
        """The canonical event type for the source's `name`; unknown names stay as they are."""
        return self._events.get(name) or self._named.get(name, name)
