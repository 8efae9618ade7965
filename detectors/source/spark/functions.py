"""The expressions of our own, as Spark SQL writes them."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Text
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import BindParameter
from sqlalchemy.sql.functions import FunctionElement

from detectors.source.ids import IS_NOTHING, LONGEST_NOTHING, UUID_IN_ANY_NOTATION, WHOLE_NUMBER, WRAPPING
from detectors.source.longest import MOST_BYTES
from detectors.source.notations import BARE, PLAIN, id_of_bytes, plain_text, unblanked
from detectors.source.spark.writing import literal, pattern_of
from detectors.source.sql import byte_length, json_is_lost, json_text, like_any, matches, one_of_many, unless_too_long

_BLANKS = literal(WRAPPING)
_ANY_CASE = "(?iu)"
"""Of letters beyond ASCII too."""


class object_in(FunctionElement[str]):  # noqa: N801  # reads as a function in statements
    """The JSON object in a text, also where a string holds it once or twice; what holds none stays: `object_in(column)`.

    A longer text than is read is one that holds none.
    """

    inherit_cache = True
    type = Text()


@compiles(object_in, "spark")
def _object_in(element: object_in, compiler: SQLCompiler, **kw: Any) -> str:
    text = compiler.process(element.clauses, **kw)
    once = f"get_json_object({text}, '$')"
    twice = f"get_json_object({once}, '$')"
    return (
        f"CASE WHEN octet_length({text}) > {MOST_BYTES} THEN '\"too long\"' WHEN {text} LIKE '{{%' THEN {text}"
        f" ELSE coalesce(CASE WHEN {once} LIKE '\"%' THEN {twice} ELSE {once} END, {text}) END"
    )


@compiles(json_text, "spark")
def _json_text(element: json_text, compiler: SQLCompiler, **kw: Any) -> str:
    column, key, _ = element.clauses
    return f"get_json_object({compiler.process(column, **kw)}, '$.{compiler.process(key, **kw)[1:-1]}')"


@compiles(json_is_lost, "spark")
def _json_is_lost(element: json_is_lost, compiler: SQLCompiler, **kw: Any) -> str:
    text = compiler.process(element.clauses.clauses[0], **kw)
    return f"({text} IS NOT NULL AND trim({text}) <> 'null' AND json_object_keys({text}) IS NULL)"


@compiles(unless_too_long, "spark")
def _unless_too_long(element: unless_too_long, compiler: SQLCompiler, **kw: Any) -> str:
    # The tables of a lake have replaced it already.
    return compiler.process(element.clauses.clauses[0], **kw)


@compiles(one_of_many, "spark")
def _one_of_many(element: one_of_many, compiler: SQLCompiler, **kw: Any) -> str:
    column, values = element.clauses
    kind: Any = values.type
    listed: Any = BindParameter(None, json.dumps([str(value) for value in values.value]), unique=True)
    wanted = compiler.dialect.type_compiler_instance.process(kind.item_type)
    each = f"explode(from_json({compiler.process(listed, **kw)}, 'array<string>'))"
    own = "each.value" if wanted == "STRING" else f"CAST(each.value AS {wanted})"
    # One text of any length costs a cluster nothing; thousands of values in a statement take it seconds to read.
    return f"({compiler.process(column, **kw)} IN (SELECT {own} FROM (SELECT {each} AS value) AS each))"


@compiles(byte_length, "spark")
def _byte_length(element: byte_length, compiler: SQLCompiler, **kw: Any) -> str:
    return f"octet_length({compiler.process(element.clauses, **kw)})"


@compiles(like_any, "spark")
def _like_any(element: like_any, compiler: SQLCompiler, **kw: Any) -> str:
    column, _, *patterns = element.clauses
    text = compiler.process(column, **kw)
    return "(" + " OR ".join(f"{text} LIKE {compiler.process(pattern, **kw)}" for pattern in patterns) + ")"


@compiles(matches, "spark")
def _matches(element: matches, compiler: SQLCompiler, **kw: Any) -> str:
    column, pattern, _, option = element.clauses
    case = _ANY_CASE if "i" in str(option) else ""
    return f"({compiler.process(column, **kw)} RLIKE {literal(case + pattern_of(pattern.value))})"


@compiles(unblanked, "spark")
def _unblanked(element: unblanked, compiler: SQLCompiler, **kw: Any) -> str:
    return f"btrim({compiler.process(element.clauses, **kw)}, {_BLANKS})"


@compiles(plain_text, "spark")
def _plain_text(element: plain_text, compiler: SQLCompiler, **kw: Any) -> str:
    return _plain_id(compiler.process(element.clauses, **kw))


def _plain_id(text: str) -> str:
    blankless = f"btrim({text}, {_BLANKS})"
    digits = f"regexp_replace(lower({blankless}), 'urn:uuid:|[^0-9a-f]', '')"
    return (
        f"CASE WHEN {text} IS NULL OR (length({text}) <= {LONGEST_NOTHING} AND lower({blankless}) {IS_NOTHING}) THEN NULL"
        f" WHEN {text} RLIKE {literal(pattern_of(PLAIN))} AND length({text}) <> {BARE} THEN {text}"
        f" WHEN {blankless} RLIKE {literal(pattern_of(UUID_IN_ANY_NOTATION))} THEN {_hyphenated(digits)}"
        f" WHEN {blankless} RLIKE {literal(pattern_of(WHOLE_NUMBER))} THEN split_part(trim(LEADING '+' FROM {blankless}), '.', 1)"
        f" ELSE {blankless} END"
    )


def _hyphenated(digits: str) -> str:
    return f"regexp_replace({digits}, '^(.{{8}})(.{{4}})(.{{4}})(.{{4}})(.{{12}})', '$1-$2-$3-$4-$5')"


@compiles(id_of_bytes, "spark")
def _id_of_bytes(element: id_of_bytes, compiler: SQLCompiler, **kw: Any) -> str:
    column = compiler.process(element.clauses, **kw)
    digits = f"lower(hex({column}))"
    is_text = f"hex({column}) RLIKE {literal('^(?:[2-7].)*' + chr(92) + 'z')}"
    text = f"decode(CASE WHEN {is_text} THEN {column} END, 'UTF-8')"
    return (
        f"CASE WHEN {column} IS NULL THEN NULL WHEN {is_text} THEN {_plain_id(text)}"
        f" WHEN octet_length({column}) = 16 THEN {_hyphenated(digits)} ELSE {digits} END"
    )
