"""Who may talk to the page and to the local API. Pure ASGI, in front of everything else.

The page is for one browser on this machine: a link that works once starts a session that lives in an HttpOnly
cookie. The API is for apps on this machine: a key in a header, never a cookie. Against DNS rebinding the Host
header must name the loopback address; against other web pages the browser's own word on where a request began
(Origin, Sec-Fetch-Site) must say "here", and forms carry a secret as well (`page.py` compares it). Cookies do
not tell ports apart, so another server on this machine that the same browser visits receives the session
cookie: like any other program of the same user, it is inside the wall.
"""

import asyncio
import hashlib
import hmac
import secrets
from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, final

from fastapi import HTTPException
from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.requests import cookie_parser
from starlette.responses import HTMLResponse, RedirectResponse, Response

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from confidante.device.privacy.settings import Settings

FORM_LIMIT = 1 << 16
API_LIMIT = 1 << 24
IMPORT_LIMIT = 64_000_000
"""Bytes a request body may have: a form of the page, a call of the API, an imported file."""

BODY_SECONDS = 30.0
"""How long a body may take from first to last byte: whoever sends one is on this machine."""

_KEY_SETTING = "local.api_key"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_OPEN = frozenset({"/openapi.json", "/api/docs", "/api/health/live", "/api/health/ready"})
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}

_ENTER = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>Confidante</title>'
    '<meta http-equiv="refresh" content="0; url=/"><a href="/">Open the page</a></html>'
)

Refuse = Callable[[bool, HTTPStatus, str], "Response"]
"""(asked by the API, status, sentence) -> what the caller is shown."""


def new_api_key(settings: "Settings") -> str:
    """Make the API key in place of an earlier one. The vault keeps its digest only."""
    key = secrets.token_urlsafe(32)
    settings.set(_KEY_SETTING, _digest(key))
    return key


@final
class Gate:
    """The secrets of one run, and whether a request may pass. Nothing of it is ever logged or shown.

    port: that of the listening socket; requests must name it. settings: hold the digest of the key.
    followed: called when a link was used.
    """

    def __init__(self, port: int, settings: "Settings", followed: Callable[[], None] = lambda: None) -> None:
        self.hosts = frozenset({f"127.0.0.1:{port}", f"localhost:{port}"})
        self.cookie = (
            f"confidante-{port}"  # two profiles, two ports, one browser: cookies are shared by ports
        )
        self.form_secret = secrets.token_urlsafe(32)
        self._session = secrets.token_urlsafe(32)
        self._link: str | None = None
        self._started = False
        self._settings = settings
        self._api_key = settings.get(_KEY_SETTING)
        self._port = port
        self._followed = followed

    def link(self) -> str:
        """Give the address that opens the page, once; a second call gives a new one and ends the first."""
        self._link = secrets.token_urlsafe(32)
        return f"http://127.0.0.1:{self._port}/?token={self._link}"

    def follow(self, token: str) -> str | None:
        """Use up the link's token and return the session's secret; None when it is wrong or used."""
        if self._link is None or not _same(token, self._link):
            return None
        self._link, self._started = None, True
        self._followed()
        return self._session

    def knows(self, session: str) -> bool:
        """Whether this is the secret of the session, and the session was started."""
        return self._started and _same(session, self._session)

    def opens(self, key: str) -> bool:
        """Whether this is the API key."""
        return self._api_key is not None and hmac.compare_digest(_digest(key), self._api_key)

    @property
    def has_api(self) -> bool:
        """Whether any key opens the API."""
        return self._api_key is not None

    def close_api(self) -> None:
        """Let no key open the API any more, until a new one is made."""
        self._settings.set(_KEY_SETTING, None)
        self._api_key = None


