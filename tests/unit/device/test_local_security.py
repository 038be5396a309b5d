"""The guard in front of the page and the API: what passes, what does not, and how every answer is dressed."""

import asyncio
import hashlib
import re
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from fastapi import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.testclient import TestClient
from starlette.types import Message, Receive, Scope, Send

from confidante.device import web
from confidante.device.privacy.consent import Consents
from confidante.device.privacy.settings import Settings
from confidante.device.storage.access import VaultAccess
from confidante.device.storage.keys import InsecurePlaintextKey
from confidante.device.storage.vault import Vault
from confidante.device.web import security
from confidante.device.web.security import FORM_LIMIT, Gate, Guard, new_api_key

PORT = 8470
HERE = f"http://127.0.0.1:{PORT}"


async def inside(scope: Scope, receive: Receive, send: Send) -> None:
    """An app that reads the body and says that it was reached."""
    body = await Request(scope, receive).body()
    await PlainTextResponse(f"inside, {len(body)} bytes")(scope, receive, send)


def refuse(api: bool, status: HTTPStatus, text: str) -> Response:
    return JSONResponse({"api": api, "text": text}, status)


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    opened = Vault.open(tmp_path / "profile", InsecurePlaintextKey(), create=True)
    yield Settings(VaultAccess(opened), Consents(opened))
    opened.close()


@pytest.fixture
def gate(settings: Settings) -> Gate:
    return Gate(PORT, settings)


def client_of(gate: Gate, **headers: str) -> TestClient:
    return TestClient(Guard(inside, gate, refuse), base_url=HERE, headers=headers, follow_redirects=False)


def visitor(gate: Gate) -> TestClient:
    """A browser that has followed the link."""
    client = client_of(gate, **{"sec-fetch-site": "same-origin"})
    parts = urlsplit(gate.link())
    assert client.get(f"{parts.path}?{parts.query}").status_code == HTTPStatus.SEE_OTHER
    return client


def test_the_link_works_once_and_starts_a_session_with_another_secret(gate: Gate) -> None:
    link = gate.link()
    assert link.startswith(HERE)
    first = client_of(gate)
    opened = first.get(link)
    assert (opened.status_code, opened.headers["location"]) == (HTTPStatus.SEE_OTHER, "/")
    cookie = opened.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert "Path=/" in cookie
    assert link.partition("token=")[2] not in cookie
    assert first.get("/").text.startswith("inside")
    assert client_of(gate).get(link).status_code == HTTPStatus.UNAUTHORIZED


def test_the_link_may_be_followed_from_a_file_which_browsers_call_another_page(gate: Gate) -> None:
    elsewhere = client_of(gate, **{"sec-fetch-site": "cross-site"})
    assert elsewhere.get("/?token=guessed").status_code == HTTPStatus.UNAUTHORIZED
    assert elsewhere.get("/").status_code == HTTPStatus.FORBIDDEN
    opened = elsewhere.get(gate.link())
    assert opened.status_code == HTTPStatus.OK  # no redirect: a strict cookie is not sent along it
    assert 'http-equiv="refresh" content="0; url=/"' in opened.text
    assert "SameSite=strict" in opened.headers["set-cookie"]
    assert elsewhere.get("/know").status_code == HTTPStatus.FORBIDDEN, "with the cookie, too"
    assert elsewhere.post("/?token=x").status_code == HTTPStatus.FORBIDDEN


def test_who_is_inside_may_follow_a_used_link_again(gate: Gate) -> None:
    client = visitor(gate)
    again = client.get("/?token=used-up")
    assert (again.status_code, again.headers["location"]) == (HTTPStatus.SEE_OTHER, "/")


def test_a_token_has_256_bits(gate: Gate) -> None:
    assert len(gate.link().partition("token=")[2]) >= 43


@pytest.mark.parametrize("cookie", ["", "x", "é", "x" * 100_000])
def test_without_the_session_nothing_is_shown(gate: Gate, cookie: str) -> None:
    gate.link()
    client = client_of(gate)
    headers = {"cookie": f"{gate.cookie}={cookie}".encode()}
    for path in ("/", "/know", "/left", "/switches", "/why", "/export", "/nowhere"):
        assert client.get(path, headers=headers).status_code == HTTPStatus.UNAUTHORIZED


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1", "localhost", "127.0.0.1:80", f"evil.example:{PORT}", f"[::1]:{PORT}", ""],
)
def test_another_host_name_is_refused_everywhere(gate: Gate, host: str) -> None:
    client = visitor(gate)
    for path in ("/", "/static/page.css", "/openapi.json", "/api/health/live", "/api/feedback"):
        assert client.get(path, headers={"host": host}).status_code == HTTPStatus.MISDIRECTED_REQUEST


