"""Which bodies the database speaks of."""

from typing import Any

import msgspec
from sqlalchemy import Connection, select

from confidante.coordinator.store.tables import log, message, outbox, rounds

_ROWS = 500
_DIGEST_BYTES = 32


def references(sql: Connection) -> set[str]:
    """Return the name of each body that may be needed: messages, sums, and all digests in the public log."""
    found = set[str]()
    for column in (message.c.ref, outbox.c.ref, rounds.c.result):
        found.update(sql.execution_options(yield_per=_ROWS).scalars(select(column).distinct()))
    for body in sql.execution_options(yield_per=_ROWS).scalars(select(log.c.body)):
        said = named_in(body).values()
        found.update(one.hex() for one in said if isinstance(one, bytes) and len(one) == _DIGEST_BYTES)
    return found


def named_in(body: bytes) -> dict[str, Any]:
    """Return what an entry of the public log says, nothing when that has no names."""
    try:
        return msgspec.msgpack.decode(body, type=dict[str, Any])
    except msgspec.DecodeError:
        return {}
