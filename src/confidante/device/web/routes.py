"""Every address of the page: what is shown there, and what its forms do once they are checked."""

import hmac
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import TYPE_CHECKING

from fastapi import HTTPException
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.routing import Route

from confidante.device.web.actions import Actions
from confidante.device.web.forms import Fields, read_form
from confidante.device.web.page import Page
from confidante.device.web.views import Views

if TYPE_CHECKING:
    from starlette.requests import Request


def page_routes(page: Page, stop: Callable[[], None]) -> list[Route]:
    """Return every address of the page. stop: ends the server, once everything was erased."""
    views, actions = Views(page), Actions(page, stop)

    def looked(show: Callable[["Request"], Response]) -> Callable[["Request"], Response]:
        def endpoint(request: "Request") -> Response:
            page.greet(request)
            return show(request)

        return endpoint

    def posted(act: Callable[[Fields], Response]) -> Callable[["Request"], Awaitable[Response]]:
        def checked(request: "Request", fields: Fields) -> Response:
            given = fields.text("secret").encode("utf-8", "surrogateescape")
            if not hmac.compare_digest(given, page.gate.form_secret.encode()):
                raise HTTPException(
                    HTTPStatus.FORBIDDEN, "The form is of an earlier visit: load the page again."
                )
            page.greet(request)
            return act(fields)

        async def endpoint(request: "Request") -> Response:
            async with read_form(request) as fields:
                return await run_in_threadpool(checked, request, fields)

        return endpoint

    shown = {
        "/": views.for_you,
        "/refined": views.refined,
        "/welcome": views.choose,
        "/why": views.why,
        "/picture": views.picture,
        "/know": views.know,
        "/left": views.left,
        "/switches": views.switches,
        "/forget/everything": views.forget_everything,
        "/retention": views.retention,
        "/erase": views.erase,
        "/export": actions.export,
    }
    done = {
        "/welcome": views.welcome.act,
        "/refining": views.refining.act,
        "/find": actions.find,
        "/wish": actions.wish,
        "/taste": actions.taste,
        "/state": actions.state,
        "/history": actions.history,
        "/forget": actions.forget,
        "/seen": actions.unmark,
        "/undo": actions.undo,
        "/import": actions.bring,
        "/switch": actions.switch,
        "/profiling": actions.profiling,
        "/pause": actions.pause,
        "/retention": actions.retention,
        "/budget": actions.budget,
        "/lock": actions.lock,
        "/alarm": actions.alarm,
        "/restored": actions.restored,
        "/api-off": actions.close_api,
        "/erase": actions.erase,
    }
    return [
        *(Route(path, looked(show), methods=["GET"]) for path, show in shown.items()),
        *(Route(path, posted(act), methods=["POST"]) for path, act in done.items()),
    ]
