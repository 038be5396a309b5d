"""deploy/Caddyfile as Debian's Caddy runs it: devices reach /v1 through it, nobody anything else."""

import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from caddy import caddy_program, proxied
from paths import ROOT
from run_world import KEY, defined, running

from confidante.wire.rounds import MSGPACK

ODD = (
    "/v1/../metrics",
    "/v1/%2e%2e/metrics",
    "/v1/..%2fmetrics",
    "/v1//../metrics",
    "//metrics",
    "/./metrics",
    "/metrics/../v1/",
    "/v1/../v1/../metrics",
)
"""Paths that a client may send as they are."""


def asked(url: str, path: str) -> tuple[int, bytes]:
    """Ask for a path as it is written: httpx would tidy it up."""
    with closing(HTTPConnection(urlsplit(url).netloc, timeout=60)) as connection:
        connection.request("GET", path, headers={"authorization": f"Bearer {KEY}"})
        answer = connection.getresponse()
        return answer.status, answer.read()


class Backend(BaseHTTPRequestHandler):
    """Answers everything, and remembers what it was asked."""

    seen: list[tuple[str, dict[str, str]]]

    def do_GET(self) -> None:
        self.seen.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Write nothing."""


@contextmanager
def backend() -> Iterator[tuple[str, list[tuple[str, dict[str, str]]]]]:
    seen: list[tuple[str, dict[str, str]]] = []
    server = HTTPServer(("127.0.0.1", 0), type("Noting", (Backend,), {"seen": seen}))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}", seen
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_devices_reach_the_coordinator_and_nobody_its_operators_side(tmp_path: Path) -> None:
    key_file = tmp_path / "operator.key"
    key_file.write_text(KEY)
    key_file.chmod(0o600)
    words = (defined(tmp_path), "--operator-key-file", key_file, "--proxies", "127.0.0.1")
    with (
        running(*words) as coordinator,
        proxied("Caddyfile", CONFIDANTE_COORDINATORS=urlsplit(coordinator.url).netloc) as proxy,
        httpx.Client(base_url=proxy.url, trust_env=False, timeout=60) as http,
    ):
        assert http.get("/v1/log").status_code == 200
        answer = http.post("/v1/check-in", content=b"no check-in", headers={"content-type": MSGPACK})
        assert (answer.status_code, answer.headers["content-type"]) == (400, MSGPACK)
        with_key = {"authorization": f"Bearer {KEY}"}
        for path in (
            "/",
            "/operator",
            "/operator/login",
            "/metrics",
            "/health/ready",
            "/health/live",
            "/v1",
            "/V2/log",
        ):
            assert http.get(path, headers=with_key).status_code == 404, path
            assert http.post(path, headers=with_key).status_code == 404, path
        for path in ODD:
            status, body = asked(proxy.url, path)
            assert (status, b"confidante_" in body) == (404, False), path


def test_where_a_device_comes_from_is_what_the_proxy_saw_and_not_what_the_device_says() -> None:
    with backend() as (place, seen), proxied("Caddyfile", CONFIDANTE_COORDINATORS=place) as proxy:
        forged = {"x-forwarded-for": "203.0.113.9", "x-forwarded-proto": "https", "x-real-ip": "203.0.113.9"}
        httpx.get(f"{proxy.url}/v1/log", headers=forged, trust_env=False)
        (heads,) = [heads for path, heads in seen if path == "/v1/log"]
    assert (heads["x-forwarded-for"], heads["x-forwarded-proto"]) == ("127.0.0.1", "http")


def test_a_request_that_fails_leaves_no_address_in_the_log() -> None:
    with backend() as (place, _seen):
        pass  # it has ended: whatever is asked for fails
    with proxied("Caddyfile", CONFIDANTE_COORDINATORS=place) as proxy:
        assert httpx.get(f"{proxy.url}/v1/log", trust_env=False, timeout=60).status_code in (502, 503)
    assert proxy.log
    assert "remote" not in proxy.log
    assert "/v1/log" not in proxy.log


@pytest.mark.parametrize("file", [path.name for path in (ROOT / "deploy").glob("Caddyfile*")])
def test_each_file_is_valid_for_a_name_that_gets_a_certificate(file: str) -> None:
    words = [caddy_program(), "validate", "--adapter", "caddyfile", "--config", str(ROOT / "deploy" / file)]
    done = subprocess.run(
        words,
        env=os.environ | {"CONFIDANTE_SITE": "a.example.org"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
