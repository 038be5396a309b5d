"""Connections of this machine to a real coordinator: an unnamed proxy on it does not lift the limit."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from run_world import Running, defined, running

MOST = 3
LIVE = b"GET /health/live HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 203.0.113.9\r\n\r\n"


def test_an_unnamed_proxy_of_this_machine_has_the_connections_of_one_address(tmp_path: Path) -> None:
    with running(defined(tmp_path), "--of-this-machine", MOST) as coordinator:
        with held(coordinator, MOST):
            assert not answers(coordinator)
            (line,) = coordinator.until(lambda: coordinator.logged("crowded"))
        assert "--proxies" in line["says"]
        assert "127.0.0.1" not in str(line)
        coordinator.until(lambda: answers(coordinator))  # those that ended make room


def test_connections_of_a_named_proxy_are_everybodys(tmp_path: Path) -> None:
    with (
        running(defined(tmp_path), "--of-this-machine", MOST, "--proxies", "127.0.0.1") as coordinator,
        held(coordinator, MOST),
    ):
        assert answers(coordinator)
        assert not coordinator.logged("crowded")


@contextmanager
def held(coordinator: Running, number: int) -> Iterator[None]:
    """Keep so many connections open, each of which has been answered."""
    with ExitStack() as stack:
        for _ in range(number):
            assert b"200 OK" in asked(stack.enter_context(connected(coordinator)))
        yield


def answers(coordinator: Running) -> bool:
    with connected(coordinator) as connection:
        return b"200 OK" in asked(connection)


def connected(coordinator: Running) -> socket.socket:
    place = urlsplit(coordinator.url)
    return socket.create_connection((place.hostname or "", place.port or 0), timeout=60)


def asked(connection: socket.socket) -> bytes:
    """Return what is answered; nothing when the connection was ended instead."""
    try:
        connection.sendall(LIVE)
        return connection.recv(4096)
    except ConnectionError:
        return b""
