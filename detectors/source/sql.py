"""The few expressions that PostgreSQL and DuckDB write differently."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    ARRAY,
    Boolean,
    ColumnElement,
    FromClause,
    Integer,
    LargeBinary,
    Text,
    Values,
    bindparam,
    column,
    func,
    literal_column,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeEngine

from detectors.source import json_postgres
from detectors.source.longest import MOST_BYTES, MOST_CHARACTERS, WRITTEN_BY_PEOPLE


class WrappedJSONB(JSONB):
    """The type of a jsonb column in which strings were seen that may hold objects. Most have none, and plain statements."""


def _held(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """How a column holds JSON, as a mark for the compilers below."""
    for kind, mark in ((WrappedJSONB, "wrapped"), (JSONB, "jsonb"), (LargeBinary, "bytes"), (Text, "text")):
        if isinstance(column.type, kind):
            return literal_column(mark)
    return literal_column("json")


def _version(compiler: SQLCompiler) -> int:
    said = getattr(compiler.dialect, "server_version_info", None)
    return int(said[0]) if said else 14


class json_text(FunctionElement[str]):  # noqa: N801  # reads as a function in statements
    """The text of a top-level key of a JSON object: `json_text(column, "key")`. The key is our own, never the user's.

    The column's type is that of the source: jsonb, json, text or bytes. Whatever it holds, nothing fails: what is no object
    and no string that holds one has no keys.
    """

    inherit_cache = True
    type = Text()

    def __init__(self, column: ColumnElement[Any], key: str) -> None:
        if not key.isidentifier():
            raise ValueError(f"{key!r} is not a plain key")
        super().__init__(column, literal_column(f"'{key}'"), _held(column))


@compiles(json_text, "postgresql")
def _json_text_postgresql(element: json_text, compiler: SQLCompiler, **kw: Any) -> str:
    column, key, held = (compiler.process(clause, **kw) for clause in element.clauses)
    if held == "jsonb":
        return f"({column} ->> {key})"
    if held == "wrapped":
        return json_postgres.key_of_jsonb(column, key, _version(compiler))
    # Taking a text apart takes many times its size.
    return (
        f"CASE WHEN pg_column_size({column}) <= {MOST_BYTES} THEN {_key_of(column, key, held, _version(compiler))} END"
    )


def _key_of(column: str, key: str, held: str, version: int) -> str:
    if held == "json":
        return json_postgres.key_of_json(column, key, version)
    return json_postgres.key_of_text(json_postgres.text_of_bytes(column) if held == "bytes" else column, key, version)


@compiles(json_text, "duckdb")
def _json_text_duckdb(element: json_text, compiler: SQLCompiler, **kw: Any) -> str:
    column, key, _ = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"json_extract_string({column}, {key})"


class json_is_lost(FunctionElement[bool]):  # noqa: N801  # reads as a function in statements
    """Whether a column of metadata holds something that is neither an object nor a string holding one; false for null."""

    inherit_cache = True
    type = Boolean()

    def __init__(self, column: ColumnElement[Any]) -> None:
        super().__init__(column, _held(column))


@compiles(json_is_lost, "postgresql")
def _json_is_lost_postgresql(element: json_is_lost, compiler: SQLCompiler, **kw: Any) -> str:
    column, held = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"CASE WHEN pg_column_size({column}) > {MOST_BYTES} THEN true ELSE {_is_lost(column, held, _version(compiler))} END"


def _is_lost(column: str, held: str, version: int) -> str:
    if held == "jsonb":
        # Statements that take no string apart have not read one that holds an object either.
        return f"(jsonb_typeof({column}) NOT IN ('object', 'null'))"
    if held == "wrapped":
        return json_postgres.jsonb_is_lost(column, version)
    if held == "bytes":
        text = json_postgres.text_of_bytes(column)
        return f"({column} IS NOT NULL AND ({text} IS NULL OR {json_postgres.text_is_lost(text, version)}))"
    return json_postgres.text_is_lost(f"CAST({column} AS text)" if held == "json" else column, version)


@compiles(json_is_lost, "duckdb")
def _json_is_lost_duckdb(element: json_is_lost, compiler: SQLCompiler, **kw: Any) -> str:
    column, _ = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"(json_type({column}) NOT IN ('OBJECT', 'NULL'))"


class unless_too_long(FunctionElement[Any]):  # noqa: N801  # reads as a function in statements
    """Metadata as it stands, or a text in its place where it takes more than MOST_BYTES: `unless_too_long(column)`.

    The text is no object, so that such a row is counted among those that cannot be read.
    """

    inherit_cache = True

    def __init__(self, column: ColumnElement[Any]) -> None:
        super().__init__(column, _held(column))
        self.type = column.type


@compiles(unless_too_long, "postgresql")
def _unless_too_long_postgresql(element: unless_too_long, compiler: SQLCompiler, **kw: Any) -> str:
    column, held = (compiler.process(clause, **kw) for clause in element.clauses)
    kind = {"wrapped": "jsonb", "bytes": "bytea"}.get(held, held)
    # As it is stored, perhaps compressed: a longer value is not even unpacked.
    return f"CASE WHEN pg_column_size({column}) > {MOST_BYTES} THEN CAST('\"too long\"' AS {kind}) ELSE {column} END"


@compiles(unless_too_long, "duckdb")
def _unless_too_long_duckdb(element: unless_too_long, compiler: SQLCompiler, **kw: Any) -> str:
    # Files are looked through when they are opened.
    column, _ = (compiler.process(clause, **kw) for clause in element.clauses)
    return column


def columns_to_read(table: FromClause) -> list[ColumnElement[Any]]:
    """All columns of a table: of texts that people write the beginning, and metadata unless it is too long to be read."""
    return [
        func.substr(column, 1, MOST_CHARACTERS, type_=Text()).label(column.name)
        if column.name in WRITTEN_BY_PEOPLE
        else unless_too_long(column).label(column.name)
        if column.name == "metadata"
        else column
        for column in table.c
    ]


class one_of_many(FunctionElement[bool]):  # noqa: N801  # reads as a function in statements
    """Whether a column is one of any number of values: `one_of_many(column, values, type)`, with a single parameter."""

    inherit_cache = True
    type = Boolean()

    def __init__(self, column: ColumnElement[Any], values: Sequence[Any], kind: TypeEngine[Any]) -> None:
        super().__init__(column, bindparam(None, list(values), ARRAY(kind), unique=True))


@compiles(one_of_many, "postgresql")
def _one_of_many_postgresql(element: one_of_many, compiler: SQLCompiler, **kw: Any) -> str:
    column, values = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"({column} = ANY ({values}))"


@compiles(one_of_many, "duckdb")
def _one_of_many_duckdb(element: one_of_many, compiler: SQLCompiler, **kw: Any) -> str:
    column, values = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"({column} IN (SELECT unnest({values})))"


class Listed(Values):
    """Rows of two texts, each row a row of a statement: `Listed.of(rows, "name", "first", "second")`."""

    inherit_cache = True
    rows: Sequence[tuple[str, str]] = ()

    @classmethod
    def of(cls, rows: Sequence[tuple[str, str]], name: str, first: str, second: str) -> Listed:
        listed = cls(column(first, Text), column(second, Text), name=name).data(rows)
        listed.rows = rows
        return listed


@compiles(Listed, "duckdb")
def _listed_duckdb(element: Listed, compiler: SQLCompiler, **kw: Any) -> str:
    # Two lists, as reading a thousand expressions takes DuckDB longer than it takes to answer.
    lists = (bindparam(None, list(texts), ARRAY(Text), unique=True) for texts in zip(*element.rows, strict=True))
    first, second = (
        f"unnest({compiler.process(texts)}) AS {compiler.preparer.quote(named.name)}"
        for texts, named in zip(lists, element.c, strict=True)
    )
    return f"(SELECT {first}, {second}) AS {compiler.preparer.quote(element.name or '')}"


class byte_length(FunctionElement[int]):  # noqa: N801  # reads as a function in statements
    """How many bytes a text takes as UTF-8, which costs less than to count its characters: `byte_length(column)`."""

    inherit_cache = True
    type = Integer()


@compiles(byte_length, "postgresql")
def _byte_length_postgresql(element: byte_length, compiler: SQLCompiler, **kw: Any) -> str:
    return f"octet_length({compiler.process(element.clauses, **kw)})"


@compiles(byte_length, "duckdb")
def _byte_length_duckdb(element: byte_length, compiler: SQLCompiler, **kw: Any) -> str:
    return f"strlen({compiler.process(element.clauses, **kw)})"


class matches(FunctionElement[bool]):  # noqa: N801  # reads as a function in statements
    """Whether a text holds a match of a regular expression: `matches(column, pattern)`, in any case with `any_case=True`.

    The pattern keeps to what POSIX and RE2 agree on: classes, alternation, repetition and plain characters.
    """

    inherit_cache = True
    type = Boolean()

    def __init__(self, column: ColumnElement[Any], pattern: str, *, any_case: bool = False) -> None:
        operator, option = ("~*", "i") if any_case else ("~", "c")
        said: list[ColumnElement[Any]] = [literal_column(operator), literal_column(f"'{option}'")]
        super().__init__(column, bindparam(None, pattern, Text(), unique=True), *said)


class like_any(FunctionElement[bool]):  # noqa: N801  # reads as a function in statements
    """Whether a text is like one of some LIKE patterns, which must not hold backslashes: `like_any(column, patterns)`."""

    inherit_cache = True
    type = Boolean()

    def __init__(self, column: ColumnElement[Any], patterns: Sequence[str]) -> None:
        each = (bindparam(None, pattern, Text(), unique=True) for pattern in patterns)
        super().__init__(column, bindparam(None, _as_expression(patterns), Text(), unique=True), *each)


def _as_expression(patterns: Sequence[str]) -> str:
    """A regular expression of whatever is like one of the LIKE patterns."""
    wild = {"%": ".*", "_": "."}

    def of_one(pattern: str) -> str:
        body = "".join(wild.get(character, re.escape(character)) for character in pattern.strip("%"))
        return f"{'' if pattern.startswith('%') else '^'}{body}{'' if pattern.endswith('%') else '$'}"

    return "|".join(map(of_one, patterns))


@compiles(like_any, "postgresql")
def _like_any_postgresql(element: like_any, compiler: SQLCompiler, **kw: Any) -> str:
    column, _, *patterns = element.clauses
    text = compiler.process(column, **kw)
    return f"({text} LIKE ANY (ARRAY[{', '.join(compiler.process(pattern, **kw) for pattern in patterns)}]))"


@compiles(like_any, "duckdb")
def _like_any_duckdb(element: like_any, compiler: SQLCompiler, **kw: Any) -> str:
    # It has no LIKE ANY, and the column would be read and planned anew for each of a hundred LIKEs.
    column, expression, *_ = element.clauses
    return f"regexp_matches({compiler.process(column, **kw)}, {compiler.process(expression, **kw)}, 's')"


@compiles(matches, "postgresql")
def _matches_postgresql(element: matches, compiler: SQLCompiler, **kw: Any) -> str:
    column, pattern, operator, _ = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"({column} {operator} {pattern})"


@compiles(matches, "duckdb")
def _matches_duckdb(element: matches, compiler: SQLCompiler, **kw: Any) -> str:
    column, pattern, _, option = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"regexp_matches({column}, {pattern}, {option})"
