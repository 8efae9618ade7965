"""A folder of CSV or Parquet files as a source, read by an in-process DuckDB."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from types import TracebackType
from typing import Any, Self

import duckdb
from sqlalchemy import Executable, NullPool, create_engine
from sqlalchemy.exc import DBAPIError

from detectors.source.app import preset_hint, worked_out
from detectors.source.base import (
    Check,
    ColumnError,
    Counters,
    Engine,
    Notice,
    QueryError,
    Reach,
    Schema,
    SlowError,
    SourceError,
)
from detectors.source.canonical import CANONICAL, DISPENSABLE
from detectors.source.elsewhere import files_elsewhere
from detectors.source.folder_binding import bind_by_ourselves
from detectors.source.folder_files import FORMATS, DataFile, changed, deliveries
from detectors.source.folder_spill import PrivateFolder
from detectors.source.folder_tables import TableReader
from detectors.source.folder_values import literal
from detectors.source.mapping import SourceMapping
from detectors.source.tables import Tables

INTERRUPTED_EVERY = 0.2
"""In seconds: what failed out of time may be tried another way, which has no time either."""
_NO_ROOM = (
    "DuckDB ran out of memory, or of room in the temporary directory: give the scan more memory, "
    "or set TMPDIR to a disk that has room"
)
MODEST = 250_000_000
"""In bytes; half of all files where that is more. With so much a statement is tried first: most fit, and joins spill a part."""
SMALL = 4_000_000
"""In bytes, of all files: dividing less among several threads takes longer than reading it."""
TINY = 1_000_000
"""In bytes, of all files: making a statement's plan better takes longer than carrying out a plain one."""
WORTHWHILE = ("filter_pushdown", "filter_pullup", "unused_columns")
"""What makes joins of products and reads no more of a file than is asked for: of DuckDB's optimizers these still gain more than they cost."""
# One connection a source: an in-memory DuckDB lives and dies with it. The engine remembers how statements are written.
_ENGINE = create_engine("duckdb:///:memory:", poolclass=NullPool, hide_parameters=True)
bind_by_ourselves(_ENGINE)


