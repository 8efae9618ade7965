"""A night says which server it read, so that another one repairs nothing."""

import sqlalchemy as sa
from alembic import op

revision = "0011_servers"
down_revision = "0010_bookmarks"


def upgrade() -> None:
    op.add_column("nights", sa.Column("server", sa.String(64)))
