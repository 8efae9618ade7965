"""Files of one table that are alike: which columns they hold, under which names, and how DuckDB reads them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy.exc import DBAPIError

from detectors.source.base import ColumnError, SourceError
from detectors.source.canonical import CANONICAL
from detectors.source.folder_files import DataFile, Delivery, changed, shown
from detectors.source.folder_text import (
    LONGEST_LINE,
    Header,
    beginning,
    check_last,
    check_whole,
    header_of,
    mended,
    plain_name,
)
from detectors.source.folder_values import identifier, literal
from detectors.source.gone_rows import marking
from detectors.source.mapping import SourceMapping

Execute = Callable[[str], Sequence[Any]]


@dataclass(frozen=True, slots=True)
class Field:
    """A column of files: DuckDB's expression for it, its type there, and its name in the source."""

    sql: str
    stored: str
    name: str


@dataclass(frozen=True, slots=True)
class Shape:
    """Files that are read by one expression, with the canonical columns that they hold."""

    fields: Mapping[str, Field]
    files: tuple[DataFile, ...]
    reader: str
    """DuckDB's function for the files; or, without options, the table that holds their rows already."""
    options: str = ""
    marks: tuple[Field, ...] = ()
    """What may mark rows as deleted or outdated."""
    empty: bool = False
    """Whether it is known to have no row."""

    @property
    def relation(self) -> str:
        return self.over(self.files)

    def by_file(self, column: str) -> str:
        """DuckDB's relation of all files, with a `column` that names each row's."""
        return self.relation.removesuffix(")") + f", filename = {literal(column)})"

    def over(self, files: Sequence[DataFile]) -> str:
        """DuckDB's relation of some of the files."""
        if not self.options:
            return self.reader
        packed = (
            f"compression = '{'none' if files[0].copy else files[0].compression}', "
            if self.reader == "read_csv"
            else ""
        )
        return f"{self.reader}({_list_of(files)}, {packed}{self.options})"


def columns_of(
    table: str, names: Sequence[str], file: DataFile, mapping: SourceMapping, partition: Iterable[str] = ()
) -> dict[str, int | str]:
    """Where each canonical column is: a place among `names`, or else a key of `partition`.

    Raises SourceError for a column that is needed and lacks, or that two columns could be.
    """
    found: dict[str, int | str] = {}
    for column, canonical in CANONICAL[table].columns.items():
        wanted = mapping.column_name(table, column)
        places = [place for place, name in enumerate(names) if name == wanted] or [
            place for place, name in enumerate(names) if plain_name(name) == plain_name(wanted)
        ]
        if len(places) > 1:
            raise SourceError(f"{shown(file.path)}: the header names the column {wanted} twice; export it again")
        keys: list[int | str] = [*places, *(key for key in partition if plain_name(key) == plain_name(wanted))]
        if keys:
            found[column] = keys[0]
        elif not canonical.optional:
            raise ColumnError(
                f"{shown(file.path)} has no column {wanted}",
                f'name the right one in the policy, [source.tables.{table}.columns] {column} = "…"',
            )
    return found


def parquet_shapes(delivery: Delivery, mapping: SourceMapping, execute: Execute) -> list[Shape]:
    """The files of a table in Parquet, those with one schema together."""
    schemas = _parquet_schemas(delivery.files, execute)
    alike: dict[Any, list[DataFile]] = defaultdict(list)
    for file in delivery.files:
        names = [row[0] for row in _top_level(schemas[str(file.path)])]
        used = columns_of(delivery.table, names, file, mapping, file.partition)
        said = tuple((key, file.partition[key]) for key in used.values() if isinstance(key, str))
        alike[schemas[str(file.path)], said].append(file)
    return [_parquet_shape(delivery.table, files, rows, mapping, execute) for (rows, _), files in alike.items()]


def _parquet_schemas(files: Sequence[DataFile], execute: Execute) -> dict[str, tuple[Any, ...]]:
    wanted = "name, type, type_length, num_children, converted_type, scale, precision, logical_type"
    found: dict[str, list[Any]] = defaultdict(list)
    try:
        # In the order of the schema, each file by itself: a row does not say where in it it stands.
        for row in execute(f"SELECT file_name, {wanted} FROM parquet_schema({_list_of(files)})"):
            found[row[0]].append(tuple(row[1:]))
    except DBAPIError as error:
        for file in files:
            if len(files) > 1:
                _parquet_schemas([file], execute)
        raise SourceError(f"{shown(files[0].path)} cannot be read as Parquet: export it again") from error
    return {name: tuple(rows) for name, rows in found.items()}


