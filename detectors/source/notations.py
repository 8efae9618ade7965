"""Ids in SQL, read as what they are: the expressions for `ids.plain_id` on both engines, and the question who needs them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Text, literal_column
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from detectors.source.ids import IS_NOTHING, LONGEST_NOTHING, UUID_IN_ANY_NOTATION, WHOLE_NUMBER, WRAPPING

PLAIN = "^(?:[0-9a-z_-]*|[!#-&(-9;-z|~]*[G-Zg-z_][!#-&(-9;-z|~]*)$"
"""Nearly every id: no letter in capitals, or a letter that no UUID has. The few others are looked at closely."""
BARE = 32
_CODES = ", ".join(f"chr({ord(blank)})" for blank in WRAPPING)
# Other encodings of a server know no no-break space, or know it by another number.
_KNOWN = "CASE WHEN getdatabaseencoding() IN ('UTF8', 'LATIN1') THEN {} ELSE 32 END"
_SERVER_CODES = ", ".join(f"chr({ord(blank) if blank.isascii() else _KNOWN.format(ord(blank))})" for blank in WRAPPING)


class plain_text(FunctionElement[str]):  # noqa: N801  # reads as a function in statements
    """An id that is written as text, as `plain_id` writes it: `plain_text(column)`. Null stays null, as does what stands for it."""

    inherit_cache = True
    type = Text()

    def __init__(self, column: ColumnElement[Any]) -> None:
        super().__init__(column)


class unblanked(FunctionElement[str]):  # noqa: N801  # reads as a function in statements
    """A text without the blanks around it: `unblanked(text)`."""

    inherit_cache = True
    type = Text()

    def __init__(self, column: ColumnElement[Any]) -> None:
        super().__init__(column)


class id_of_bytes(FunctionElement[str]):  # noqa: N801  # reads as a function in statements
    """The id that a column of bytes holds: the 16 of a UUID, or a text. What is neither is shown in hexadecimal digits."""

    inherit_cache = True
    type = Text()

    def __init__(self, column: ColumnElement[Any]) -> None:
        super().__init__(column)


@compiles(unblanked)
def _unblanked(element: unblanked, compiler: SQLCompiler, **kw: Any) -> str:
    text = compiler.process(element.clauses, **kw)
    if compiler.dialect.name == "postgresql":
        return f"btrim({text}, concat({_SERVER_CODES}))"
    return f"trim({text}, concat({_CODES}))"


@compiles(plain_text, "postgresql")
def _plain_text_postgresql(element: plain_text, compiler: SQLCompiler, **kw: Any) -> str:
    text = compiler.process(element.clauses, **kw)
    blankless = f"btrim({text}, concat({_SERVER_CODES}))"
    digits = f"regexp_replace(lower({blankless}), 'urn:uuid:|[^0-9a-f]', '', 'g')"
    return (
        f"CASE WHEN length({text}) <= {LONGEST_NOTHING} AND lower({blankless}) {IS_NOTHING} THEN NULL"
        f" WHEN ({text}) COLLATE \"C\" ~ '{PLAIN}' AND length({text}) <> {BARE} THEN {text}"
        f" WHEN {blankless} COLLATE \"C\" ~ '{UUID_IN_ANY_NOTATION}' THEN CAST(CAST({digits} AS uuid) AS text)"
        f" WHEN {blankless} COLLATE \"C\" ~ '{WHOLE_NUMBER}' THEN split_part(ltrim({blankless}, '+'), '.', 1)"
        f" ELSE {blankless} END"
    )


@compiles(plain_text, "duckdb")
def _plain_text_duckdb(element: plain_text, compiler: SQLCompiler, **kw: Any) -> str:
    text = compiler.process(element.clauses, **kw)
    blankless = f"trim({text}, concat({_CODES}))"
    digits = f"regexp_replace(lower({blankless}), 'urn:uuid:|[^0-9a-f]', '', 'g')"
    return (
        f"CASE WHEN {text} IS NULL OR (length({text}) <= {LONGEST_NOTHING} AND lower({blankless}) {IS_NOTHING}) THEN NULL"
        f" WHEN regexp_matches({text}, '{PLAIN}') AND length({text}) <> {BARE} THEN {text}"
        f" WHEN regexp_matches({blankless}, '{UUID_IN_ANY_NOTATION}') THEN CAST(TRY_CAST({digits} AS uuid) AS VARCHAR)"
        f" WHEN regexp_matches({blankless}, '{WHOLE_NUMBER}') THEN split_part(ltrim({blankless}, '+'), '.', 1)"
        f" ELSE {blankless} END"
    )


@compiles(id_of_bytes, "postgresql")
def _id_of_bytes_postgresql(element: id_of_bytes, compiler: SQLCompiler, **kw: Any) -> str:
    column = compiler.process(element.clauses, **kw)
    # What is written in ASCII comes out of this as it went in, and nothing makes it fail.
    escaped = f"encode({column}, 'escape')"
    text = str(compiler.process(plain_text(literal_column(escaped))))
    return (
        f"CASE WHEN octet_length({column}) = 16 AND encode({column}, 'hex') !~ '^(?:[2-7].)*$'"
        f" THEN CAST(CAST(encode({column}, 'hex') AS uuid) AS text)"
        f" WHEN strpos({escaped}, '\\') = 0 THEN {text}"
        f" WHEN octet_length({column}) = 16 THEN CAST(CAST(encode({column}, 'hex') AS uuid) AS text)"
        f" ELSE encode({column}, 'hex') END"
    )
