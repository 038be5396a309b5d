"""What anybody may read: the public log, and the models and catalogues that it names."""

import re
from functools import partial
from typing import Any, final

from starlette.requests import Request
from starlette.responses import Response

from confidante.coordinator.http.office import Office, Routes, packed
from confidante.coordinator.http.reading import RefusedError
from confidante.protocol.coordination import (
    OCTETS,
    Logged,
    Refused,
    decode,
)

_LOG_PAGE = 100
_RANGE = re.compile(r"bytes=([0-9]{1,15})-([0-9]{0,15})")


@final
class Public:
    """The public log and what it names."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self.routes: Routes = (
            ("GET", "/v1/log", self.log),
            ("GET", "/v1/models/{digest}", self.model),
        )
        self._models: set[str] = set()
        self._read_to = 0

    async def log(self, request: Request) -> Response:
        """Return the public log after number `since`, oldest first, a page at a time."""
        since = request.query_params.get("since", "0")
        if not (since.isascii() and since.isdecimal() and len(since) < 16):
            raise RefusedError(400, Refused.MALFORMED, "since is a number of the log")
        entries = await self._office.run(partial(self._office.store.log, int(since), _LOG_PAGE))
        return packed(
            [Logged(one.number, one.kind, one.body, one.at, one.previous, one.hash) for one in entries]
        )

    async def model(self, request: Request) -> Response:
        """Return a model that the log names, or the part of it that is asked for."""
        digest = str(request.path_params["digest"])
        if not await self._office.run(partial(self._logged, digest)):
            raise RefusedError(404, Refused.NO_SUCH_THING, "the log names no such model or catalogue")
        head = {"etag": f'"{digest}"', "cache-control": "public, max-age=31536000, immutable"}
        if head["etag"] in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=head)
        data = await self._office.run(partial(self._office.bodies.get, digest))
        part = _RANGE.fullmatch(request.headers.get("range", ""))
        status = 200
        if part is not None:
            first, last = int(part[1]), min(int(part[2] or len(data)), len(data) - 1)
            if first > last:
                raise RefusedError(416, Refused.NO_SUCH_THING, f"the model has {len(data)} bytes")
            head["content-range"] = f"bytes {first}-{last}/{len(data)}"
            data, status = data[first : last + 1], 206
        self._office.metrics.sent.inc(len(data))
        return Response(data, status, media_type=OCTETS, headers={**head, "accept-ranges": "bytes"})

    def _logged(self, digest: str) -> bool:
        """Whether the log names a model or catalogue, so that no other body can be asked for."""
        while digest not in self._models:
            page = self._office.store.log(self._read_to, _LOG_PAGE)
            if not page:
                return False
            for one in page:
                named = decode(one.body, dict[str, Any])
                self._models |= {named[key].hex() for key in ("model", "catalogue") if key in named}
            self._read_to = page[-1].number
        return True