def _top_level(rows: Sequence[Any]) -> list[Any]:
    """The rows of a file's columns themselves, without the root and the parts of columns that are structures."""
    columns, place = [], 1
    while place < len(rows):
        columns.append(rows[place])
        left = 1
        while left and place < len(rows):
            left += (rows[place][3] or 0) - 1
            place += 1
    return columns


def _parquet_shape(
    table: str, files: Sequence[DataFile], rows: Sequence[Any], mapping: SourceMapping, execute: Execute
) -> Shape:
    shape = Shape({}, tuple(files), "read_parquet", "hive_partitioning = false")
    try:
        described = execute(f"DESCRIBE SELECT * FROM {shape.relation}")
    except DBAPIError as error:
        raise SourceError(f"{shown(files[0].path)} cannot be read as Parquet: export it again") from error
    names = [str(row[0]) for row in described]
    # Spark's old times are moments, though DuckDB takes them for a local clock's.
    moments = {row[0] for row in _top_level(rows) if row[1] == "INT96"}
    fields = {}
    for column, where in columns_of(table, names, files[0], mapping, files[0].partition).items():
        if isinstance(where, str):
            fields[column] = _said_by_folder(files[0], where)
        elif names[where] in moments:
            instant = f"timezone('UTC', {identifier(names[where])})"
            fields[column] = Field(instant, "TIMESTAMP WITH TIME ZONE", names[where])
        else:
            fields[column] = Field(identifier(names[where]), str(described[where][1]), names[where])
    marks = tuple(Field(identifier(name), "", name) for name in marking(table, names, mapping))
    return replace(shape, fields=fields, marks=marks)


def csv_shapes(delivery: Delivery, mapping: SourceMapping, execute: Execute) -> list[Shape]:
    """The text files of a table, those with one header together."""
    wanted = [mapping.column_name(delivery.table, column) for column in CANONICAL[delivery.table].columns]
    alike: dict[Any, list[DataFile]] = defaultdict(list)
    for file in delivery.files:
        check_whole(file)
        header = header_of(file, _first(file, execute), wanted)
        check_last(file, header.separator)
        used = columns_of(delivery.table, header.columns, file, mapping, file.partition)
        said = tuple((key, file.partition[key]) for key in used.values() if isinstance(key, str))
        alike[header, file.compression, said].append(file)
    return [_csv_shape(delivery.table, files, header, mapping) for (header, *_), files in alike.items()]


def _first(file: DataFile, execute: Execute) -> bytes:
    if file.compression != "zstd":
        return beginning(file)
    reader = (
        f"read_csv({_list_of([file])}, auto_detect = false, header = false, delim = '', quote = '', escape = '', "
        f"columns = {{'line': 'VARCHAR'}}, compression = 'zstd', max_line_size = {LONGEST_LINE})"
    )
    try:
        lines = execute(f"SELECT line FROM {reader} LIMIT 1")
    except DBAPIError as error:
        raise SourceError(f"{shown(file.path)} cannot be read as CSV in UTF-8: export it again") from error
    return str(lines[0][0] or "").encode() if lines else b""


def _csv_shape(table: str, files: Sequence[DataFile], header: Header, mapping: SourceMapping) -> Shape:
    # Names of our own, as those of the header may be empty or stand there twice.
    columns = "{" + ", ".join(f"'c{place}': 'VARCHAR'" for place in range(len(header.columns))) + "}"
    options = (
        f"auto_detect = false, header = true, delim = {literal(header.separator)}, quote = '\"', escape = '\"', "
        f"strict_mode = true, max_line_size = {LONGEST_LINE}, buffer_size = {2 * LONGEST_LINE}, hive_partitioning = false, "
        "nullstr = ['', '\\N', 'NULL'], "
        f"columns = {columns}"
    )
    fields = {
        column: _said_by_folder(files[0], where)
        if isinstance(where, str)
        else Field(f"c{where}", "VARCHAR", header.columns[where])
        for column, where in columns_of(table, header.columns, files[0], mapping, files[0].partition).items()
    }
    marked = dict.fromkeys(marking(table, header.columns, mapping))
    marks = tuple(Field(f"c{header.columns.index(name)}", "VARCHAR", name) for name in marked)
    return Shape(fields, tuple(files), "read_csv", options, marks)


