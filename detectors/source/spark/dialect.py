"""The statements of detectors as Spark SQL: how SQLAlchemy writes them, and what Spark calls differently.

Values never stand in the text of a statement: they go beside it as typed arguments, so that no text needs escaping. What the
program itself says, such as a pattern, is written out. Spark is held to what its release 3.5 and Sail both know.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, Executable, Select, Text, select
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.exc import CompileError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import operators
from sqlalchemy.sql.compiler import GenericTypeCompiler, IdentifierPreparer, SQLCompiler
from sqlalchemy.sql.elements import BindParameter, Cast, ClauseElement, FunctionFilter, Over, UnaryExpression
from sqlalchemy.sql.functions import Function, FunctionElement
from sqlalchemy.types import BigInteger, Integer, Numeric, TypeEngine

from detectors.source.ids import UUID_IN_ANY_NOTATION, WHOLE_NUMBER, WRAPPING
from detectors.source.longest import MOST_BYTES
from detectors.source.notations import BARE, PLAIN, id_of_bytes, plain_text, unblanked
from detectors.source.sql import byte_length, json_is_lost, json_text, like_any, matches, one_of_many, unless_too_long

_PLACED = {operators.nulls_first_op, operators.nulls_last_op}
_UNICODE_ANY_CASE = "(?iu)"
_KNOWN = frozenset(
    [
        *("coalesce", "count", "max", "min", "sum", "bool_and", "bool_or", "rank", "row_number", "nullif", "concat"),
        *(
            "length",
            "lower",
            "upper",
            "replace",
            "substr",
            "split_part",
            "trim",
            "md5",
            "date_trunc",
            "to_json",
            "to_utc_timestamp",
        ),
    ]
)
"""The functions that Spark calls as PostgreSQL does, and that do the same there. Any other one is a fault of ours."""


def literal(text: str) -> str:
    """A text of our own as Spark writes it, for which a backslash is an escape."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def identifier(*names: str) -> str:
    """A name of one or several parts, in Spark's quotes."""
    return ".".join("`" + name.replace("`", "``") + "`" for name in names)


_BLANKS = literal(WRAPPING)


class _Names(IdentifierPreparer):
    def __init__(self, dialect: Any) -> None:
        super().__init__(dialect, initial_quote="`", final_quote="`")

    def _requires_quotes(self, value: str) -> bool:
        return True


class _Types(GenericTypeCompiler):
    def visit_text(self, type_: Any, **kw: Any) -> str:
        return "STRING"

    visit_uuid = visit_string = visit_unicode = visit_unicode_text = visit_VARCHAR = visit_JSON = visit_text  # noqa: N815

    def visit_datetime(self, type_: Any, **kw: Any) -> str:
        return "TIMESTAMP" if type_.timezone else "TIMESTAMP_NTZ"

    def visit_numeric(self, type_: Any, **kw: Any) -> str:
        return "DECIMAL(38, 9)"

    def visit_large_binary(self, type_: Any, **kw: Any) -> str:
        return "BINARY"


