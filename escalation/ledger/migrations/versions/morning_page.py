"""What the morning page shows: how long a night took, how each detector ended, and what each ticket was last about."""

import sqlalchemy as sa
from alembic import op

revision = "0006_morning_page"
down_revision = "0005_rows"


def upgrade() -> None:
    op.add_column("nights", sa.Column("seconds", sa.Float))
    op.create_table(
        "endings",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("night_id", sa.Integer, nullable=False),
        sa.Column("detector", sa.String(80), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("findings", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name="endings_pk"),
        sa.ForeignKeyConstraint(["night_id"], ["nights.id"], name="endings_night_id_fk"),
    )
    op.create_index("endings_night_id_idx", "endings", ["night_id"])
    op.create_table(
        "snapshots",
        sa.Column("ticket_id", sa.Integer, nullable=False),
        sa.Column("finding", sa.JSON, nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("ticket_id", name="snapshots_pk"),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name="snapshots_ticket_id_fk"),
    )
