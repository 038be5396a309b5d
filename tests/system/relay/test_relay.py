"""A relay in a process of its own: what it hands on, what it refuses, and what it never says."""

import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack

import anyio
import faulty_gateway
import httpx
import numpy as np
import pytest
from faulty_gateway import Gateway, Manner
from relay_world import Running, refused, relay_process

from confidante.crypto.binary_http import BinaryRequest, BinaryResponse
from confidante.crypto.oblivious_http import REQUEST_TYPE, RESPONSE_TYPE, Sealed
from confidante.relay.app import Limits, Relay
from confidante.relay.serve import RelayProtocol
from confidante.testing.plain_scoring import PlainScheme
from confidante.wire.refinement import REFINE_PATH, Question, Scored
from confidante.wire.rounds import decode, encode

VECTORS = np.random.default_rng(3).integers(-127, 128, (30, 6))
QUERY = np.array([1, -2, 3, -4, 5, -6])


@pytest.fixture(scope="module")
def both() -> Iterator[tuple[Gateway, Running]]:
    with (
        faulty_gateway.gateway(PlainScheme(), VECTORS) as gateway,
        relay_process(
            gateway.url, "--seconds", 3.5, "--most-bytes", 4096, "--at-once", 4, "--of-one", 64
        ) as relay,
    ):
        yield gateway, relay


@pytest.fixture
def world(both: tuple[Gateway, Running]) -> Iterator[tuple[Gateway, Running]]:
    both[0].manner, both[0].pause = Manner.HONEST, 1.0
    both[0].heard.clear()
    yield both
    both[0].manner = Manner.HONEST


def sealed(gateway: Gateway) -> tuple[Sealed, object]:
    asking = PlainScheme().ask(QUERY)
    question = Question("films", PlainScheme.name, bytes(32), -1, asking.request)
    inside = BinaryRequest(b"POST", b"https", b"here", REFINE_PATH.encode(), (), encode(question))
    return Sealed(inside.encode(), gateway.config), asking


def test_a_question_goes_there_and_its_answer_comes_back(world: tuple[Gateway, Running]) -> None:
    gateway, relay = world
    envelope, asking = sealed(gateway)
    answer = relay.post(envelope.data)
    assert (answer.status_code, answer.headers["content-type"]) == (200, RESPONSE_TYPE)
    scored = decode(BinaryResponse.decode(envelope.open(answer.content)).content, Scored)
    assert (asking.read(scored.ciphertext, 30) == VECTORS @ QUERY).all()  # type: ignore[attr-defined]


def test_the_gateway_hears_nothing_of_who_asked(world: tuple[Gateway, Running]) -> None:
    gateway, relay = world
    envelope, _ = sealed(gateway)
    relay.post(
        envelope.data,
        cookie="who=me",
        user_agent="a browser of mine",
        x_forwarded_for="192.0.2.7",
        forwarded="for=192.0.2.7",
        accept_language="de-CH",
        authorization="Bearer me",
        x_anything="else",
        referer="https://where.i.was/",
    )
    [heard] = gateway.heard
    assert heard.body == envelope.data
    assert set(heard.headers) == {"host", "content-type", "content-length", "accept"}
    assert heard.headers["host"] in gateway.url
    assert heard.headers["accept"] == RESPONSE_TYPE


def test_what_the_gateway_says_of_itself_does_not_come_back(world: tuple[Gateway, Running]) -> None:
    gateway, relay = world
    answer = relay.post(sealed(gateway)[0].data)
    assert set(answer.headers) == {"content-type", "content-length", "cache-control"}
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("manner", "said"),
    [
        (Manner.SLOW, (504, "slow_gateway")),
        (Manner.SILENT, (504, "slow_gateway")),
        (Manner.DROPS, (502, "no_gateway")),
        (Manner.CUTS, (502, "no_gateway")),
        (Manner.FAILS, (502, "bad_gateway")),
        (Manner.HTML, (502, "bad_gateway")),
        (Manner.ENDLESS, (502, "bad_gateway")),
    ],
)
def test_a_gateway_that_goes_wrong_is_told_from_the_relay(
    world: tuple[Gateway, Running], manner: Manner, said: tuple[int, str]
) -> None:
    gateway, relay = world
    gateway.manner, gateway.pause = manner, 9.0
    began = time.monotonic()
    assert refused(relay.post(sealed(gateway)[0].data)) == said
    assert time.monotonic() - began < 8.5
    gateway.manner = Manner.HONEST
    assert relay.post(sealed(gateway)[0].data).status_code == 200


def test_an_envelope_that_the_gateway_cannot_open_is_told_as_such(world: tuple[Gateway, Running]) -> None:
    _, relay = world
    assert refused(relay.post(b"sealed to nobody")) == (400, "malformed")


def test_no_gateway_is_a_502() -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]
    with relay_process(f"http://127.0.0.1:{port}/v1/oblivious") as relay:
        assert refused(relay.post()) == (502, "no_gateway")
        health = httpx.get(relay.url + "health", trust_env=False)
        assert (health.status_code, health.text) == (200, "relay\n")


