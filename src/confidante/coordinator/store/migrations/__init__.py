"""Alembic migrations: `versions/` holds one file a change of the tables, applied in order."""
