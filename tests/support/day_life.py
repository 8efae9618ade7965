"""What a small town's people and faults write to its database in the course of days, at any minute, and sometimes late."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

import psycopg

from tests.support.town_life import MINUTE, Home, Life, uid

HOMES = ("oak", "elm", "ash", "fir", "yew")


def people(home: str) -> tuple[str, str, str, str]:
    return (f"{home} one", f"{home} two", f"{home} three", f"{home} four")


@dataclass
class Day:
    """Writes to the town; `late` is how long after its time the last audit row of a deed arrives."""

    connection: psycopg.Connection
    life: Life = field(init=False)
    waiting: list[tuple[datetime, Callable[[], None]]] = field(default_factory=list)
    number: int = 0

    def __post_init__(self) -> None:
        self.life = Life(self.connection, datetime(2026, 2, 3, tzinfo=UTC))

    def home(self, name: str) -> Home:
        leader, *others = (uid(one) for one in people(name))
        return Home(uid(name), leader, tuple(others))

    def new(self, name: str) -> UUID:
        self.number += 1
        return uid(f"{name} {self.number}")

    def written_until(self, at: datetime) -> None:
        """Write the audit rows that were late and have come by `at`."""
        due, self.waiting = (
            [one for one in self.waiting if one[0] <= at],
            [one for one in self.waiting if one[0] > at],
        )
        for _, write in due:
            write()

    def event(
        self, kind: str, home: UUID | None, user: UUID | None, at: datetime, late: timedelta, **metadata: object
    ) -> None:
        self.waiting.append((at + late, lambda: self.life.event(kind, home, user, at, **metadata)))

    def do(self, deed: str, name: str, at: datetime, late: timedelta) -> None:
        DEEDS[deed](self, self.home(name), at, late)
        self.written_until(at)


def _set_leader(day: Day, home: Home, leader: UUID | None, at: datetime) -> None:
    day.life.do("UPDATE households SET leader_id = %s, updated_at = %s WHERE id = %s", leader, at, home.id)


def _unled(day: Day, home: Home, at: datetime, late: timedelta) -> None:
    _set_leader(day, home, None, at)


def _mended(day: Day, home: Home, at: datetime, late: timedelta) -> None:
    _set_leader(day, home, home.leader, at)
    day.life.do("DELETE FROM household_members WHERE household_id = %s AND invited_by = %s", home.id, uid("a fault"))
    day.life.do(
        "UPDATE household_members SET role = CASE WHEN user_id = %s THEN 'leader' ELSE 'member' END WHERE household_id = %s",
        home.leader,
        home.id,
    )
    day.life.do("UPDATE households SET name = 'Home' WHERE id = %s", home.id)


def _second_leader(day: Day, home: Home, at: datetime, late: timedelta) -> None:
    day.life.role(home, home.others[0], "leader")


def _row(day: Day, home: Home, user: UUID, at: datetime, expires: datetime | None = None) -> None:
    values = (day.new("row"), home.id, user, expires is not None, expires, uid("a fault"), at)
    day.life.do("INSERT INTO household_members VALUES (%s, %s, %s, 'member', 'active', %s, %s, %s, %s)", *values)


def _double_row(day: Day, home: Home, at: datetime, late: timedelta) -> None:
    _row(day, home, home.others[0], at)


def _stranger(day: Day, home: Home, at: datetime, late: timedelta) -> None:
    _row(day, home, day.new("stranger"), at)


def _sitter(day: Day, home: Home, at: datetime, late: timedelta) -> None:
    _row(day, home, day.new("sitter"), at, at + 95 * MINUTE)


def _erased(day: Day, home: Home, at: datetime, late: timedelta) -> None:
    """The leader's account is erased, and its rows with it."""
    day.life.do("DELETE FROM household_members WHERE user_id = %s", home.leader)
    day.life.do("UPDATE households SET leader_id = NULL WHERE leader_id = %s", home.leader)


def _household_erased(day: Day, home: Home, at: datetime, late: timedelta) -> None:
    for table in ("household_members", "household_join_requests"):
        day.life.do(f"DELETE FROM {table} WHERE household_id = %s", home.id)
    day.life.do("DELETE FROM households WHERE id = %s", home.id)


def _row_of_household_lost(day: Day, home: Home, at: datetime, late: timedelta) -> None:
    day.life.do("DELETE FROM households WHERE id = %s", home.id)


def _all_gone(day: Day, home: Home, at: datetime, late: timedelta) -> None:
    day.life.do("DELETE FROM household_members WHERE household_id = %s", home.id)


def _not_removed(day: Day, home: Home, at: datetime, late: timedelta) -> None:
    day.event("household_member_removed", home.id, home.leader, at, late, member_id=home.others[1])


def _approved(day: Day, home: Home, user: UUID, by: UUID, at: datetime, late: timedelta) -> None:
    request = day.new("request")
    values = (request, home.id, user, home.id, at - MINUTE, at, by)
    day.life.do(
        "INSERT INTO household_join_requests SELECT %s, %s, %s, (SELECT invite_code FROM households WHERE id = %s UNION ALL "
        "SELECT 'OLD-ALPHA-BRAVO' LIMIT 1), 'approved', %s, %s, %s",
        *values,
    )
    ids = {"request_id": request, "new_member_id": user, "correlation_id": f"approve {request}"}
    day.event("household_join_request_approved", home.id, by, at, late, **ids)


def _approved_in_vain(day: Day, home: Home, at: datetime, late: timedelta) -> None:
    _approved(day, home, day.new("asker"), home.leader, at, late)


