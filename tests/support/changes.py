"""What several clients write to a small town at once: each write by somebody, in a transaction that may stay open for long."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg

from tests.support.acts import ACTS, HOMES
from tests.support.town_life import MINUTE, uid

PEOPLE = ("one", "two", "three")
GIVEN_UP = (psycopg.errors.LockNotAvailable, psycopg.errors.UniqueViolation)


@dataclass(frozen=True)
class Write:
    """One write: by which client, of what kind, to whose rows, and how many minutes before it is written it says that it happened."""

    client: int
    what: str
    home: str
    person: str
    ago: int = 0


@dataclass
class Clients:
    """The first writes each thing at once, the others when they commit. Each of their writes is a savepoint."""

    url: str
    connections: list[psycopg.Connection] = field(default_factory=list)
    written: int = 0

    def __post_init__(self) -> None:
        for number in range(3):
            connection = psycopg.connect(self.url, autocommit=number == 0)
            connection.execute("SET lock_timeout = '20ms'")
            self.connections.append(connection)
            self.commit(number)

    def do(self, write: Write, now: datetime) -> None:
        self.written += 1
        connection = self.connections[write.client]
        if write.client:
            # In a transaction of its own already, what follows is a savepoint.
            connection.execute("SELECT 1")
        # Whose row another client holds is not written, as an app would give up.
        with contextlib.suppress(*GIVEN_UP), connection.transaction():
            for statement, values in WRITES[write.what](self, write, now - write.ago * MINUTE):
                connection.execute(statement.encode(), values)

    def commit(self, client: int) -> None:
        if client:
            self.connections[client].commit()

    def close(self) -> None:
        for client, connection in enumerate(self.connections):
            self.commit(client)
            connection.close()

    def new(self, name: str) -> UUID:
        return uid(f"{name} {self.written}")


Statements = list[tuple[str, tuple[Any, ...]]]


def _member(
    home: UUID, user: UUID, row: UUID, at: datetime, expires: datetime | None = None
) -> tuple[str, tuple[Any, ...]]:
    values = (row, home, user, expires is not None, expires, at)
    return "INSERT INTO household_members VALUES (%s, %s, %s, 'member', 'active', %s, %s, NULL, %s)", values


def _event(kind: str, home: UUID | None, user: UUID, at: datetime, **metadata: Any) -> tuple[str, tuple[Any, ...]]:
    told = json.dumps(metadata, default=str)
    return (
        "INSERT INTO household_events (id, event_type, household_id, user_id, event_timestamp, metadata) "
        "SELECT coalesce(max(id), 0) + 1 + (SELECT floor(random() * 1000000)::bigint), %s, %s, %s, %s, %s::jsonb FROM household_events"
    ), (kind, home, user, at, told)


def _of(home: str, person: str) -> tuple[UUID, UUID]:
    return uid(home), uid(f"{home} {person}")


def _unled(clients: Clients, write: Write, at: datetime) -> Statements:
    return [("UPDATE households SET leader_id = NULL, updated_at = %s WHERE id = %s", (at, uid(write.home)))]


def _led(clients: Clients, write: Write, at: datetime) -> Statements:
    home, user = _of(write.home, write.person)
    return [("UPDATE households SET leader_id = %s, updated_at = %s WHERE id = %s", (user, at, home))]


def _role(clients: Clients, write: Write, at: datetime) -> Statements:
    """Whoever led is a member now, and the other way round."""
    swap = "CASE role WHEN 'leader' THEN 'member' ELSE 'leader' END"
    return [
        (
            f"UPDATE household_members SET role = {swap} WHERE household_id = %s AND user_id = %s",
            _of(write.home, write.person),
        )
    ]


def _status(clients: Clients, write: Write, at: datetime) -> Statements:
    swap = "CASE status WHEN 'active' THEN 'removed' ELSE 'active' END"
    return [
        (
            f"UPDATE household_members SET status = {swap} WHERE household_id = %s AND user_id = %s",
            _of(write.home, write.person),
        )
    ]


def _stranger(clients: Clients, write: Write, at: datetime) -> Statements:
    return [_member(uid(write.home), clients.new("stranger"), clients.new("row"), at)]


def _second_home(clients: Clients, write: Write, at: datetime) -> Statements:
    elsewhere = HOMES[(HOMES.index(write.home) + 1) % len(HOMES)]
    return [_member(uid(elsewhere), uid(f"{write.home} {write.person}"), clients.new("row"), at)]


def _sitter(clients: Clients, write: Write, at: datetime) -> Statements:
    return [_member(uid(write.home), clients.new("sitter"), clients.new("row"), at, at + 50 * MINUTE)]


def _moved(clients: Clients, write: Write, at: datetime) -> Statements:
    """A member row goes over to another household; the one that it leaves has no newer row."""
    home, user = _of(write.home, write.person)
    elsewhere = uid(HOMES[(HOMES.index(write.home) + 1) % len(HOMES)])
    return [
        (
            "UPDATE household_members SET household_id = %s WHERE household_id = %s AND user_id = %s",
            (elsewhere, home, user),
        )
    ]


def _erased(clients: Clients, write: Write, at: datetime) -> Statements:
    """An account and all its rows, as a cascade does it."""
    user = uid(f"{write.home} {write.person}")
    return [
        (f"DELETE FROM {table} WHERE {column} = %s", (user,))
        for table, column in (("household_members", "user_id"), ("household_join_requests", "user_id"), ("users", "id"))
    ]


def _anonymised(clients: Clients, write: Write, at: datetime) -> Statements:
    """All that somebody did has lost who did it and what it names."""
    anonymous = "UPDATE household_events SET user_id = NULL, metadata = '{\"anonymized\": true}' WHERE user_id = %s"
    return [(anonymous, (uid(f"{write.home} {write.person}"),))]


def _account_deleted(clients: Clients, write: Write, at: datetime) -> Statements:
    user = uid(f"{write.home} {write.person}")
    return [("UPDATE users SET deleted_at = CASE WHEN deleted_at IS NULL THEN %s END WHERE id = %s", (at, user))]


def _home_lost(clients: Clients, write: Write, at: datetime) -> Statements:
    return [("DELETE FROM households WHERE id = %s", (uid(write.home),))]


def _requests_lost(clients: Clients, write: Write, at: datetime) -> Statements:
    return [
        ("DELETE FROM household_join_requests WHERE household_id = %s AND user_id = %s", _of(write.home, write.person))
    ]


def _new_home(clients: Clients, write: Write, at: datetime) -> Statements:
    home, leader = clients.new("made"), uid(f"{write.home} {write.person}")
    code = f"{''.join(chr(65 + int(digit, 16)) for digit in home.hex[:6])}-ALPHA-BRAVO"
    return [("INSERT INTO households VALUES (%s, 'Home', NULL, %s, NULL, %s, %s, %s)", (home, code, leader, at, at))]


def _approved(clients: Clients, write: Write, at: datetime) -> Statements:
    home, by = _of(write.home, write.person)
    request, user = clients.new("request"), clients.new("asker")
    insert = "INSERT INTO household_join_requests SELECT %s, id, %s, invite_code, 'approved', %s, %s, %s FROM households WHERE id = %s"
    told = {"request_id": request, "new_member_id": user}
    return [
        (insert, (request, user, at - MINUTE, at, by, home)),
        _event("household_join_request_approved", home, by, at, **told),
    ]


def _asked_often(clients: Clients, write: Write, at: datetime) -> Statements:
    """Three requests of one person, of which no event tells."""
    insert = "INSERT INTO household_join_requests SELECT %s, id, %s, invite_code, 'pending', %s, NULL, NULL FROM households WHERE id = %s"
    home, user = _of(write.home, f"{write.person} elsewhere")
    return [(insert, (uid(f"{clients.new('asked')} {turn}"), user, at - turn * MINUTE, home)) for turn in range(3)]


def _rejected(clients: Clients, write: Write, at: datetime) -> Statements:
    """The request that let a member in becomes a rejected one."""
    values = (at, *_of(write.home, write.person))
    return [
        (
            "UPDATE household_join_requests SET status = 'rejected', responded_at = %s WHERE household_id = %s AND user_id = %s",
            values,
        )
    ]


def _self_approved(clients: Clients, write: Write, at: datetime) -> Statements:
    home, user = _of(write.home, write.person)
    return [
        (
            "UPDATE household_join_requests SET responded_by = user_id WHERE household_id = %s AND user_id = %s",
            (home, user),
        )
    ]


def _new_code(clients: Clients, write: Write, at: datetime) -> Statements:
    home, user = _of(write.home, write.person)
    code = f"NEW-{'ALPHA' if clients.written % 2 else 'BRAVO'}-DELTA"
    return [
        ("UPDATE households SET invite_code = %s WHERE id = %s", (code, home)),
        _event("household_invite_code_regenerated", home, user, at),
    ]


def _bad_code(clients: Clients, write: Write, at: datetime) -> Statements:
    return [("UPDATE households SET invite_code = 'oops' WHERE id = %s", (uid(write.home),))]


def _markup(clients: Clients, write: Write, at: datetime) -> Statements:
    return [("UPDATE households SET name = '<script>x()</script>' WHERE id = %s", (uid(write.home),))]


def _transferred(clients: Clients, write: Write, at: datetime) -> Statements:
    home, user = _of(write.home, write.person)
    return [
        _event(
            "household_leadership_transferred", home, user, at, from_user_id=user, to_user_id=uid(f"{write.home} two")
        )
    ]


def _not_removed(clients: Clients, write: Write, at: datetime) -> Statements:
    home, user = _of(write.home, write.person)
    return [_event("household_member_removed", home, uid(f"{write.home} one"), at, member_id=user)]


def _left(clients: Clients, write: Write, at: datetime) -> Statements:
    home, user = _of(write.home, write.person)
    return [_event("household_left", home, user, at)]


def _session(user: UUID, session: UUID, at: datetime, last: datetime) -> tuple[str, tuple[Any, ...]]:
    values = (session, user, at - 2880 * MINUTE, last)
    return "INSERT INTO sessions (id, user_id, created_at, last_activity_at) VALUES (%s, %s, %s, %s)", values


def _session_used(clients: Clients, write: Write, at: datetime) -> Statements:
    """A session of long ago is used, as its row says."""
    return [_session(uid(f"{write.home} {write.person}"), clients.new("session"), at, at)]


def _session_told(clients: Clients, write: Write, at: datetime) -> Statements:
    """A session of long ago is used, as an audit row says."""
    home, user = _of(write.home, write.person)
    session = clients.new("session")
    return [_session(user, session, at, at - 1440 * MINUTE), _event("session_used", home, user, at, session_id=session)]


def _acting(name: str) -> Callable[[Clients, Write, datetime], Statements]:
    def written(clients: Clients, write: Write, at: datetime) -> Statements:
        did = ACTS[name](write.home, write.person, f"{name} {clients.written}", at)
        return [_event(kind, home, user, when, **told) for kind, home, user, when, told in did]

    return written


WRITES: dict[str, Callable[[Clients, Write, datetime], Statements]] = {
    function.__name__.strip("_").replace("_", " "): function
    for function in (
        _unled,
        _led,
        _role,
        _status,
        _stranger,
        _second_home,
        _sitter,
        _moved,
        _erased,
        _anonymised,
        _account_deleted,
        _home_lost,
        _requests_lost,
        _new_home,
        _approved,
        _asked_often,
        _rejected,
        _self_approved,
        _new_code,
        _bad_code,
        _markup,
        _transferred,
        _not_removed,
        _left,
        _session_used,
        _session_told,
    )
} | {name: _acting(name) for name in ACTS}
