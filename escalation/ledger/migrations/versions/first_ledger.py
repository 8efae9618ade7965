"""The first ledger: nights, tickets, entries, decisions, silences and the outbox."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "nights",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("as_of", moment, nullable=False),
        sa.Column("window_start", moment, nullable=False),
        sa.Column("window_end", moment, nullable=False),
        sa.Column("complete", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("id", name="nights_pk"),
    )
    op.create_table(
        "tickets",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("external_id", sa.String(64), nullable=False),
        sa.Column("fingerprint", sa.String(32), nullable=False),
        sa.Column("detector", sa.String(80), nullable=False),
        sa.Column("team", sa.String(20), nullable=False),
        sa.Column("severity", sa.String(12), nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("status", sa.String(12), nullable=False),
        sa.Column("opened_at", moment, nullable=False),
        sa.Column("clock_began_at", moment, nullable=False),
        sa.Column("acknowledge_due", moment),
        sa.Column("investigate_due", moment),
        sa.Column("resolve_due", moment),
        sa.Column("acknowledged_at", moment),
        sa.Column("resolved_at", moment),
        sa.Column("ended_at", moment),
        sa.Column("closed_as", sa.String(20)),
        sa.Column("closing_reason", sa.Text),
        sa.Column("generation", sa.Integer, nullable=False),
        sa.Column("reopened", sa.Integer, nullable=False),
        sa.Column("ladder_step", sa.Integer, nullable=False),
        sa.Column("ref_id", sa.Text),
        sa.Column("ref_url", sa.Text),
        sa.Column("queue_status", sa.String(12), nullable=False),
        sa.PrimaryKeyConstraint("id", name="tickets_pk"),
        sa.UniqueConstraint("external_id", name="tickets_external_id_key"),
    )
    op.create_table(
        "entries",
        sa.Column("fingerprint", sa.String(32), nullable=False),
        sa.Column("detector", sa.String(80), nullable=False),
        sa.Column("team", sa.String(20), nullable=False),
        sa.Column("kind", sa.String(12), nullable=False),
        sa.Column("severity", sa.String(12), nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("subject", sa.JSON, nullable=False),
        sa.Column("households", sa.JSON, nullable=False),
        sa.Column("users", sa.JSON, nullable=False),
        sa.Column("claims", sa.JSON, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("present", sa.Boolean, nullable=False),
        sa.Column("first_seen_at", moment, nullable=False),
        sa.Column("last_seen_at", moment, nullable=False),
        sa.Column("happened_at", moment),
        sa.Column("said_severity", sa.String(12), nullable=False),
        sa.Column("said_size", sa.Integer, nullable=False),
        sa.Column("returns", sa.JSON, nullable=False),
        sa.Column("flapping_said", sa.Boolean, nullable=False),
        sa.Column("explained_by", sa.String(32)),
        sa.Column("ticket_id", sa.Integer),
        sa.PrimaryKeyConstraint("fingerprint", name="entries_pk"),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name="entries_ticket_id_fk"),
    )
    op.create_index("entries_ticket_id_idx", "entries", ["ticket_id"])
    op.create_table(
        "decisions",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("night_id", sa.Integer, nullable=False),
        sa.Column("fingerprint", sa.String(32), nullable=False),
        sa.Column("ticket_id", sa.Integer),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("action", sa.String(12), nullable=False),
        sa.Column("reason", sa.String(24), nullable=False),
        sa.PrimaryKeyConstraint("id", name="decisions_pk"),
        sa.ForeignKeyConstraint(["night_id"], ["nights.id"], name="decisions_night_id_fk"),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name="decisions_ticket_id_fk"),
    )
    op.create_index("decisions_fingerprint_idx", "decisions", ["fingerprint"])
    op.create_index("decisions_ticket_id_idx", "decisions", ["ticket_id"])
    op.create_table(
        "silences",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("fingerprint", sa.String(32), nullable=False),
        sa.Column("kind", sa.String(12), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("made_at", moment, nullable=False),
        sa.Column("ends_at", moment, nullable=False),
        sa.Column("severity", sa.String(12)),
        sa.Column("size", sa.Integer),
        sa.Column("ended_at", moment),
        sa.Column("ended_why", sa.Text),
        sa.PrimaryKeyConstraint("id", name="silences_pk"),
    )
    op.create_index("silences_fingerprint_idx", "silences", ["fingerprint"])
    op.create_table(
        "outbox",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("ticket_id", sa.Integer, nullable=False),
        sa.Column("kind", sa.String(12), nullable=False),
        sa.Column("payload", sa.JSON),
        sa.Column("made_at", moment, nullable=False),
        sa.Column("sent_at", moment),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("error", sa.Text),
        sa.PrimaryKeyConstraint("id", name="outbox_pk"),
        sa.UniqueConstraint("key", name="outbox_key_key"),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name="outbox_ticket_id_fk"),
    )
    op.create_index("outbox_unsent_idx", "outbox", ["sent_at"])
