"""A look leaves a bookmark, so that the next one looks at what changed."""

import sqlalchemy as sa
from alembic import op

from escalation.ledger.schema import UtcTime

revision = "0010_bookmarks"
down_revision = "0009_owners"


def upgrade() -> None:
    op.create_table(
        "bookmarks",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("as_of", UtcTime, nullable=False),
        sa.Column("told", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="bookmarks_pk"),
    )
