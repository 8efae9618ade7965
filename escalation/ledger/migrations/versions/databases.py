"""A night says which database it read, so that another one repairs nothing."""

import sqlalchemy as sa
from alembic import op

revision = "0011_databases"
down_revision = "0010_bookmarks"


def upgrade() -> None:
    op.add_column("nights", sa.Column("database", sa.String(64)))
