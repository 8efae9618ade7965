"""How many rows stood behind each state when it was last seen."""

import sqlalchemy as sa
from alembic import op

revision = "0005_rows"
down_revision = "0004_volumes"


def upgrade() -> None:
    op.add_column("entries", sa.Column("rows", sa.JSON, nullable=False, server_default="{}"))
