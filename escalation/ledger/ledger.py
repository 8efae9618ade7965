"""The ledger: every finding's entry, every ticket's life, what was decided and what is still to be sent."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, bindparam, delete, func, insert, or_, select, update

from escalation.decide.clocks import Deadlines
from escalation.ledger.bookmarks import BookmarksPart
from escalation.ledger.outbox import OutboxPart
from escalation.ledger.records import ENDED, Decision, Entry, Look, Silence, Ticket, TicketOutcome
from escalation.ledger.schema import DECISIONS, ENTRIES, NIGHTS, OUTCOMES, SILENCES, TICKETS
from escalation.ledger.snapshots import SnapshotsPart
from escalation.ledger.store import Store, open_store
from escalation.ledger.undamaged import record, undamaged
from escalation.ledger.volumes import VolumesPart

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


@dataclass(frozen=True, slots=True)
class PastDecision:
    """A decision with the night it was made in."""

    as_of: datetime
    fingerprint: str
    status: str
    action: str
    reason: str


@dataclass(frozen=True, slots=True)
class EndedSilence:
    """A silence that has ended, and why."""

    kind: str
    reason: str
    author: str
    made_at: datetime
    ended_at: datetime
    why: str


class Ledger:
    """An open ledger. `begin` gives a transaction; a run holds the ledger for itself until `close`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @property
    def where(self) -> str:
        return self._store.where

    @contextmanager
    def begin(self) -> Iterator[Transaction]:
        """A transaction, committed at the end and rolled back on any error. Raises LedgerError for the database's."""
        with self._store.begin() as connection:
            yield Transaction(connection)

    def close(self) -> None:
        self._store.close()


@contextmanager
def open_ledger(
    url: str, *, exclusive: bool = True, create: bool = True, look: Look = "night", upgrade: bool = True
) -> Iterator[Ledger]:
    """The ledger at `url` (sqlite:///FILE or postgresql://…), created or upgraded as needed.

    `exclusive` is for whoever writes: `run`, and the commands that change tickets; a second one is refused, but for
    a quick `look`, which is waited for. Without `create` there must be a ledger already, and without `upgrade` it is
    not brought to this program's schema.

    Raises:
        LedgerError: one line with what is wrong and what to do.
    """
    ledger = Ledger(open_store(url, exclusive=exclusive, create=create, look=look, upgrade=upgrade))
    try:
        yield ledger
    finally:
        ledger.close()


