"""What the ledger keeps for looking back: how each detector ended, what each ticket was about, and counts by night."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, and_, delete, func, insert, or_, select

from detectors.contract import Coverage, Finding, Status
from escalation.ledger.records import ENDED, Entry, Ticket
from escalation.ledger.schema import DECISIONS, ENDINGS, ENTRIES, NIGHTS, SNAPSHOTS, TICKETS, VOLUMES
from escalation.ledger.scrub import pack, unpack
from escalation.ledger.undamaged import record, undamaged

KEPT_AFTER_END = timedelta(days=30)
"""For so long after a ticket has ended the ledger keeps what it was about."""
ROWS_KEPT, MOMENTS_KEPT = 20, 40
"""How many rows and moments of a finding are kept."""
_SEEN = ("new", "still-there", "worse", "better", "back", "flapping")
_NOT_SEEN = ("happened-once", "done", "explained")
"""Reasons of decisions about what was not found by itself on that night."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How one detector ended one night."""

    night_id: int
    detector: str
    status: Status
    reason: str | None
    findings: int


@dataclass(frozen=True, slots=True)
class Counted:
    """How many findings of a detector one night saw, and how many tickets it made for them."""

    night_id: int
    detector: str
    found: int
    opened: int


@dataclass(frozen=True, slots=True)
class Said:
    """What one night decided to say about one finding."""

    night_id: int
    as_of: datetime
    fingerprint: str
    ticket_id: int | None
    status: str
    action: str
    reason: str


def shortened(finding: Finding) -> Finding:
    """`finding` with the first rows and the last moments alone: an incident may have a hundred thousand."""
    evidence = {
        key: value[:ROWS_KEPT] if isinstance(value, list | tuple) else value for key, value in finding.evidence.items()
    }
    return finding.model_copy(
        update={
            "evidence": evidence,
            "timeline": finding.timeline[-MOMENTS_KEPT:],
            "members": finding.members[:ROWS_KEPT],
            "related": finding.related[:ROWS_KEPT],
        }
    )


