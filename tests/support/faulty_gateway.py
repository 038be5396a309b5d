"""A gateway and a relay over real HTTP on this machine, honest or crooked as a test wants them.

`gateway(...)` seals, opens and scores as a coordinator does, without its database, tokens or limits;
`relay(url)` hands envelopes on. Each has a `manner`, which may be changed between requests, and keeps what it
was sent, so that a test can look at what left a device. Both end with their block, also in the middle of an
answer that never comes.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import final
from urllib.parse import urlsplit

import msgspec
import numpy as np
from numpy.typing import NDArray

from confidante.core.errors import WireError
from confidante.crypto.binary_http import BinaryRequest, BinaryResponse
from confidante.crypto.he.scheme import Scheme
from confidante.crypto.oblivious_http import REQUEST_TYPE, RESPONSE_TYPE, GatewayKey
from confidante.wire.refinement import (
    ALL,
    MOST_QUESTION_BYTES,
    OBLIVIOUS_PATH,
    REFINE_PATH,
    Fresh,
    Question,
    RefinementOffer,
    Scored,
)
from confidante.wire.rounds import MSGPACK, Refusal, decode, encode

_MOST_BYTES = MOST_QUESTION_BYTES + (1 << 20)
_ENDLESS_BYTES = 1 << 30
_KEY_BYTES = 32


class Manner(StrEnum):
    """How a request is answered.

    Of a gateway and a relay: HONEST. SLOW: after `pause` seconds. SILENT: never. DROPS: the connection ends
    without an answer. CUTS: it ends in the middle of one. FAILS: status 500. HTML: a page, with status 200.
    ENDLESS: bytes of the right type, a gigabyte of them. OPENLY: of the right type, and sealed by nobody.
    REPLAYS: as the first request was answered.

    Of a gateway only, inside a sealed answer: REFUSES: with `reason`. NONSENSE: bytes that are no answer.
    SHORT: the ciphertext is cut off. SPOILT: it is random bytes. FOREIGN: of another catalogue, one item
    longer. OTHER: about other vectors. ELSE: the answer to another query of the same form.

    Of a relay only: CHANGES: one bit of what it hands on, and of what it hands back.
    """

    HONEST = "honest"
    SLOW = "slow"
    SILENT = "silent"
    DROPS = "drops"
    CUTS = "cuts"
    FAILS = "fails"
    HTML = "html"
    ENDLESS = "endless"
    OPENLY = "openly"
    REPLAYS = "replays"
    REFUSES = "refuses"
    NONSENSE = "nonsense"
    SHORT = "short"
    SPOILT = "spoilt"
    FOREIGN = "foreign"
    OTHER = "other"
    ELSE = "else"
    CHANGES = "changes"


@final
@dataclass(frozen=True, slots=True)
class Heard:
    """A request: its path, its headers (names in small letters) and its body."""

    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(slots=True)
class _Crooked:
    """What both have. heard: every request so far, in order."""

    url: str = ""
    manner: Manner = Manner.HONEST
    pause: float = 1.0
    heard: list[Heard] = field(default_factory=list)
    _first: bytes | None = None
    _ends: threading.Event = field(default_factory=threading.Event)

    def _answer(self, heard: Heard) -> tuple[int, str, bytes]:
        """Return status, type and body of an honest answer, or of one that is crooked inside."""
        raise NotImplementedError


@final
@dataclass(slots=True)
class Gateway(_Crooked):
    """A gateway of one population. questions: those it could read, in order; config: of its key.

    fresh: what it says of the items; reason: of refusals.
    """

    population: str = ""
    config: bytes = b""
    scheme: str = ""
    about: bytes = b""
    fresh: Fresh = field(default_factory=lambda: Fresh(bytes(32), 0.0, 0.0, b""))
    reason: str = "busy"
    questions: list[Question] = field(default_factory=list)
    _key: GatewayKey = field(init=False)
    _score: Callable[[int, bytes], bytes] = field(init=False)
    _other: Callable[[], bytes] = field(init=False)

    def offered(self, *, table: bytes = bytes(32), secret: bool = False, most: int = 0) -> RefinementOffer:
        """Return what the public log of its coordinator says."""
        return RefinementOffer(self.population, self.about, table, secret, (self.scheme,), self.config, most)

    def _answer(self, heard: Heard) -> tuple[int, str, bytes]:
        try:
            inside, reply = self._key.open(heard.body)
        except WireError as error:
            return 400, MSGPACK, encode(Refusal("malformed", str(error)[:500]))
        return 200, RESPONSE_TYPE, reply.seal(self._inside(inside).encode())

    def _inside(self, data: bytes) -> BinaryResponse:
        try:
            request = BinaryRequest.decode(data)
            if request.path != REFINE_PATH.encode():
                return _refusal(404, "no_such_thing", "nothing is here")
            question = decode(request.content, Question)
            self.questions.append(question)
            if self.manner is Manner.REFUSES:
                return _refusal(403, self.reason, "refused as the test wants it")
            if question.population != self.population or question.about != self.about:
                return _refusal(409, "stale", "the question is about other vectors")
            scored = Scored(self.fresh, self._score(question.bucket, question.ciphertext))
        except WireError as error:
            return _refusal(400, "malformed", str(error)[:500])
        return BinaryResponse(200, ((b"content-type", MSGPACK.encode()),), self._spoilt(scored))

    def _spoilt(self, scored: Scored) -> bytes:
        fresh, sealed = scored.fresh, scored.ciphertext
        match self.manner:
            case Manner.NONSENSE:
                return os.urandom(200)
            case Manner.SHORT:
                scored = Scored(fresh, sealed[: len(sealed) // 2])
            case Manner.SPOILT:
                scored = Scored(fresh, os.urandom(len(sealed)))
            case Manner.FOREIGN:
                longer = msgspec.structs.replace(fresh, points=fresh.points + b"\0")
                scored = Scored(longer, sealed)
            case Manner.OTHER:
                scored = Scored(msgspec.structs.replace(fresh, about=os.urandom(32)), sealed)
            case Manner.ELSE:
                scored = Scored(fresh, self._other())
            case _:
                pass
        return encode(scored)


@final
@dataclass(slots=True)
class Relay(_Crooked):
    """A relay. status: what it has when the gateway is not there."""

    gateway: str = ""
    status: int = 502

    def _answer(self, heard: Heard) -> tuple[int, str, bytes]:
        parts = urlsplit(self.gateway)
        connection = HTTPConnection(parts.hostname or "", parts.port or 80, timeout=30)
        body = _changed(heard.body) if self.manner is Manner.CHANGES else heard.body
        try:
            connection.request("POST", parts.path, body, {"content-type": REQUEST_TYPE})
            answer = connection.getresponse()
            found = answer.read()
        except (OSError, HTTPException):
            return self.status, MSGPACK, encode(Refusal("no_gateway", "the gateway does not answer"))
        finally:
            connection.close()
        found = _changed(found) if self.manner is Manner.CHANGES else found
        return answer.status, answer.getheader("content-type", ""), found


@contextmanager
def gateway(
    scheme: Scheme,
    vectors: NDArray[np.integer],
    *,
    population: str = "films",
    about: bytes = bytes(32),
    fresh: Fresh | None = None,
    buckets: Mapping[int, NDArray[np.integer]] | None = None,
    port: int = 0,
) -> Iterator[Gateway]:
    """Serve vectors, int8 [m, D]; `url` has its path.

    about: digest of the query side. fresh: that every item can be had, when left out. buckets: the vectors of
    each bucket, padded. port: 0 takes a free one.
    """
    items, columns = vectors.shape
    said = fresh or Fresh(about, time.time(), 0.0, bytes(items))
    key = GatewayKey(os.urandom(_KEY_BYTES), 1)
    tables = {ALL: scheme.table(vectors)} | {n: scheme.table(rows) for n, rows in (buckets or {}).items()}

    def score(bucket: int, asked: bytes) -> bytes:
        if bucket not in tables:
            raise WireError(f"there is no bucket {bucket}")
        return tables[bucket].answer(asked)

    def other() -> bytes:
        return tables[ALL].answer(scheme.ask(np.ones(columns, dtype=np.int64)).request)

    made = Gateway(population=population, config=key.config, scheme=scheme.name, about=about, fresh=said)
    made._key, made._score, made._other = key, score, other
    with _served(made, OBLIVIOUS_PATH, port):
        yield made


@contextmanager
def relay(gateway: str) -> Iterator[Relay]:
    """Serve a relay to a gateway's url."""
    made = Relay(gateway=gateway)
    with _served(made, "/"):
        yield made


