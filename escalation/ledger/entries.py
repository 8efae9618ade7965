"""What is known of each finding: a part of a transaction."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, and_, bindparam, insert, or_, select, update

from escalation.ledger.records import ENDED, Entry, Ticket
from escalation.ledger.schema import ENTRIES, TICKETS
from escalation.ledger.undamaged import record, undamaged


class EntriesPart:
    """What can be read and written of entries in one transaction."""

    _connection: Connection

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


def _values(entry: Entry) -> dict[str, Any]:
    values = {field.name: getattr(entry, field.name) for field in dataclasses.fields(entry)}
    values["households"], values["users"] = list(entry.households), list(entry.users)
    values["returns"] = [at.isoformat() for at in entry.returns]
    values["rows"] = dict(entry.rows)
    return values
