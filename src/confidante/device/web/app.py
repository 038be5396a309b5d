"""The local server: the page, the API, and the guard in front of both."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.staticfiles import StaticFiles

from confidante.core.errors import ConfidanteError, ConsentError, DataError, VaultError
from confidante.device.web.api import api_routes
from confidante.device.web.api_docs import docs_route
from confidante.device.web.page import Page, alone
from confidante.device.web.routes import page_routes
from confidante.device.web.security import Gate, Guard

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import ASGIApp

    from confidante.device.device import Device
    from confidante.device.web.gorse import GorseConfig

DESCRIPTION = (
    "The recommender on this device. Endpoints under /api/v1/ are ours. With `confidante open --gorse` there "
    "are those of Gorse's RESTful API (0.5.11) as well, so that its clients work. Send the key that "
    "`confidante open --api` shows as X-API-Key or as a Bearer token."
)
_TICK_SECONDS = 2.0

# Newer releases of FastAPI report every request, with its address, to whatever OpenTelemetry the process or
# its environment has set up. Addresses of the API name items: that would be a way out of the device.
_SILENT: Any = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}


def make_app(
    device: "Device",
    gate: Gate,
    *,
    user: str = "me",
    gorse: "GorseConfig | None" = None,
    stop: Callable[[], None] = lambda: None,
    ready: Callable[[], None] = lambda: None,
) -> "ASGIApp":
    """Return the whole server as an ASGI app.

    user, gorse: as in `open_page`. stop: ends it after an erasure; ready: called when it is up.
    """
    app = make_api(device, user=user, gorse=gorse, lifespan=_lifespan(device, ready))
    app.router.routes.extend(page_routes(Page(device, gate), stop))
    app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"))
    return Guard(app, gate, _refuse)


def make_api(
    device: "Device",
    *,
    user: str = "me",
    gorse: "GorseConfig | None" = None,
    lifespan: Callable[[FastAPI], object] | None = None,
) -> FastAPI:
    """Return the API alone, without guard and page."""
    app = FastAPI(
        title="Confidante on this device",
        version="1",
        description=DESCRIPTION,
        docs_url=None,  # Swagger's page loads from elsewhere; `docs.py` shows ours
        redoc_url=None,
        telemetry=_SILENT,
        lifespan=lifespan,  # type: ignore[arg-type]
    )
    if gorse is not None:
        from confidante.device.web.gorse import gorse_routes

        for router in gorse_routes(device, user, gorse):
            app.include_router(router)
    for router in api_routes(device):
        app.include_router(router)
    app.router.routes.append(docs_route(app))
    app.add_exception_handler(ConfidanteError, _ours)  # type: ignore[arg-type]
    app.add_exception_handler(RequestValidationError, _invalid)  # type: ignore[arg-type]
    app.add_exception_handler(HTTPException, _http)  # type: ignore[arg-type]
    app.add_exception_handler(Exception, _bug)
    return app


def _lifespan(device: "Device", ready: Callable[[], None]) -> Callable[[FastAPI], object]:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async def tick() -> None:
            while True:  # what waits for its undo is erased when its time is over, also when nobody looks
                await asyncio.sleep(_TICK_SECONDS)
                with suppress(VaultError):  # no room, say: it stays due
                    await run_in_threadpool(device.history.erase_due)

        ticking = asyncio.create_task(tick())
        ready()
        try:
            yield
        finally:
            ticking.cancel()

    return lifespan


def _answer(request: "Request", status: HTTPStatus, text: str) -> Response:
    path = request.url.path
    if path.startswith("/api/v1/"):
        return JSONResponse({"error": {"what": text}}, status)
    if path.startswith("/api/"):
        return PlainTextResponse(text, status)  # what Gorse's clients expect
    return alone(status.phrase, text, status, back="/" if status is not HTTPStatus.UNAUTHORIZED else "")


def _refuse(api: bool, status: HTTPStatus, text: str) -> Response:
    if api:
        return JSONResponse({"error": {"what": text}}, status)
    return alone("Not here", text, status)


def _status_of(error: ConfidanteError) -> HTTPStatus:
    if isinstance(error, ConsentError):
        return HTTPStatus.FORBIDDEN
    return HTTPStatus.SERVICE_UNAVAILABLE if isinstance(error, VaultError) else HTTPStatus.BAD_REQUEST


async def _ours(request: "Request", error: ConfidanteError) -> Response:
    # a path on this machine is nobody's business, not even an app's
    text = error.problem if isinstance(error, DataError) else str(error)
    return _answer(request, _status_of(error), text)


async def _invalid(request: "Request", error: RequestValidationError) -> Response:
    wrong = [f"{'.'.join(str(step) for step in one['loc'])}: {one['msg']}" for one in error.errors()[:5]]
    return _answer(request, HTTPStatus.BAD_REQUEST, "; ".join(wrong) or "The request makes no sense.")


async def _http(request: "Request", error: HTTPException) -> Response:
    status = HTTPStatus(error.status_code)
    text = (
        "There is nothing here."
        if status is HTTPStatus.NOT_FOUND and error.detail == "Not Found"
        else error.detail
    )
    answer = _answer(request, status, text)
    answer.headers.update(error.headers or {})
    return answer


async def _bug(request: "Request", _: Exception) -> Response:
    text = "Something broke in here; nothing left this machine. The terminal says more."
    return _answer(request, HTTPStatus.INTERNAL_SERVER_ERROR, text)
