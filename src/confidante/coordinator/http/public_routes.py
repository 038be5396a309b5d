"""What anybody may read: the public log, and the models, catalogues and cohorts that it names.

Whatever stands between may keep it: a body, by its name, for ever, and a full page of the log likewise.
"""

import hashlib
import re
from collections import OrderedDict
from functools import partial
from threading import Lock
from typing import Any, final

from anyio import CapacityLimiter, to_thread
from starlette.requests import Request
from starlette.responses import Response

from confidante.coordinator.http.app_state import AppState, Routes, packed
from confidante.coordinator.http.request_body import RequestRefusedError
from confidante.core import delta
from confidante.core.errors import StoreError, WireError
from confidante.wire.refinement import LOG_KIND as REFINEMENT
from confidante.wire.rounds import MSGPACK, OCTETS, Logged, Refusal, Refused, decode, encode
from confidante.wire.transparency_log import LogEntry

_LOG_PAGE = 100
_LOG_PAGE_BYTES = 1 << 20
_NEWEST = 16
"""How many of the newest bodies that the log names may be had as a difference from each other."""

_NOTHING = hashlib.sha256(b"").hexdigest()
_SHELF_BYTES = 64 << 20
_RANGE = re.compile(r"bytes=([0-9]{0,15})-([0-9]{0,15})")
_TAG = re.compile(r'(?:W/)?("[^"]*")')
_FOR_EVER = "public, max-age=31536000, immutable"


