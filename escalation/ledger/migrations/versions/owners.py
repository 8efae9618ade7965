"""Who has a ticket, as its queue said last."""

import sqlalchemy as sa
from alembic import op

revision = "0008_owners"
down_revision = "0007_looks"


def upgrade() -> None:
    op.add_column("tickets", sa.Column("owner", sa.Text, nullable=False, server_default=""))
