"""The statements of detectors as Spark SQL: how SQLAlchemy writes them, and what Spark calls differently.

Values never stand in the text of a statement: they go beside it as typed arguments, so that no text needs escaping. What the
program itself says, such as a pattern, is written out. Spark is held to what its release 3.5 and Sail both know.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from typing import cast as typing_cast

from sqlalchemy import Executable, Select, select
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.exc import CompileError
from sqlalchemy.sql import operators
from sqlalchemy.sql.compiler import GenericTypeCompiler, IdentifierPreparer, SQLCompiler
from sqlalchemy.sql.elements import BindParameter, Cast, ClauseElement, FunctionFilter, Over, UnaryExpression
from sqlalchemy.sql.functions import Function, FunctionElement
from sqlalchemy.types import BigInteger, Integer, Numeric

import detectors.source.spark.functions  # noqa: F401  # how our own expressions are written
from detectors.source.spark.writing import identifier, literal, pattern_of

_PLACED = {operators.nulls_first_op, operators.nulls_last_op}
_KNOWN = frozenset(
    [
        *("coalesce", "count", "max", "min", "sum", "bool_and", "bool_or", "rank", "row_number", "nullif", "concat"),
        *("length", "lower", "upper", "replace", "substr", "split_part", "trim", "md5", "date_trunc", "to_json"),
        *("to_utc_timestamp", "greatest"),
    ]
)
"""The functions that Spark calls as PostgreSQL does, and that do the same there. Any other one is a fault of ours."""


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

    def visit_table(self, table: Any, asfrom: Any = False, *told: Any, enclosing_alias: Any = None, **kw: Any) -> str:
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
        function: Any = funcfilter.func
        condition = self.process(typing_cast(ClauseElement, funcfilter.criterion), **kw)
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
        # Spark numbers no rows without an order; any will do where the statement names none.
        order = over.order_by if over.order_by is not None else over.partition_by if _numbers_rows(over) else None
        if order is not None and len(order):
            parts.append(f"ORDER BY {self._in_order(order, **kw)}")
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

    def visit_binary(self, binary: Any, *told: Any, **kw: Any) -> str:
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
        return str(super().visit_binary(binary, *told, **kw))  # type: ignore[no-untyped-call]  # SQLAlchemy leaves it untyped

    def _among(self, binary: Any, **kw: Any) -> str:
        """A column, or a part of one, that says whether a value is among others. Sail works that out by EXISTS alone."""
        among = _subquery(binary.right).subquery("among")  # type: ignore[union-attr]  # the caller has looked
        (value,) = among.c
        return str(self.process(select(value).where(value == binary.left).correlate_except(among).exists(), **kw))

    def visit_regexp_match_op_binary(self, binary: Any, operator: Any, **kw: Any) -> str:
        return f"({self.process(binary.left, **kw)} RLIKE {literal(pattern_of(binary.right.value))})"

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
        value, delimiter = typing_cast(Any, func.clauses)
        if not isinstance(delimiter, aggregate_order_by):
            raise CompileError("a text put together in no order")
        between = self.process(delimiter.target, **kw)
        return f"array_join({self._in_array('s', value, delimiter.order_by, **kw)}, {between})"

    def visit_array_agg_func(self, func: Function[Any], **kw: Any) -> str:
        (ordered,) = typing_cast(Any, func.clauses)
        if not isinstance(ordered, aggregate_order_by):
            raise CompileError("an array put together in no order")
        return self._in_array("a", ordered.target, ordered.order_by, **kw)

    def _in_array(self, field: str, value: Any, order: Any, **kw: Any) -> str:
        keys = order.clauses if hasattr(order, "clauses") else [order]
        # Sail tells two such arrays of one statement apart by their fields alone. Of two times the missing one is the later one, as in any order here.
        parts = [part for key in keys for part in (f"{self.process(key, **kw)} IS NULL", self.process(key, **kw))]
        named = [*parts, self.process(value, **kw)]
        struct = ", ".join(f"{part} AS {field}{place}" for place, part in enumerate(named))
        return f"transform(sort_array(collect_list(struct({struct}))), e -> e.{field}{len(named) - 1})"


def _numbers_rows(over: Over[Any]) -> bool:
    return getattr(over.element, "name", "") in {"rank", "row_number"}


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


class SparkDialect(DefaultDialect):
    """Compiles only: rows come by Spark Connect. `relations` says by canonical name where each table is, and of which version."""

    name = "spark"
    default_paramstyle = "named"
    supports_native_boolean = True
    supports_statement_cache = False
    statement_compiler = _Compiler
    type_compiler_cls = _Types
    preparer: Any = _Names
    relations: Mapping[str, str]

    def __init__(self) -> None:
        super().__init__(paramstyle="named")
        self.relations = {}


def written(dialect: SparkDialect, statement: Executable) -> tuple[str, dict[str, Any], list[str]]:
    """A statement in Spark SQL, its arguments by name, and the names of its columns."""
    compiled: Any = statement.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})  # type: ignore[attr-defined]  # all that are run are clauses too
    names = [entry.keyname for entry in compiled._result_columns]
    return str(compiled), dict(compiled.params), names
