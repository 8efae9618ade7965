"""The days of a town in PostgreSQL after its generation: ordinary life as the app writes it, and what breaks."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import psycopg

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
FIRST_EVENT = 100_000_000
"""Ids of audit rows grow; the generated ones end below this."""


def uid(name: str) -> uuid.UUID:
    """The UUID that stands for a readable name."""
    return uuid.uuid5(uuid.NAMESPACE_URL, name)


@dataclass(frozen=True)
class Home:
    """A household in order, with the others who are permanent active members, the longest-standing first."""

    id: uuid.UUID
    leader: uuid.UUID
    others: tuple[uuid.UUID, ...]


@dataclass
class Life:
    """`noon` is the middle of the day on which things happen."""

    connection: psycopg.Connection
    noon: datetime
    _events: int = field(default=FIRST_EVENT)

    def homes(self, least: int, number: int) -> list[Home]:
        """Some households that were founded long ago and have at least so many members, always the same ones."""
        rows = self.connection.execute(
            """
            SELECT h.id, h.leader_id, array_agg(m.user_id ORDER BY m.joined_at, m.id) FILTER (WHERE m.user_id <> h.leader_id)
              FROM households h JOIN household_members m ON m.household_id = h.id
             WHERE m.status = 'active' AND NOT m.is_temporary AND h.created_at < %s
             GROUP BY h.id HAVING count(*) >= %s AND bool_or(m.user_id = h.leader_id AND m.role = 'leader')
             ORDER BY h.id LIMIT %s
            """,
            (self.noon - timedelta(days=60), least, number),
        )
        return [Home(home, leader, tuple(others)) for home, leader, others in rows]

    def do(self, statement: str, *values: Any) -> int:
        """Run one statement; how many rows it changed."""
        return self.connection.execute(statement.encode(), values).rowcount

    def event(self, kind: str, home: uuid.UUID | None, user: uuid.UUID | None, at: datetime, **metadata: Any) -> None:
        self._events += 1
        plain = json.dumps(
            {key: str(value) if isinstance(value, uuid.UUID) else value for key, value in metadata.items()}
        )
        values = (self._events, kind, home, user, at, plain)
        self.do("INSERT INTO household_events VALUES (%s, %s, %s, %s, %s, %s)", *values)

    def found(self, name: str, at: datetime, leader: str | None = None) -> Home:
        """A new household with its leader."""
        home, user = uid(name), uid(leader or f"{name} leader")
        code = f"{''.join(chr(65 + int(digit, 16)) for digit in home.hex[:6])}-{'ALPHA-BRAVO'}"
        values = (home, name[:40], code, user, at, at)
        self.do("INSERT INTO households VALUES (%s, %s, NULL, %s, NULL, %s, %s, %s)", *values)
        self._row(home, user, "leader", at + timedelta(seconds=1))
        self.event("household_created", home, user, at, correlation_id=f"create {name}")
        return Home(home, user, ())

    def join(self, home: Home, name: str, at: datetime) -> uuid.UUID:
        """Somebody asks to join and is let in; the event of it comes twice, as a retry leaves it."""
        user, request = uid(name), uid(f"request {name} {home.id}")
        (code,) = self.connection.execute(
            "SELECT invite_code FROM households WHERE id = %s", (home.id,)
        ).fetchone() or ("",)
        values = (request, home.id, user, code, at, at + MINUTE, home.leader)
        self.do("INSERT INTO household_join_requests VALUES (%s, %s, %s, %s, 'approved', %s, %s, %s)", *values)
        self._row(home.id, user, "member", at + MINUTE)
        self.event("household_join_request_submitted", home.id, user, at, request_id=request)
        for _ in range(2):
            ids = {"request_id": request, "new_member_id": user, "correlation_id": f"approve {request}"}
            self.event("household_join_request_approved", home.id, home.leader, at + MINUTE, **ids)
        return user

    def remove(self, home: Home, user: uuid.UUID, at: datetime, *, applied: bool = True) -> None:
        """The leader removes somebody; the row says so if it was `applied`."""
        if applied:
            self.status(home, user, "removed")
        self.event("household_member_removed", home.id, home.leader, at, member_id=user)

    def leave(self, home: Home, at: datetime, *, done: bool = True) -> None:
        """The leader leaves, and the longest-standing member leads; or all stops after the event of it."""
        successor = home.others[0]
        self.do("UPDATE households SET leader_id = %s WHERE id = %s", successor, home.id)
        self.event("household_leave_started", home.id, home.leader, at, has_successor=True)
        moved = {"from_user_id": home.leader, "to_user_id": successor, "was_designated": False, "reason": "leave"}
        self.event("household_leadership_transferred", home.id, home.leader, at + MINUTE, **moved)
        if done:
            self.finish_leaving(home, at)

    def finish_leaving(self, home: Home, at: datetime) -> None:
        """What a leave that stopped half-way still lacks."""
        self.do("UPDATE households SET leader_id = %s WHERE id = %s", home.others[0], home.id)
        self.role(home, home.others[0], "leader")
        self.status(home, home.leader, "removed")
        self.event("household_left", home.id, home.leader, at + MINUTE, was_leader=True)

    def role(self, home: Home, user: uuid.UUID, role: str) -> None:
        self.do("UPDATE household_members SET role = %s WHERE household_id = %s AND user_id = %s", role, home.id, user)

    def status(self, home: Home, user: uuid.UUID, status: str) -> None:
        self.do(
            "UPDATE household_members SET status = %s WHERE household_id = %s AND user_id = %s", status, home.id, user
        )

    def ordinary(self, day: int) -> None:
        """New families, people who join, are removed or leave, a hand-over, sitters' ends, pages, logins."""
        over = self.noon + 14 * HOUR
        self.do(
            "UPDATE household_members SET status = 'removed' WHERE is_temporary AND temporary_expires_at <= %s", over
        )
        for number in range(6):
            home = self.found(f"day {day} home {number}", self.noon + number * MINUTE)
            members = [self.join(home, f"day {day} member {number} {k}", self.noon + k * HOUR) for k in (1, 2, 3)]
            whole = Home(home.id, home.leader, tuple(members))
            for minute in range(5):
                view = {"member_count": 4, "duration_ms": 300, "session_id": f"{day} {number}"}
                self.event(
                    "household_dashboard_viewed", home.id, members[0], self.noon + 4 * HOUR + minute * MINUTE, **view
                )
            if number == 0:
                self.remove(whole, members[2], self.noon + 5 * HOUR)
            if number == 1:
                self.leave(whole, self.noon + 5 * HOUR)
            if number == 2:
                self.status(whole, members[1], "removed")
                self.event("household_left", home.id, members[1], self.noon + 5 * HOUR, was_leader=False)
            self.event("login_succeeded", None, members[0], self.noon + 3 * HOUR, user_agent="PetForce/5.2 iOS")

    def _row(self, home: uuid.UUID, user: uuid.UUID, role: str, at: datetime) -> None:
        values = (uid(f"row {home} {user}"), home, user, role, at)
        self.do("INSERT INTO household_members VALUES (%s, %s, %s, %s, 'active', false, NULL, NULL, %s)", *values)
