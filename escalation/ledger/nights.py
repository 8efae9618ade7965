"""Nights and quick looks, and what was decided in each: a part of a transaction."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, and_, delete, func, insert, or_, select

from escalation.ledger.records import Decision, Entry, Look, Ticket
from escalation.ledger.schema import DECISIONS, ENDINGS, ENTRIES, NIGHTS
from escalation.ledger.undamaged import inserted, record, undamaged

_NIGHT = NIGHTS.c.kind == "night"


@dataclass(frozen=True, slots=True)
class NightRow:
    """A night, or a quick look: the scan's time and window, and whether every detector could look at everything.

    `reached` is the newest audit row that the scan saw; None where there was none, or no audit table.
    """

    id: int
    as_of: datetime
    window_start: datetime
    window_end: datetime
    complete: bool
    reached: datetime | None = None
    seconds: float | None = None
    """How long the scan took; None where no version of the program has said so."""
    kind: Look = "night"
    server: str | None = None
    """The number of the server that was read; None where it has none, or no version of the program has asked."""


@dataclass(frozen=True, slots=True)
class PastDecision:
    """A decision with the night it was made in."""

    as_of: datetime
    fingerprint: str
    status: str
    action: str
    reason: str


class NightsPart:
    """What can be read and written of nights and decisions in one transaction."""

    _connection: Connection

    def add_night(
        self,
        as_of: datetime,
        start: datetime,
        end: datetime,
        *,
        complete: bool,
        reached: datetime | None = None,
        seconds: float | None = None,
        kind: Look = "night",
        server: str | None = None,
    ) -> int:
        values = {
            "as_of": as_of,
            "window_start": start,
            "window_end": end,
            "complete": complete,
            "reached": reached,
            "seconds": seconds,
            "kind": kind,
            "server": server,
        }
        return inserted(self._connection.execute(insert(NIGHTS).values(values)))

    @undamaged()
    def last_complete_night(self) -> NightRow | None:
        """The complete night whose window ended last."""
        query = (
            select(NIGHTS)
            .where(NIGHTS.c.complete, _NIGHT)
            .order_by(NIGHTS.c.window_end.desc(), NIGHTS.c.id.desc())
            .limit(1)
        )
        row = self._connection.execute(query).mappings().first()
        return None if row is None else record(NightRow, row)

    @undamaged()
    def complete_look_before(self, at: datetime) -> datetime | None:
        """When the last complete night before `at` was."""
        query = select(func.max(NIGHTS.c.as_of)).where(NIGHTS.c.complete, NIGHTS.c.as_of < at, _NIGHT)
        found: datetime | None = self._connection.scalar(query)
        return found

    @undamaged()
    def look_before(self, at: datetime, detector: str) -> datetime | None:
        """When the last complete night before `at` was in which a detector looked, as far as nights have said who did."""
        who = select(ENDINGS.c.night_id).where(ENDINGS.c.night_id == NIGHTS.c.id)
        looked = who.where(ENDINGS.c.detector == detector, ENDINGS.c.status.in_(["ran", "proved"]))
        query = select(func.max(NIGHTS.c.as_of)).where(
            NIGHTS.c.complete, NIGHTS.c.as_of < at, _NIGHT, or_(looked.exists(), ~who.exists())
        )
        found: datetime | None = self._connection.scalar(query)
        return found

    @undamaged()
    def latest_night(self) -> NightRow | None:
        """The night with the latest scan, complete or not."""
        row = self._connection.execute(select(NIGHTS).where(_NIGHT).order_by(NIGHTS.c.as_of.desc()).limit(1)).mappings()
        return None if (last := row.first()) is None else record(NightRow, last)

    @undamaged()
    def looks_after(self, at: datetime | None) -> tuple[NightRow, ...]:
        """The nights and quick looks after `at`, or all, in their order; of quick looks those that are kept."""
        query = select(NIGHTS).order_by(NIGHTS.c.as_of, NIGHTS.c.id)
        asked = query if at is None else query.where(NIGHTS.c.as_of > at)
        return tuple(record(NightRow, row) for row in self._connection.execute(asked).mappings())

    @undamaged()
    def latest_look(self) -> datetime | None:
        """When the latest night or quick look was."""
        found: datetime | None = self._connection.scalar(select(func.max(NIGHTS.c.as_of)))
        return found

    def drop_idle_looks(self, before: int) -> None:
        """Forget the quick looks before that one which changed nothing: there may be three hundred of them a day."""
        decided = select(DECISIONS.c.night_id)
        idle = and_(NIGHTS.c.kind == "quick", NIGHTS.c.id < before, NIGHTS.c.id.not_in(decided))
        self._connection.execute(delete(NIGHTS).where(idle))

    @undamaged()
    def nights(self, since: datetime, until: datetime) -> list[NightRow]:
        """The nights whose scan was in [since, until), in their order."""
        query = select(NIGHTS).where(NIGHTS.c.as_of >= since, NIGHTS.c.as_of < until, _NIGHT).order_by(NIGHTS.c.as_of)
        return [record(NightRow, row) for row in self._connection.execute(query).mappings()]

    @undamaged()
    def all_nights(self) -> list[NightRow]:
        """Every night, in their order."""
        query = select(NIGHTS).where(_NIGHT).order_by(NIGHTS.c.as_of, NIGHTS.c.id)
        return [record(NightRow, row) for row in self._connection.execute(query).mappings()]

    @undamaged()
    def reopenings(self, since: datetime, until: datetime) -> list[int]:
        """The row of a ticket for each night in [since, until) that reopened it."""
        query = (
            select(DECISIONS.c.ticket_id, DECISIONS.c.night_id)
            .join(NIGHTS, NIGHTS.c.id == DECISIONS.c.night_id)
            .where(DECISIONS.c.action == "reopen", NIGHTS.c.as_of >= since, NIGHTS.c.as_of < until)
            .distinct()
        )
        return [row.ticket_id for row in self._connection.execute(query) if row.ticket_id is not None]

    def add_decisions(self, night_id: int, rows: Iterable[tuple[Entry, Decision]]) -> None:
        values = [
            {
                "night_id": night_id,
                "fingerprint": entry.fingerprint,
                "ticket_id": entry.ticket_id,
                "status": entry.status,
                "action": decision.action,
                "reason": decision.reason,
            }
            for entry, decision in rows
        ]
        if values:
            self._connection.execute(insert(DECISIONS), values)

    def decisions_of(self, ticket: Ticket) -> list[PastDecision]:
        """Everything that was decided about what is on a ticket, oldest first."""
        theirs = select(ENTRIES.c.fingerprint).where(ENTRIES.c.ticket_id == ticket.id)
        query = (
            select(
                NIGHTS.c.as_of,
                DECISIONS.c.fingerprint,
                DECISIONS.c.status,
                DECISIONS.c.action,
                DECISIONS.c.reason,
            )
            .join(NIGHTS, NIGHTS.c.id == DECISIONS.c.night_id)
            .where(or_(DECISIONS.c.ticket_id == ticket.id, DECISIONS.c.fingerprint.in_(theirs)))
            .order_by(DECISIONS.c.id)
        )
        return [record(PastDecision, row) for row in self._connection.execute(query).mappings()]

    def last_told_before(self, fingerprint: str, at: datetime) -> tuple[datetime, str] | None:
        """When a look before `at` last decided about a finding, and what had become of it then."""
        query = (
            select(NIGHTS.c.as_of, DECISIONS.c.status)
            .join(NIGHTS, NIGHTS.c.id == DECISIONS.c.night_id)
            .where(DECISIONS.c.fingerprint == fingerprint, NIGHTS.c.as_of < at)
            .order_by(DECISIONS.c.id.desc())
            .limit(1)
        )
        row = self._connection.execute(query).first()
        return None if row is None else (row.as_of, row.status)

    def was_said(self, fingerprint: str, reason: str, since: datetime) -> bool:
        """Whether a comment for `reason` was decided about a finding by a night after `since`."""
        query = (
            select(DECISIONS.c.id)
            .join(NIGHTS, NIGHTS.c.id == DECISIONS.c.night_id)
            .where(DECISIONS.c.fingerprint == fingerprint, DECISIONS.c.action == "comment")
            .where(DECISIONS.c.reason == reason, NIGHTS.c.as_of > since)
            .limit(1)
        )
        return self._connection.execute(query).first() is not None

    def still_seen(self, tickets: Iterable[int]) -> dict[int, datetime]:
        """Of tickets (by their rows) that a look has reopened, as it still saw what people had called resolved: the last time."""
        query = (
            select(DECISIONS.c.ticket_id, func.max(NIGHTS.c.as_of).label("at"))
            .join(NIGHTS, NIGHTS.c.id == DECISIONS.c.night_id)
            .where(DECISIONS.c.action == "reopen", DECISIONS.c.reason == "still-seen")
            .where(DECISIONS.c.ticket_id.in_(sorted(set(tickets))))
            .group_by(DECISIONS.c.ticket_id)
        )
        return {row.ticket_id: row.at for row in self._connection.execute(query)}
