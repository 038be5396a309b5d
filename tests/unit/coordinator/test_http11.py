"""Connections that say little, or are many, are ended, on a real socket."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from confidante.core.address_quota import AddressQuota
from confidante.core.event_log import configure, crowded_log
from confidante.wire.http11 import PublicHttpProtocol, RequestQuota

HEAD = b"%s / HTTP/1.1\r\nHost: x\r\n"


async def app(scope, receive, send) -> None:
    """Answer without a look at the body, but for PUT."""
    if scope["method"] == "PUT":
        while (await receive())["more_body"]:
            pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@pytest.fixture
def port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        config = uvicorn.Config(
            app,
            http=PublicHttpProtocol,
            log_config=None,
            lifespan="off",
            timeout_keep_alive=600,
            proxy_headers=False,
        )
        server = uvicorn.Server(config)
        server.install_signal_handlers = lambda: None
        thread = threading.Thread(target=asyncio.run, args=(server.serve(sockets=[listening]),))
        thread.start()
        yield listening.getsockname()[1]
        server.should_exit = True
        thread.join()


def asked(connection: socket.socket, *said: bytes) -> bytes:
    """Say so much, and return as many whole answers."""
    connection.sendall(b"".join(said))
    found = b""
    while found.count(b"\r\n\r\nok") < len(said):
        part = connection.recv(1 << 16)
        assert part, found
        found += part
    return found


def heard(port: int, *said: bytes) -> bytes:
    """All that the server says until it closes; nothing more is said to it, and nothing is closed."""
    with socket.create_connection(("127.0.0.1", port), timeout=120) as connection:
        for part in said:
            connection.sendall(part)
        found = b""
        try:
            while part := connection.recv(1 << 16):
                found += part
        except ConnectionResetError:
            pass
        return found


@pytest.mark.parametrize("method", [b"GET", b"POST"])
@pytest.mark.parametrize(
    "rest", [b"Content-Length: 1000000\r\n\r\n1", b"Transfer-Encoding: chunked\r\n\r\n5\r\nab"]
)
def test_an_answer_before_the_body_ends_the_connection(port: int, method: bytes, rest: bytes) -> None:
    assert heard(port, HEAD % method + rest).startswith(b"HTTP/1.1 200")


def test_whole_requests_share_a_connection(port: int) -> None:
    get, put = HEAD % b"GET" + b"\r\n", HEAD % b"PUT" + b"Content-Length: 3\r\n\r\nabc"
    with socket.create_connection(("127.0.0.1", port), timeout=120) as connection:
        for said in (get, put, get, put):
            asked(connection, said)
        asked(connection, get, put, get)


def test_one_address_has_so_many_connections_and_others_have_theirs() -> None:
    crowd = AddressQuota(2)
    first, second = crowd.enter("203.0.113.7"), crowd.enter("203.0.113.7")
    assert first == second != ""
    assert crowd.enter("203.0.113.7") is None
    assert crowd.enter("::ffff:203.0.113.7") is None
    assert crowd.enter("203.0.113.8")
    crowd.leave(first)
    assert crowd.enter("203.0.113.7")


def test_an_ipv6_network_of_one_counts_as_one_address() -> None:
    crowd = AddressQuota(1)
    assert crowd.enter("2001:db8::1%eth0")
    assert crowd.enter("2001:db8::2") is None
    assert crowd.enter("2001:db8:0:1::2")


def test_this_machine_has_a_limit_of_its_own() -> None:
    crowd = AddressQuota(1, here=2)
    assert crowd.enter("127.0.0.1")
    assert crowd.enter("::1")
    assert crowd.enter("127.9.9.9") is None
    assert crowd.enter("203.0.113.7")
    assert AddressQuota(0).enter("127.0.0.1") is None


def test_a_crowded_proxy_of_this_machine_is_told_how_to_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    configure("json")
    for here in ("127.0.0.1", "::1", "::ffff:127.0.0.1"):
        crowded_log(named="")(here)
        assert "--proxies" in capsys.readouterr().err
    crowded_log(named="")("203.0.113.7")
    said = capsys.readouterr().err
    assert "one address has too many" in said
    assert "203" not in said


def test_connections_above_the_limit_are_ended_at_once(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PublicHttpProtocol, "crowd", Strict())
    with socket.create_connection(("127.0.0.1", port), timeout=120) as connection:
        asked(connection, HEAD % b"GET" + b"\r\n")
        began = time.monotonic()
        assert heard(port) == b""
        assert time.monotonic() - began < PublicHttpProtocol.head_seconds / 2
    assert PublicHttpProtocol.crowd.wait_until_left()
    assert heard(port, HEAD % b"POST" + b"Content-Length: 9\r\n\r\n").endswith(b"ok")


class Strict:
    """As `AddressQuota`, with a place for one, wherever it comes from."""

    def __init__(self) -> None:
        self.crowd, self.left = AddressQuota(1), threading.Event()

    def enter(self, address: str) -> str | None:
        return self.crowd.enter("203.0.113.7")

    def leave(self, whose: str) -> None:
        self.crowd.leave(whose)
        self.left.set()

    def wait_until_left(self) -> bool:
        return self.left.wait(120)


async def _ends(quota: RequestQuota, address: str) -> list[int]:
    statuses: list[int] = []

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    await quota({"type": "http", "method": "GET", "client": (address, 1), "headers": []}, receive, send)
    return statuses


def test_behind_a_proxy_each_address_that_it_names_has_a_share_of_the_requests() -> None:
    async def story() -> None:
        gate = asyncio.Event()

        async def held(scope: Scope, receive: Receive, send: Send) -> None:
            await gate.wait()
            await Response(status_code=204)(scope, receive, send)

        quota = RequestQuota(held, most=3)
        many = [asyncio.create_task(_ends(quota, "203.0.113.9")) for _ in range(5)]
        other = asyncio.create_task(_ends(quota, "198.51.100.4"))
        await asyncio.sleep(0)
        gate.set()
        assert sorted(await asyncio.gather(*many)) == [[204]] * 3 + [[429]] * 2
        assert await other == [204]
        assert await _ends(quota, "203.0.113.9") == [204], "it is given back"

    asyncio.run(story())


@pytest.mark.parametrize(
    ("peer", "named", "proxy"),
    [
        ("127.0.0.1", "", False),
        ("127.0.0.1", "127.0.0.1", True),
        ("203.0.113.9", "127.0.0.1", False),
        ("10.1.2.3", "192.0.2.1,10.0.0.0/8", True),
        ("2001:db8::1", "10.0.0.0/8", False),
    ],
)
def test_only_a_proxy_that_was_named_is_not_counted_by_its_connections(
    peer: str, named: str, proxy: bool
) -> None:
    async def is_proxy() -> bool:
        config = uvicorn.Config(app, proxy_headers=bool(named), forwarded_allow_ips=named)
        config.load()
        made = PublicHttpProtocol(config, uvicorn.server.ServerState(), {})
        made.client = (peer, 1)
        return made._is_proxy()

    assert asyncio.run(is_proxy()) is proxy