@final
class Guard:
    """ASGI middleware that lets nothing through but what `Gate` allows, and dresses every answer safely."""

    def __init__(self, app: "ASGIApp", gate: Gate, refuse: Refuse) -> None:
        self._app = app
        self._gate = gate
        self._refuse = refuse

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Answer one request, or hand it on."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            raise ValueError(f"the local server speaks HTTP only, not {scope['type']}")

        async def dressed(message: "Message") -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=message["headers"])
                for name, value in _HEADERS.items():
                    headers[name] = value
                message["headers"] = headers.raw
            await send(message)

        answer = self._answer(scope)
        if answer is None:
            await self._app(scope, _limited(receive, _limit(scope["path"])), dressed)
        else:
            await answer(scope, receive, dressed)

    def _answer(self, scope: "Scope") -> "Response | None":
        """What to say in place of the app; None: let it through."""
        headers = Headers(scope=scope)
        path: str = scope["path"]
        api = path == "/openapi.json" or path.startswith("/api/")
        hosts = headers.getlist("host")
        if len(hosts) != 1 or hosts[0] not in self._gate.hosts:
            return self._refuse(
                api, HTTPStatus.MISDIRECTED_REQUEST, "This server answers to 127.0.0.1 and localhost only."
            )
        # The link is followed from our private file, which browsers call another page; its token is secret.
        if not _is_link(scope) and _foreign(headers, f"http://{hosts[0]}"):
            return self._refuse(
                api, HTTPStatus.FORBIDDEN, "Another web page sent this request, which is not allowed."
            )
        length = headers.get("content-length", "0")
        if not length.isdecimal() or len(length) > 15 or int(length) > _limit(path):
            return self._refuse(
                api,
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"The request is larger than {_limit(path) >> 10} KiB.",
            )
        if path in _OPEN or path.startswith("/static/"):
            return None
        return self._api_answer(headers) if api else self._page_answer(scope, headers)

    def _api_answer(self, headers: Headers) -> "Response | None":
        kind, _, bearer = headers.get("authorization", "").partition(" ")
        key = headers.get("x-api-key") or (bearer.strip() if kind.lower() == "bearer" else "")
        if key and self._gate.opens(key):
            return None
        how = "Send the API key as X-API-Key." if self._gate.has_api else "No API key was made yet."
        answer = self._refuse(
            True, HTTPStatus.UNAUTHORIZED, f"{how} `confidante open --api` makes a key and shows it once."
        )
        answer.headers["WWW-Authenticate"] = "Bearer"
        return answer

    def _page_answer(self, scope: "Scope", headers: Headers) -> "Response | None":
        method: str = scope["method"]
        token = QueryParams(scope["query_string"]).get("token")
        if _is_link(scope) and token is not None:
            session = self._gate.follow(token)
            if session is not None:
                answer: Response = RedirectResponse("/", status_code=HTTPStatus.SEE_OTHER)
                if headers.get("sec-fetch-site") == "cross-site":
                    # Along a redirect that began elsewhere browsers send no strict cookie: begin here.
                    answer = HTMLResponse(_ENTER)
                answer.set_cookie(self._gate.cookie, session, path="/", httponly=True, samesite="strict")
                return answer
        if not self._gate.knows(cookie_parser(headers.get("cookie", "")).get(self._gate.cookie, "")):
            return self._refuse(
                False,
                HTTPStatus.UNAUTHORIZED,
                "This page opens with a link that works once. Run `confidante open` again to get a new one.",
            )
        if _is_link(scope):  # a used link, followed again by who already is inside
            return RedirectResponse("/", status_code=HTTPStatus.SEE_OTHER)
        if method not in _SAFE and not _from_here(headers):
            return self._refuse(
                False, HTTPStatus.FORBIDDEN, "The browser did not confirm that this page sent the request."
            )
        return None


def _foreign(headers: Headers, here: str) -> bool:
    """Whether the browser says that another page asked. "null" says nothing: no-referrer causes it."""
    origin = headers.get("origin", "null")
    return origin not in ("null", here) or headers.get("sec-fetch-site") in ("cross-site", "same-site")


def _is_link(scope: "Scope") -> bool:
    """Whether a request follows a link that opens the page, or did."""
    return (
        scope["path"] == "/"
        and scope["method"] == "GET"
        and QueryParams(scope["query_string"]).get("token") is not None
    )


def _from_here(headers: Headers) -> bool:
    """Whether the browser says that our own page asked (a foreign Origin was refused before)."""
    return headers.get("origin", "null") != "null" or headers.get("sec-fetch-site") in ("same-origin", "none")


def _limit(path: str) -> int:
    if path == "/import":
        return IMPORT_LIMIT
    return API_LIMIT if path.startswith("/api/") else FORM_LIMIT


def _limited(receive: "Receive", limit: int) -> "Receive":
    """Count and time what arrives: a body may come without a length, with a false one, or never end."""
    received, whole = 0, False
    deadline: float | None = None

    async def counted() -> "Message":
        nonlocal received, whole, deadline
        if whole:  # what comes next is that the other side hangs up, which may take as long as the answer
            return await receive()
        deadline = asyncio.get_running_loop().time() + BODY_SECONDS if deadline is None else deadline
        try:
            async with asyncio.timeout_at(deadline):
                message = await receive()
        except TimeoutError as error:
            raise HTTPException(
                HTTPStatus.REQUEST_TIMEOUT,
                f"The request did not arrive within {BODY_SECONDS:g} seconds.",
                {"Connection": "close"},
            ) from error
        whole = not message.get("more_body", False)
        if message["type"] == "http.request":
            received += len(message.get("body", b""))
            if received > limit:
                raise HTTPException(
                    HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"That is more than {limit >> 10} KiB."
                )
        return message

    return counted


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), expected.encode())


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
