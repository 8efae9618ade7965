"""What every source offers, what is known of its schema, and how it fails."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from threading import Lock
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self

from sqlalchemy import ColumnElement, Executable

if TYPE_CHECKING:
    from detectors.source.tables import Tables

Fact = Literal[
    "leaders_by_role",
    "several_leaders",
    "rows_are_deleted",
    "answers_by_the_gone",
    "without_requests",
    "several_households",
    "leads_one",
    "other_codes",
    "other_limits",
    "other_metadata",
]
"""What may be true of an app, and is not of PetForce's own (app.App)."""
NativeType = Literal["uuid", "text", "integer", "number", "bytes", "flag", "time", "json", "jsonb", "other"]


class SourceError(Exception):
    """The source could not be read. The message is one line: what is wrong and what to do."""


class ColumnError(SourceError):
    """A column that its table cannot be read without is not there, or is not what it should be. `why` is that without a remedy."""

    def __init__(self, why: str, remedy: str) -> None:
        super().__init__(f"{why}: {remedy}")
        self.why = why


class LostError(SourceError):
    """The connection ended, or the server gave up the snapshot: a scan from the start may succeed."""


class QueryError(SourceError):
    """One statement failed; the source itself can still be read."""


class SlowError(QueryError):
    """One statement ran into a limit of time: another one that reads the same would too."""


class SubjectError(Exception):
    """An id named on the command line cannot be one of this source's. The message says which and why."""


@dataclass(frozen=True, slots=True)
class UniqueKey:
    """A valid unique index or constraint over whole columns (canonical names), for all rows."""

    name: str
    table: str
    columns: frozenset[str]


@dataclass(frozen=True, slots=True)
class Index:
    """An index: its columns in order (source names, empty for an expression), and whether it is valid and covers all rows."""

    name: str
    columns: tuple[str, ...]
    unique: bool
    partial: bool
    valid: bool
    expressions: bool


@dataclass(frozen=True, slots=True)
class FoundTable:
    """A mapped table that exists: its name in the source and the columns found there, by canonical name."""

    name: str
    columns: Mapping[str, NativeType]
    indexes: tuple[Index, ...] = ()
    estimated_rows: int | None = None
    column_names: Mapping[str, str] = field(default_factory=dict)
    """The source's names of the columns, by canonical name; empty where they do not matter (files)."""
    indexable: bool = False
    """Whether indexes can be made on it: true for tables and materialised views of a server."""
    partitioned: bool = False
    place: tuple[str, str] | None = None
    """Its schema and its table on a server, as they are; `name` has them as SQL writes them."""
    read_as: Mapping[str, Callable[[ColumnElement[Any]], ColumnElement[Any]]] = field(default_factory=dict)
    """What makes a value of its native type of a column that is stored another way."""
    computed: frozenset[str] = frozenset()
    """The columns that the app does not have as we know them, and that are worked out of others."""
    marking: tuple[str, ...] = ()
    """The source's columns that may mark rows as deleted or outdated; none where that was looked at already (files)."""
    copied: bool = False
    """Whether a tool copies it from another database, at moments of its own; false for files, which are always copies."""


@dataclass(frozen=True, slots=True)
class Schema:
    """What the source holds of the canonical tables."""

    tables: Mapping[str, FoundTable]
    unique_keys: tuple[UniqueKey, ...] = ()
    unreadable: frozenset[str] = frozenset()
    """Columns of optional tables that exist but that the role may not read."""
    unusable: Mapping[str, str] = field(default_factory=dict)
    """Why an optional column that exists cannot be read as what it should hold, by table.column; or a whole optional table."""
    elsewhere: Mapping[str, str] = field(default_factory=dict)
    """Of optional tables that were not found, which others of the server, or files of the folder, have names like theirs."""
    otherwise: frozenset[Fact] = frozenset()
    """What is otherwise in this app than in PetForce's own."""
    has_catalog: bool = False
    """Whether `indexes` was read from a server's catalog, so that a missing one is missing."""
    holds_unicode: bool = True
    """Whether the engine knows all letters, so that a pattern may name them; if not, texts are its own letters or bytes."""

    def has(self, need: str) -> bool:
        """Whether the canonical table.column exists in the source."""
        table, column = need.split(".")
        return table in self.tables and column in self.tables[table].columns

    def missing(self, needs: frozenset[str]) -> list[str]:
        """What of `needs` is missing, with the reason where it is not plain absence; a whole table is named once."""
        missing = set()
        for need in needs:
            if need in self.unreadable:
                missing.add(f"{need} (this role may not read it)")
            elif need in self.unusable:
                missing.add(f"{need} ({self.unusable[need]})")
            elif not self.has(need):
                table = need.split(".")[0]
                why = self.unusable.get(table) or (
                    f"there is {self.elsewhere[table]}" if table in self.elsewhere else ""
                )
                whole = f"{table} ({why})" if why else table
                missing.add(need if table in self.tables else whole)
        return sorted(missing)

    def unique_on(self, table: str, *columns: str) -> str | None:
        """The name of a unique key over some of `columns`, so that no two rows agree in all of them."""
        for key in self.unique_keys:
            if key.table == table and key.columns <= set(columns):
                return key.name
        return None


