"""A relay behind a proxy of its own machine: each address that the proxy names has its share."""

import socket
import time
from urllib.parse import urlsplit

import httpx
from relay_world import refused, relay_process

from confidante.crypto.oblivious_http import REQUEST_TYPE
from confidante.wire.rounds import Refused

NOWHERE = "http://127.0.0.1:9/v1/oblivious"


def test_a_proxy_of_this_machine_does_not_lift_the_share_of_an_address() -> None:
    head = f"POST / HTTP/1.1\r\nhost: x\r\ncontent-type: {REQUEST_TYPE}\r\ncontent-length: 100\r\n"
    for named in ((), ("--proxies", "127.0.0.1")):
        with relay_process(NOWHERE, "--of-one", 1, *named) as relay:
            place = urlsplit(relay.url)
            with socket.create_connection((place.hostname or "", place.port or 0)) as slow:
                slow.sendall(f"{head}x-forwarded-for: 203.0.113.9\r\n\r\nbegun".encode())
                end = time.monotonic() + 60
                expected, found = (429, Refused.TOO_MANY), (0, "")
                while found != expected and time.monotonic() < end:
                    found = refused(_sent(relay.url, "203.0.113.9"))
                assert found == expected
                # Nobody is believed who was not named: all that comes through it is of this machine.
                other = (502, Refused.NO_GATEWAY) if named else (429, Refused.TOO_MANY)
                assert refused(_sent(relay.url, "198.51.100.4")) == other


def _sent(url: str, whose: str) -> httpx.Response:
    heads = {"content-type": REQUEST_TYPE, "x-forwarded-for": whose}
    return httpx.post(url, content=b"sealed", headers=heads, trust_env=False, timeout=60)