class FolderSource:
    """An open folder: `households.csv`, `households.parquet`, a folder `households/` of such files, and so on.

    Ids are text. CSV is checked and read once; Parquet is read in place by each statement. Raises SourceError from its
    constructor for a folder without the required files, and for a file that is broken, naming file and line or column.
    """

    engine: Engine = "duckdb"

    def __init__(self, folder: Path, mapping: SourceMapping) -> None:
        if not os.path.isdir(folder):  # noqa: PTH112  # unlike Path's own, it never fails
            raise SourceError(
                f"{folder} is not a folder: --source takes a postgresql:// URL or a folder of CSV or Parquet files"
            )
        self.label = f"folder:{folder.name}"
        self.counters = Counters()
        self.notices: list[Notice] = []
        self._scan_seconds, self._deadline = mapping.scan_seconds, time.monotonic() + mapping.scan_seconds
        self._running, self._closed = False, Event()
        self._read_later: list[DataFile] = []
        self._private = PrivateFolder()
        self._connection = _ENGINE.connect().execution_options(isolation_level="AUTOCOMMIT")
        self._raw: Any = self._connection.connection.dbapi_connection
        Thread(target=self._watch, daemon=True).start()
        try:
            # What does not fit into memory is spilled where nobody else can read it or take it for their own.
            self._execute(f"SET temp_directory = {literal(str(self._private.path / 'duckdb'))}")
            self._execute("SET autoinstall_known_extensions = false")
            # Where it takes a program for a person at a prompt, it would draw bars among the results.
            self._execute("SET enable_progress_bar = false")
            ((self._memory,),) = self._execute("SELECT current_setting('memory_limit')")
            self._modest = self._limit = self._memory
            with self._in_time():
                self.schema = self._load(folder, mapping)
            self.tables = Tables(self.schema, _canonical_columns(mapping))
        except BaseException:
            self.close()
            raise

    def _execute(self, statement: str) -> Sequence[Any]:
        # By itself: SQLAlchemy's driver reads a statement that makes a table letter by letter, for a number nobody asks for.
        try:
            rows: Sequence[Any] = self._raw.execute(statement).fetchall()
        except duckdb.OutOfMemoryException as error:
            # Not the file's fault, whichever was being read.
            raise SourceError(_NO_ROOM) from error
        except duckdb.Error as error:
            raise DBAPIError(statement, None, error, hide_parameters=True) from error
        return rows

    def _load(self, folder: Path, mapping: SourceMapping) -> Schema:
        found = deliveries(folder, mapping)
        missing = {name: mapping.table_name(name) for name in CANONICAL if name not in found}
        # What is read already is no other table's.
        read = {file.path.name for delivery in found.values() for file in delivery.files}
        alike = files_elsewhere({file.name for file in folder.iterdir()} - read, missing) if missing else {}
        for name in missing:
            if mapping.needs_table(name):
                there = f" (there is {alike[name]})" if name in alike else ""
                hint = preset_hint({file.name.split(".")[0] for file in folder.iterdir()})
                raise SourceError(
                    f"{folder} has no {mapping.table_name(name)}.csv or .parquet{there}: export the table as {FORMATS}, or name its "
                    f"file in the policy under [source.tables.{name}]{hint}"
                )
        size = sum(file.size for delivery in found.values() for file in delivery.files)
        self._small = size < SMALL
        if self._small:
            self._execute("SET threads = 1")
        if size < TINY:
            self._plan_plainly()
        self._modest = _least(f"{max(MODEST, size // 2) // 10**6} MB", self._memory)
        # Times without a zone are read as this one's; from then on all are moments.
        self._execute(f"SET TimeZone = {literal(mapping.zone)}")
        reader = TableReader(self._execute, mapping, self._private.path)
        loaded, left_out = {}, {}
        for name, delivery in found.items():
            try:
                loaded[name] = reader.load(delivery)
            except ColumnError as error:
                # Of a table in parts one may be broken, which is no reason to do without the others.
                if name not in DISPENSABLE or len(delivery.files) > 1:
                    raise
                left_out[name] = error.why
        self._execute("SET TimeZone = 'UTC'")
        for name, delivery in deliveries(folder, mapping).items():
            if name not in found or delivery != found[name]:
                raise changed(delivery.files[-1].path)
        self.notices += [notice for each in loaded.values() for notice in each.notices]
        self._read_later = [file for each in loaded.values() for file in each.read_later]
        unusable = left_out | {column: why for each in loaded.values() for column, why in each.unusable.items()}
        schema = Schema({name: each.table for name, each in loaded.items()}, unusable=unusable, elsewhere=alike)
        return worked_out(schema, _canonical_columns(mapping))

    def _plan_plainly(self) -> None:
        """Have the next statements planned with few optimizers. None of them changes what is found."""
        left_out = [name for (name,) in self._execute("SELECT name FROM duckdb_optimizers()") if name not in WORTHWHILE]
        self._execute(f"SET disabled_optimizers = {literal(','.join(left_out))}")

    def widen(self) -> int:
        """One: each statement uses all cores by itself."""
        return 1

    def rows(self, statement: Executable, purpose: str, *, reach: Reach = "picked") -> Sequence[Any]:
        """All rows of `statement`, as mappings. Raises QueryError, or SourceError if a file is no longer what it was."""
        self.counters.count(purpose)
        try:
            with self._in_time():
                rows = self._read(statement)
        except RuntimeError as error:
            # So the driver calls it when a signal has come.
            raise KeyboardInterrupt from error
        except (DBAPIError, duckdb.Error) as error:
            self._check_unchanged()
            cause = getattr(error, "orig", None) or error
            if isinstance(cause, duckdb.OutOfMemoryException):
                raise QueryError(_NO_ROOM) from error
            # DuckDB quotes values in its messages, so only the kind of error is passed on.
            raise QueryError(f"the statement failed in DuckDB with {type(cause).__name__}") from error
        self._check_unchanged()
        return rows

    def _read(self, statement: Executable) -> Sequence[Any]:
        """The rows of a statement, with modest memory if that will do: setting a limit gives back what earlier ones left, too."""
        try:
            if self._limit != self._modest or not self._small:
                self._limit_memory(self._modest)
            return self._connection.execute(statement).mappings().all()
        except (DBAPIError, duckdb.Error) as error:
            # Where there is no room to spill, all memory may do: the tables alone can be more than is modest.
            if self._modest == self._memory or not isinstance(
                getattr(error, "orig", error), duckdb.OutOfMemoryException
            ):
                raise
        self._limit_memory(self._memory)
        return self._connection.execute(statement).mappings().all()

    def _limit_memory(self, limit: str) -> None:
        self._raw.execute(f"SET memory_limit = {literal(limit)}")
        self._limit = limit

    @contextmanager
    def _in_time(self) -> Iterator[None]:
        """What is done meanwhile ends when the scan's time is over. Raises SlowError then."""
        if time.monotonic() >= self._deadline:
            raise self._too_long()
        self._running = True
        try:
            yield
        except Exception as error:
            if time.monotonic() >= self._deadline:
                raise self._too_long() from error
            raise
        finally:
            self._running = False

    def _watch(self) -> None:
        """Once the scan's time is over, end the statement that runs, again and again."""
        seconds = self._deadline - time.monotonic()
        while not self._closed.wait(max(0, seconds)):
            if self._running:
                self._raw.interrupt()
            seconds = INTERRUPTED_EVERY

    def _too_long(self) -> SlowError:
        return SlowError(
            f"the whole scan ran into its limit of {self._scan_seconds} s: raise [source] scan_seconds in the policy"
        )

    def _check_unchanged(self) -> None:
        for file in self._read_later:
            file.check_unchanged()

    def server_checks(self) -> Sequence[Check]:
        """The engine's version; a folder has no privileges, no row-level security and no lag."""
        return [Check("ok", "engine", f"DuckDB {duckdb.__version__}, in this process, reading {self.label}")]

    def cancel(self) -> None:
        """End the statement that runs now, from whatever thread."""
        self._raw.interrupt()

    def close(self) -> None:
        self._closed.set()
        self._connection.close()
        self._private.remove()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _least(one: str, other: str) -> str:
    """The smaller of two sizes, as DuckDB writes them."""
    powers = {"KiB": 10, "MiB": 20, "GiB": 30, "TiB": 40}

    def size(text: str) -> float:
        number, _, unit = text.partition(" ")
        return float(number) * (1 << powers[unit] if unit in powers else 10**6 if unit == "MB" else 1)

    return min(one, other, key=size)


def _canonical_columns(mapping: SourceMapping) -> SourceMapping:
    # Loading has renamed tables and columns already; the words are still the source's.
    return mapping.model_copy(update={"tables": {}, "schema_name": None})