@contextmanager
def _served(made: _Crooked, path: str, port: int = 0) -> Iterator[None]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 30

        def do_POST(self) -> None:
            with suppress(OSError):
                _respond(made, self)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Write nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    made.url = f"http://127.0.0.1:{server.server_port}{path}"
    try:
        yield
    finally:
        made._ends.set()
        server.shutdown()
        thread.join()
        server.server_close()


def _respond(made: _Crooked, handler: BaseHTTPRequestHandler) -> None:
    size = int(handler.headers.get("content-length", "0"))
    handler.close_connection = True
    if size > _MOST_BYTES:
        return
    headers = {name.lower(): value for name, value in handler.headers.items()}
    heard = Heard(handler.path, headers, handler.rfile.read(size))
    if heard.body:  # an empty envelope only looks whether this is a gateway
        made.heard.append(heard)
    manner = made.manner
    if manner is Manner.DROPS:
        return
    if manner is Manner.SILENT or (manner is Manner.SLOW and made._ends.wait(made.pause)):
        made._ends.wait()
        return
    if manner is Manner.FAILS:
        _send(handler, 500, "text/plain", b"failed\n")
    elif manner is Manner.HTML:
        _send(handler, 200, "text/html", b"<p>Log in to this network first.</p>")
    elif manner is Manner.OPENLY:
        _send(handler, 200, RESPONSE_TYPE, os.urandom(300))
    elif manner is Manner.ENDLESS:
        _head(handler, 200, RESPONSE_TYPE, _ENDLESS_BYTES)
        while not made._ends.is_set():
            handler.wfile.write(bytes(1 << 16))
    elif manner is Manner.REPLAYS and made._first is not None:
        _send(handler, 200, RESPONSE_TYPE, made._first)
    else:
        status, sort, body = made._answer(heard)
        made._first = made._first or (body if heard.body else None)
        _send(handler, status, sort, body, cut=manner is Manner.CUTS)


def _send(handler: BaseHTTPRequestHandler, status: int, sort: str, body: bytes, *, cut: bool = False) -> None:
    _head(handler, status, sort, len(body))
    handler.wfile.write(body[: len(body) // 2] if cut else body)


def _head(handler: BaseHTTPRequestHandler, status: int, sort: str, size: int) -> None:
    handler.send_response(status)
    handler.send_header("content-type", sort)
    handler.send_header("content-length", str(size))
    handler.send_header("connection", "close")
    handler.end_headers()


def _changed(data: bytes) -> bytes:
    """Return data with its last bit turned."""
    return data[:-1] + bytes([data[-1] ^ 1]) if data else data


def _refusal(status: int, reason: str, detail: str) -> BinaryResponse:
    return BinaryResponse(status, ((b"content-type", MSGPACK.encode()),), encode(Refusal(reason, detail)))
