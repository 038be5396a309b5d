"""What an operator and their machines ask for: health, counters, and the operator's page."""

import hmac
import math
import time
from collections.abc import Awaitable, Callable, Collection
from functools import partial, wraps
from ipaddress import ip_address
from typing import Any, final
from urllib.parse import parse_qs, urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from confidante.coordinator.config.population import Population
from confidante.coordinator.http.app_state import AppState, Routes, bearer
from confidante.coordinator.http.request_body import RequestRefusedError, read_body
from confidante.coordinator.operator.pages import dressed, page, static
from confidante.coordinator.operator.sessions import COOKIE, LIFETIME, LoginThrottle, Sessions
from confidante.coordinator.operator.view import PageSettings, Viewer
from confidante.coordinator.rounds.budget import BudgetStanding, standing
from confidante.coordinator.store import Store
from confidante.coordinator.telemetry.metrics import CONTENT_TYPE, StoreFigures
from confidante.core.errors import StoreError
from confidante.core.event_log import log
from confidante.wire.rounds import Refused

_FORM = "application/x-www-form-urlencoded"
_MOST_FORM_BYTES = 4096
_ABORTED = "its operator ended it"

Form = dict[str, str]


@final
class OperatorRoutes:
    """Health for balancers, counters for whoever has the key, and a page for people."""

    def __init__(self, app_state: AppState, page_settings: PageSettings) -> None:
        self._app, self._page = app_state, page_settings
        self.leaving = False
        self._viewer = Viewer(app_state.store, app_state.bodies, page_settings)
        self._sessions = Sessions(app_state.settings.operator_key)
        self._patience = LoginThrottle()
        self.routes: Routes = (
            ("GET", "/health/live", self.live),
            ("GET", "/health/ready", self.ready),
            ("GET", "/metrics", self.scrape),
            ("GET", "/", _shown(self.page)),
            ("GET", "/operator", _shown(self.page)),
            ("GET", "/operator/now", _shown(self.now)),
            ("GET", "/operator/static/{name}", self.static),
            ("GET", "/operator/login", _shown(self.door)),
            ("POST", "/operator/login", _shown(self.log_in)),
            ("POST", "/operator/logout", _shown(self.log_out)),
            ("POST", "/operator/pause", _shown(self.pause)),
            ("POST", "/operator/abort", _shown(self.abort)),
        )

    # --- machines

    async def live(self, request: Request) -> Response:  # noqa: ARG002
        """Say that this process answers."""
        return Response(b"live\n", media_type="text/plain")

    async def ready(self, request: Request) -> Response:  # noqa: ARG002
        """Say whether the database answers, too, and whether this process means to stay."""
        if self.leaving:
            return Response(b"leaving\n", 503, media_type="text/plain")
        await self._app.run(partial(self._app.store.log.entries, 0, 1))
        return Response(b"ready\n", media_type="text/plain")

    async def scrape(self, request: Request) -> Response:
        """Return all counters, to whoever has the operator's key."""
        key, shown = self._app.settings.operator_key, bearer(request)
        if not key or not hmac.compare_digest(key.encode(), shown.encode()):
            raise RequestRefusedError(
                401, Refused.NO_KEY, "the operator's key is asked for here, as a bearer token"
            )

        def text() -> bytes:
            return self._app.metrics.text(_figures(self._app.store, self._page.populations, self._app.now()))

        return Response(await self._app.run(text), headers={"content-type": CONTENT_TYPE})

    # --- people

    async def page(self, request: Request) -> Response:
        """Return the whole page."""
        inside = await self._inside(request)
        if not (inside or self._page.public):
            return _to("/operator/login")
        given = request.query_params.get("again", "")
        again = max(int(given), 5) if given.isascii() and given.isdecimal() and len(given) < 5 else 0
        told = _TOLD.get(request.query_params.get("told", ""), "")
        return await self._filled(request, "operator.html", again=again, told=told)

    async def now(self, request: Request) -> Response:
        """Return the part of the page that changes."""
        if not (self._page.public or await self._inside(request)):
            return page("problem.html", 401, problem="Log in to see this.")
        return await self._filled(request, "now.html")

    async def static(self, request: Request) -> Response:
        """Return a file that the page loads."""
        found = static(str(request.path_params["name"]))
        if found is None:
            raise RequestRefusedError(404, Refused.NO_SUCH_THING, "the page has no such file")
        return found

    async def door(self, request: Request) -> Response:
        """Return the form to log in with."""
        return _to("/") if await self._inside(request) else page("login.html")

    async def log_in(self, request: Request) -> Response:
        """Begin a session for whoever gives the key."""
        form = await self._form(request)
        who = request.client.host if request.client else ""
        if self._patience.out_of(who, time.monotonic()):
            return page("login.html", 429, problem="Too many wrong keys. Wait a minute, then try again.")
        cookie = self._sessions.begin(form.get("key", "").strip(), time.time())
        if cookie is None:
            self._patience.wrong(who, time.monotonic())
            log("wrong operator key")
            return page("login.html", 401, problem="That is not the operator's key.")
        log("operator logged in")
        answer = _to("/")
        secure = request.url.scheme == "https"
        answer.set_cookie(
            COOKIE, cookie, max_age=LIFETIME, path="/", secure=secure, httponly=True, samesite="strict"
        )
        return answer

    async def log_out(self, request: Request) -> Response:
        """Take the cookie back, and know no copy of it, nor any other that was given so far."""
        await self._inner_form(request)
        await self._app.run(partial(self._app.store.operator.end_sessions, int(time.time() * 1000)))
        answer = _to("/")
        answer.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
        return answer

    async def pause(self, request: Request) -> Response:
        """Open no new round of a population, or go on."""
        form = await self._inner_form(request)
        name, paused = form.get("population", ""), form.get("paused") == "yes"
        if name not in self._app.settings.populations:
            return page("problem.html", 404, problem="No such population is served here.")
        await self._app.run(partial(self._app.store.operator.pause, name, paused))
        log("paused" if paused else "resumed", population=name)
        return self._done("paused" if paused else "resumed")

    async def abort(self, request: Request) -> Response:
        """End a running round without a sum."""
        form = await self._inner_form(request)
        try:
            round_id = bytes.fromhex(form.get("round", ""))
        except ValueError:
            round_id = b""
        store, now = self._app.store, self._app.now()
        ended = await self._app.run(partial(store.rounds.abort, round_id, _ABORTED, now))
        if ended:
            log("round ended by operator", round=round_id.hex()[:12])
        return self._done("aborted" if ended else "over")

    # --- inside

    def _done(self, told: str) -> Response:
        self._viewer.forget()
        return _to(f"/?told={told}")

    async def _inside(self, request: Request) -> bool:
        cookie, now = request.cookies.get(COOKIE, ""), time.time()
        if not self._sessions.knows(cookie, now):
            return False
        return self._sessions.knows(cookie, now, await self._app.run(self._app.store.operator.sessions_ended))

    async def _filled(self, request: Request, template: str, **values: Any) -> Response:
        inside = await self._inside(request)
        token = self._sessions.form_token(request.cookies[COOKIE]) if inside else ""
        view = await self._app.run(partial(self._viewer.view, time.time()))
        return page(template, view=view, inside=inside, token=token, **values)

    async def _form(self, request: Request) -> Form:
        """Return a form that one of our own pages sent, as the browser says."""
        if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            raise RequestRefusedError(
                403, Refused.NO_KEY, "Another web page sent this request, which is not allowed."
            )
        data = await read_body(request, _FORM, _MOST_FORM_BYTES, self._app.settings.body)
        found = parse_qs(data.decode("utf-8", "replace"), max_num_fields=10)
        return {name: values[0] for name, values in found.items()}

    async def _inner_form(self, request: Request) -> Form:
        """Return a form of somebody who is logged in, sent from a page that they were shown."""
        form = await self._form(request)
        cookie = request.cookies.get(COOKIE, "")
        if not await self._inside(request):
            raise RequestRefusedError(401, Refused.NO_KEY, "Log in first: the session has ended.")
        if not self._sessions.form_is_ours(cookie, form.get("token", "")):
            raise RequestRefusedError(
                403, Refused.NO_KEY, "This form does not belong to your session: reload the page."
            )
        return form


