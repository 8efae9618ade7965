"""How much each table held on each night, and up to when the source reached."""

import sqlalchemy as sa
from alembic import op

revision = "0004_volumes"
down_revision = "0003_posts"


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    op.add_column("nights", sa.Column("reached", moment))
    op.create_table(
        "volumes",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("night_id", sa.Integer, nullable=False),
        sa.Column("table_name", sa.String(40), nullable=False),
        sa.Column("rows", sa.BigInteger),
        sa.Column("days", sa.JSON, nullable=False),
        sa.Column("oldest", moment),
        sa.Column("believed", sa.Boolean, nullable=False),
        sa.Column("accepted", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("id", name="volumes_pk"),
        sa.ForeignKeyConstraint(["night_id"], ["nights.id"], name="volumes_night_id_fk"),
    )
    op.create_index("volumes_night_id_idx", "volumes", ["night_id"])