def test_two_host_names_are_refused(gate: Gate) -> None:
    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b""}
    scope["headers"] = [(b"host", f"127.0.0.1:{PORT}".encode()), (b"host", b"evil.example")]
    sent: list[Message] = []

    async def run() -> None:
        async def send(message: Message) -> None:
            sent.append(message)

        async def receive() -> Message:
            return {"type": "http.request", "body": b""}

        await Guard(inside, gate, refuse)(scope, receive, send)

    asyncio.run(run())
    assert sent[0]["status"] == HTTPStatus.MISDIRECTED_REQUEST


def test_localhost_is_a_name_of_here(gate: Gate) -> None:
    headers = {"host": f"localhost:{PORT}", "origin": f"http://localhost:{PORT}"}
    assert visitor(gate).post("/wish", headers=headers).status_code == HTTPStatus.OK


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": HERE}, HTTPStatus.OK),
        ({"sec-fetch-site": "same-origin", "origin": "null"}, HTTPStatus.OK),
        ({"sec-fetch-site": "none"}, HTTPStatus.OK),
        ({}, HTTPStatus.FORBIDDEN),
        ({"origin": "null"}, HTTPStatus.FORBIDDEN),
        ({"origin": "http://evil.example"}, HTTPStatus.FORBIDDEN),
        ({"origin": "http://127.0.0.1:9999"}, HTTPStatus.FORBIDDEN),
        ({"origin": f"https://127.0.0.1:{PORT}"}, HTTPStatus.FORBIDDEN),
        ({"origin": "http://evil.example", "sec-fetch-site": "same-origin"}, HTTPStatus.FORBIDDEN),
        ({"origin": HERE, "sec-fetch-site": "cross-site"}, HTTPStatus.FORBIDDEN),
        ({"origin": HERE, "sec-fetch-site": "same-site"}, HTTPStatus.FORBIDDEN),
    ],
)
def test_a_change_must_come_from_our_own_page(
    gate: Gate, headers: dict[str, str], status: HTTPStatus
) -> None:
    client = visitor(gate)
    del client.headers["sec-fetch-site"]
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert client.request(method, "/wish", headers=headers).status_code == status


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_another_page_may_not_even_look(gate: Gate, site: str) -> None:
    for path in ("/", "/static/page.css", "/api/health/live"):
        assert visitor(gate).get(path, headers={"sec-fetch-site": site}).status_code == HTTPStatus.FORBIDDEN


def test_the_api_opens_with_its_key_in_either_header_and_with_nothing_else(settings: Settings) -> None:
    key = new_api_key(settings)
    gate = Gate(PORT, settings)
    client = visitor(gate)
    assert client.get("/api/feedback").status_code == HTTPStatus.UNAUTHORIZED  # a cookie is no key
    stranger = client_of(gate)
    for headers in (
        {"x-api-key": key},
        {"authorization": f"Bearer {key}"},
        {"authorization": f"bearer {key}"},
    ):
        assert stranger.get("/api/feedback", headers=headers).text.startswith("inside")
    for wrong in ({"x-api-key": key[:-1]}, {"authorization": f"Basic {key}"}, {"x-api-key": ""}, {}):
        refused = stranger.get("/api/feedback", headers=wrong)
        assert refused.status_code == HTTPStatus.UNAUTHORIZED
        assert refused.headers["www-authenticate"] == "Bearer"
    assert stranger.get("/", headers={"x-api-key": key}).status_code == HTTPStatus.UNAUTHORIZED


def test_a_key_lasts_until_a_new_one_is_made_or_it_is_dropped(settings: Settings) -> None:
    old = new_api_key(settings)
    assert Gate(PORT, settings).opens(old)
    new = new_api_key(settings)
    gate = Gate(PORT, settings)
    assert (gate.opens(old), gate.opens(new)) == (False, True)
    gate.close_api()
    assert not gate.opens(new)
    assert not Gate(PORT, settings).opens(new)


def test_the_vault_keeps_a_digest_of_the_key_and_not_the_key(settings: Settings) -> None:
    key = new_api_key(settings)
    kept = settings._access.vault.rows("SELECT value FROM setting")
    assert all(key.encode() not in bytes(value) for (value,) in kept)
    assert (hashlib.sha256(key.encode()).digest(),) in [(bytes(value),) for (value,) in kept]


