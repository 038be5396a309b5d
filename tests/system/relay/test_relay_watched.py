"""What the operator of a relay sees: whether the gateway is one, and counts that name nobody."""

import asyncio
import socket
import subprocess
import sys
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Event, Thread
from typing import ClassVar
from urllib.parse import urlsplit

import faulty_gateway
import httpx
import numpy as np
import pytest
from relay_world import Running, relay_process

from confidante.crypto.binary_http import BinaryRequest
from confidante.crypto.oblivious_http import Sealed
from confidante.relay.app import Limits, Relay
from confidante.testing.plain_scoring import PlainScheme
from confidante.wire.refinement import REFINE_PATH, Question
from confidante.wire.rounds import encode

VECTORS = np.random.default_rng(3).integers(-127, 128, (30, 6))


def ready(relay: Running) -> tuple[int, str]:
    answer = httpx.get(relay.url + "health/ready", trust_env=False)
    return answer.status_code, answer.text


def awaited(relay: Running, status: int, said: str = "") -> str:
    end = time.monotonic() + 60
    found, text = ready(relay)
    while (found != status or said not in text) and time.monotonic() < end:
        time.sleep(0.05)
        found, text = ready(relay)
    assert found == status, text
    return text


def sealed(gateway: faulty_gateway.Gateway) -> Sealed:
    asking = PlainScheme().ask(np.ones(6, dtype=np.int64))
    question = Question("films", PlainScheme.name, bytes(32), -1, asking.request)
    inside = BinaryRequest(b"POST", b"https", b"here", REFINE_PATH.encode(), (), encode(question))
    return Sealed(inside.encode(), gateway.config)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as door:
        return int(door.getsockname()[1])


def test_counts_say_what_went_through_and_nobody_who_asked() -> None:
    port = free_port()
    with (
        faulty_gateway.gateway(PlainScheme(), VECTORS) as gateway,
        relay_process(gateway.url, "--metrics-port", port) as relay,
    ):
        assert awaited(relay, 200) == "ready\n"
        envelope = sealed(gateway)
        assert relay.post(envelope.data).status_code == 200
        relay.post(b"{}", content_type="application/json")
        text = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text
        assert 'confidante_relay_requests_total{outcome="answered"} 1.0' in text
        assert 'confidante_relay_requests_total{outcome="content_type"} 1.0' in text
        assert f'confidante_relay_bytes_total{{direction="in"}} {float(len(envelope.data))}' in text
        assert "confidante_relay_gateway_up 1.0" in text
        assert "confidante_relay_gateway_seconds_count 1.0" in text
        assert "127.0.0.1" not in text


def gateway_up(port: int) -> bool:
    text = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text
    return "confidante_relay_gateway_up 1.0" in text


def test_a_gateway_that_goes_away_and_comes_back_is_noticed() -> None:
    at, port = free_port(), free_port()
    with relay_process(f"http://127.0.0.1:{at}/v1/oblivious", "--metrics-port", port) as relay:
        assert "the connection is refused" in awaited(relay, 503, "refused")
        assert not gateway_up(port)
        with faulty_gateway.gateway(PlainScheme(), VECTORS, port=at):
            assert awaited(relay, 200) == "ready\n"
            assert gateway_up(port)
        awaited(relay, 503)
        assert not gateway_up(port)
        with faulty_gateway.gateway(PlainScheme(), VECTORS, port=at) as back:
            awaited(relay, 200)
            assert relay.post(sealed(back).data).status_code == 200


class Elsewhere(BaseHTTPRequestHandler):
    status: ClassVar[int] = 404

    def do_POST(self) -> None:
        self.send_response(self.status)
        self.send_header("location", "https://example.org/v1/oblivious")
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def checked(gateway: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "confidante.cli", "relay", "--gateway", gateway, "--check"]
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (404, "not as a gateway (status 404)"),
        (301, "leads elsewhere: give the address 'https://example.org/v1/oblivious'"),
        (200, "not as a gateway"),
    ],
)
def test_a_check_says_what_is_no_gateway(status: int, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Elsewhere, "status", status)
    server = HTTPServer(("127.0.0.1", 0), Elsewhere)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        ran = checked(f"http://127.0.0.1:{server.server_port}/v1/oblivious")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert (ran.returncode, ran.stdout) == (2, "")
    assert said in ran.stderr


@pytest.mark.parametrize(
    ("gateway", "said"),
    [
        ("https://nowhere.invalid/v1/oblivious", "its name is not known here"),
        ("http://127.0.0.1:{closed}/v1/oblivious", "the connection is refused"),
        ("https://127.0.0.1:{plain}/v1/oblivious", "does not speak TLS"),
    ],
)
def test_a_check_says_why_a_gateway_is_not_reached(gateway: str, said: str) -> None:
    with faulty_gateway.gateway(PlainScheme(), VECTORS) as plain:
        ran = checked(gateway.format(closed=free_port(), plain=urlsplit(plain.url).port))
    assert (ran.returncode, ran.stdout) == (2, "")
    assert said in ran.stderr


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"HTTP/1.1 302 Found\r\ncontent-length: 0\r\n\r\n", "not as a gateway (status 302)"),
        (
            b"HTTP/1.1 400 Bad\r\ncontent-type: application/msgpack\r\ncontent-length: 4000\r\n\r\n",
            "does not answer within 1 seconds",
        ),
    ],
)
def test_a_look_ends_whatever_answers(answer: bytes, said: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:
        ends = Event()
        thread = Thread(target=_drip, args=(door, answer, ends))
        thread.start()
        try:
            relay = Relay(f"http://127.0.0.1:{door.getsockname()[1]}/v1/oblivious", Limits(seconds=1.0))
            problem = asyncio.run(asyncio.wait_for(relay.look(), 30))
        finally:
            ends.set()
            thread.join()
    assert problem is not None
    assert said in problem


def _drip(door: socket.socket, answer: bytes, ends: Event) -> None:
    with door.accept()[0] as connection, suppress(OSError):
        connection.recv(65536)
        connection.sendall(answer)
        while not ends.wait(0.2):
            connection.sendall(b"a")


def test_a_check_of_a_gateway_says_so() -> None:
    with faulty_gateway.gateway(PlainScheme(), VECTORS) as gateway:
        ran = checked(gateway.url)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "answers as a gateway" in ran.stdout
