"""What a relay does: takes an envelope it cannot read, and hands it to one gateway as if it were its own.

Nothing of whoever asks goes on: neither address nor header, and no connection is one device's. Nothing is
written down of a request, in a log or elsewhere, but what is added up over all of them (`watch.py`). An
answer comes back only when it has the type of a sealed one; whether the gateway sealed it, only the device
can tell.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import final
from urllib.parse import urlsplit

import httpx
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from confidante.core.address_quota import AddressQuota
from confidante.core.errors import DataError, WireError
from confidante.crypto.oblivious_http import REQUEST_TYPE, RESPONSE_TYPE
from confidante.relay.watch import LOOK_AGAIN_SECONDS, LOOK_SECONDS, GatewayHealth, RelayMetrics, unreached
from confidante.wire.refinement import MOST_ANSWER_BYTES, MOST_QUESTION_BYTES
from confidante.wire.rounds import MSGPACK, Refusal, Refused, decode, encode

_ENVELOPE_BYTES = 64 << 10  # what padding and sealing may add
_MOST_REFUSAL_BYTES = 4096
_HEADERS = {"cache-control": "no-store"}
_LOCAL = ("127.0.0.1", "::1", "localhost")
_PASSED = {
    400: {Refused.MALFORMED},
    408: {Refused.SLOW},
    413: {Refused.OVERSIZED},
    429: {Refused.TOO_MANY},
    503: {Refused.BUSY},
}
"""What a gateway may say in the clear, by status: reasons that tell nothing of a question."""


COMING = 4
"""Envelopes that are not all here yet, for each request that is handed on at a time."""


@final
@dataclass(frozen=True, slots=True)
class Limits:
    """most: bytes of an envelope; seconds: that it, and then the gateway, may take; at_once: requests.

    of_one: envelopes that one address may be sending at a time. Besides, `COMING` times `at_once` may be
    under way to here, so that those that come slowly keep no others out.
    """

    most: int = MOST_QUESTION_BYTES + _ENVELOPE_BYTES
    seconds: float = 10.0
    at_once: int = 64
    of_one: int = 8


class _RefusedError(Exception):
    """A request that is not handed on, or whose answer is none."""

    def __init__(self, status: int, reason: Refused, detail: str) -> None:
        self.status, self.reason, self.detail = status, reason, detail
        super().__init__(detail)


@final
class Relay:
    """A relay to one gateway. `app` is to be served."""

    def __init__(self, gateway: str, limits: Limits | None = None) -> None:
        """gateway: its address with its path. DataError for one that is not https, but for this machine."""
        self._gateway, self._limits = _checked(gateway), limits or Limits()
        self.metrics = RelayMetrics()
        self.health = GatewayHealth(self.metrics)
        self._crowd = AddressQuota(self._limits.of_one)
        self._coming = self._running = 0
        self._client: httpx.AsyncClient | None = None
        self.app = Starlette(
            routes=[
                Route("/", self._relay, methods=["POST"]),
                Route("/health", _health, methods=["GET"]),
                Route("/health/ready", self._ready, methods=["GET"]),
            ],
            lifespan=self._lifespan,
        )

    @asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        pool = httpx.Limits(
            max_connections=self._limits.at_once, max_keepalive_connections=self._limits.at_once
        )
        async with httpx.AsyncClient(
            limits=pool, timeout=self._limits.seconds, trust_env=False, follow_redirects=False
        ) as self._client:
            looking = asyncio.create_task(self._look_on())
            try:
                yield
            finally:
                looking.cancel()

    async def look(self) -> str | None:
        """Return what is wrong with the gateway; None where it answers as one.

        It is sent an envelope of nothing, which every gateway refuses as malformed, and nothing else does. It
        gets a connection of its own: the gateway is still there when those that hand on are all taken.
        """
        seconds = self._limits.seconds
        try:
            async with (
                asyncio.timeout(seconds),
                httpx.AsyncClient(timeout=seconds, trust_env=False, follow_redirects=False) as client,
            ):
                answer = await client.send(self._request(b""), stream=True)
                try:
                    await _taken(answer)
                finally:
                    await answer.aclose()
        except _RefusedError as error:
            if error.reason != Refused.BAD_GATEWAY:
                return None
        except (TimeoutError, httpx.TimeoutException):
            return f"{self._gateway} does not answer within {seconds:g} seconds"
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return f"{self._gateway} cannot be reached: {unreached(error)}"
        if answer.has_redirect_location:
            return f"{self._gateway} leads elsewhere: give the address {answer.headers['location'][:200]!r}"
        return (
            f"{self._gateway} answers, but not as a gateway (status {answer.status_code}): give a "
            "coordinator's address with /v1/oblivious"
        )

    async def _look_on(self) -> None:
        while True:
            self.health.note(await self.look())
            await asyncio.sleep(LOOK_SECONDS if self.health.problem is None else LOOK_AGAIN_SECONDS)

    async def _ready(self, _request: Request) -> Response:
        """Say whether the gateway answered when it was last asked: 200, or 503 with what is wrong."""
        problem = self.health.problem
        text = "ready\n" if problem is None else f"{problem}\n"
        return Response(text, 200 if problem is None else 503, media_type="text/plain", headers=_HEADERS)

    async def _relay(self, request: Request) -> Response:
        """Hand one envelope on, and its answer back."""
        try:
            answer = await self._hand_on(await self._take(request))
        except _RefusedError as error:
            self.metrics.requests.labels(error.reason).inc()
            return _said(error.status, error.reason, error.detail, close=True)
        self.metrics.requests.labels("answered").inc()
        self.metrics.bytes.labels("out").inc(len(answer))
        return Response(answer, media_type=RESPONSE_TYPE, headers=_HEADERS)

    async def _hand_on(self, envelope: bytes) -> bytes:
        self._refuse_too_many()
        self.metrics.bytes.labels("in").inc(len(envelope))
        self._running += 1
        try:
            with self.metrics.under_way.track_inprogress(), self.metrics.seconds.time():
                return await self._ask(envelope)
        finally:
            self._running -= 1

    def _refuse_too_many(self) -> None:
        if self._running >= self._limits.at_once:
            raise _too_many()

    async def _take(self, request: Request) -> bytes:
        """Return the envelope, unless too many come at this moment, or too many of this address."""
        self._refuse_too_many()
        whose = self._crowd.enter(request.client.host if request.client else "")
        if whose is None:
            raise _too_many()
        try:
            if self._coming >= COMING * self._limits.at_once:
                raise _too_many()
            self._coming += 1
            try:
                return await self._read(request)
            finally:
                self._coming -= 1
        finally:
            self._crowd.leave(whose)

    async def _read(self, request: Request) -> bytes:
        said = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if said != REQUEST_TYPE:
            raise _RefusedError(415, Refused.CONTENT_TYPE, f"send {REQUEST_TYPE}")
        announced = request.headers.get("content-length", "")
        if announced.isdecimal() and int(announced[:20]) > self._limits.most:
            raise self._oversized()
        body = bytearray()
        try:
            async with asyncio.timeout(self._limits.seconds):
                async for part in request.stream():
                    body += part
                    if len(body) > self._limits.most:
                        raise self._oversized()
        except TimeoutError:
            raise _RefusedError(408, Refused.SLOW, "the envelope took too long to arrive") from None
        except ClientDisconnect:
            raise _RefusedError(400, Refused.MALFORMED, "the connection ended before the envelope") from None
        return bytes(body)

    def _oversized(self) -> _RefusedError:
        return _RefusedError(413, Refused.OVERSIZED, f"at most {self._limits.most} bytes are handed on")

    async def _ask(self, envelope: bytes) -> bytes:
        """Return the gateway's sealed answer."""
        assert self._client is not None  # noqa: S101  (the server begins with the lifespan)
        try:
            async with asyncio.timeout(self._limits.seconds):
                answer = await self._client.send(self._request(envelope), stream=True)
                try:
                    return await _taken(answer)
                finally:
                    await answer.aclose()
        except (TimeoutError, httpx.TimeoutException):
            raise _RefusedError(504, Refused.SLOW_GATEWAY, "the gateway took too long") from None
        except (httpx.HTTPError, httpx.InvalidURL):
            raise _RefusedError(502, Refused.NO_GATEWAY, "the gateway cannot be reached") from None

    def _request(self, envelope: bytes) -> httpx.Request:
        """Return what the gateway is sent: not one header is the client's, or tells what program this is."""
        asked = httpx.Request(
            "POST",
            self._gateway,
            headers={"content-type": REQUEST_TYPE, "accept": RESPONSE_TYPE},
            content=envelope,
        )
        asked.extensions["timeout"] = httpx.Timeout(self._limits.seconds).as_dict()
        return asked


