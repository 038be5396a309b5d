"""A coordinator that announces what it refines with, a gateway and a relay, and a device that uses them.

The coordinator's log and bodies are real; gateway and relay are those of `testing.faulty_gateway`. The
scheme hides nothing unless a test wants the real one.
"""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from device_world import START, Clock, films, open_device, snapshot, watch
from faulty_gateway import Gateway, Relay, gateway, relay
from publog_world import POPULATION, Door, Log, door, log
from starlette.responses import Response

from confidante.core.values import Catalogue
from confidante.crypto.he.scheme import Scheme
from confidante.device.device import Device
from confidante.device.privacy.consent import PERSON
from confidante.device.privacy.ledger import EgressRecord
from confidante.device.refinement.schemes import SCHEMES
from confidante.device.values import Purpose
from confidante.models.refinement.build import build
from confidante.models.refinement.codec import encode_items, encode_query
from confidante.models.refinement.model import ItemSide, QuerySide, name_of
from confidante.models.snapshot import decode
from confidante.testing.plain_scoring import PlainScheme
from confidante.wire.refinement import FRESH_PATH, GONE, LOG_KIND, Fresh, RefinementOffer
from confidante.wire.rounds import MSGPACK, encode

SERVED = Catalogue(
    tuple(film.id for film in films()) + tuple(f"s{k}" for k in range(10)),
    tuple(film.title for film in films()) + tuple(f"The New Comet {k} (2020)" for k in range(10)),
    tuple(film.labels for film in films()) + (("Space",),) * 10,
)
NEW = SERVED.ids[-10:]
LIKED = ("m0", "m5", "m10", "m15", "m1")


@cache
def sides(dimensions: int = 16, buckets: int = 0) -> tuple[QuerySide, ItemSide]:
    return build(decode(snapshot()), SERVED, dimensions=dimensions, buckets=buckets)


def plain_is_known() -> None:
    SCHEMES["plain 1"] = PlainScheme


@dataclass
class Server:
    """A coordinator behind an address, and its gateway behind a relay."""

    log: Log
    door: Door
    gateway: Gateway
    relay: Relay
    side: QuerySide
    table: ItemSide
    bodies: dict[str, bytes] = field(default_factory=dict)
    fresh: Fresh | None = None

    @property
    def url(self) -> str:
        return self.door.url

    def offer_only(self, items: int) -> None:
        """Go over to a catalogue of the first `items` items."""
        few = SERVED.ids[:items], SERVED.titles[:items], SERVED.labels[:items]
        self.side, self.table = build(decode(snapshot()), Catalogue(*few), dimensions=16)
        self.fresh = self.gateway.fresh = fresh_of(self.side)
        self.gateway.about = self.fresh.about
        table = PlainScheme().table(self.table.vectors)
        self.gateway._score = lambda _bucket, asked: table.answer(asked)

    def announce(self, at: float = START, **changed: Any) -> RefinementOffer:
        """Put what is offered into the log, and its bodies beside it."""
        query, table = encode_query(self.side), encode_items(self.table)
        self.log.bodies.put(query)
        offered = self.gateway.offered(table=self.side.table)
        offered = msgspec.structs.replace(offered, **changed)
        if not offered.secret:
            self.bodies[offered.table.hex()] = table
        self.log.store.log.append(LOG_KIND, encode(offered), at)
        return offered


def fresh_of(side: QuerySide, *, gone: tuple[str, ...] = (), points: dict[str, int] | None = None) -> Fresh:
    """What can be had and what the operator adds, in tenths."""
    said = np.zeros(side.items, dtype=np.int8)
    for item, tenths in (points or {}).items():
        said[side.catalogue.ids.index(item)] = tenths
    for item in gone:
        said[side.catalogue.ids.index(item)] = GONE
    return Fresh(name_of(encode_query(side)), START, 0.1, said.tobytes())


@contextmanager
def server(
    folder: Path,
    scheme: Scheme | None = None,
    *,
    buckets: int = 0,
    gone: tuple[str, ...] = (),
    points: dict[str, int] | None = None,
    announced: bool = True,
    **offered: Any,
) -> Iterator[Server]:
    plain_is_known()
    side, table = sides(buckets=buckets)
    fresh = fresh_of(side, gone=gone, points=points)
    of_buckets = {k: table.bucket(side, k) for k in range(side.bucket_count)}
    with ExitStack() as open_:
        coordinator, made = open_.enter_context(log(folder / "coordinator")), open_.enter_context(door())
        coordinator.now = START
        there = open_.enter_context(
            gateway(
                scheme or PlainScheme(),
                table.vectors,
                population=POPULATION,
                about=fresh.about,
                fresh=fresh,
                buckets=of_buckets,
            )
        )
        between = open_.enter_context(relay(there.url))
        here = Server(coordinator, made, there, between, side, table, fresh=fresh)
        made.app = _app(here)
        if announced:
            here.announce(**offered)
        yield here


def _app(here: Server) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        path = scope["path"]
        if path == FRESH_PATH.format(population=POPULATION):
            await Response(encode(here.fresh), media_type=MSGPACK)(scope, receive, send)
        elif path.rpartition("/")[2] in here.bodies:
            await Response(here.bodies[path.rpartition("/")[2]])(scope, receive, send)
        else:
            await here.log.app(scope, receive, send)

    return app


@contextmanager
def person(
    folder: Path,
    here: Server | None,
    *,
    allowed: bool = True,
    prepared: bool = True,
    clock: Clock | None = None,
    **setup: Any,
) -> Iterator[Device]:
    """A device with a short history, set up to have its lists refined."""
    with open_device(folder / "profile", clock=clock) as device:
        watch(device, LIKED)
        if allowed:
            device.consents.switch(Purpose.REFINE, True, how=PERSON)
        if here is not None:
            given = {"relay": here.relay.url, "policy": "ask", "seconds": 10.0, "at_once": True, **setup}
            device.refinement.use(here.url, POPULATION, **given)
            if prepared:
                device.refinement.refresh()
        yield device


def questions(device: Device) -> list[EgressRecord]:
    """What left as a question, newest first."""
    return [one for one in device.ledger.departures(500) if one.task == "having a list refined"]


def threads() -> list[threading.Thread]:
    return [one for one in threading.enumerate() if one.name == "confidante refinement"]
