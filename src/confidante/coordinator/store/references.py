"""Which bodies the database speaks of."""

from collections.abc import Iterator
from typing import Any

import msgspec
from sqlalchemy import Connection, select

from confidante.coordinator.store.tables import log, message, outbox, rounds
from confidante.wire.refinement import LOG_KIND

KEPT_REFINEMENTS = 8
"""Of each population, whose bodies are kept: all models make new vectors, and few devices are far behind."""

_ROWS = 500
_DIGEST_BYTES = 32


def references(sql: Connection) -> set[str]:
    """Return the name of each body that may be needed: messages, sums, and digests in the public log."""
    found = set[str]()
    for column in (message.c.ref, outbox.c.ref, rounds.c.result):
        found.update(sql.execution_options(yield_per=_ROWS).scalars(select(column).distinct()))
    found.update(name for _, name in digests(sql))
    return found


def digests(sql: Connection) -> Iterator[tuple[str, str]]:
    """Give all digests (hex) that the public log says, each with what it is called there.

    Of what lists are refined with only the last few: the vectors of those before are not kept.
    """
    refined = dict[str, dict[Any, list[tuple[str, str]]]]()
    rows = sql.execution_options(yield_per=_ROWS).execute(
        select(log.c.kind, log.c.body).order_by(log.c.number)
    )
    for kind, body in rows:
        said = named_in(body)
        found = [
            (name, one.hex())
            for name, one in said.items()
            if isinstance(one, bytes) and len(one) == _DIGEST_BYTES
        ]
        if kind != LOG_KIND:
            yield from found
            continue
        of_one = refined.setdefault(str(said.get("population")), {})
        of_one.pop(said.get("model"), None)
        of_one[said.get("model")] = found  # the newest last
        while len(of_one) > KEPT_REFINEMENTS:
            del of_one[next(iter(of_one))]
    for of_one in refined.values():
        for found in of_one.values():
            yield from found


def named_in(body: bytes) -> dict[str, Any]:
    """Return what an entry of the public log says, nothing when that has no names."""
    try:
        return msgspec.msgpack.decode(body, type=dict[str, Any])
    except msgspec.DecodeError:
        return {}
