"""The few expressions that PostgreSQL and DuckDB write differently."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Boolean, ColumnElement, Integer, Text, bindparam, literal_column
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement


class json_text(FunctionElement[str]):  # noqa: N801  # reads as a function in statements
    """The text of a top-level key of a JSON object: `json_text(column, "key")`. The key is our own, never the user's."""

    inherit_cache = True
    type = Text()

    def __init__(self, column: ColumnElement[Any], key: str) -> None:
        if not key.isidentifier():
            raise ValueError(f"{key!r} is not a plain key")
        super().__init__(column, literal_column(f"'{key}'"))


@compiles(json_text, "postgresql")
def _json_text_postgresql(element: json_text, compiler: SQLCompiler, **kw: Any) -> str:
    column, key = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"({column} ->> {key})"


@compiles(json_text, "duckdb")
def _json_text_duckdb(element: json_text, compiler: SQLCompiler, **kw: Any) -> str:
    column, key = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"json_extract_string({column}, {key})"


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
        super().__init__(column, *(bindparam(None, pattern, Text(), unique=True) for pattern in patterns))


@compiles(like_any, "postgresql")
def _like_any_postgresql(element: like_any, compiler: SQLCompiler, **kw: Any) -> str:
    column, *patterns = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"({column} LIKE ANY (ARRAY[{', '.join(patterns)}]))"


@compiles(like_any, "duckdb")
def _like_any_duckdb(element: like_any, compiler: SQLCompiler, **kw: Any) -> str:
    column, *patterns = (compiler.process(clause, **kw) for clause in element.clauses)
    return "(" + " OR ".join(f"{column} LIKE {pattern}" for pattern in patterns) + ")"


@compiles(matches, "postgresql")
def _matches_postgresql(element: matches, compiler: SQLCompiler, **kw: Any) -> str:
    column, pattern, operator, _ = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"({column} {operator} {pattern})"


@compiles(matches, "duckdb")
def _matches_duckdb(element: matches, compiler: SQLCompiler, **kw: Any) -> str:
    column, pattern, _, option = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"regexp_matches({column}, {pattern}, {option})"