class _Compiler(SQLCompiler):
    """Writes what differs. A function that is not known here cannot be written, so that no cluster is the first to say so."""

    def visit_table(self, table: Any, asfrom: bool = False, enclosing_alias: Any = None, **kw: Any) -> str:
        if not asfrom:
            return ""
        where = self.dialect.relations.get(table.name, identifier(table.name))  # type: ignore[attr-defined]  # SparkDialect's
        own = enclosing_alias is None or enclosing_alias.element is not table
        return f"{where} AS {self.preparer.quote(table.name)}" if own else where

    def visit_cast(self, cast: Cast[Any], **kw: Any) -> str:
        # A condition beside it says which texts are numbers, but an engine may work both out for every row.
        safely = "TRY_CAST" if isinstance(cast.type, Numeric | Integer | BigInteger) else "CAST"
        return f"{safely}({self.process(cast.clause, **kw)} AS {self.process(cast.typeclause, **kw)})"

    def visit_funcfilter(self, funcfilter: FunctionFilter[Any], **kw: Any) -> str:
        # Spark has no FILTER on an aggregate over a window; the values of other rows as null come to the same everywhere.
        kw.pop("add_to_result_map", None)
        function, condition = funcfilter.func, self.process(funcfilter.criterion, **kw)
        arguments = list(function.clauses)
        distinct = ""
        if not arguments or getattr(arguments[0], "name", "") == "*":
            value = "1"
        else:
            (argument,) = arguments
            if isinstance(argument, UnaryExpression) and argument.operator is operators.distinct_op:
                distinct, argument = "DISTINCT ", argument.element
            elif isinstance(argument, Function) and argument.name == "distinct":
                distinct, argument = "DISTINCT ", argument.clauses.clauses[0]
            value = self.process(argument, **kw)
        if function.name not in _KNOWN:
            raise CompileError(f"an aggregate that is not known of Spark: {function.name}")
        return f"{function.name}({distinct}CASE WHEN {condition} THEN {value} END)"

    def visit_over(self, over: Over[Any], **kw: Any) -> str:
        parts = []
        if over.partition_by is not None and len(over.partition_by):
            parts.append(f"PARTITION BY {self.process(over.partition_by, **kw)}")
        if over.order_by is not None and len(over.order_by):
            parts.append(f"ORDER BY {self._in_order(over.order_by, **kw)}")
        if over.range_ is not None or over.rows is not None or over.groups is not None:
            raise CompileError("a frame of a window, which is not known of Spark")
        return f"{self.process(over.element, **kw)} OVER ({' '.join(parts)})"

    def order_by_clause(self, select: Any, **kw: Any) -> str:
        clauses = select._order_by_clauses
        return f" ORDER BY {self._in_order(clauses, **kw)}" if len(clauses) else ""

    def _in_order(self, clauses: Any, **kw: Any) -> str:
        """Nulls come last, as with the other engines, where it is not said."""
        return ", ".join(
            self.process(one, **kw) + ("" if getattr(one, "modifier", None) in _PLACED else " NULLS LAST")
            for one in clauses
        )

    def limit_clause(self, select: Any, **kw: Any) -> str:
        if select._offset_clause is not None and select._offset_clause.value:
            raise CompileError("rows that are passed over, which no statement of ours does")
        # An offset of nothing is a fence for another engine's planner.
        return "" if select._limit_clause is None else f"\n LIMIT {self.process(select._limit_clause, **kw)}"

    def visit_binary(self, binary: Any, override_operator: Any = None, **kw: Any) -> str:
        if binary.operator is operators.collate:
            # A text of Spark is compared byte by byte.
            return str(self.process(binary.left, **kw))
        if (
            binary.operator is operators.in_op
            and kw.get("within_columns_clause")
            and _subquery(binary.right) is not None
        ):
            return self._among(binary, **kw)
        listed = _listed(binary.right) if binary.operator is operators.eq else None
        if listed is not None:
            return f"{self.process(binary.left, **kw)} IN ({self.process(listed, **kw)})"
        return str(super().visit_binary(binary, override_operator=override_operator, **kw))

    def _among(self, binary: Any, **kw: Any) -> str:
        """A column that says whether a value is among others. Sail works that out as a condition only, or by EXISTS."""
        among = _subquery(binary.right).subquery("among")  # type: ignore[union-attr]  # the caller has looked
        (value,) = among.c
        return str(self.process(select(value).where(value == binary.left).correlate_except(among).exists(), **kw))

    def visit_regexp_match_op_binary(self, binary: Any, operator: Any, **kw: Any) -> str:
        return f"({self.process(binary.left, **kw)} RLIKE {literal(_pattern(binary.right.value))})"

    def visit_not_regexp_match_op_binary(self, binary: Any, operator: Any, **kw: Any) -> str:
        return f"(NOT {self.visit_regexp_match_op_binary(binary, operator, **kw)})"

    def visit_function(self, func: Function[Any], add_to_result_map: Any = None, **kw: Any) -> str:
        name = func.name.lower()
        if name not in _KNOWN and not hasattr(self, f"visit_{name}_func"):
            raise CompileError(f"a function that is not known of Spark: {func.name}")
        return str(super().visit_function(func, add_to_result_map=add_to_result_map, **kw))

    def visit_distinct_func(self, func: Function[Any], **kw: Any) -> str:
        return f"DISTINCT {self.function_argspec(func, **kw)}"

    def visit_timezone_func(self, func: Function[Any], **kw: Any) -> str:
        zone, time = func.clauses
        if not isinstance(zone, BindParameter) or zone.value != "UTC":
            raise CompileError("a time zone that is not the session's")
        return str(self.process(time, **kw))

    def visit_string_to_array_func(self, func: Function[Any], **kw: Any) -> str:
        return f"split{self.function_argspec(func, **kw)}"

    def visit_unnest_func(self, func: Function[Any], **kw: Any) -> str:
        return f"explode{self.function_argspec(func, **kw)}"

    def visit_string_agg_func(self, func: Function[Any], **kw: Any) -> str:
        value, delimiter = func.clauses
        if not isinstance(delimiter, aggregate_order_by):
            raise CompileError("a text put together in no order")
        between = self.process(delimiter.target, **kw)
        return f"array_join({self._in_array(value, delimiter.order_by, **kw)}, {between})"

    def visit_array_agg_func(self, func: Function[Any], **kw: Any) -> str:
        (ordered,) = func.clauses
        if not isinstance(ordered, aggregate_order_by):
            raise CompileError("an array put together in no order")
        return self._in_array(ordered.target, ordered.order_by, **kw)

    def _in_array(self, value: ColumnElement[Any], order: ColumnElement[Any], **kw: Any) -> str:
        keys = order.clauses if hasattr(order, "clauses") else [order]
        # Of two times the missing one is the later one, as in any order here.
        parts = [part for key in keys for part in (f"{self.process(key, **kw)} IS NULL", self.process(key, **kw))]
        named = [*parts, self.process(value, **kw)]
        struct = ", ".join(f"{part} AS k{place}" for place, part in enumerate(named))
        return f"transform(sort_array(collect_list(struct({struct}))), e -> e.k{len(named) - 1})"


