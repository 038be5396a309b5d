"""The tables, one schema for SQLite and PostgreSQL. Changes come with a migration (`migrations/versions`)."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(referred_table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)

NAME = 200
REF = 500
REASON = 1000


def _round_id() -> Column[bytes]:
    return Column("round_id", LargeBinary, ForeignKey("rounds.id"), primary_key=True)


pool = Table(
    "pool",
    metadata,
    Column("identity", LargeBinary, primary_key=True),
    Column("population", String(NAME), nullable=False),
    Column("seat", LargeBinary, nullable=False),
    Column("since", Double, nullable=False),
    Column("seen", Double, nullable=False),
    Column("tier", String(20), nullable=False),
    Column("purposes", String(40), nullable=False),  # with spaces between
    Index("ix_pool_population_since", "population", "since"),
)

rounds = Table(
    "rounds",
    metadata,
    Column("id", LargeBinary, primary_key=True),
    Column("population", String(NAME), nullable=False),
    Column("number", Integer, nullable=False),  # 1, 2, ... in a population
    Column("task", String(NAME), nullable=False),
    Column("entry", BigInteger, nullable=False),
    Column("task_body", LargeBinary, nullable=False),
    Column("plan", LargeBinary, nullable=False),
    Column("config", LargeBinary, nullable=False),
    Column("roster", LargeBinary, nullable=False),  # 64 bytes a client; empty an hour after the end
    Column("seats", LargeBinary, nullable=False),  # 32 bytes a client; empty an hour after the end
    Column("clients", Integer, nullable=False),
    Column("phase", String(20), nullable=False),
    Column("deadline", Double, nullable=False),
    Column("expected", Integer, nullable=False),  # how many devices the phase may hear
    Column("closed", Boolean, nullable=False),
    Column("since", Double, nullable=False),  # when the phase began
    Column("worker", String(NAME), nullable=False),
    Column("claims", Integer, nullable=False),  # how many workers tried to end the phase
    Column("leased_until", Double, nullable=False),
    Column("outcome", String(20), nullable=False),
    Column("reason", Text, nullable=False),
    Column("result", String(REF), nullable=False),
    Column("survivors", LargeBinary, nullable=False),  # uint32, little-endian; zeros an hour after the end
    Column("opened", Double, nullable=False),
    Column("ended", Double, nullable=False),
    Column("noise_multiplier", Double, nullable=False),  # what the round costs once it is paid for
    Column("share", Double, nullable=False),
    Index("ix_rounds_outcome_deadline", "outcome", "deadline"),
    UniqueConstraint("population", "number"),
)

# Rows only while a round runs: the primary key keeps a device out of two rounds at a time. An hour after a
# round is over its row forgets the roster, too, and nothing here says who was in it.
seated = Table(
    "seated",
    metadata,
    Column("identity", LargeBinary, primary_key=True),
    Column("round_id", LargeBinary, ForeignKey("rounds.id"), nullable=False, index=True),
    Column("client", Integer, nullable=False),
)

message = Table(
    "message",
    metadata,
    _round_id(),
    Column("phase", String(20), primary_key=True),
    Column("client", Integer, primary_key=True, autoincrement=False),
    Column("digest", LargeBinary, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("ref", String(REF), nullable=False),
    Column("at", Double, nullable=False),
    Column("refused", String(NAME)),  # why the protocol refused it when its phase ended
)

outbox = Table(
    "outbox",
    metadata,
    _round_id(),
    Column("phase", String(20), primary_key=True),  # the phase that the device answers with it in hand
    Column("client", Integer, primary_key=True, autoincrement=False),
    Column("ref", String(REF), nullable=False),
)

payment = Table(
    "payment",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("round_id", LargeBinary, ForeignKey("rounds.id"), nullable=False),
    Column("population", String(NAME), nullable=False, index=True),
    Column("noise_multiplier", Double, nullable=False),
    Column("share", Double, nullable=False),
    Column("at", Double, nullable=False),
    UniqueConstraint("round_id"),
)

log = Table(
    "log",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", String(NAME), nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("at", Double, nullable=False),
    Column("previous", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
)

# One row. Whoever adds to the log locks it; and it shows when the newest entries are gone.
log_head = Table(
    "log_head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("number", BigInteger, nullable=False),
    Column("hash", LargeBinary, nullable=False),
)

# What an operator told a running coordinator, by name; empty: nothing any more.
flag = Table(
    "flag",
    metadata,
    Column("name", String(NAME), primary_key=True),
    Column("value", String(NAME), nullable=False),
)

# Anonymous tokens. The newest key issues; the one before is still taken for an epoch.
token_key = Table(
    "token_key",
    metadata,
    Column("id", LargeBinary, primary_key=True),  # sha256 of the public key
    Column("population", String(NAME), nullable=False),
    Column("secret", LargeBinary, nullable=False),
    Column("said", LargeBinary, nullable=False),  # its entry of the log
    Column("made", Double, nullable=False),
    UniqueConstraint("population", "made"),
)

# What subjects are hashed with, one an epoch and gone with it; under epoch -1 what invitations are made with.
token_secret = Table(
    "token_secret",
    metadata,
    Column("population", String(NAME), primary_key=True),
    Column("epoch", BigInteger, primary_key=True, autoincrement=False),
    Column("value", LargeBinary, nullable=False),
)

token_given = Table(
    "token_given",
    metadata,
    Column("population", String(NAME), primary_key=True),
    Column("epoch", BigInteger, primary_key=True, autoincrement=False),
    Column("subject", LargeBinary, primary_key=True),  # keyed hash
    Column("request", LargeBinary, primary_key=True),  # sha256 of the elements
    Column("count", Integer, nullable=False),
    Column("times", Integer, nullable=False),
)

# Invitations that are good for nothing any more; name: the number in the code.
revoked = Table(
    "revoked",
    metadata,
    Column("population", String(NAME), primary_key=True),
    Column("name", LargeBinary, primary_key=True),
)

# bound: hash of the identity and the seat that a token was spent for; seated: they had their round.
token_spent = Table(
    "token_spent",
    metadata,
    Column("key_id", LargeBinary, primary_key=True),
    Column("nonce", LargeBinary, primary_key=True),
    Column("bound", LargeBinary, nullable=False, index=True),
    Column("seated", Boolean, nullable=False),
)

# Secrets of the gateway that sealed questions come to, the newest with the largest number.
gateway_key = Table(
    "gateway_key",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("secret", LargeBinary, nullable=False),
    Column("made", Double, nullable=False),
)

# What each population refines lists with. said: its newest entry of the log; previous: the newest about the
# vectors before; empty for none.
refinement = Table(
    "refinement",
    metadata,
    Column("population", String(NAME), primary_key=True),
    Column("said", LargeBinary, nullable=False),
    Column("inputs", LargeBinary, nullable=False),  # digest of what it was made of
    Column("previous", LargeBinary, nullable=False),
    Column("items", Integer, nullable=False),
    Column("at", Double, nullable=False),  # when its vectors were said
    Column("problem", Text, nullable=False),  # why it is not newer, empty when it is
    Column("day", BigInteger, nullable=False),  # since 1970
    Column("asked", BigInteger, nullable=False),  # questions answered on that day
)

counter = Table(
    "counter",
    metadata,
    Column("event", String(NAME), primary_key=True),
    Column("value", BigInteger, nullable=False),
)
