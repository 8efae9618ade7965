"""Ledgers for tests: migrating a new one, and waiting for the disk, take longer than what most tests do with it."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event

from escalation.ledger.upgrade import upgrade

_MIGRATED: list[bytes] = []
"""A ledger's file as the migrations left it, once there is one."""


def migrate_once(engine: Engine) -> None:
    """Bring a ledger to this program's schema: what the first empty file became is copied into all later ones."""
    file = Path(engine.url.database or "")
    if engine.dialect.name != "sqlite" or file.stat().st_size:
        upgrade(engine)
        return
    if not _MIGRATED:
        upgrade(engine)
        engine.dispose()
        _MIGRATED.append(file.read_bytes())
    file.write_bytes(_MIGRATED[0])


def wait_for_no_disk() -> None:
    """Have this process's SQLite leave writing to the system: only a computer that loses its power would notice."""

    @event.listens_for(Engine, "connect")
    def _connected(connection: Any, _: Any) -> None:
        if isinstance(connection, sqlite3.Connection):
            connection.execute("PRAGMA synchronous = OFF")