_TOLD = {
    "paused": "Paused: no new round is opened. A round that runs goes on.",
    "resumed": "Rounds are opened again.",
    "aborted": "The round ended without a sum. What was paid for it stays paid.",
    "over": "That round had ended already.",
}


def _figures(store: Store, populations: Collection[Population], now: float) -> StoreFigures:
    """Read what the database knows. Raises StoreError."""
    return StoreFigures(
        store.operator.counts(),
        store.operator.outcomes(),
        {
            (waiters.population, waiters.tier): waiters.devices
            for one in populations
            for waiters in store.operator.waiters(one.name, now - one.waiting)
        },
        {one.name: _budget(standing(store, one)) for one in populations},
    )


def _budget(one: BudgetStanding) -> tuple[float, float, int]:
    if one.noise:
        return one.spent, one.left, one.paid
    return math.inf if one.paid else 0.0, math.inf, one.paid


def _shown(answer: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    """Make pages of refusals, for people."""

    @wraps(answer)
    async def shown(request: Request) -> Response:
        try:
            _refuse_rebound(request)
            return await answer(request)
        except RequestRefusedError as error:
            return page("problem.html", error.status, problem=error.detail)
        except StoreError:
            return page("problem.html", 503, problem="The database does not answer. Try again in a while.")
        except ValueError:
            return page("problem.html", 400, problem="That form cannot be read.")

    return shown


def _refuse_rebound(request: Request) -> None:
    """Refuse a page that was asked for by a name which anybody could have pointed here (DNS rebinding).

    An address or localhost is nobody's to point elsewhere, and over TLS the certificate speaks for the name.
    """
    if request.url.scheme == "https":
        return
    try:
        named = urlsplit(f"//{request.headers.get('host', '')}").hostname or ""
        if named != "localhost":
            ip_address(named)
    except ValueError:
        raise RequestRefusedError(
            421,
            Refused.NO_SUCH_THING,
            "Without TLS this page answers to addresses only: open it by the address of its machine, such as "
            "http://127.0.0.1:8470/, or over https.",
        ) from None


def _to(path: str) -> Response:
    return dressed(RedirectResponse(path, status_code=303))