def test_without_a_key_ever_made_the_api_is_closed(gate: Gate) -> None:
    assert (
        client_of(gate).get("/api/feedback", headers={"x-api-key": ""}).status_code == HTTPStatus.UNAUTHORIZED
    )


def test_what_knows_nothing_of_the_person_needs_no_key(gate: Gate) -> None:
    for path in ("/openapi.json", "/api/docs", "/api/health/live", "/api/health/ready", "/static/page.css"):
        assert client_of(gate).get(path).status_code == HTTPStatus.OK


def test_every_answer_is_dressed_also_a_refusal(gate: Gate) -> None:
    for answer in (visitor(gate).get("/"), client_of(gate).get("/"), client_of(gate).get("/api/feedback")):
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        for part in ("frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'", "script-src 'self'"):
            assert part in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert not [name for name in answer.headers if name.startswith("access-control")]


def test_a_preflight_gets_no_permission(settings: Settings) -> None:
    new_api_key(settings)
    headers = {"origin": "http://evil.example", "access-control-request-headers": "x-api-key"}
    answer = client_of(Gate(PORT, settings)).options("/api/feedback", headers=headers)
    assert answer.status_code == HTTPStatus.FORBIDDEN
    assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize("length", [str(FORM_LIMIT + 1), "9" * 400, "-1", "abc", "1e3"])
def test_a_body_that_claims_too_much_is_refused_before_it_is_read(gate: Gate, length: str) -> None:
    answer = visitor(gate).post("/wish", headers={"content-length": length})
    assert answer.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE


def test_a_body_without_a_length_is_counted_while_it_comes(gate: Gate) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(1000):
            yield b"x" * 4096

    client = visitor(gate)
    with pytest.raises(HTTPException, match="64 KiB"):
        client.post("/wish", content=endless())
    assert client.post("/wish", content=b"x" * FORM_LIMIT).text == f"inside, {FORM_LIMIT} bytes"


def test_a_body_that_never_ends_is_given_up(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(security, "BODY_SECONDS", 0.05)
    headers = [(b"host", f"127.0.0.1:{PORT}".encode())]
    scope = {"type": "http", "method": "POST", "path": "/api/health/live", "headers": headers}

    async def drip() -> Message:
        await asyncio.sleep(0.02)
        return {"type": "http.request", "body": b"x", "more_body": True}

    async def run() -> None:
        async with asyncio.timeout(10):
            await Guard(inside, gate, refuse)(scope, drip, None)  # type: ignore[arg-type]

    with pytest.raises(HTTPException, match="within") as refused:
        asyncio.run(run())
    assert refused.value.status_code == HTTPStatus.REQUEST_TIMEOUT


def test_an_answer_may_take_longer_than_its_question(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(security, "BODY_SECONDS", 0.01)
    headers = [(b"host", f"127.0.0.1:{PORT}".encode())]
    scope = {"type": "http", "method": "POST", "path": "/api/health/live", "headers": headers}
    messages: list[Message] = [
        {"type": "http.disconnect"},
        {"type": "http.request", "body": b"x", "more_body": False},
    ]
    got: list[str] = []

    async def slow_to_hang_up() -> Message:
        await asyncio.sleep(0 if len(messages) == 2 else 0.1)
        return messages.pop()

    async def waiting(_: Scope, receive: Receive, __: Send) -> None:
        got.extend([(await receive())["type"], (await receive())["type"]])

    asyncio.run(Guard(waiting, gate, refuse)(scope, slow_to_hang_up, None))  # type: ignore[arg-type]
    assert got == ["http.request", "http.disconnect"]


def test_nothing_secret_is_in_what_a_gate_shows_of_itself(settings: Settings) -> None:
    key = new_api_key(settings)
    gate = Gate(PORT, settings)
    token = gate.link().partition("token=")[2]
    for secret in (key, token, gate.form_secret):
        assert secret not in repr(gate)


def test_a_websocket_is_a_bug_not_a_way_in(gate: Gate) -> None:
    async def run() -> None:
        await Guard(inside, gate, refuse)({"type": "websocket", "path": "/"}, None, None)  # type: ignore[arg-type]

    with pytest.raises(ValueError, match="HTTP only"):
        asyncio.run(run())


def test_vendored_files_are_what_the_list_says() -> None:
    static = Path(web.__file__).parent / "static"
    pattern = r"^\| `([^`]+)` .*`([0-9a-f]{64})` \|$"
    listed = dict(re.findall(pattern, (static / "VENDORED.md").read_text(), re.MULTILINE))
    assert listed
    for name, digest in listed.items():
        assert hashlib.sha256((static / name).read_bytes()).hexdigest() == digest
