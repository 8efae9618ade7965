"""What somebody does not want to hear of: a part of a transaction."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, insert, select, update

from escalation.ledger.records import Silence
from escalation.ledger.schema import SILENCES
from escalation.ledger.undamaged import record, undamaged


@dataclass(frozen=True, slots=True)
class EndedSilence:
    """A silence that has ended, and why."""

    kind: str
    reason: str
    author: str
    made_at: datetime
    ended_at: datetime
    why: str


class SilencesPart:
    """What can be read and written of silences in one transaction."""

    _connection: Connection

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