def _joined(day: Day, home: Home, at: datetime, late: timedelta) -> None:
    user = day.new("joiner")
    _approved(day, home, user, home.leader, at, late)
    _row(day, home, user, at)


def _approved_by_self(day: Day, home: Home, at: datetime, late: timedelta) -> None:
    user = day.new("own")
    _approved(day, home, user, user, at, late)
    _row(day, home, user, at)


def _markup(day: Day, home: Home, at: datetime, late: timedelta) -> None:
    day.life.do("UPDATE households SET name = '<script>x()</script>', updated_at = %s WHERE id = %s", at, home.id)


def _broken_in(day: Day, home: Home, at: datetime, late: timedelta) -> None:
    user = home.others[1]
    for minute in range(6):
        day.event("login_failed", None, user, at - (20 - minute) * MINUTE, late, ip_address="192.0.2.7")
    day.event("login_succeeded", None, user, at - 10 * MINUTE, late)
    day.event("household_updated", home.id, user, at - 5 * MINUTE, late, changed_fields=["name"])


def _many_removed(day: Day, home: Home, at: datetime, late: timedelta) -> None:
    for _ in range(24):
        day.event("household_member_removed", home.id, home.leader, at, late, member_id=day.new("gone"))


def _many_created(day: Day, home: Home, at: datetime, late: timedelta) -> None:
    for _ in range(12):
        made = Home(day.new("made"), home.others[2], ())
        code = f"{''.join(chr(65 + int(digit, 16)) for digit in made.id.hex[:6])}-ALPHA-BRAVO"
        day.life.do(
            "INSERT INTO households VALUES (%s, 'Home', NULL, %s, NULL, %s, %s, %s)", made.id, code, made.leader, at, at
        )
        _row(day, made, made.leader, at)
        day.life.role(made, made.leader, "leader")
        day.event("household_created", made.id, made.leader, at, late)


def _left(day: Day, home: Home, at: datetime, late: timedelta) -> None:
    """The leader leaves as the app does it; the audit rows of it may come later than the rows that they tell of."""
    row = "SELECT 1 FROM household_members WHERE household_id = %s AND user_id = %s AND status = 'active'"
    heir = home.others[0]
    there = [day.connection.execute(row.encode(), (home.id, user)).fetchone() for user in (home.leader, heir)]
    leads = day.connection.execute("SELECT 1 FROM households WHERE id = %s AND leader_id = %s", (home.id, home.leader))
    if None in there or leads.fetchone() is None:
        return
    _set_leader(day, home, heir, at)
    day.life.role(home, heir, "leader")
    day.life.status(home, home.leader, "removed")
    moved = {"from_user_id": home.leader, "to_user_id": heir, "was_designated": False, "reason": "leave"}
    day.event("household_leave_started", home.id, home.leader, at - MINUTE, late, has_successor=True)
    day.event("household_leadership_transferred", home.id, home.leader, at, late, **moved)
    day.event("household_left", home.id, home.leader, at, late, was_leader=True)


def _taken_over(day: Day, home: Home, at: datetime, late: timedelta) -> None:
    """Somebody else hands leadership over to themselves."""
    moved = {"from_user_id": home.leader, "to_user_id": home.others[1], "was_designated": False, "reason": "transfer"}
    _set_leader(day, home, home.others[1], at)
    day.event("household_leadership_transferred", home.id, home.others[1], at, late, **moved)


def _visited(day: Day, home: Home, at: datetime, late: timedelta) -> None:
    day.event("household_dashboard_viewed", home.id, day.new("visitor"), at, late, duration_ms=300)


def _threat(day: Day, home: Home, at: datetime, late: timedelta) -> None:
    values = (uid(f"threat {home.id}"), at, home.leader, home.id)
    day.life.do(
        "INSERT INTO support_requests (id, created_at, requester_id, household_id, category) "
        "VALUES (%s, %s, %s, %s, 'threat') ON CONFLICT (id) DO UPDATE SET status = 'open'",
        *values,
    )


def _threat_answered(day: Day, home: Home, at: datetime, late: timedelta) -> None:
    day.life.do("UPDATE support_requests SET status = 'closed' WHERE id = %s", uid(f"threat {home.id}"))


def _database_down(day: Day, home: Home, at: datetime, late: timedelta) -> None:
    day.event("household_updated", home.id, home.leader, at, late, error_code="08006", correlation_id=str(day.new("c")))


def _bare_error(day: Day, home: Home, at: datetime, late: timedelta) -> None:
    code = {"error_code": "DATABASE_ERROR", "correlation_id": str(day.new("c"))}
    day.event("household_updated", home.id, home.leader, at, late, **code)


def _slow_call(day: Day, home: Home, at: datetime, late: timedelta) -> None:
    day.event("api_request", home.id, home.leader, at, late, route="/households", duration_ms=31_000, status=200)


DEEDS: dict[str, Callable[[Day, Home, datetime, timedelta], None]] = {
    function.__name__.strip("_").replace("_", " "): function
    for function in (
        _unled,
        _mended,
        _second_leader,
        _double_row,
        _stranger,
        _sitter,
        _erased,
        _household_erased,
        _row_of_household_lost,
        _all_gone,
        _not_removed,
        _approved_in_vain,
        _joined,
        _approved_by_self,
        _markup,
        _broken_in,
        _many_removed,
        _many_created,
        _left,
        _taken_over,
        _visited,
        _threat,
        _threat_answered,
        _database_down,
        _bare_error,
        _slow_call,
    )
}