class SnapshotsPart:
    """What can be read and written of nights' endings and tickets' snapshots in one transaction."""

    _connection: Connection

    def add_endings(self, night_id: int, coverage: Iterable[Coverage]) -> None:
        values = [
            {
                "night_id": night_id,
                "detector": one.detector,
                "status": one.status,
                "reason": one.reason,
                "findings": one.findings,
            }
            for one in coverage
        ]
        if values:
            self._connection.execute(insert(ENDINGS), values)

    def add_snapshot(self, ticket: Ticket, finding: Finding, now: datetime) -> None:
        """Keep what a ticket says of a finding now, without what people typed and in place of what it said before."""
        of_it = and_(SNAPSHOTS.c.ticket_id == ticket.id, SNAPSHOTS.c.fingerprint == finding.fingerprint)
        self._connection.execute(delete(SNAPSHOTS).where(of_it))
        values = {
            "ticket_id": ticket.id,
            "fingerprint": finding.fingerprint,
            "finding": pack(shortened(finding)),
            "made_at": now,
        }
        self._connection.execute(insert(SNAPSHOTS).values(values))

    def forget_snapshots(self, now: datetime) -> None:
        """Forget what the tickets were about that ended long ago."""
        ended = select(TICKETS.c.id).where(TICKETS.c.status.in_(ENDED), TICKETS.c.ended_at <= now - KEPT_AFTER_END)
        self._connection.execute(delete(SNAPSHOTS).where(SNAPSHOTS.c.ticket_id.in_(ended)))

    @undamaged()
    def snapshots(self, tickets: Collection[int] | None = None) -> dict[int, dict[str, Finding]]:
        """What tickets (by their rows; without them all) were last about: by the ticket's row, each finding by its fingerprint."""
        query = select(SNAPSHOTS.c.ticket_id, SNAPSHOTS.c.fingerprint, SNAPSHOTS.c.finding)
        if tickets is not None:
            query = query.where(SNAPSHOTS.c.ticket_id.in_(tickets))
        found: dict[int, dict[str, Finding]] = {}
        for row in self._connection.execute(query.order_by(SNAPSHOTS.c.ticket_id, SNAPSHOTS.c.fingerprint)):
            found.setdefault(row.ticket_id, {})[row.fingerprint] = unpack(row.finding)
        return found

    @undamaged()
    def snapshots_made(self) -> dict[tuple[int, str], datetime]:
        """When each of them was kept, by the ticket's row and the finding's fingerprint."""
        query = select(SNAPSHOTS.c.ticket_id, SNAPSHOTS.c.fingerprint, SNAPSHOTS.c.made_at)
        return {(row.ticket_id, row.fingerprint): row.made_at for row in self._connection.execute(query)}

    @undamaged()
    def endings(self, nights: Collection[int]) -> list[Ending]:
        """How the detectors ended some nights."""
        columns = (column for column in ENDINGS.c if column.name != "id")
        query = select(*columns).where(ENDINGS.c.night_id.in_(nights)).order_by(ENDINGS.c.id)
        return [record(Ending, row) for row in self._connection.execute(query).mappings()]

    @undamaged()
    def counted(self, nights: Collection[int]) -> list[Counted]:
        """By night and detector, how many findings were seen and how many tickets were made; explained ones are not counted."""
        seen = and_(DECISIONS.c.status.in_(_SEEN), DECISIONS.c.reason.not_in(_NOT_SEEN))
        query = (
            select(
                DECISIONS.c.night_id,
                ENTRIES.c.detector,
                func.count().filter(seen).label("found"),
                func.count().filter(DECISIONS.c.action == "open").label("opened"),
            )
            .join(ENTRIES, ENTRIES.c.fingerprint == DECISIONS.c.fingerprint)
            .where(DECISIONS.c.night_id.in_(nights))
            .group_by(DECISIONS.c.night_id, ENTRIES.c.detector)
        )
        return [record(Counted, row) for row in self._connection.execute(query).mappings()]

    @undamaged()
    def said(self, *, night_id: int | None = None) -> list[Said]:
        """What was decided on one night; without one, whatever any night has said on a ticket. Oldest first."""
        columns = (DECISIONS.c[name] for name in ("night_id", "fingerprint", "ticket_id", "status", "action", "reason"))
        wanted = DECISIONS.c.night_id == night_id if night_id is not None else DECISIONS.c.action != "none"
        query = select(*columns, NIGHTS.c.as_of).join(NIGHTS, NIGHTS.c.id == DECISIONS.c.night_id).where(wanted)
        return [record(Said, row) for row in self._connection.execute(query.order_by(DECISIONS.c.id)).mappings()]

    @undamaged()
    def entries_of_tickets(self, ended_since: datetime) -> list[Entry]:
        """What is on the tickets that are in progress or have ended since then."""
        query = (
            select(ENTRIES)
            .join(TICKETS, TICKETS.c.id == ENTRIES.c.ticket_id)
            .where(or_(TICKETS.c.status.not_in(ENDED), TICKETS.c.ended_at >= ended_since))
            .order_by(ENTRIES.c.fingerprint)
        )
        return [record(Entry, row) for row in self._connection.execute(query).mappings()]

    @undamaged()
    def entries_since(self, seen: datetime) -> list[Entry]:
        """What was seen then or later, on a ticket or on none."""
        query = select(ENTRIES).where(ENTRIES.c.last_seen_at >= seen).order_by(ENTRIES.c.fingerprint)
        return [record(Entry, row) for row in self._connection.execute(query).mappings()]

    @undamaged()
    def rows_by_night(self, nights: Collection[int]) -> dict[int, dict[str, int]]:
        """By night, how many rows each table held; of the audit table, which is counted by days, those of the day before."""
        query = (
            select(VOLUMES.c.night_id, VOLUMES.c.table_name, VOLUMES.c.rows, VOLUMES.c.days, NIGHTS.c.as_of)
            .join(NIGHTS, NIGHTS.c.id == VOLUMES.c.night_id)
            .where(VOLUMES.c.night_id.in_(nights), VOLUMES.c.rows.is_not(None))
        )
        found: dict[int, dict[str, int]] = {}
        for row in self._connection.execute(query):
            day = f"{row.as_of.date() - timedelta(days=1)}"
            rows = row.days.get(day) if row.days else row.rows
            if rows is not None:
                found.setdefault(int(row.night_id), {})[str(row.table_name)] = int(rows)
        return found
