"""What the operator of a relay sees: whether the gateway is one, and counts that name nobody."""

import socket
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import ClassVar

import faulty_gateway
import httpx
import numpy as np
import pytest
from relay_world import Running, relay_process

from confidante.crypto.binary_http import BinaryRequest
from confidante.crypto.oblivious_http import Sealed
from confidante.testing.plain_scoring import PlainScheme
from confidante.wire.refinement import REFINE_PATH, Question
from confidante.wire.rounds import encode

VECTORS = np.random.default_rng(3).integers(-127, 128, (30, 6))


def ready(relay: Running) -> tuple[int, str]:
    answer = httpx.get(relay.url + "health/ready", trust_env=False)
    return answer.status_code, answer.text


def awaited(relay: Running, status: int) -> str:
    end = time.monotonic() + 60
    while ready(relay)[0] != status and time.monotonic() < end:
        time.sleep(0.05)
    found, text = ready(relay)
    assert found == status, text
    return text


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
        asking = PlainScheme().ask(np.ones(6, dtype=np.int64))
        question = Question("films", PlainScheme.name, bytes(32), -1, asking.request)
        inside = BinaryRequest(b"POST", b"https", b"here", REFINE_PATH.encode(), (), encode(question))
        envelope = Sealed(inside.encode(), gateway.config)
        assert relay.post(envelope.data).status_code == 200
        relay.post(b"{}", content_type="application/json")
        text = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text
        assert 'confidante_relay_requests_total{outcome="answered"} 1.0' in text
        assert 'confidante_relay_requests_total{outcome="content_type"} 1.0' in text
        assert f'confidante_relay_bytes_total{{direction="in"}} {float(len(envelope.data))}' in text
        assert "confidante_relay_gateway_up 1.0" in text
        assert "confidante_relay_gateway_seconds_count 1.0" in text
        assert "127.0.0.1" not in text


def test_a_relay_without_its_gateway_runs_and_says_so() -> None:
    with relay_process(f"http://127.0.0.1:{free_port()}/v1/oblivious") as relay:
        text = awaited(relay, 503)
        end = time.monotonic() + 60
        while "not asked yet" in text and time.monotonic() < end:
            text = ready(relay)[1]
        assert "cannot be reached" in text
        assert httpx.get(relay.url + "health", trust_env=False).status_code == 200


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
    [(404, "not as a gateway (status 404)"), (301, "leads elsewhere"), (200, "not as a gateway")],
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


def test_a_check_of_a_gateway_says_so() -> None:
    with faulty_gateway.gateway(PlainScheme(), VECTORS) as gateway:
        ran = checked(gateway.url)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "answers as a gateway" in ran.stdout