ONLY_TOLD = frozenset(
    {
        "households.name",
        "households.description",
        "households.updated_at",
        "household_members.id",
        "users.email",
        "users.account_tier",
        "users.monthly_revenue",
        "household_events.id",
    }
)
"""The columns from which nothing is concluded: a fault is seen as well without them."""
Reach = Literal["picked", "days", "whole", "grouped"]
"""What a statement reads of big tables: a few rows, those of some days, all of them, or all of them to group them by an id."""
Verdict = Literal["ok", "note", "problem"]
Engine = Literal["postgresql", "duckdb", "spark"]


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the doctor: the topic, what was found, and the remedy where there is something to do."""

    verdict: Verdict
    topic: str
    found: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something about the rows of a table, seen while they were read, that whoever believes the scan must know."""

    table: str
    said: str
    """One line: what is wrong with how many rows, and what was done about it. Ids only, no other values."""
    columns: frozenset[str] = frozenset()
    """The table.column names that cannot be relied on for those rows. Detectors that need one of them say so."""
    remedy: str = ""
    """What to do about it, where that is not clear from what is said."""
    households: frozenset[str] = frozenset()
    users: frozenset[str] = frozenset()
    """Whose rows these are, where nothing that rests on `columns` may be said about them."""
    everywhere: bool = False
    """Whether no row's `columns` can be relied on, whatever they hold."""

    @property
    def line(self) -> str:
        return f"{self.said}; {self.remedy}" if self.remedy else self.said


def and_others(named: Sequence[str], most: int) -> str:
    """The first `most` of `named` in one line, and whether there are others."""
    return ", ".join(named[:most]) + (" and others" if len(named) > most else "")


@dataclass(slots=True)
class Counters:
    """How many statements a scan issued, and what it met."""

    statements: int = 0
    by_purpose: dict[str, int] = field(default_factory=dict)
    lost: dict[int, tuple[str, datetime]] = field(default_factory=dict)
    """Audit rows met among facts whose metadata could not be read: household and time by the row's number."""
    _lock: Lock = field(default_factory=Lock)

    def count(self, purpose: str) -> None:
        with self._lock:
            self.statements += 1
            self.by_purpose[purpose] = self.by_purpose.get(purpose, 0) + 1


Row = Mapping[str, Any]


class Source(Protocol):
    """A source that is open: one snapshot, read-only, until it is closed."""

    engine: Engine
    label: str
    """Where it is, without credentials."""
    schema: Schema
    tables: Tables
    counters: Counters
    notices: list[Notice]
    """What was noticed while opening and reading."""

    def widen(self) -> int:
        """Make ready for several statements at once, before any is run; how many may run at once."""
        ...

    def rows(self, statement: Executable, purpose: str, *, reach: Reach = "picked") -> Sequence[Row]:
        """All rows of `statement`; `reach` says how much of big tables it reads.

        Raises QueryError if it fails; other statements can still be run afterwards.
        """
        ...

    def server_checks(self) -> Sequence[Check]:
        """What the server says of itself and of the role that reads: version, privileges, row-level security, lag."""
        ...

    def cancel(self) -> None:
        """End the statements that run now, and refuse those that would follow; from whatever thread."""
        ...

    def close(self) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
