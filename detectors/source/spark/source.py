"""Tables of a lake as a source, worked out by somebody's Spark cluster; nothing is written there, and nothing is left."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Self

from sqlalchemy import ColumnElement, Executable, literal_column, select

from detectors.source.base import Check, Counters, Engine, Notice, QueryError, Reach, SlowError, SourceError, and_others
from detectors.source.mapping import SourceMapping
from detectors.source.oddities import WHOLE, Glance, oddly_written
from detectors.source.spark import checks, faults
from detectors.source.spark.address import Place
from detectors.source.spark.catalog import read_lake
from detectors.source.spark.client import Client
from detectors.source.spark.dialect import SparkDialect, written
from detectors.source.tables import Tables

logger = logging.getLogger("hearthwatch.source")

_AT_ONCE = 2
"""Statements that a scan asks of somebody's cluster at a time."""
_A_CLOCKS_DIFFERENCE = 0.5
"""By so many seconds a server may end a statement early."""
_SOME_DAY: ColumnElement[datetime] = literal_column("TIMESTAMP '2000-01-01 00:00:00Z'")
_NEXT_DAY: ColumnElement[datetime] = literal_column("TIMESTAMP '2000-01-02 00:00:00Z'")
"""For a plan, which is the same for every day; written out, as not every server explains a statement with arguments."""
_SERVER = "SELECT version() AS version"


class SparkSource:
    """An open session over the mapped tables.

    Raises SourceError from its constructor if the server cannot be reached, lacks a required table or column, or types one
    in a way that cannot be read.
    """

    engine: Engine = "spark"

    def __init__(self, place: Place, mapping: SourceMapping, *, token: str = "", glance: Glance = WHOLE) -> None:
        self.label = place.label
        self.counters = Counters()
        self.notices: list[Notice] = []
        self._statement_seconds, self._scan_seconds = mapping.statement_seconds, mapping.scan_seconds
        self._deadline = time.monotonic() + mapping.scan_seconds
        self._cancelled = False
        self._dialect = SparkDialect()
        try:
            self._client = Client(place, token)
            (server,) = self._client.rows(_SERVER, {}, self._seconds())
            self._version = str(server["version"])
        except Exception as error:
            if hasattr(self, "_client"):
                self._client.close()
            raise faults.refusal(error, self.label) from error
        try:
            self.lake = read_lake(_Catalog(self._client, self._seconds, self._worded), place, mapping, self.label)
            self.schema = self.lake.schema
            self._dialect.relations = self.lake.relations
            self.tables = Tables(
                self.schema,
                mapping,
                oddly_written(self.schema, mapping, lambda question: self.rows(question, "schema"), glance),
            )
            self.notices += self._told()
        except BaseException:
            self.close()
            raise

    def _told(self) -> Iterator[Notice]:
        for name, reason in self.schema.unusable.items():
            yield Notice(name.partition(".")[0], f"{reason}; it is not read", frozenset({name}))
        for name, reason in self.lake.unsure.items():
            yield Notice(
                name, f"which version of {name} is read could not be asked ({reason}), so that it may be seen in part"
            )
        changing = [name for name in self.schema.tables if name not in {*self.lake.versions, *self.lake.unsure}]
        if changing:
            yield Notice(
                changing[0],
                f"{and_others(changing, len(changing))}: without versions that a scan could hold on to, so that what is "
                "written meanwhile may be seen in part",
            )

    def _seconds(self) -> float:
        left = self._deadline - time.monotonic()
        if self._cancelled:
            raise SourceError("the scan was stopped")
        if left <= 0:
            raise SlowError(self._limit())
        return min(left, self._statement_seconds)

    def _limit(self) -> str:
        if time.monotonic() >= self._deadline - _A_CLOCKS_DIFFERENCE:
            return f"the whole scan ran into its limit of {self._scan_seconds} s: raise [source] scan_seconds in the policy, or give the cluster more workers"
        return f"the statement ran into its limit of {self._statement_seconds:g} s: raise [source] statement_seconds in the policy, or give the cluster more workers"

    def widen(self) -> int:
        """Two: a cluster divides each statement among its workers by itself, and the second fills the gaps."""
        return _AT_ONCE

    def rows(self, statement: Executable, purpose: str, *, reach: Reach = "picked") -> Sequence[Any]:
        """All rows of `statement`, as mappings. Raises QueryError, or LostError where the session has ended."""
        self.counters.count(purpose)
        text, arguments, names = written(self._dialect, statement)
        return self.ask(text, arguments, names)

    def ask(self, text: str, arguments: Mapping[str, Any] | None = None, names: Sequence[str] = ()) -> Sequence[Any]:
        """The rows of a statement in Spark SQL."""
        seconds = self._seconds()
        try:
            return self._client.rows(text, arguments or {}, seconds, names)
        except Exception as error:
            raise self._worded(error) from error

    def _worded(self, error: Exception) -> SourceError:
        logger.debug("a statement failed: %s", faults.condition_of(error) or type(error).__name__)
        if self._cancelled:
            return SourceError("the scan was stopped")
        worded = faults.fault(error, self.label, self._limit())
        if isinstance(worded, SlowError):
            self._client.interrupt()
        return worded

    def server_checks(self) -> Sequence[Check]:
        """The server, its connection, the versions of the tables, and whether a window leaves most of the audit table unread."""
        told = checks.server_checks(self._version, encrypted=self._client.encrypted, versions=self.lake.versions)
        if "household_events" not in self.schema.tables:
            return list(told)
        column = self.schema.tables["household_events"].column_names["event_timestamp"]
        described = self._asked(f"DESCRIBE TABLE {self.lake.names['household_events']}")
        at = self.tables["household_events"].c.event_timestamp
        text, _, _ = written(self._dialect, select(at).where(at >= _SOME_DAY, at < _NEXT_DAY))
        planned = self._asked(f"EXPLAIN {text}")
        return [*told, *checks.partition_check(column, checks.partitions_in(described), checks.plan_in(planned))]

    def _asked(self, text: str) -> Sequence[Mapping[str, Any]]:
        """The rows of a question that not every server answers; none where this one does not. Raises LostError."""
        try:
            return self.ask(text)
        except QueryError:
            return []

    def cancel(self) -> None:
        """End the statements that run now, and refuse those that would follow; from whatever thread."""
        self._cancelled = True
        self._client.cancel()

    def close(self) -> None:
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Catalog:
    """What the reading of the catalog asks of a session."""

    def __init__(
        self, client: Client, seconds: Callable[[], float], worded: Callable[[Exception], SourceError]
    ) -> None:
        self._client, self._seconds, self._worded = client, seconds, worded

    def types(self, relation: str) -> dict[str, str]:
        try:
            return self._client.types_of(relation, self._seconds())
        except SourceError:
            raise
        except Exception as error:
            if faults.is_not_there(error):
                return {}
            raise self._worded(error) from error

    def first(self, statement: str) -> Mapping[str, Any] | None:
        seconds = self._seconds()
        try:
            rows = self._client.rows(statement, {}, seconds)
        except Exception as error:
            if faults.is_not_known(error):
                return None
            raise self._worded(error) from error
        return rows[0] if rows else {}