def loaded_csv(shapes: Sequence[Shape], into: str, execute: Execute) -> Shape:
    """The rows of text files in the table `into`, all values as text. Raises SourceError for what is no CSV."""
    marks = list(dict.fromkeys(mark.name for shape in shapes for mark in shape.marks))
    parts = [
        f"SELECT {', '.join(f'{field.sql} AS {column}' for column, field in shape.fields.items())}"
        + "".join(f", {mark.sql} AS mark_{marks.index(mark.name)}" for mark in shape.marks)
        + f" FROM {shape.relation}"
        for shape in shapes
    ]
    fields = {column: Field(column, "VARCHAR", field.name) for s in shapes for column, field in s.fields.items()}
    # Spreadsheets write lines of separators alone for cells that somebody once touched: they are no rows.
    empty = literal("")
    some = f"coalesce({', '.join(f'nullif({column}, {empty})' for column in fields)}) IS NOT NULL"
    rows = " UNION ALL BY NAME ".join(parts)
    try:
        ((loaded,),) = execute(f"CREATE OR REPLACE TEMP TABLE {into} AS FROM ({rows}) WHERE {some}")
    except DBAPIError as error:
        raise _no_csv(shapes, error, execute) from error
    kept = tuple(Field(f"mark_{place}", "VARCHAR", name) for place, name in enumerate(marks))
    files = tuple(file for shape in shapes for file in shape.files)
    return Shape(fields, files, into, marks=kept, empty=not loaded)


def with_mended_files(shapes: Sequence[Shape], folder: Path) -> tuple[list[Shape], dict[str, int]]:
    """The shapes with a copy of each file that holds bytes that are no UTF-8, and in how many lines it does."""
    told: dict[str, int] = {}
    alone = [(shape, file) for shape in shapes for file in shape.files]
    result = []
    for place, (shape, file) in enumerate(alone):
        copy = folder / f"mended-{place}.csv"
        lines = mended(file, copy)
        if lines:
            told[file.path.name] = lines
            result.append(replace(shape, files=(replace(file, copy=copy),)))
        else:
            copy.unlink()
            result.append(replace(shape, files=(file,)))
    return result, told


def is_encoding(error: DBAPIError) -> bool:
    """Whether DuckDB met bytes that are no UTF-8."""
    said = str(error.orig)
    return "Invalid unicode" in said or "not utf-8" in said or "Invalid string encoding" in said


def _no_csv(shapes: Sequence[Shape], error: DBAPIError, execute: Execute) -> Exception:
    """What to raise: the first file that fails alone, or the error itself where it is one of bytes that can be mended."""
    for shape in shapes:
        for file in shape.files:
            try:
                file.check_unchanged()
                named = ", ".join(field.sql for field in shape.fields.values())
                execute(f"CREATE OR REPLACE TEMP TABLE tried AS SELECT {named} FROM {shape.over([file])}")
            except DBAPIError as alone:
                return alone if is_encoding(alone) else SourceError(_csv_reason(file.path, alone))
            except SourceError as other:
                return other
    return changed(shapes[0].files[0].path) if not is_encoding(error) else error


def _csv_reason(path: Path, error: DBAPIError) -> str:
    if "Maximum line size" in str(error.orig):
        return f"{shown(path)}: a line is longer than {LONGEST_LINE // 1024**2} MB; is a quote missing? export it again"
    for line in str(error.orig).splitlines():
        before, found, rest = line.partition("Error on Line: ")
        if found:
            return f"{shown(path)}: line {rest.strip() or before} is not valid CSV with the header's number of columns; export it again"
    return f"{shown(path)} is not valid CSV; export it again"


def _said_by_folder(file: DataFile, key: str) -> Field:
    value = file.partition[key]
    return Field("CAST(NULL AS VARCHAR)" if value is None else literal(value), "VARCHAR", key)


def _list_of(files: Sequence[DataFile]) -> str:
    return "[" + ", ".join(literal(_escaped(file.copy or file.path)) for file in files) + "]"


def _escaped(path: Path) -> str:
    """A path as DuckDB takes it, for which it is a pattern."""
    return "".join(f"[{character}]" if character in "*?[" else character for character in str(path))
