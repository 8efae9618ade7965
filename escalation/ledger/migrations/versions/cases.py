"""A ticket may tell of several findings, and what it was last about is kept of each."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0008_cases"
down_revision = "0007_looks"


def _kept() -> tuple[sa.Column[Any], ...]:
    return (
        sa.Column("finding", sa.JSON, nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
    )


def upgrade() -> None:
    before = sa.table("snapshots", sa.column("ticket_id"), *(sa.column(one.name, one.type) for one in _kept()))
    rows = [dict(row) for row in op.get_bind().execute(sa.select(before)).mappings()]
    op.drop_table("snapshots")
    after = op.create_table(
        "snapshots",
        sa.Column("ticket_id", sa.Integer, nullable=False),
        sa.Column("fingerprint", sa.String(32), nullable=False),
        *_kept(),
        sa.PrimaryKeyConstraint("ticket_id", "fingerprint", name="snapshots_pk"),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name="snapshots_ticket_id_fk"),
    )
    op.bulk_insert(after, [{**row, "fingerprint": row["finding"]["fingerprint"]} for row in rows])