def _too_many() -> _RefusedError:
    return _RefusedError(429, Refused.TOO_MANY, "too many requests at once: ask again later")


async def _health(_request: Request) -> Response:
    """Say that this process answers."""
    return Response("relay\n", media_type="text/plain", headers=_HEADERS)


async def _taken(answer: httpx.Response) -> bytes:
    """Return a sealed answer; _RefusedError for anything else that a gateway may say."""
    sort = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if answer.status_code == 200 and sort == RESPONSE_TYPE:
        return await _body(answer, MOST_ANSWER_BYTES + _ENVELOPE_BYTES)
    if answer.status_code in _PASSED and sort == MSGPACK:
        try:
            said = decode(await _body(answer, _MOST_REFUSAL_BYTES), Refusal)
        except WireError:
            said = Refusal("")
        for reason in _PASSED[answer.status_code]:
            if said.reason == reason:
                raise _RefusedError(answer.status_code, reason, "the gateway refused the envelope")
    raise _RefusedError(502, Refused.BAD_GATEWAY, "the gateway's answer is not a sealed response")


async def _body(answer: httpx.Response, most: int) -> bytes:
    body = bytearray()
    async for part in answer.aiter_raw():
        body += part
        if len(body) > most:
            raise _RefusedError(502, Refused.BAD_GATEWAY, "the gateway's answer was cut off")
    return bytes(body)


def _said(status: int, reason: Refused, detail: str, *, close: bool = False) -> Response:
    headers = _HEADERS | ({"connection": "close"} if close else {})  # what is left of a body is not read
    return Response(encode(Refusal(reason, detail)), status, media_type=MSGPACK, headers=headers)


def _checked(gateway: str) -> str:
    """Return a gateway's address; DataError for one that nothing is handed on to."""
    try:
        parts = urlsplit(gateway)
        host, _port = parts.hostname or "", parts.port
    except ValueError:
        host, parts = "", urlsplit("")
    if not host or parts.scheme not in ("http", "https") or parts.username is not None or parts.fragment:
        shown = "an address with a password" if "@" in gateway else repr(gateway[:200])
        raise DataError(f"the gateway is {shown}: give https://<host>/v1/oblivious")
    if parts.scheme == "http" and host not in _LOCAL:
        raise DataError(f"the gateway {host} must be reached over https: give https://{host}/...")
    return gateway
