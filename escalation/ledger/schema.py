"""The ledger's tables. The migrations make them; a test holds both to each other."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    false,
)


class UtcTime(TypeDecorator[datetime]):
    """A moment, kept in UTC; SQLite has no time zones and gets it without one."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        in_utc = value.astimezone(UTC)
        return in_utc.replace(tzinfo=None) if dialect.name == "sqlite" else in_utc

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        moment: datetime = value
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


REVISION = "0012_newest"
"""The last migration: a database that is there needs none. A test holds it to the migrations."""
METADATA = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pk",
        "fk": "%(table_name)s_%(column_0_name)s_fk",
        "uq": "%(table_name)s_%(column_0_name)s_key",
        "ix": "%(table_name)s_%(column_0_name)s_idx",
    }
)

NIGHTS = Table(
    "nights",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("as_of", UtcTime, nullable=False),
    Column("window_start", UtcTime, nullable=False),
    Column("window_end", UtcTime, nullable=False),
    Column("complete", Boolean, nullable=False),
    Column("reached", UtcTime),
    Column("seconds", Float),
    Column("kind", String(8), nullable=False, server_default="night"),
    Column("server", String(64)),
)

VOLUMES = Table(
    "volumes",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("night_id", ForeignKey("nights.id"), nullable=False, index=True),
    Column("table_name", String(40), nullable=False),
    Column("rows", BigInteger),
    Column("days", JSON, nullable=False),
    Column("oldest", UtcTime),
    Column("believed", Boolean, nullable=False),
    Column("accepted", Boolean, nullable=False),
    Column("newest", JSON),
    Column("sample", JSON),
)

ENDINGS = Table(
    "endings",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("night_id", ForeignKey("nights.id"), nullable=False, index=True),
    Column("detector", String(80), nullable=False),
    Column("status", String(16), nullable=False),
    Column("reason", Text),
    Column("findings", Integer, nullable=False),
)

TICKETS = Table(
    "tickets",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("external_id", String(64), nullable=False, unique=True),
    Column("fingerprint", String(32), nullable=False),
    Column("detector", String(80), nullable=False),
    Column("team", String(20), nullable=False),
    Column("severity", String(12), nullable=False),
    Column("title", Text, nullable=False),
    Column("status", String(12), nullable=False),
    Column("opened_at", UtcTime, nullable=False),
    Column("clock_began_at", UtcTime, nullable=False),
    Column("acknowledge_due", UtcTime),
    Column("investigate_due", UtcTime),
    Column("resolve_due", UtcTime),
    Column("acknowledged_at", UtcTime),
    Column("resolved_at", UtcTime),
    Column("ended_at", UtcTime),
    Column("closed_as", String(20)),
    Column("closing_reason", Text),
    Column("generation", Integer, nullable=False),
    Column("reopened", Integer, nullable=False),
    Column("ladder_step", Integer, nullable=False),
    Column("ref_id", Text),
    Column("ref_url", Text),
    Column("queue_status", String(12), nullable=False),
    Column("owner", Text, nullable=False, server_default=""),
)

SNAPSHOTS = Table(
    "snapshots",
    METADATA,
    Column("ticket_id", ForeignKey("tickets.id"), primary_key=True),
    Column("fingerprint", String(32), primary_key=True),
    Column("finding", JSON, nullable=False),
    Column("made_at", UtcTime, nullable=False),
)

ENTRIES = Table(
    "entries",
    METADATA,
    Column("fingerprint", String(32), primary_key=True),
    Column("detector", String(80), nullable=False),
    Column("team", String(20), nullable=False),
    Column("kind", String(12), nullable=False),
    Column("severity", String(12), nullable=False),
    Column("size", Integer, nullable=False),
    Column("title", Text, nullable=False),
    Column("subject", JSON, nullable=False),
    Column("households", JSON, nullable=False),
    Column("users", JSON, nullable=False),
    Column("claims", JSON, nullable=False),
    Column("status", String(16), nullable=False),
    Column("present", Boolean, nullable=False),
    Column("first_seen_at", UtcTime, nullable=False),
    Column("last_seen_at", UtcTime, nullable=False),
    Column("happened_at", UtcTime),
    Column("said_severity", String(12), nullable=False),
    Column("said_size", Integer, nullable=False),
    Column("returns", JSON, nullable=False),
    Column("flapping_said", Boolean, nullable=False),
    Column("rows", JSON, nullable=False, server_default="{}"),
    Column("explained_by", String(32)),
    Column("ticket_id", ForeignKey("tickets.id"), index=True),
)

DECISIONS = Table(
    "decisions",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("night_id", ForeignKey("nights.id"), nullable=False),
    Column("fingerprint", String(32), nullable=False, index=True),
    Column("ticket_id", ForeignKey("tickets.id"), index=True),
    Column("status", String(16), nullable=False),
    Column("action", String(12), nullable=False),
    Column("reason", String(24), nullable=False),
)

SILENCES = Table(
    "silences",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("fingerprint", String(32), nullable=False, index=True),
    Column("kind", String(12), nullable=False),
    Column("reason", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("made_at", UtcTime, nullable=False),
    Column("ends_at", UtcTime, nullable=False),
    Column("severity", String(12)),
    Column("size", Integer),
    Column("ended_at", UtcTime),
    Column("ended_why", Text),
)

OUTBOX = Table(
    "outbox",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("key", Text, nullable=False, unique=True),
    Column("ticket_id", ForeignKey("tickets.id"), nullable=False),
    Column("destination", String(12), nullable=False, server_default="queue"),
    Column("kind", String(12), nullable=False),
    Column("payload", JSON),
    Column("made_at", UtcTime, nullable=False),
    Column("sent_at", UtcTime),
    Column("attempts", Integer, nullable=False),
    Column("error", Text),
    Column("begun", Boolean, nullable=False, server_default=false()),
    Index("outbox_unsent_idx", "sent_at"),
)

POSTS = Table(
    "posts",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("ticket_id", ForeignKey("tickets.id"), nullable=False, index=True),
    Column("channel", Text, nullable=False),
    Column("channel_id", Text, nullable=False),
    Column("timestamp", Text, nullable=False),
    Column("severity", String(12), nullable=False),
    Column("settled", Boolean, nullable=False),
    Column("linked", Boolean, nullable=False),
)

OUTCOMES = Table(
    "outcomes",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("ticket_id", ForeignKey("tickets.id"), nullable=False, index=True),
    Column("outcome", Text, nullable=False),
    Column("action", Text),
    Column("learning", Text),
    Column("author", Text, nullable=False),
    Column("made_at", UtcTime, nullable=False),
)

BOOKMARKS = Table(
    "bookmarks",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("as_of", UtcTime, nullable=False),
    Column("told", Text, nullable=False),
)
"""One row at most."""