class Transaction(OutboxPart, VolumesPart, SnapshotsPart, BookmarksPart):
    """What can be read and written in one transaction."""

    # --- nights and decisions

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
    ) -> int:
        values = {
            "as_of": as_of,
            "window_start": start,
            "window_end": end,
            "complete": complete,
            "reached": reached,
            "seconds": seconds,
            "kind": kind,
        }
        return self._inserted(self._connection.execute(insert(NIGHTS).values(values)).inserted_primary_key)

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
    def latest_night(self) -> NightRow | None:
        """The night with the latest scan, complete or not."""
        row = self._connection.execute(select(NIGHTS).where(_NIGHT).order_by(NIGHTS.c.as_of.desc()).limit(1)).mappings()
        return None if (last := row.first()) is None else record(NightRow, last)

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

    # --- entries

    @undamaged()
    def entries(self) -> dict[str, Entry]:
        """All entries that may still matter, by fingerprint: states that are there, and what is on a ticket in progress."""
        lasting = and_(ENTRIES.c.present, ENTRIES.c.kind == "state")
        query = (
            select(ENTRIES)
            .outerjoin(TICKETS, TICKETS.c.id == ENTRIES.c.ticket_id)
            .where(or_(lasting, TICKETS.c.status.not_in(ENDED)))
            .order_by(ENTRIES.c.fingerprint)
        )
        return {row["fingerprint"]: record(Entry, row) for row in self._connection.execute(query).mappings()}

    def fingerprints(self) -> set[str]:
        """Those of all that was ever known by itself."""
        return set(self._connection.scalars(select(ENTRIES.c.fingerprint)))

    @undamaged()
    def households(self) -> set[str]:
        """Those that anything which was ever known by itself was about."""
        subjects = self._connection.scalars(select(ENTRIES.c.subject))
        return {subject["household_id"] for subject in subjects if "household_id" in subject}

    @undamaged()
    def entries_for(self, fingerprints: Iterable[str]) -> dict[str, Entry]:
        """The entries of some fingerprints, however old."""
        found: dict[str, Entry] = {}
        wanted = sorted(set(fingerprints))
        # SQLite takes a limited number of parameters in one statement.
        for start in range(0, len(wanted), 500):
            query = select(ENTRIES).where(ENTRIES.c.fingerprint.in_(wanted[start : start + 500]))
            found.update({row["fingerprint"]: record(Entry, row) for row in self._connection.execute(query).mappings()})
        return found

    @undamaged()
    def entries_on(self, ticket: Ticket) -> list[Entry]:
        query = select(ENTRIES).where(ENTRIES.c.ticket_id == ticket.id).order_by(ENTRIES.c.fingerprint)
        return [record(Entry, row) for row in self._connection.execute(query).mappings()]

    def save_entries(self, entries: Sequence[Entry], known: Iterable[str]) -> None:
        """Write entries; those whose fingerprints are in `known` replace what is there."""
        old = set(known)
        new_rows = [_values(entry) for entry in entries if entry.fingerprint not in old]
        if new_rows:
            self._connection.execute(insert(ENTRIES), new_rows)
        changed = [_values(entry) for entry in entries if entry.fingerprint in old]
        if changed:
            columns: dict[str, Any] = {name: bindparam(f"new_{name}") for name in changed[0]}
            statement = update(ENTRIES).where(ENTRIES.c.fingerprint == columns["fingerprint"]).values(columns)
            rows = [{f"new_{name}": value for name, value in values.items()} for values in changed]
            self._connection.execute(statement, rows)

    # --- tickets

    @undamaged()
    def tickets(self, *, ended: bool = True) -> list[Ticket]:
        """All tickets in the order of their making; without `ended`, those that somebody should still do something about."""
        query = select(TICKETS).order_by(TICKETS.c.id)
        if not ended:
            query = query.where(TICKETS.c.status.not_in(ENDED))
        return [record(Ticket, row) for row in self._connection.execute(query).mappings()]

    @undamaged()
    def ticket(self, external_id: str) -> Ticket | None:
        row = self._connection.execute(select(TICKETS).where(TICKETS.c.external_id == external_id)).mappings().first()
        return None if row is None else record(Ticket, row)

    @undamaged()
    def ticket_by_row(self, ticket_id: int) -> Ticket:
        return record(
            Ticket, self._connection.execute(select(TICKETS).where(TICKETS.c.id == ticket_id)).mappings().one()
        )

    @undamaged()
    def tickets_about(self, ids: Iterable[str]) -> list[Ticket]:
        """The tickets, ended ones too, on which something names one of the household or user `ids`, newest first."""
        wanted = set(ids)
        query = select(ENTRIES.c.ticket_id, ENTRIES.c.households, ENTRIES.c.users).where(
            ENTRIES.c.ticket_id.is_not(None)
        )
        about = {
            row.ticket_id
            for row in self._connection.execute(query)
            if not wanted.isdisjoint(row.households) or not wanted.isdisjoint(row.users)
        }
        return [self.ticket_by_row(key) for key in sorted(about, reverse=True)]

    def generations(self, fingerprint: str) -> int:
        """How many tickets there have been whose primary finding is this one."""
        query = select(func.count()).select_from(TICKETS).where(TICKETS.c.fingerprint == fingerprint)
        return int(self._connection.scalar(query) or 0)

    def add_ticket(self, entry: Entry, external_id: str, generation: int, now: datetime, due: Deadlines) -> Ticket:
        values = {
            "external_id": external_id,
            "fingerprint": entry.fingerprint,
            "detector": entry.detector,
            "team": entry.team,
            "severity": entry.severity,
            "title": entry.title,
            "status": "open",
            "opened_at": now,
            "clock_began_at": now,
            "acknowledge_due": due.acknowledge,
            "investigate_due": due.investigate,
            "resolve_due": due.resolve,
            "generation": generation,
            "reopened": 0,
            "ladder_step": 0,
            "queue_status": "open",
        }
        key = self._inserted(self._connection.execute(insert(TICKETS).values(values)).inserted_primary_key)
        return self.ticket_by_row(key)

    def save_ticket(self, ticket: Ticket) -> None:
        values = {field.name: getattr(ticket, field.name) for field in dataclasses.fields(ticket)}
        self._connection.execute(update(TICKETS).where(TICKETS.c.id == ticket.id).values(values))

    def move_entries(self, ticket: Ticket, to: Ticket) -> None:
        """Put everything that is on one ticket on another one."""
        self._connection.execute(update(ENTRIES).where(ENTRIES.c.ticket_id == ticket.id).values(ticket_id=to.id))

    # --- outcomes

    def add_outcome(self, outcome: TicketOutcome) -> None:
        self._connection.execute(insert(OUTCOMES).values(dataclasses.asdict(outcome)))

    @undamaged()
    def outcomes(self) -> dict[int, list[TicketOutcome]]:
        """Every ticket's outcomes by the ticket's row, oldest first."""
        found: dict[int, list[TicketOutcome]] = {}
        columns = (column for column in OUTCOMES.c if column.name != "id")
        for row in self._connection.execute(select(*columns).order_by(OUTCOMES.c.id)).mappings():
            found.setdefault(row["ticket_id"], []).append(record(TicketOutcome, row))
        return found

    # --- silences

    @undamaged()
    def silences(self, fingerprints: Iterable[str] | None = None) -> dict[str, Silence]:
        """The latest silence of each fingerprint that nobody has ended, whether or not its time has passed."""
        query = select(*(column for column in SILENCES.c if column.name not in ("ended_at", "ended_why")))
        query = query.where(SILENCES.c.ended_at.is_(None)).order_by(SILENCES.c.id)
        wanted = None if fingerprints is None else set(fingerprints)
        return {
            row["fingerprint"]: record(Silence, row)
            for row in self._connection.execute(query).mappings()
            if wanted is None or row["fingerprint"] in wanted
        }

    @undamaged()
    def ended_silences(self, fingerprints: Iterable[str]) -> list[EndedSilence]:
        """The silences of some fingerprints that have ended, oldest first, without those that another one replaced."""
        query = select(SILENCES).where(SILENCES.c.ended_at.is_not(None), SILENCES.c.ended_why != "replaced")
        wanted = set(fingerprints)
        return [
            EndedSilence(row["kind"], row["reason"], row["author"], row["made_at"], row["ended_at"], row["ended_why"])
            for row in self._connection.execute(query.order_by(SILENCES.c.id)).mappings()
            if row["fingerprint"] in wanted
        ]

    def add_silence(self, silence: Silence) -> None:
        """Write a silence (its id is not used) in place of any other one of its finding."""
        self._connection.execute(
            update(SILENCES)
            .where(SILENCES.c.fingerprint == silence.fingerprint, SILENCES.c.ended_at.is_(None))
            .values(ended_at=silence.made_at, ended_why="replaced")
        )
        values = {field.name: getattr(silence, field.name) for field in dataclasses.fields(silence)}
        del values["id"]
        self._connection.execute(insert(SILENCES).values(values))

    def end_silence(self, silence: Silence, now: datetime, why: str) -> None:
        self._connection.execute(
            update(SILENCES).where(SILENCES.c.id == silence.id).values(ended_at=now, ended_why=why)
        )

    @staticmethod
    def _inserted(key: Any) -> int:
        return int(key[0])


def _values(entry: Entry) -> dict[str, Any]:
    values = {field.name: getattr(entry, field.name) for field in dataclasses.fields(entry)}
    values["households"], values["users"] = list(entry.households), list(entry.users)
    values["returns"] = [at.isoformat() for at in entry.returns]
    values["rows"] = dict(entry.rows)
    return values
