"""What PostgreSQL's own catalog says of the mapped tables: where they are, what may be read, and how a column is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import product
from typing import Any

from sqlalchemy import Text, func, text

from detectors.source.app import preset_hint, worked_out
from detectors.source.base import FoundTable, Index, NativeType, Schema, SourceError, UniqueKey
from detectors.source.canonical import CANONICAL, DISPENSABLE, WORDS, CanonicalColumn
from detectors.source.elsewhere import elsewhere
from detectors.source.gone_rows import is_copied, marking
from detectors.source.mapping import SourceMapping
from detectors.source.quoting import quoted
from detectors.source.server_times import told_by_values
from detectors.source.server_types import (
    ACCEPTED,
    AS_TEXT,
    BASE,
    FLAGS_AS_NUMBERS,
    NATIVE,
    WANTED,
    Reading,
    byte_by_byte,
    cast_to,
    in_zone,
    instead,
    is_not_zero,
    one_after_the_other,
)

Ask = Callable[..., Sequence[Any]]
"""Answers one of the statements below: `ask(statement, parameters)`."""
# Not by to_regclass, which fails for a schema that the role may not use. A name with a dot is first looked up whole.
_TABLES = text(
    """
    SELECT DISTINCT ON (w.canonical) w.canonical, c.oid, n.nspname AS schema_name, c.relname AS table_name,
           c.reltuples AS estimate, c.relkind AS kind, has_schema_privilege(n.oid, 'USAGE') AS usable
      FROM unnest(CAST(:canonical AS text[]), CAST(:place AS int[]), CAST(:schema AS text[]), CAST(:name AS text[]))
           AS w(canonical, place, schema, name)
      JOIN pg_class c ON CAST(c.relname AS text) = w.name AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
      JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE CASE w.schema WHEN '' THEN pg_table_is_visible(c.oid) ELSE CAST(n.nspname AS text) = w.schema END
     ORDER BY w.canonical, w.place
    """
)
# A domain is what it is made from.
_COLUMNS = text(
    """
    SELECT w.canonical, a.attname AS column_name, format_type(a.atttypid, a.atttypmod) AS declared,
           CAST(b.typname AS text) AS type_name, b.typtype AS type_kind, a.atttypid <> b.oid AS is_domain,
           NULLIF(a.attcollation, CAST('pg_catalog.default' AS regcollation)) AS collation,
           COALESCE(l.collisdeterministic, true) AS deterministic,
           has_table_privilege(c.oid, 'SELECT') OR has_column_privilege(c.oid, a.attnum, 'SELECT') AS readable
      FROM unnest(CAST(:canonical AS text[]), CAST(:oid AS oid[])) AS w(canonical, oid)
      JOIN pg_class c ON c.oid = w.oid
      JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
      LEFT JOIN pg_collation l ON l.oid = a.attcollation
      CROSS JOIN LATERAL (
           WITH RECURSIVE made_from AS (
                SELECT t.oid, t.typname, t.typtype, t.typbasetype FROM pg_type t WHERE t.oid = a.atttypid
                UNION ALL
                SELECT t.oid, t.typname, t.typtype, t.typbasetype
                  FROM made_from m JOIN pg_type t ON t.oid = m.typbasetype WHERE m.typtype = 'd')
           SELECT oid, typname, typtype FROM made_from WHERE typtype <> 'd') b
     ORDER BY w.canonical, a.attnum
    """
)
_INDEXES = text(
    """
    SELECT w.canonical, i.relname AS index_name, x.indisunique AS is_unique, x.indisvalid AS is_valid,
           x.indpred IS NOT NULL AS is_partial, x.indexprs IS NOT NULL AS has_expressions,
           ARRAY(SELECT COALESCE(CAST(a.attname AS text), '')
                   FROM unnest(CAST(x.indkey AS int2[])) WITH ORDINALITY AS k(attnum, place)
                   LEFT JOIN pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = k.attnum
                  WHERE k.place <= x.indnkeyatts ORDER BY k.place) AS columns
      FROM unnest(CAST(:canonical AS text[]), CAST(:oid AS oid[])) AS w(canonical, oid)
      JOIN pg_index x ON x.indrelid = w.oid
      JOIN pg_class i ON i.oid = x.indexrelid
     ORDER BY w.canonical, i.relname
    """
)

_PRESENT = text(
    "SELECT CAST(relname AS text) AS name FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'm', 'f') AND pg_table_is_visible(oid)"
)


def read_catalog(ask: Ask, mapping: SourceMapping, label: str, encoding: str) -> Schema:
    """What the server holds of the mapped tables, in a database of that `encoding`.

    Raises SourceError for a required table or column that is missing, may not be read, or cannot be read as what it is.
    """
    wanted = [
        (name, place, schema, table)
        for name in CANONICAL
        for place, (schema, table) in enumerate(_places(mapping.schema_name or "", mapping.table_name(name)))
    ]
    columns = zip(*wanted, strict=True)
    found = {row["canonical"]: row for row in ask(_TABLES, dict(zip(_WORDS, map(list, columns), strict=True)))}
    alike = elsewhere(ask, [name for name in CANONICAL if name not in found])
    for name in CANONICAL:
        if mapping.needs_table(name) and not (name in found and found[name]["usable"]):
            hint = preset_hint([row["name"] for row in ask(_PRESENT, {})])
            raise SourceError(f"{label}: {_not_there(name, mapping, found.get(name), alike.get(name, ''))}{hint}")
    by_oid = {"canonical": list(found), "oid": [row["oid"] for row in found.values()]}
    present = _by_table(ask(_COLUMNS, by_oid))
    told = told_by_values(ask, mapping, found, present)
    reader = _Reader(mapping, found, present, _by_table(ask(_INDEXES, by_oid)), told)
    tables = {name: table for name in CANONICAL if name in found and (table := reader.table(name))}
    schema = Schema(
        tables,
        unreadable=frozenset(reader.unreadable),
        unusable=reader.unusable,
        elsewhere=alike,
        has_catalog=True,
        holds_unicode=encoding in ("UTF8", ""),
    )
    schema = worked_out(schema, mapping)
    return replace(schema, unique_keys=tuple(_unique_keys(schema.tables)))


_WORDS = ("canonical", "place", "schema", "name")


def _places(schema: str, name: str) -> Iterator[tuple[str, str]]:
    """Where a table of that name may be, the likeliest first: the whole name, then as schema and table."""
    yield schema, name
    for at, character in enumerate(name):
        if character == "." and 0 < at < len(name) - 1:
            yield name[:at], name[at + 1 :]


def _not_there(name: str, mapping: SourceMapping, found: Any, alike: str) -> str:
    if found is None:
        return (
            f"the required table {mapping.table_name(name)} is missing or not visible to this role: "
            f"name it in the policy under [source.tables.{name}], or its schema under [source]"
            f"{f' (there is {alike})' if alike else ''}"
        )
    return f"this role may not look into the schema: GRANT USAGE ON SCHEMA {quoted(found['schema_name'])} TO it"


def _by_table(rows: Sequence[Any]) -> dict[str, list[Any]]:
    by_table: dict[str, list[Any]] = {}
    for row in rows:
        by_table.setdefault(row["canonical"], []).append(row)
    return by_table


@dataclass
class _Reader:
    """Decides for each canonical column whether and how the source's own column can be read."""

    mapping: SourceMapping
    found: Mapping[str, Any]
    columns: Mapping[str, list[Any]]
    indexes: Mapping[str, list[Any]]
    told: Mapping[tuple[str, str], Reading] = field(default_factory=dict)
    """How columns are read that only their values tell, by table and source name."""
    unreadable: set[str] = field(default_factory=set)
    unusable: dict[str, str] = field(default_factory=dict)

    def table(self, name: str) -> FoundTable | None:
        """The table with its usable columns; None where an optional one may not be read."""
        found, canonical = self.found[name], CANONICAL[name]
        full_name = quoted(found["schema_name"], found["table_name"])
        present = {row["column_name"]: row for row in self.columns.get(name, ())}
        types: dict[str, NativeType] = {}
        read_as: dict[str, Reading] = {}
        for column in canonical.columns:
            row = present.get(self.mapping.column_name(name, column))
            read = self._column(name, column, self.mapping.holds(name, column), row, full_name)
            if read is not None:
                types[column] = read[0]
                if read[1]:
                    read_as[column] = one_after_the_other(read[1])
        if any(not wanted.optional and column not in types for column, wanted in canonical.columns.items()):
            return None
        estimate = int(found["estimate"])
        return FoundTable(
            full_name,
            types,
            tuple(map(_index, self.indexes.get(name, ()))),
            estimate if estimate >= 0 else None,
            column_names={column: self.mapping.column_name(name, column) for column in types},
            indexable=found["kind"] in {"r", "p", "m"},
            partitioned=found["kind"] == "p",
            place=(found["schema_name"], found["table_name"]),
            read_as=read_as,
            marking=marking(name, (each for each, row in present.items() if row["readable"]), self.mapping),
            copied=is_copied(present),
        )

    def _column(
        self, name: str, column: str, wanted: CanonicalColumn, row: Any, full_name: str
    ) -> tuple[NativeType, list[Reading]] | None:
        """The column's type and what to do with its values; None for an optional one that cannot be read."""
        source_name = self.mapping.column_name(name, column)
        if row is None:
            if wanted.optional:
                return None
            if name in DISPENSABLE:
                self.unusable[name] = f"{full_name} has no column {quoted(source_name)}"
                return None
            raise SourceError(
                f"{full_name} has no column {quoted(source_name)}: name the right one in the policy, "
                f'[source.tables.{name}.columns] {column} = "…"'
            )
        if not (row["readable"] and self.found[name]["usable"]):
            if wanted.optional or CANONICAL[name].optional:
                self.unreadable.add(f"{name}.{column}")
                return None
            raise SourceError(
                f"{full_name}.{quoted(source_name)} may not be read by this role: GRANT SELECT ON {full_name} TO it"
            )
        told = self.told.get((name, source_name))
        if told is not None and wanted.kind in {"time", "flag"}:
            return ("time" if wanted.kind == "time" else "flag"), [told]
        # A word of another app may be a flag, as of who owns a household.
        read = self._reading(row, "word" if f"{name}.{column}" in WORDS else wanted.kind)
        if read is None:
            reason = f"{row['declared']}, but {WANTED[wanted.kind]} is needed"
            if not wanted.optional and name in DISPENSABLE:
                self.unusable[name] = f"{full_name}.{quoted(source_name)} is of type {reason}"
                return None
            if not wanted.optional:
                raise SourceError(f"{full_name}.{quoted(source_name)} is of type {reason}: {instead(row, wanted.kind)}")
            self.unusable[f"{name}.{column}"] = f"{full_name}.{quoted(source_name)} is of type {reason}"
        return read

    def _reading(self, row: Any, kind: str) -> tuple[NativeType, list[Reading]] | None:
        type_name = row["type_name"]
        if kind == "time" and type_name == "timestamp":
            return "time", [in_zone(self.mapping.zone)]
        if kind == "flag" and type_name in FLAGS_AS_NUMBERS:
            return "flag", [is_not_zero]
        how: list[Reading] = []
        if row["type_kind"] == "e" or type_name in AS_TEXT:
            native: NativeType | None = "text"
            how.append(cast_to(Text()))
        elif type_name == "inet":
            native = "text"
            how.append(func.host)
        else:
            native = NATIVE.get(type_name)
            if native in BASE and row["is_domain"]:
                how.append(cast_to(BASE[native]))
        if native not in ACCEPTED[kind]:
            return None
        if native == "text" and row["collation"] and (self._many_collations or not row["deterministic"]):
            how.append(byte_by_byte)
        return native, how

    @cached_property
    def _many_collations(self) -> bool:
        """Whether the mapped columns have collations of their own that cannot be compared with each other."""
        mapped = {
            (name, self.mapping.column_name(name, column)) for name in CANONICAL for column in CANONICAL[name].columns
        }
        rows = (row for name, found in self.columns.items() for row in found if (name, row["column_name"]) in mapped)
        return len({row["collation"] for row in rows if row["collation"]}) > 1


def _index(row: Any) -> Index:
    return Index(
        name=row["index_name"],
        columns=tuple(row["columns"]),
        unique=row["is_unique"],
        partial=row["is_partial"],
        valid=row["is_valid"],
        expressions=row["has_expressions"],
    )


def _unique_keys(tables: Mapping[str, FoundTable]) -> Iterator[UniqueKey]:
    for name, table in tables.items():
        back: dict[str, list[str]] = {}
        for column, source_name in table.column_names.items():
            back.setdefault(source_name, []).append(column)
        for index in table.indexes:
            whole = index.unique and index.valid and not index.partial and not index.expressions
            if whole and all(column in back for column in index.columns):
                # One column of the source may be several of ours.
                for columns in product(*(back[column] for column in index.columns)):
                    yield UniqueKey(index.name, name, frozenset(columns))
