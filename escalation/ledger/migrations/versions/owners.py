"""Who has a ticket, as its queue said last."""

import sqlalchemy as sa
from alembic import op

revision = "0009_owners"
down_revision = "0008_cases"


def upgrade() -> None:
    op.add_column("tickets", sa.Column("owner", sa.Text, nullable=False, server_default=""))