def test_another_type_method_or_path_goes_nowhere(world: tuple[Gateway, Running]) -> None:
    gateway, relay = world
    assert refused(relay.post(b"{}", content_type="application/json")) == (415, "content_type")
    with httpx.Client(trust_env=False) as http:
        assert http.get(relay.url).status_code == 405
        said = {"content-type": REQUEST_TYPE}
        assert http.post(relay.url + "elsewhere", content=b"x", headers=said).status_code == 404
    assert gateway.heard == []


def test_what_is_too_large_goes_nowhere(world: tuple[Gateway, Running]) -> None:
    gateway, relay = world
    assert refused(relay.post(bytes(4097))) == (413, "oversized")

    def parts() -> Iterator[bytes]:
        for _ in range(5):
            yield bytes(1000)

    assert refused(relay.post(parts())) == (413, "oversized")
    assert gateway.heard == []


def test_an_envelope_that_comes_drop_by_drop_is_given_up(world: tuple[Gateway, Running]) -> None:
    gateway, relay = world
    host, port = relay.url.removeprefix("http://").rstrip("/").split(":")
    head = f"POST / HTTP/1.1\r\nhost: x\r\ncontent-type: {REQUEST_TYPE}\r\ncontent-length: 100\r\n\r\n"
    with socket.create_connection((host, int(port)), timeout=10) as slow:
        slow.sendall(head.encode() + b"a")
        assert slow.recv(100).startswith(b"HTTP/1.1 408")
    assert gateway.heard == []


def test_a_head_that_does_not_come_is_given_up(world: tuple[Gateway, Running]) -> None:
    _, relay = world
    host, port = relay.url.removeprefix("http://").rstrip("/").split(":")
    with socket.create_connection((host, int(port)), timeout=RelayProtocol.head_seconds + 10) as slow:
        slow.sendall(b"POST / HTTP/1.1\r\n")
        assert slow.recv(100) == b""


def test_only_so_many_are_served_at_once(world: tuple[Gateway, Running]) -> None:
    gateway, relay = world
    gateway.manner, gateway.pause = Manner.SLOW, 0.7
    said: list[int] = []

    def ask() -> None:
        said.append(relay.post(sealed(gateway)[0].data).status_code)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(said) == [200] * 4 + [429] * 4
    assert len(gateway.heard) == 4


def test_envelopes_that_come_slowly_keep_no_others_out(world: tuple[Gateway, Running]) -> None:
    gateway, relay = world
    host, port = relay.url.removeprefix("http://").rstrip("/").split(":")
    head = f"POST / HTTP/1.1\r\nhost: x\r\ncontent-type: {REQUEST_TYPE}\r\ncontent-length: 100\r\n\r\n"
    with ExitStack() as stack:
        for _ in range(8):  # twice as many as are served at once
            slow = stack.enter_context(socket.create_connection((host, int(port)), timeout=10))
            slow.sendall(head.encode() + b"a")
        time.sleep(0.2)
        assert relay.post(sealed(gateway)[0].data).status_code == 200


def test_one_address_takes_its_share_only() -> None:
    relay = Relay("http://127.0.0.1:9/v1/oblivious", Limits(at_once=4, of_one=2))

    async def ask() -> list[int]:
        never = anyio.Event()

        async def slow() -> AsyncIterator[bytes]:
            yield b"a"
            await never.wait()

        def client(address: str) -> httpx.AsyncClient:
            over = httpx.ASGITransport(relay.app, client=(address, 1))
            return httpx.AsyncClient(
                transport=over, base_url="http://x", headers={"content-type": REQUEST_TYPE}
            )

        async with (
            relay.app.router.lifespan_context(relay.app),
            client("192.0.2.7") as one,
            client("192.0.2.8") as other,
            anyio.create_task_group() as group,
        ):
            for _ in range(2):
                group.start_soon(lambda: one.post("/", content=slow()))
            await anyio.sleep(0.3)
            said = [(await who.post("/", content=b"x")).status_code for who in (one, other)]
            never.set()
        return said

    assert anyio.run(ask) == [429, 502]  # the other's is handed on, to a gateway that is not there


@pytest.mark.parametrize(
    ("gateway", "told"),
    [
        ("http://rounds.example.org/v1/oblivious", "over https"),
        ("ftp://rounds.example.org/", "give https://"),
        ("https://me:secret@rounds.example.org/", "give https://"),
        ("https://[", "give https://"),
        ("rounds.example.org", "give https://"),
    ],
)
def test_a_gateway_that_is_none_is_refused_at_the_start(gateway: str, told: str) -> None:
    words = [sys.executable, "-m", "confidante.cli", "relay", "--gateway", gateway, "--port", "0"]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 2
    assert told in ended.stderr


def test_its_help_has_examples() -> None:
    words = [sys.executable, "-m", "confidante.cli", "relay", "--help"]
    said = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True).stdout
    assert "confidante relay --gateway https://" in said
