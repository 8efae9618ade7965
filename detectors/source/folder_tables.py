"""Tables made of files: each column read as what it should hold, and a line for whatever could not be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from detectors.source.base import ONLY_TOLD, ColumnError, FoundTable, NativeType, Notice, SourceError, and_others
from detectors.source.canonical import CANONICAL
from detectors.source.epochs import OF_NO_UNIT
from detectors.source.folder_counts import counts_of
from detectors.source.folder_epochs import counted_times, read_digits, readings_of_numbers
from detectors.source.folder_files import DataFile, Delivery, shown
from detectors.source.folder_keys import read_once
from detectors.source.folder_parts import lacking_in_parts, not_in_all, refuse_gone
from detectors.source.folder_shapes import (
    Execute,
    Shape,
    csv_shapes,
    is_encoding,
    loaded_csv,
    parquet_shapes,
    with_mended_files,
)
from detectors.source.folder_values import WANTED, Reading, plain_id_of, reading
from detectors.source.longest import WRITTEN_BY_PEOPLE
from detectors.source.mapping import SourceMapping
from detectors.source.repeated import MOST_DOUBTED

_NATIVE: dict[str, NativeType] = {"flag": "flag", "time": "time", "json": "json", "number": "number"}
_WHOSE = {"households": ("household", "id"), "users": ("user", "id"), "sessions": ("user", "user_id")}
"""Whom a row is about; in all other tables it is the household of household_id."""
_RAW = "raw_rows"
_MOST_NAMED = 3

Readings = list[dict[str, Reading]]


@dataclass(frozen=True, slots=True)
class Loaded:
    """A table that can be asked now, and what was noticed of it."""

    table: FoundTable
    unusable: Mapping[str, str]
    notices: Sequence[Notice]
    read_later: Sequence[DataFile]
    """The files that every statement reads anew."""


class TableReader:
    """Makes the canonical tables of deliveries. Raises SourceError for what cannot be believed, naming the file."""

    def __init__(self, execute: Execute, mapping: SourceMapping, private: Path) -> None:
        self._execute, self._mapping, self._private = execute, mapping, private

    def load(self, delivery: Delivery) -> Loaded:
        notices: list[Notice] = []
        if delivery.passed_over:
            notices.append(_passed_over(delivery))
        if delivery.format == "csv":
            shapes = parts = csv_shapes(delivery, self._mapping, self._execute)
            lacking = lacking_in_parts(delivery.table, shapes)
            shapes = [self._rows_of(delivery.table, shapes, notices)]
        else:
            shapes = parts = parquet_shapes(delivery, self._mapping, self._execute)
            lacking = lacking_in_parts(delivery.table, shapes)
        notices += [not_in_all(delivery.table, column, told) for column, told in lacking.items()]
        notices += refuse_gone(delivery.table, shapes, self._mapping, self._execute)
        # Of a row without the column nobody knows whether it has a value; what would be concluded from its absence is nothing.
        unusable = {
            full: told for column, told in lacking.items() if (full := f"{delivery.table}.{column}") not in ONLY_TOLD
        }
        one = _OneTable(delivery.table, shapes, self._execute, self._mapping, unusable)
        loaded = one.load(notices, parts, in_memory=delivery.format == "csv")
        for file in delivery.files:
            file.check_unchanged()
        self._execute(f"DROP TABLE IF EXISTS {_RAW}")
        return loaded

    def _rows_of(self, table: str, shapes: Sequence[Shape], notices: list[Notice]) -> Shape:
        try:
            return loaded_csv(shapes, _RAW, self._execute)
        except DBAPIError:
            mended, told = with_mended_files(shapes, self._private)
        for name, lines in told.items():
            said = f"{name} holds bytes that are no UTF-8 in {_counted(lines, 'line')}: they are read as \N{REPLACEMENT CHARACTER}"
            notices.append(Notice(table, said))
        try:
            return loaded_csv(mended, _RAW, self._execute)
        except DBAPIError as error:
            raise SourceError(f"{shown(shapes[0].files[0].path)} is not valid CSV in UTF-8: export it again") from error


class _OneTable:
    """The making of one table from its shapes."""

    def __init__(
        self, name: str, shapes: Sequence[Shape], execute: Execute, mapping: SourceMapping, unusable: Mapping[str, str]
    ) -> None:
        self._name, self._shapes, self._execute = name, shapes, execute
        self._kinds = {column: mapping.holds(name, column).kind for column in CANONICAL[name].columns}
        self._unusable = dict(unusable)
        self._readings: Readings = [self._readings_of(shape, mapping.zone) for shape in shapes]
        self._counts = [self._counted(shape, readings) for shape, readings in zip(shapes, self._readings, strict=True)]
        for shape, readings, count in zip(shapes, self._readings, self._counts, strict=True):
            read_digits(shape, readings, count, self._kinds, execute)

    def load(self, notices: list[Notice], parts: Sequence[Shape], *, in_memory: bool) -> Loaded:
        """The table, of whose files `parts` tells one from another."""
        for column in self._kinds:
            notices += self._judge(column)
        dear = any(
            (reading.dear and count[column, "odd"]) or (reading.worked_out and count[column, "any"])
            for readings, count in zip(self._readings, self._counts, strict=True)
            for column, reading in readings.items()
        )
        in_memory = in_memory or dear
        rows = self._rows()
        self._make("TABLE" if in_memory else "VIEW", rows)
        columns: dict[str, NativeType] = {
            column: _NATIVE.get(kind, "text")
            for column, kind in self._kinds.items()
            if any(column in shape.fields for shape in self._shapes) and f"{self._name}.{column}" not in self._unusable
        }

        def into_memory() -> None:
            nonlocal in_memory
            if not in_memory:
                self._execute(f"DROP VIEW {self._name}")
                self._make("TABLE", rows)
                in_memory = True

        if not all(shape.empty for shape in self._shapes):
            notices += read_once(self._name, list(columns), parts, self._execute, into_memory)
        files = [] if in_memory else [file for shape in self._shapes for file in shape.files]
        return Loaded(FoundTable(self._name, columns), self._unusable, notices, files)

    def _make(self, what: str, rows: str) -> None:
        try:
            self._execute(f"CREATE {what} {self._name} AS {rows}")
            if what == "VIEW":
                self._execute(f"SELECT * FROM {self._name} LIMIT 1")
        except DBAPIError as error:
            raise SourceError(
                f"{self._place()}: a value cannot be read as its column needs; export it again"
            ) from error

    def _place(self) -> str:
        return shown(self._shapes[0].files[0].path)

    def _readings_of(self, shape: Shape, zone: str) -> dict[str, Reading]:
        readings = {}
        numbers = counted_times(shape, self._kinds)
        times = readings_of_numbers(shape, numbers, self._execute)
        for column, field in shape.fields.items():
            if f"{self._name}.{column}" in self._unusable:
                continue
            kind = "prose" if column in WRITTEN_BY_PEOPLE else self._kinds[column]
            found = times.get(column) or reading(kind, field.sql, field.stored, zone)
            if found is None:
                counted = f" (it holds {OF_NO_UNIT})" if column in numbers else ""
                wanted = WANTED[self._kinds[column]]
                self._refuse(column, f"is of type {field.stored}, needs {wanted}{counted}", shape)
            else:
                readings[column] = found
        return readings

    def _refuse(self, column: str, why: str, shape: Shape) -> None:
        """An optional column is left out, with the reason. Without another there is no table to read."""
        if not CANONICAL[self._name].columns[column].optional:
            name = shape.fields[column].name
            raise ColumnError(f"{shown(shape.files[0].path)}: the column {name} {why}", "export it again")
        self._unusable[f"{self._name}.{column}"] = why

    def _counted(self, shape: Shape, readings: Mapping[str, Reading]) -> Counter[tuple[str, str]]:
        """`counts_of` the values, without the columns that cannot be read."""
        try:
            return counts_of(shape, readings, self._execute)
        except DBAPIError as error:
            self._blame(shape, readings, error)
            return self._counted(
                shape, {c: r for c, r in readings.items() if f"{self._name}.{c}" not in self._unusable}
            )

    def _blame(self, shape: Shape, readings: Mapping[str, Reading], error: DBAPIError) -> None:
        """Leave out the columns that cannot be read to the end. Raises SourceError where that is not their text's fault."""
        blamed = False
        for column in readings:
            try:
                self._execute(
                    f"SELECT count({shape.fields[column].sql}), max({shape.fields[column].sql}) FROM {shape.relation}"
                )
            except DBAPIError as alone:
                if not is_encoding(alone):
                    raise SourceError(f"{self._place()} cannot be read to its end: export it again") from alone
                self._refuse(column, "holds text that is not UTF-8", shape)
                blamed = True
        if not blamed:
            raise SourceError(f"{self._place()} cannot be read to its end: export it again") from error

    def _judge(self, column: str) -> list[Notice]:
        """What the counts say of a column: nothing, a notice, that it cannot be used, or SourceError."""
        full = f"{self._name}.{column}"
        if full in self._unusable:
            return []
        bad, values = (sum(count[column, what] for count in self._counts) for what in ("bad", "any"))
        for shape, count in zip(self._shapes, self._counts, strict=True):
            if count[column, "lost"]:
                raise SourceError(
                    f"{shown(shape.files[0].path)}: {_counted(count[column, 'lost'], 'id')} of the column {shape.fields[column].name} "
                    "lost digits when they were written (as in 1.23e+18): export them as text or as whole numbers"
                )
            if count[column, "bad"] and not CANONICAL[self._name].columns[column].optional:
                raise self._bad_value(column, shape)
        if not bad:
            return []
        wanted = WANTED[self._kinds[column]]
        if bad > 1 and 2 * bad > values:
            self._unusable[full] = f"{bad} of its {values} values are not {wanted}"
            return []
        said = f"{_counted(bad, 'row')} of {self._name} {'holds' if bad == 1 else 'hold'} in {column} what is not {wanted}: read as missing"
        kind, owners = self._owners_of_bad(column)
        named = f" ({kind}{'s' if len(owners) > 1 else ''} {and_others(sorted(owners), _MOST_NAMED)})" if owners else ""
        # One audit row more or less says little of a household; a row of state says what it is.
        doubted = owners if self._name != "household_events" and full not in ONLY_TOLD else frozenset[str]()
        homes, people = (doubted, frozenset[str]()) if kind == "household" else (frozenset[str](), doubted)
        return [
            Notice(
                self._name,
                said + named,
                frozenset({full}),
                f"export the column as {wanted}",
                households=homes,
                users=people,
            )
        ]

    def _bad_value(self, column: str, shape: Shape) -> ColumnError:
        """Where the first bad value is. The value itself is not shown: it can be personal."""
        name, wanted = shape.fields[column].name, WANTED[self._kinds[column]]
        bad = next(readings[column].bad for s, readings in zip(self._shapes, self._readings, strict=True) if s is shape)
        numbered = f"SELECT *, row_number() OVER () AS record FROM {shape.relation}"
        (row,) = self._execute(f"SELECT min(record) FROM ({numbered}) WHERE {bad}")
        bad_ones, values = (sum(count[column, what] for count in self._counts) for what in ("bad", "any"))
        share = f", nor are {bad_ones - 1:,} others of its {values:,}" if bad_ones > 1 else ""
        files = f" or another of {len(shape.files)} files" if len(shape.files) > 1 else ""
        return ColumnError(
            f'{shown(shape.files[0].path)}{files}: record {row[0]}, column "{name}": the value is not {wanted}{share}',
            "correct or re-export it",
        )

    def _owners_of_bad(self, column: str) -> tuple[str, frozenset[str]]:
        """The households or people whose rows these are, and which of the two they are."""
        kind, key = _WHOSE.get(self._name, ("household", "household_id"))
        found: set[str] = set()
        for shape, readings, count in zip(self._shapes, self._readings, self._counts, strict=True):
            if count[column, "bad"] and key in readings:
                owner = plain_id_of(f"CAST({readings[key].plain} AS VARCHAR)")
                query = f"SELECT DISTINCT {owner} AS owner FROM {shape.relation} WHERE {readings[column].bad}"
                rows = self._execute(
                    f"SELECT owner FROM ({query}) WHERE owner IS NOT NULL ORDER BY owner LIMIT {MOST_DOUBTED}"
                )
                found.update(str(row[0]) for row in rows)
        return kind, frozenset(found)

    def _rows(self) -> str:
        """The statement that reads all rows, columns named and typed as the canonical ones."""
        parts = []
        for shape, readings, count in zip(self._shapes, self._readings, self._counts, strict=True):
            columns = [
                f"{each.careful if each.careful and _needs_care(count, column) else each.plain} AS {column}"
                for column, each in readings.items()
                if f"{self._name}.{column}" not in self._unusable
            ]
            parts.append(f"SELECT {', '.join(columns)} FROM {shape.relation}")
        return " UNION ALL BY NAME ".join(parts)


def _needs_care(count: Counter[tuple[str, str]], column: str) -> bool:
    return any(count[column, what] for what in ("odd", "bad", "beyond"))


def _passed_over(delivery: Delivery) -> Notice:
    names, more = delivery.passed_over[:_MOST_NAMED], len(delivery.passed_over) - _MOST_NAMED
    listed = ", ".join(names) + (f" and {more} more" if more > 0 else "")
    return Notice(delivery.table, f"not read, though named like {delivery.table}: {shown(Path(listed))}")


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
