"""The canonical tables as SQLAlchemy Core, whatever the source calls them and however it types its ids."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any
from typing import cast as typing_cast

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    DateTime,
    FromClause,
    MetaData,
    Numeric,
    Table,
    Text,
    Uuid,
    and_,
    case,
    cast,
    false,
    func,
    null,
    select,
)
from sqlalchemy.types import JSON, TypeEngine

from detectors.source.base import NativeType, Schema, SubjectError
from detectors.source.mapping import CANONICAL, SourceMapping
from detectors.source.sql import matches

_TYPES: dict[NativeType, TypeEngine[Any]] = {
    "uuid": Uuid(as_uuid=False),
    "text": Text(),
    "integer": BigInteger(),
    "number": Numeric(),
    "flag": Boolean(),
    "time": DateTime(timezone=True),
    "json": JSON(),
}
_BY_KIND: dict[str, NativeType] = {"text": "text", "flag": "flag", "time": "time", "json": "json", "number": "number"}
_FORMATS: dict[NativeType, str] = {
    "uuid": r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$",
    "integer": r"^[0-9]{1,18}$",
}


Spellings = Mapping[str, Mapping[str, str]]
"""By table.column: the source's spellings of our words, where they differ from ours."""


class Tables:
    """`tables["households"].c.leader_id` and so on, for the tables that the source has.

    Each is a subquery that renames and casts; both engines flatten it, so it costs nothing. Ids of users are of one
    type in all tables, and so are ids of households: the source's own type where its tables agree, text where not.
    """

    def __init__(self, schema: Schema, mapping: SourceMapping, spellings: Spellings | None = None) -> None:
        self.mapping = mapping
        self.schema = schema
        self._spellings: Spellings = spellings or {}
        self._events = self._spellings.get("household_events.event_type", {})
        self._named = {mapping.event_name(event_type): event_type for event_type in mapping.event_types}
        self._raw: dict[str, Table] = {}
        self.user_type = self._common(schema, "user")
        self.household_type = self._common(schema, "household")
        self._tables: dict[str, FromClause] = {name: self._table(schema, name) for name in schema.tables}

    def __getitem__(self, name: str) -> FromClause:
        return self._tables[name]

    def __contains__(self, name: str) -> bool:
        return name in self._tables

    def respelled(self, spellings: Spellings) -> Tables:
        """The same tables, with the words of these columns in our spelling. A tidy source keeps its plain columns."""
        return Tables(self.schema, self.mapping, spellings)

    def raw(self, name: str, column: str) -> ColumnElement[Any]:
        """A column as it stands in the source, so that its index serves whatever its type is."""
        return typing_cast(ColumnElement[Any], self._raw[name].c[self.mapping.column_name(name, column)])

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

    @staticmethod
    def _common(schema: Schema, kind: str) -> NativeType:
        found = {
            table.columns[column]
            for name, table in schema.tables.items()
            for column, canonical in CANONICAL[name].columns.items()
            if canonical.kind == kind and column in table.columns
        }
        return found.pop() if len(found) == 1 and found <= {"uuid", "integer"} else "text"

    def _target(self, kind: str, native: NativeType) -> NativeType:
        if kind == "user":
            return self.user_type
        if kind == "household":
            return self.household_type
        return _BY_KIND.get(kind, native)

    def _table(self, schema: Schema, name: str) -> FromClause:
        found = schema.tables[name]
        names = {column: self.mapping.column_name(name, column) for column in found.columns}
        schema_name, _, table_name = found.name.rpartition(".")
        raw = Table(
            table_name,
            MetaData(schema=schema_name or None),
            *(Column(names[column], _TYPES.get(native, Text())) for column, native in found.columns.items()),
        )
        columns: list[ColumnElement[Any]] = []
        for column, canonical in CANONICAL[name].columns.items():
            native = found.columns.get(column)
            target = self._target(canonical.kind, native or "text")
            if native is None:
                columns.append(cast(null(), _TYPES[target]).label(column))
            elif native == target:
                columns.append(raw.c[names[column]].label(column))
            else:
                columns.append(cast(raw.c[names[column]], _TYPES[target]).label(column))
        self._raw[name] = raw
        spelled = (self._in_our_words(f"{name}.{column.name}", column) for column in columns)
        return select(*(one.label(column.name) for one, column in zip(spelled, columns, strict=True))).subquery(name)

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

    def user_key(self, text: ColumnElement[str]) -> ColumnElement[Any]:
        """A user id that stands as text in an event's metadata, in the type of the user columns; null if malformed."""
        if self.user_type == "uuid":
            # An expression that counts digits is worked out anew for every row; these tests are ten times cheaper.
            digits = func.length(func.replace(text, "-", "")) == 32
            well_formed = and_(
                text.like("________-____-____-____-____________"), digits, ~matches(text, "[^0-9a-fA-F-]")
            )
            return case((well_formed, cast(text, _TYPES["uuid"])))
        pattern = _FORMATS.get(self.user_type)
        return text if pattern is None else case((text.regexp_match(pattern), cast(text, _TYPES[self.user_type])))

    def households_in(self, column: ColumnElement[Any], ids: Iterable[str]) -> ColumnElement[bool]:
        """`column` is one of the household `ids`."""
        return _is_one_of(column, ids, self.household_type)

    def users_in(self, column: ColumnElement[Any], ids: Iterable[str]) -> ColumnElement[bool]:
        """`column` is one of the user `ids`."""
        return _is_one_of(column, ids, self.user_type)

    def ids_in(self, column: ColumnElement[Any], texts: Iterable[str]) -> ColumnElement[bool]:
        """An id `column` of whatever type, written as text, is one of `texts`; a UUID's index serves."""
        if not isinstance(column.type, Uuid):
            return cast(column, Text).in_(list(texts))
        pattern = re.compile(_FORMATS["uuid"])
        # As it is written, or it would be another text.
        return _is_one_of(column, (text for text in texts if pattern.fullmatch(text) and text == text.lower()), "uuid")

    def is_user_id(self, value: str) -> bool:
        """Whether `value`, from an event's metadata, can be a user's id here."""
        pattern = _FORMATS.get(self.user_type)
        return pattern is None or re.fullmatch(pattern, value) is not None

    def plain_user_id(self, value: str) -> str:
        """A user id from an event's metadata, written as the user columns write it."""
        return value.lower() if self.user_type == "uuid" else value

    def plain_household_id(self, value: str) -> str:
        """A household id that somebody typed, written as the household columns write it."""
        return value.lower() if self.household_type == "uuid" else value

    def check_household(self, household_id: str) -> None:
        """Raise SubjectError if `household_id` cannot be a household's id here."""
        _check("household", household_id, self.household_type)

    def check_user(self, user_id: str) -> None:
        """Raise SubjectError if `user_id` cannot be a user's id here."""
        _check("user", user_id, self.user_type)


def _check(what: str, value: str, native: NativeType) -> None:
    if not value.strip():
        raise SubjectError(f"an empty {what} id was asked for: name one")
    pattern = _FORMATS.get(native)
    if pattern and not re.fullmatch(pattern, value):
        wanted = "a UUID" if native == "uuid" else "a number"
        raise SubjectError(f"{value!r} is not a {what} id of this source: {wanted} is expected")


def _is_one_of(column: ColumnElement[Any], ids: Iterable[str], native: NativeType) -> ColumnElement[bool]:
    values: list[Any] = [int(value) for value in ids] if native == "integer" else list(ids)
    return column.in_(values) if values else false()
