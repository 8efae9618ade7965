"""Slack as a second destination of the outbox, and what was posted there."""

import sqlalchemy as sa
from alembic import op

revision = "0003_posts"
down_revision = "0002_outcomes"


def upgrade() -> None:
    op.add_column("outbox", sa.Column("destination", sa.String(12), nullable=False, server_default="queue"))
    op.add_column("outbox", sa.Column("begun", sa.Boolean, nullable=False, server_default=sa.false()))
    op.create_table(
        "posts",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("ticket_id", sa.Integer, nullable=False),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("channel_id", sa.Text, nullable=False),
        sa.Column("timestamp", sa.Text, nullable=False),
        sa.Column("severity", sa.String(12), nullable=False),
        sa.Column("settled", sa.Boolean, nullable=False),
        sa.Column("linked", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("id", name="posts_pk"),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name="posts_ticket_id_fk"),
    )
    op.create_index("posts_ticket_id_idx", "posts", ["ticket_id"])
