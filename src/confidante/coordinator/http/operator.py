"""What an operator and their machines ask for."""

import hmac
from functools import partial
from typing import final

from starlette.requests import Request
from starlette.responses import Response

from confidante.coordinator.http.office import Office, Routes, bearer
from confidante.coordinator.http.reading import RefusedError
from confidante.coordinator.metrics import CONTENT_TYPE
from confidante.protocol.coordination import (
    Refused,
)


@final
class Operator:
    """Health for balancers, and counters for whoever has the key."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self.leaving = False
        self.routes: Routes = (
            ("GET", "/health/live", self.live),
            ("GET", "/health/ready", self.ready),
            ("GET", "/metrics", self.scrape),
        )

    async def live(self, request: Request) -> Response:  # noqa: ARG002
        """Say that this process answers."""
        return Response(b"live\n", media_type="text/plain")

    async def ready(self, request: Request) -> Response:  # noqa: ARG002
        """Say whether the database answers, too, and whether this process means to stay."""
        if self.leaving:
            return Response(b"leaving\n", 503, media_type="text/plain")
        await self._office.run(partial(self._office.store.log, 0, 1))
        return Response(b"ready\n", media_type="text/plain")

    async def scrape(self, request: Request) -> Response:
        """Return all counters, to whoever has the operator's key."""
        key, shown = self._office.serving.operator_key, bearer(request)
        if not key or not hmac.compare_digest(key.encode(), shown.encode()):
            raise RefusedError(401, Refused.NO_KEY, "the operator's key is asked for here, as a bearer token")
        kept = await self._office.run(self._office.store.counts)
        return Response(self._office.metrics.text(lambda: kept), headers={"content-type": CONTENT_TYPE})
