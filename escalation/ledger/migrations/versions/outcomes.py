"""What came of tickets: the outcome, Trust & Safety's action, and what was learned."""

import sqlalchemy as sa
from alembic import op

revision = "0002_outcomes"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "outcomes",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("ticket_id", sa.Integer, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("action", sa.Text),
        sa.Column("learning", sa.Text),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="outcomes_pk"),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name="outcomes_ticket_id_fk"),
    )
    op.create_index("outcomes_ticket_id_idx", "outcomes", ["ticket_id"])
