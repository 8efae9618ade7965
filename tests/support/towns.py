"""Small towns for tests: readable names become UUIDs, and one call scans the town on either engine."""

from __future__ import annotations

import csv
import json
import re
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from detectors.contract import Context, Detector, Finding, Window
from detectors.engine.applicability import elements_of
from detectors.engine.result import ScanResult
from detectors.engine.runner import scan
from detectors.findings import whole
from detectors.limits import Limits
from detectors.registry import DETECTORS
from detectors.source import CANONICAL, Source, SourceMapping, open_source

AS_OF = datetime(2026, 2, 3, 3, 0, tzinfo=UTC)
"""The night of the tests: the day that just closed is 2 February 2026."""
YESTERDAY = Window(datetime(2026, 2, 2, tzinfo=UTC), datetime(2026, 2, 3, tzinfo=UTC))
LONG_AGO = datetime(2025, 6, 1, 12, 0, tzinfo=UTC)
NOON = datetime(2026, 2, 2, 12, 0, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)

Tables = dict[str, list[dict[str, Any]]]


def uid(name: str) -> str:
    """The UUID that stands for a readable name."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, name))


@dataclass
class Town:
    """Rows of the canonical tables. Every method takes readable names for ids, adds a row and returns the row's id."""

    households: list[dict[str, Any]] = field(default_factory=list)
    household_members: list[dict[str, Any]] = field(default_factory=list)
    household_join_requests: list[dict[str, Any]] = field(default_factory=list)
    household_events: list[dict[str, Any]] = field(default_factory=list)
    users: list[dict[str, Any]] = field(default_factory=list)
    support_requests: list[dict[str, Any]] = field(default_factory=list)
    sessions: list[dict[str, Any]] = field(default_factory=list)

    def household(self, name: str, leader: str | None, *, at: datetime = LONG_AGO, **columns: Any) -> str:
        """A household row alone, without any member."""
        row = {
            "id": uid(name),
            "name": "The Home",
            "description": None,
            "invite_code": _code(len(self.households)),
            "invite_code_expires_at": None,
            "leader_id": leader and uid(leader),
            "created_at": at,
            "updated_at": at,
        }
        self.households.append(row | columns)
        return uid(name)

    def member(
        self,
        household: str,
        user: str,
        *,
        role: str = "member",
        status: str = "active",
        at: datetime = LONG_AGO,
        **columns: Any,
    ) -> str:
        row = {
            "id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{household}/{user}/{len(self.household_members)}")),
            "household_id": uid(household),
            "user_id": uid(user),
            "role": role,
            "status": status,
            "is_temporary": False,
            "temporary_expires_at": None,
            "invited_by": None,
            "joined_at": at,
        }
        self.household_members.append(row | columns)
        return uid(user)

    def request(
        self,
        name: str,
        household: str,
        user: str,
        *,
        status: str = "pending",
        at: datetime = LONG_AGO,
        by: str | None = None,
        **columns: Any,
    ) -> str:
        row = {
            "id": uid(name),
            "household_id": uid(household),
            "user_id": uid(user),
            "invite_code": "FAM-ALPHA-BRAVO",
            "status": status,
            "requested_at": at,
            "responded_at": None if status in {"pending", "withdrawn"} else at + HOUR,
            "responded_by": by and uid(by),
        }
        self.household_join_requests.append(row | columns)
        return uid(name)

    def event(
        self, event_type: str, household: str | None, user: str | None, *, at: datetime = NOON, **metadata: Any
    ) -> int:
        """An audit row; values of metadata whose key ends in _id, except session_id and correlation_id, are names."""
        number = len(self.household_events) + 1
        plain = {"session_id", "correlation_id"}
        self.household_events.append(
            {
                "id": number,
                "event_type": event_type,
                "household_id": household and uid(household),
                "user_id": user and uid(user),
                "event_timestamp": at,
                "metadata": {
                    key: uid(value) if key.endswith("_id") and key not in plain else value
                    for key, value in metadata.items()
                },
            }
        )
        return number

    def report(
        self, name: str, category: str, by: str, *, at: datetime = NOON, status: str = "open", **columns: Any
    ) -> str:
        """A support request; `household_id` and `subject_user_id` are given as readable names."""
        row = {
            "id": uid(name),
            "created_at": at,
            "requester_id": uid(by),
            "household_id": None,
            "subject_user_id": None,
            "category": category,
            "feature": None,
            "body": "",
            "status": status,
        }
        named = {key: uid(value) if key.endswith("_id") and value else value for key, value in columns.items()}
        self.support_requests.append(row | named)
        return uid(name)

    def account(self, name: str, **columns: Any) -> str:
        """A row of the users table."""
        row = {
            "id": uid(name),
            "email": f"{name}@example.org",
            "created_at": LONG_AGO,
            "deleted_at": None,
            "account_tier": "free",
            "monthly_revenue": None,
        }
        self.users.append(row | columns)
        return uid(name)

    def session(self, name: str, user: str, *, at: datetime = LONG_AGO, **columns: Any) -> str:
        row = {
            "id": uid(name),
            "user_id": uid(user),
            "created_at": at,
            "last_activity_at": at,
            "revoked_at": None,
            "ip_address": None,
            "user_agent": None,
        }
        self.sessions.append(row | columns)
        return uid(name)

    def family(self, household: str, *names: str, at: datetime = LONG_AGO) -> None:
        """A sound household: the first of `names` created and leads it, the others asked, were approved and joined."""
        leader, *others = names
        self.household(household, leader, at=at)
        self.member(household, leader, role="leader", at=at)
        for place, name in enumerate(others, start=1):
            asked = at + place * DAY
            self.request(f"{household}/{name}", household, name, status="approved", at=asked, by=leader)
            self.member(household, name, at=asked + HOUR, invited_by=uid(leader))

    def row(self, household: str, user: str) -> dict[str, Any]:
        """The member row of a user in a household, to be changed in place."""
        return next(
            r for r in self.household_members if r["household_id"] == uid(household) and r["user_id"] == uid(user)
        )

    def home(self, household: str) -> dict[str, Any]:
        """The row of a household, to be changed in place."""
        return next(r for r in self.households if r["id"] == uid(household))

    def erase(self, user: str, parts: Iterable[str] = ("members", "requests", "events")) -> None:
        """Somebody had their data erased, in whole or, as the app does it in no transaction, in part."""
        if "members" in parts:
            self.household_members = [row for row in self.household_members if row["user_id"] != uid(user)]
        if "requests" in parts:
            self.household_join_requests = [row for row in self.household_join_requests if row["user_id"] != uid(user)]
        if "events" in parts:
            for event in self.household_events:
                if event["user_id"] == uid(user):
                    event.update(user_id=None, metadata={"anonymized": True})

    def tables(self) -> Tables:
        return {name: list(getattr(self, name)) for name in CANONICAL}


