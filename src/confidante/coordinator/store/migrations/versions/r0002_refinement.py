"""What refines lists: the keys of gateways, and what is offered."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "gateway_key",
        sa.Column("number", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("secret", sa.LargeBinary, nullable=False),
        sa.Column("made", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_gateway_key"),
    )
    op.create_table(
        "refinement",
        sa.Column("population", sa.String(200), nullable=False),
        sa.Column("said", sa.LargeBinary, nullable=False),
        sa.Column("inputs", sa.LargeBinary, nullable=False),
        sa.Column("previous", sa.LargeBinary, nullable=False),
        sa.Column("items", sa.Integer, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("problem", sa.Text, nullable=False),
        sa.Column("day", sa.BigInteger, nullable=False),
        sa.Column("asked", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("population", name="pk_refinement"),
    )
