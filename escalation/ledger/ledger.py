"""The ledger: every finding's entry, every ticket's life, what was decided and what is still to be sent."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from escalation.ledger.entries import EntriesPart
from escalation.ledger.nights import NightsPart
from escalation.ledger.outbox import OutboxPart
from escalation.ledger.records import Look
from escalation.ledger.silences import SilencesPart
from escalation.ledger.snapshots import SnapshotsPart
from escalation.ledger.store import Store, open_store
from escalation.ledger.tickets import TicketsPart
from escalation.ledger.volumes import VolumesPart


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


class Transaction(NightsPart, EntriesPart, TicketsPart, SilencesPart, OutboxPart, VolumesPart, SnapshotsPart):
    """What can be read and written in one transaction."""
