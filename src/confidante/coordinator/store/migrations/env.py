"""Alembic's entry: runs the migrations inside the transaction that `Database.migrate` opened."""

from alembic import context

from confidante.coordinator.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
    transaction_per_migration=False,
)
context.run_migrations()