def _listed(right: Any) -> ClauseElement | None:
    """The subquery of `= any(array(subquery))`, which a server's planner takes for a list and Spark for a join."""
    if isinstance(right, FunctionElement) and getattr(right, "name", "").lower() in {"any", "any_"}:
        (array,) = right.clauses
        if isinstance(array, Function) and array.name == "array":
            (subquery,) = array.clauses
            return subquery.element if hasattr(subquery, "element") else subquery
    return None


def _subquery(right: Any) -> Select[Any] | None:
    inside = getattr(right, "element", right)
    return inside if isinstance(inside, Select) else None


def _pattern(pattern: str) -> str:
    """A pattern as Java and Rust read it like the others do: its last `$` is the end of the text, whatever line ends there."""
    return pattern[:-1] + "\\z" if pattern.endswith("$") and not pattern.endswith("\\$") else pattern


class SparkDialect(DefaultDialect):
    """Compiles only: rows come by Spark Connect. `relations` says by canonical name where each table is, and of which version."""

    name = "spark"
    default_paramstyle = "named"
    supports_native_boolean = True
    supports_statement_cache = False
    statement_compiler = _Compiler
    type_compiler_cls = _Types
    preparer = _Names
    relations: Mapping[str, str]

    def __init__(self) -> None:
        super().__init__(paramstyle="named")
        self.relations = {}


def written(dialect: SparkDialect, statement: Executable) -> tuple[str, dict[str, Any], list[str]]:
    """A statement in Spark SQL, its arguments by name, and the names of its columns."""
    compiled: Any = statement.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})  # type: ignore[attr-defined]  # all that are run are clauses too
    names = [entry.keyname for entry in compiled._result_columns]
    return str(compiled), dict(compiled.params), names


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
    kind: TypeEngine[Any] = values.type.item_type  # type: ignore[attr-defined]  # an ARRAY, by its constructor
    listed: Any = BindParameter(None, json.dumps([str(value) for value in values.value]), unique=True)  # type: ignore[attr-defined]  # a parameter, by its constructor
    wanted = compiler.dialect.type_compiler_instance.process(kind)
    each = f"explode(from_json({compiler.process(listed, **kw)}, 'array<string>'))"
    own = "each.value" if wanted == "STRING" else f"CAST(each.value AS {wanted})"
    # One text of any length costs a cluster nothing; thousands of values in a statement take it seconds to read.
    return f"({compiler.process(column, **kw)} IN (SELECT {own} FROM (SELECT {each} AS value) AS each))"


@compiles(byte_length, "spark")
def _byte_length(element: byte_length, compiler: SQLCompiler, **kw: Any) -> str:
    return f"octet_length({compiler.process(element.clauses, **kw)})"


@compiles(like_any, "spark")
def _like_any(element: like_any, compiler: SQLCompiler, **kw: Any) -> str:
    column, *patterns = element.clauses
    text = compiler.process(column, **kw)
    return "(" + " OR ".join(f"{text} LIKE {compiler.process(pattern, **kw)}" for pattern in patterns) + ")"


@compiles(matches, "spark")
def _matches(element: matches, compiler: SQLCompiler, **kw: Any) -> str:
    column, pattern, _, option = element.clauses
    case = _UNICODE_ANY_CASE if "i" in str(option) else ""
    return f"({compiler.process(column, **kw)} RLIKE {literal(case + _pattern(pattern.value))})"  # type: ignore[attr-defined]  # a parameter, by its constructor


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
        f"CASE WHEN {text} IS NULL THEN NULL"
        f" WHEN {text} RLIKE {literal(_pattern(PLAIN))} AND length({text}) <> {BARE} THEN {text}"
        f" WHEN {blankless} RLIKE {literal(_pattern(UUID_IN_ANY_NOTATION))} THEN {_hyphenated(digits)}"
        f" WHEN {blankless} RLIKE {literal(_pattern(WHOLE_NUMBER))} THEN split_part(trim(LEADING '+' FROM {blankless}), '.', 1)"
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
