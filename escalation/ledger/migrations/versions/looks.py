"""Looks during the day stand beside the nights."""

import sqlalchemy as sa
from alembic import op

revision = "0007_looks"
down_revision = "0006_morning_page"


def upgrade() -> None:
    op.add_column("nights", sa.Column("kind", sa.String(8), nullable=False, server_default="night"))
