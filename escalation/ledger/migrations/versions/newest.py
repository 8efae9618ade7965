"""A night keeps the newest rows of each table and a sample of the households, so that an older copy and another town are noticed."""

import sqlalchemy as sa
from alembic import op

revision = "0012_newest"
down_revision = "0011_servers"


def upgrade() -> None:
    op.add_column("volumes", sa.Column("newest", sa.JSON))
    op.add_column("volumes", sa.Column("sample", sa.JSON))