@final
class PublicRoutes:
    """The public log and what it names."""

    def __init__(self, app_state: AppState) -> None:
        self._app = app_state
        self.routes: Routes = (
            ("GET", "/v1/log", self.log),
            ("GET", "/v1/models/{digest}", self.model),
        )
        self._lock = Lock()
        self._named: dict[str, None] = {}  # in the order in which they were last named
        self._read_to = 0
        self._shelf: OrderedDict[str, bytes] = OrderedDict()
        self._deltas: dict[tuple[str, str], str] = {}  # where each is kept; empty: it would save nothing
        self._one_at_a_time = CapacityLimiter(1)

    async def log(self, request: Request) -> Response:
        """Return the public log after number `since`, oldest first, a page at a time."""
        since = request.query_params.get("since", "0")
        if not (since.isascii() and since.isdecimal() and len(since) < 16):
            raise RequestRefusedError(400, Refused.MALFORMED, "since is a number of the log")
        found = await self._app.run(partial(self._app.store.log.entries, int(since), _LOG_PAGE))
        page = _page(found)
        head = {"cache-control": "no-cache", "etag": f'"{page[-1].hash.hex() if page else "end"}"'}
        if len(page) == _LOG_PAGE or len(page) < len(found):
            head["cache-control"] = _FOR_EVER
        if _has(request, head["etag"]):
            return Response(status_code=304, headers=head)
        shown = [Logged(one.number, one.kind, one.body, one.at, one.previous, one.hash) for one in page]
        return Response(encode(shown), media_type=MSGPACK, headers=head)

    async def model(self, request: Request) -> Response:
        """Return a body that the log names, or the part of it that is asked for.

        With `from`, the name of one that the log names as well, or of the empty body: the difference from
        that one (`confidante.core.delta`), where it is the smaller.
        """
        digest, older = str(request.path_params["digest"]), request.query_params.get("from", "")
        if not await self._app.run(partial(self._is_named, digest)):
            raise RequestRefusedError(404, Refused.NO_SUCH_THING, "the log names no such model or catalogue")
        name, data = f'"{digest}"', b""
        try:
            difference = await self._delta(older, digest)
            if difference:
                name = f'"{digest}.{older}"'
            if not _has(request, name):
                data = await self._app.run(partial(self._take, difference or digest))
        except StoreError as error:
            lost = self._deltas.pop((older, digest), "")
            if error.retry:
                raise
            if lost:  # nothing speaks of a difference, so it may have been swept away: make it anew
                return await self.model(request)
            raise RequestRefusedError(
                503, Refused.BUSY, "the body is missing here: ask again once it is restored"
            ) from None
        head = {"etag": name, "cache-control": _FOR_EVER, "accept-ranges": "bytes"}
        if _has(request, name):
            return Response(status_code=304, headers=head)
        return self._part(request, data, head)

    def _part(self, request: Request, data: bytes, head: dict[str, str]) -> Response:
        """Return the range of a body that is asked for; all of it when none is, or several are."""
        wanted = _RANGE.fullmatch(request.headers.get("range", ""))
        status = 200
        if wanted and any(wanted.groups()) and request.headers.get("if-range", head["etag"]) == head["etag"]:
            first, last = wanted.groups()
            start = int(first) if first else max(len(data) - int(last), 0)
            stop = min(int(last) + 1, len(data)) if first and last else len(data)
            if start >= stop:
                return self._beyond(len(data))
            head["content-range"] = f"bytes {start}-{stop - 1}/{len(data)}"
            data, status = data[start:stop], 206
        if request.method != "HEAD":
            self._app.metrics.sent.inc(len(data))
        return Response(data, status, media_type=OCTETS, headers=head)

    def _beyond(self, size: int) -> Response:
        self._app.metrics.refused.labels(Refused.NO_SUCH_THING).inc()
        said = packed(Refusal(Refused.NO_SUCH_THING, f"there are {size} bytes"), 416)
        said.headers["content-range"] = f"bytes */{size}"
        return said

    async def _delta(self, older: str, newer: str) -> str:
        """Return where the difference between two bodies is kept; empty when there is none worth having."""
        newest = list(self._named)[-_NEWEST:]
        if older == newer or older not in (*newest, _NOTHING) or newer not in newest:
            return ""
        return await to_thread.run_sync(partial(self._make, older, newer), limiter=self._one_at_a_time)

    def _make(self, older: str, newer: str) -> str:
        kept = self._deltas.get((older, newer))
        if kept is None:
            base, target, kept = self._base(older), self._take(newer), ""
            if base is not None and max(len(base), len(target)) <= delta.MOST_BYTES:
                made = delta.make(base, target)
                kept = self._app.bodies.put(made) if len(made) < len(target) else ""
            self._deltas[older, newer] = kept
        return kept

    def _base(self, older: str) -> bytes | None:
        """Return what a difference begins with; None for what is not kept any more."""
        try:
            return b"" if older == _NOTHING else self._take(older)
        except StoreError as error:
            if error.retry:
                raise
            return None

    def _take(self, name: str) -> bytes:
        """Return a body, from memory when it was asked for of late: whoever fetches it asks part by part."""
        with self._lock:
            data = self._shelf.get(name)
            if data is not None:
                self._shelf.move_to_end(name)
                return data
        data = self._app.bodies.get(name)
        with self._lock:
            self._shelf[name] = data
            while sum(map(len, self._shelf.values())) > _SHELF_BYTES:
                self._shelf.popitem(last=False)
        return data

    def _is_named(self, digest: str) -> bool:
        """Whether the log names a model or catalogue, so that no other body can be asked for."""
        with self._lock:
            while digest not in self._named:
                page = self._app.store.log.entries(self._read_to, _LOG_PAGE)
                if not page:
                    return False
                for name in (name for entry in page for name in _names(entry)):
                    self._named.pop(name, None)
                    self._named[name] = None
                self._read_to = page[-1].number
        return True


def _names(entry: LogEntry) -> list[str]:
    """Return the names of the bodies that an entry of the log speaks of."""
    try:
        said = decode(entry.body, dict[str, Any])
    except WireError:
        return []
    keys = ["model", "catalogue", "cohorts"]
    if entry.kind == REFINEMENT and said.get("secret") is False:
        keys.append("table")
    found = (said.get(key) for key in keys)
    return [name.hex() for name in found if isinstance(name, bytes) and len(name) == 32]


def _page(entries: list[LogEntry]) -> list[LogEntry]:
    """Return as many entries as fit a page, one at least."""
    size = 0
    for count, entry in enumerate(entries):
        size += len(entry.body)
        if size > _LOG_PAGE_BYTES and count:
            return entries[:count]
    return entries


def _has(request: Request, tag: str) -> bool:
    """Whether whoever asks has what `tag` names."""
    said = request.headers.get("if-none-match", "")
    return said.strip() == "*" or tag in _TAG.findall(said)
