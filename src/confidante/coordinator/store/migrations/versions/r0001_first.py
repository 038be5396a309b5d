"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "pool",
        sa.Column("identity", sa.LargeBinary, nullable=False),
        sa.Column("population", sa.String(200), nullable=False),
        sa.Column("seat", sa.LargeBinary, nullable=False),
        sa.Column("since", sa.Double, nullable=False),
        sa.Column("seen", sa.Double, nullable=False),
        sa.Column("tier", sa.String(20), nullable=False),
        sa.Column("purposes", sa.String(40), nullable=False),
        sa.PrimaryKeyConstraint("identity", name="pk_pool"),
    )
    op.create_index("ix_pool_population_since", "pool", ["population", "since"])
    op.create_table(
        "rounds",
        sa.Column("id", sa.LargeBinary, nullable=False),
        sa.Column("population", sa.String(200), nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("task", sa.String(200), nullable=False),
        sa.Column("entry", sa.BigInteger, nullable=False),
        sa.Column("task_body", sa.LargeBinary, nullable=False),
        sa.Column("plan", sa.LargeBinary, nullable=False),
        sa.Column("config", sa.LargeBinary, nullable=False),
        sa.Column("roster", sa.LargeBinary, nullable=False),
        sa.Column("seats", sa.LargeBinary, nullable=False),
        sa.Column("clients", sa.Integer, nullable=False),
        sa.Column("phase", sa.String(20), nullable=False),
        sa.Column("deadline", sa.Double, nullable=False),
        sa.Column("expected", sa.Integer, nullable=False),
        sa.Column("closed", sa.Boolean, nullable=False),
        sa.Column("since", sa.Double, nullable=False),
        sa.Column("worker", sa.String(200), nullable=False),
        sa.Column("claims", sa.Integer, nullable=False),
        sa.Column("leased_until", sa.Double, nullable=False),
        sa.Column("outcome", sa.String(20), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("result", sa.String(500), nullable=False),
        sa.Column("survivors", sa.LargeBinary, nullable=False),
        sa.Column("opened", sa.Double, nullable=False),
        sa.Column("ended", sa.Double, nullable=False),
        sa.Column("noise_multiplier", sa.Double, nullable=False),
        sa.Column("share", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_rounds"),
        sa.UniqueConstraint("population", "number", name="uq_rounds_population_number"),
    )
    op.create_index("ix_rounds_outcome_deadline", "rounds", ["outcome", "deadline"])
    op.create_table(
        "seated",
        sa.Column("identity", sa.LargeBinary, nullable=False),
        sa.Column("round_id", sa.LargeBinary, nullable=False),
        sa.Column("client", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("identity", name="pk_seated"),
        sa.ForeignKeyConstraint(["round_id"], ["rounds.id"], name="fk_seated_rounds"),
    )
    op.create_index("ix_seated_round_id", "seated", ["round_id"])
    op.create_table(
        "message",
        sa.Column("round_id", sa.LargeBinary, nullable=False),
        sa.Column("phase", sa.String(20), nullable=False),
        sa.Column("client", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("ref", sa.String(500), nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("refused", sa.String(200)),
        sa.PrimaryKeyConstraint("round_id", "phase", "client", name="pk_message"),
        sa.ForeignKeyConstraint(["round_id"], ["rounds.id"], name="fk_message_rounds"),
    )
    op.create_table(
        "outbox",
        sa.Column("round_id", sa.LargeBinary, nullable=False),
        sa.Column("phase", sa.String(20), nullable=False),
        sa.Column("client", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("ref", sa.String(500), nullable=False),
        sa.PrimaryKeyConstraint("round_id", "phase", "client", name="pk_outbox"),
        sa.ForeignKeyConstraint(["round_id"], ["rounds.id"], name="fk_outbox_rounds"),
    )
    op.create_table(
        "payment",
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("round_id", sa.LargeBinary, nullable=False),
        sa.Column("population", sa.String(200), nullable=False),
        sa.Column("noise_multiplier", sa.Double, nullable=False),
        sa.Column("share", sa.Double, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_payment"),
        sa.UniqueConstraint("round_id", name="uq_payment_round_id"),
        sa.ForeignKeyConstraint(["round_id"], ["rounds.id"], name="fk_payment_rounds"),
    )
    op.create_index("ix_payment_population", "payment", ["population"])
    op.create_table(
        "log",
        sa.Column("number", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(200), nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("previous", sa.LargeBinary, nullable=False),
        sa.Column("hash", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_log"),
    )
    head = op.create_table(
        "log_head",
        sa.Column("id", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("hash", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_log_head"),
    )
    op.execute(head.insert().values(id=1, number=0, hash=bytes(32)))
    op.create_table(
        "flag",
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("value", sa.String(200), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_flag"),
    )
    op.create_table(
        "token_key",
        sa.Column("id", sa.LargeBinary, nullable=False),
        sa.Column("population", sa.String(200), nullable=False),
        sa.Column("secret", sa.LargeBinary, nullable=False),
        sa.Column("said", sa.LargeBinary, nullable=False),
        sa.Column("made", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_token_key"),
        sa.UniqueConstraint("population", "made", name="uq_token_key_population_made"),
    )
    op.create_table(
        "token_secret",
        sa.Column("population", sa.String(200), nullable=False),
        sa.Column("epoch", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("value", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("population", "epoch", name="pk_token_secret"),
    )
    op.create_table(
        "token_given",
        sa.Column("population", sa.String(200), nullable=False),
        sa.Column("epoch", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("subject", sa.LargeBinary, nullable=False),
        sa.Column("request", sa.LargeBinary, nullable=False),
        sa.Column("count", sa.Integer, nullable=False),
        sa.Column("times", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("population", "epoch", "subject", "request", name="pk_token_given"),
    )
    op.create_table(
        "revoked",
        sa.Column("population", sa.String(200), nullable=False),
        sa.Column("name", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("population", "name", name="pk_revoked"),
    )
    op.create_table(
        "token_spent",
        sa.Column("key_id", sa.LargeBinary, nullable=False),
        sa.Column("nonce", sa.LargeBinary, nullable=False),
        sa.Column("bound", sa.LargeBinary, nullable=False),
        sa.Column("seated", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("key_id", "nonce", name="pk_token_spent"),
    )
    op.create_index("ix_token_spent_bound", "token_spent", ["bound"])
    op.create_table(
        "counter",
        sa.Column("event", sa.String(200), nullable=False),
        sa.Column("value", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("event", name="pk_counter"),
    )