def _code(number: int) -> str:
    words = [
        "ALPHA",
        "BRAVO",
        "CHARLIE",
        "DELTA",
        "ECHO",
        "FOXTROT",
        "GOLF",
        "HOTEL",
        "INDIA",
        "JULIET",
        "KILO",
        "LIMA",
        "MIKE",
    ]
    prefix = "".join(chr(ord("A") + number // 169 // 26**place % 26) for place in (2, 1, 0))
    return f"{prefix}-{words[number // 13 % 13]}-{words[number % 13]}"


def write_csv(
    folder: Path, tables: Mapping[str, Sequence[Mapping[str, Any]]], *, leave_out: Iterable[str] = ()
) -> Path:
    """The tables as CSV files in `folder`, with every canonical column."""
    for name, rows in tables.items():
        if name in leave_out:
            continue
        columns = list(CANONICAL[name].columns)
        with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, columns, extrasaction="ignore")
            writer.writeheader()
            writer.writerows({column: cell(row.get(column)) for column in columns} for row in rows)
    return folder


def cell(value: Any) -> Any:
    """A value as a CSV file holds it."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return json.dumps(value)
    return value


_NOTHING_WRITTEN = re.compile("no rows|never wrote|never names")


def with_later_life(town: Town) -> Town:
    """`town`, and what happened to others long after the scan: a row of each table, and every event that a rule asks for."""
    later = replace(town, **{name: [*getattr(town, name)] for name in CANONICAL})
    at = AS_OF + 30 * DAY
    later.family("later", "later leader", "later member", at=at)
    later.account("later leader", created_at=at)
    later.session("later session", "later leader", at=at)
    later.report("later question", "policy_question", "later leader", at=at, status="closed")
    for element in sorted(elements_of(DETECTORS)):
        event_type, _, keys = element.partition(".")
        if event_type in CANONICAL:
            # A column that is filled wherever there is a row.
            continue
        later.event(event_type, "later", "later leader", at=at, **{key: "later" for key in keys.split("|") if key})
    # Rows that a test took out have left their numbers free, and others have not.
    highest = max((row["id"] for row in town.household_events if isinstance(row["id"], int)), default=0)
    for number, row in enumerate(later.household_events[len(town.household_events) :], start=highest + 1):
        row["id"] = number
    return later


@dataclass(frozen=True)
class KeptTowns:
    """Puts the rows somewhere anew for whoever wants to change what is there, as `open_town` of a Scanner does.

    For a scan alone they are `held` in tables that other towns were in before; None where they cannot be.
    """

    anew: Callable[[Tables], str]
    held: Callable[[Tables], Source | None]

    def __call__(self, tables: Tables) -> str:
        return self.anew(tables)


@dataclass(frozen=True)
class Scanner:
    """Scans a town on one engine. `open_town` puts the rows somewhere and returns the --source value for them."""

    engine: str
    open_town: Callable[[Tables], str]

    def __call__(
        self,
        town: Town,
        *detectors: Detector,
        as_of: datetime = AS_OF,
        window: Window = YESTERDAY,
        limits: Limits | None = None,
        households: Sequence[str] = (),
        users: Sequence[str] = (),
    ) -> ScanResult:
        context = Context(as_of=as_of, window=window, limits=limits or Limits())
        with self._opened(town.tables()) as source:
            return scan(source, detectors, context, households=households, users=users)

    def _opened(self, tables: Tables) -> Source:
        held = self.open_town.held(tables) if isinstance(self.open_town, KeptTowns) else None
        return held or open_source(self.open_town(tables), SourceMapping())

    def findings(self, town: Town, *detectors: Detector, **options: Any) -> list[Finding]:
        """The findings of a scan in which every detector ran in full (or was proved impossible).

        A rule that the town has written nothing for would be silent without having looked: it is asked again where the
        app has written all there is, after the time of the scan.
        """
        written = {row["event_type"] for row in town.household_events}
        asked = {element.partition(".")[0] for element in elements_of(detectors)} - CANONICAL.keys()
        # Where a type is missing, the first scan would only say so.
        result = self(town if asked <= written else with_later_life(town), *detectors, **options)
        if any(_NOTHING_WRITTEN.search(entry.reason or "") for entry in result.coverage):
            result = self(with_later_life(town), *detectors, **options)
        for entry in result.coverage:
            assert entry.status in {"ran", "proved"}, entry
            assert not _NOTHING_WRITTEN.search(entry.reason or ""), entry
        return [whole(found) for found in result.findings]

    def subjects(self, town: Town, *detectors: Detector, **options: Any) -> list[dict[str, str]]:
        """The subjects alone, in the scan's order."""
        return [
            {str(key): value for key, value in finding.subject.items()}
            for finding in self.findings(town, *detectors, **options)
        ]

    def without(self, *tables: str) -> Scanner:
        """The same for towns whose source lacks `tables`."""

        def open_town(rows: Tables) -> str:
            where = self.open_town(rows)
            for name in tables:
                if self.engine == "spark":
                    (Path(where.partition(";folder=")[2]) / f"{name}.parquet").unlink()
                elif self.engine == "duckdb":
                    (Path(where) / f"{name}.csv").unlink()
                else:
                    with psycopg.connect(where) as connection:
                        connection.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(name)))
            return where

        return replace(self, open_town=open_town)
