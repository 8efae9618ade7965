"""A session of Spark Connect: statements with a limit of time, that whoever waits can end, and answers as Python's values."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC
from typing import Any
from weakref import WeakSet

import pyarrow as pa
import pyarrow.compute as pc

from detectors.source.moments import EARLIEST, LATEST
from detectors.source.spark.address import Place

# What the libraries have to remark goes to nobody: an error says it, and is worded here.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
warnings.filterwarnings("ignore", module=r"pyspark\.")
logging.getLogger("SQLQueryContextLogger").disabled = True

# A program without a file (`python -c`) the library takes for its own tests, and ends it.
_program = sys.modules["__main__"]
_nameless = not hasattr(_program, "__file__")
if _nameless:
    _program.__file__ = ""

import grpc  # noqa: E402  # once it knows that it is to be silent
from pyspark.sql.connect.client import DefaultChannelBuilder  # noqa: E402
from pyspark.sql.connect.client.retries import DefaultPolicy  # noqa: E402
from pyspark.sql.connect.functions import lit  # noqa: E402
from pyspark.sql.connect.plan import SQL  # noqa: E402
from pyspark.sql.connect.session import SparkSession  # noqa: E402

if _nameless:
    del _program.__file__

_SETTINGS = {
    "spark.sql.session.timeZone": "UTC",
    # What cannot be cast is null, as the statements expect; in a text of ours a backslash is an escape.
    "spark.sql.ansi.enabled": "false",
    "spark.sql.parser.escapedStringLiterals": "false",
}
_OPENING_SECONDS = 30.0
_ASIDE_SECONDS = 10.0
"""For what is said beside statements: that one is no longer wanted, the end of the session."""
_KEPT_ALIVE = (("grpc.keepalive_time_ms", 60_000), ("grpc.keepalive_timeout_ms", 20_000))
"""A server that vanished in silence is noticed in a minute and a half."""
_MICROSECONDS = pa.timestamp("us")
_ENDS = [int(moment.timestamp()) * 1_000_000 for moment in (EARLIEST, LATEST)]


class Limits(grpc.UnaryStreamClientInterceptor, grpc.UnaryUnaryClientInterceptor):  # type: ignore[misc]  # grpc has no types
    """Gives each call the time that its thread has left, and can end those that are under way."""

    def __init__(self) -> None:
        self._of_thread = threading.local()
        self._calls: WeakSet[Any] = WeakSet()

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        self._of_thread.until = time.monotonic() + seconds
        try:
            yield
        finally:
            del self._of_thread.until

    def intercept_unary_stream(self, go_on: Any, details: Any, request: Any) -> Any:
        call = go_on(details._replace(timeout=self._left()), request)
        self._calls.add(call)
        return call

    def intercept_unary_unary(self, go_on: Any, details: Any, request: Any) -> Any:
        # Part of a statement too, as a busy server may take long to read one.
        return go_on(details._replace(timeout=self._left()), request)

    def _left(self) -> float:
        until = getattr(self._of_thread, "until", None)
        return _ASIDE_SECONDS if until is None else max(0.001, until - time.monotonic())

    def end_all(self) -> None:
        for call in list(self._calls):
            call.cancel()


class Client:
    """An open session. What the library and its transport raise comes out as it is; `faults` words it."""

    def __init__(self, place: Place, token: str) -> None:
        builder = DefaultChannelBuilder(place.url, list(_KEPT_ALIVE))
        options = {"user_agent": "hearthwatch", **place.options, **({"token": token} if token else {})}
        for name, value in options.items():
            builder.set(name, value)
        self.encrypted: bool = builder.secure
        self._limits = Limits()
        builder.add_interceptor(self._limits)
        with self._limits.within(_OPENING_SECONDS):
            self._session: Any = SparkSession.builder.channelBuilder(builder).create()
            # Its own patience is ten minutes.
            policy = DefaultPolicy(max_retries=2, max_backoff=1000, recognize_server_retry_delay=False)
            self._session.client.set_retry_policies([policy])
            for name, value in _SETTINGS.items():
                self._session.conf.set(name, value)

    def types_of(self, relation: str, seconds: float) -> dict[str, str]:
        """The columns of a relation with their types, as Spark writes them; no row is read."""
        with self._limits.within(seconds):
            fields = self._session.client.schema(self._plan(f"SELECT * FROM {relation}", {})).fields
        return {field.name: field.dataType.simpleString() for field in fields}

    def rows(
        self, statement: str, arguments: Mapping[str, Any], seconds: float, names: Sequence[str] = ()
    ) -> list[dict[str, Any]]:
        """All rows, under `names` where the statement's own may be written otherwise there."""
        self._session.addTag(_tag())
        with self._limits.within(seconds):
            answer: pa.Table = self._session.client.to_table(self._plan(statement, arguments), {})[0]
        columns = [_values(column) for column in answer.columns]
        keys = names or answer.column_names
        return [dict(zip(keys, row, strict=True)) for row in zip(*columns, strict=True)]

    def _plan(self, statement: str, arguments: Mapping[str, Any]) -> Any:
        # `session.sql` and `toArrow` have the server analyse a statement three times, which for Spark is half of its work.
        named = {name: lit(value) for name, value in arguments.items()}
        return SQL(statement, named_args=named).to_proto(self._session.client)

    def cancel(self) -> None:
        """End the statements that run now: here at once, and there as soon as it hears of it."""
        self._limits.end_all()
        with suppress(Exception):
            self._session.interruptAll()

    def interrupt(self) -> None:
        """Have the server end what it still works on for this thread."""
        with suppress(Exception):
            self._session.interruptTag(_tag())

    def close(self) -> None:
        with suppress(Exception):
            self._session.stop()


def _tag() -> str:
    """What the server knows the statements of a thread by."""
    return f"hearthwatch-{threading.get_ident()}"


def _values(column: pa.ChunkedArray) -> list[Any]:
    if not pa.types.is_timestamp(column.type):
        values: list[Any] = column.to_pylist()
        return values
    # Spark holds years that Python does not, and writes a zone to each time that costs more to read than the time.
    moments = pc.cast(column, _MICROSECONDS) if column.type.tz is None else column.cast(pa.timestamp("us", "UTC"))
    counted = pc.min_element_wise(
        pc.max_element_wise(pc.cast(moments, pa.int64()), _ENDS[0], skip_nulls=False), _ENDS[1], skip_nulls=False
    )
    naive = pc.cast(counted, _MICROSECONDS).to_pylist()
    if column.type.tz is None:
        return list(naive)
    return [None if each is None else each.replace(tzinfo=UTC) for each in naive]
