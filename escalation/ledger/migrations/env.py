"""Runs the migrations on the connection, and in the transaction, that `escalation.ledger.store` hands over."""

from alembic import context

from escalation.ledger.schema import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    # SQLite can, too: the store begins its transactions itself. An upgrade that is cut short leaves nothing behind.
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
