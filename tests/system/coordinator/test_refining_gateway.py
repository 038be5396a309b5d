"""Sealed questions to a coordinator: what is answered, what is refused, and that nothing upsets it."""

import contextlib
import hashlib
import os
import signal
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path

import anyio
import httpx
import msgspec
import numpy as np
import pytest
from http_world import KEY, here, reason
from hypothesis import given
from hypothesis import strategies as st
from refining_world import BY_ADDRESS, NAME, World, refining, refusal, scored, write_offer
from sqlalchemy import event, text

from confidante.coordinator.http.gateway import MOST_AT_ONCE, MOST_COMING
from confidante.coordinator.store.values import Spending
from confidante.crypto.binary_http import BinaryRequest
from confidante.crypto.oblivious_http import REQUEST_TYPE, GatewayKey, Sealed
from confidante.wire.refinement import OBLIVIOUS_PATH, REFINE_PATH, Fresh
from confidante.wire.rounds import Redemption, decode, encode

PLAIN_HEAD = len(b"plain 1, hides nothing\n")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with refining(tmp_path_factory.mktemp("open"), buckets=4) as found:
        yield found


@pytest.fixture(scope="module")
def paid(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with refining(tmp_path_factory.mktemp("paid"), more=BY_ADDRESS, tokens=12) as found:
        yield found


def test_a_question_is_answered_by_its_products(world: World) -> None:
    question, asking, query = world.question()
    answer = scored(world.ask(question))
    side, items = world.sides()
    assert (asking.read(answer.ciphertext, side.items) == items.vectors.astype(int) @ query).all()
    assert answer.fresh.about == question.about
    points, there = answer.fresh.read(side.items)
    assert there.all()
    assert not points.any()


def test_a_bucket_is_answered_padded_to_the_size_of_all(world: World) -> None:
    side, items = world.sides()
    sizes = set()
    for bucket in range(side.bucket_count):
        question, asking, query = world.question(bucket)
        answer = world.ask(question)
        sizes.add(len(answer.content))
        found = asking.read(scored(answer).ciphertext, side.bucket_size)
        rows = side.in_bucket(bucket)
        assert (found[: len(rows)] == items.vectors[rows].astype(int) @ query).all()
        assert not found[len(rows) :].any()
    assert side.bucket_count == 4
    assert len(sizes) == 1


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"population": "books"}, (404, "no_population")),
        ({"about": bytes(32)}, (409, "stale")),
        ({"scheme": "bfv-2048 1"}, (400, "no_scheme")),
        ({"bucket": 4}, (404, "no_such_thing")),
        ({"ciphertext": b""}, (400, "malformed")),
        ({"ciphertext": b"plain 1, hides nothing\n" + bytes(5)}, (400, "malformed")),
        ({"ciphertext": bytes(PLAIN_HEAD + 6)}, (400, "malformed")),
    ],
)
def test_a_question_that_is_wrong_is_refused_inside_its_envelope(
    world: World, changed: dict[str, object], said: tuple[int, str]
) -> None:
    before = world.outcomes().get(said[1], 0)
    question, _, _ = world.question(**changed)  # type: ignore[arg-type]
    assert refusal(world.ask(question)) == said
    assert world.outcomes()[said[1]] == before + 1


def test_another_path_or_method_inside_is_refused_inside(world: World) -> None:
    content = encode(world.question()[0])
    assert refusal(world.send(content, path="/v1/check-in")) == (404, "no_such_thing")
    assert refusal(world.send(content, method=b"GET")) == (404, "no_such_thing")
    assert refusal(world.seal(b"\xff no binary request")) == (400, "malformed")
    assert refusal(world.send(b"no question")) == (400, "malformed")


def test_all_refusals_have_one_size(world: World) -> None:
    sizes = set()
    for changed in ({"population": "books"}, {"about": bytes(32)}, {"ciphertext": b""}):
        question, _, _ = world.question(**changed)  # type: ignore[arg-type]
        sealed = Sealed(_inside(question), world.offered()[-1].key)
        sizes.add(len(world.post(sealed.data).content))
    assert len(sizes) == 1


def test_what_cannot_be_opened_is_told_in_the_clear(world: World) -> None:
    question, _, _ = world.question()
    stranger = GatewayKey(bytes(range(32)), 1)
    other_id = GatewayKey(bytes(range(32)), 77)
    good = Sealed(_inside(question), world.offered()[-1].key).data
    bad = [
        b"",
        b"\x01",
        good[:-1],
        good[:40],
        good[:-1] + bytes([good[-1] ^ 1]),
        Sealed(_inside(question), stranger.config).data,
        Sealed(_inside(question), other_id.config).data,
    ]
    before = world.outcomes().get("unopened", 0)
    for one in bad:
        assert reason(world.post(one)) == (400, "malformed")
    assert world.outcomes()["unopened"] == before + len(bad)
    assert reason(world.post(good, sort="application/octet-stream")) == (415, "content_type")
    scored(world.ask(question))


def test_what_is_too_large_or_slow_is_not_read(world: World) -> None:
    size = len(world.question()[0].ciphertext)
    assert reason(world.post(bytes(size + size // 16 + (64 << 10) + 1))) == (413, "oversized")
    assert reason(world.post(bytes(size + (64 << 10)))) == (400, "malformed")
    host, port = world.url.removeprefix("http://").split(":")
    head = f"POST {OBLIVIOUS_PATH} HTTP/1.1\r\nhost: x\r\ncontent-type: {REQUEST_TYPE}\r\ncontent-length: 100"
    with socket.create_connection((host, int(port)), timeout=20) as slow:
        slow.sendall(head.encode() + b"\r\n\r\na")
        assert slow.recv(100).startswith(b"HTTP/1.1 408")


@given(data=st.data())
def test_whatever_comes_is_refused_with_a_reason(world: World, data: st.DataObject) -> None:
    question, _, _ = world.question()
    good = Sealed(_inside(question), world.offered()[-1].key).data
    place = data.draw(st.sampled_from(["envelope", "inside", "question", "ciphertext"]))
    if place == "envelope":
        cut = data.draw(st.integers(0, len(good) - 1))
        answer = world.post(good[:cut] + data.draw(st.binary(max_size=60)))
        assert answer.status_code == 400
        assert reason(answer) == (400, "malformed")
        return
    if place == "inside":
        inside = _inside(question)
        cut = data.draw(st.integers(0, len(inside) - 1))
        found = world.seal(inside[:cut] + data.draw(st.binary(max_size=60)))
    elif place == "question":
        found = world.send(data.draw(st.binary(max_size=200)))
    else:
        said = msgspec.structs.replace(question, ciphertext=data.draw(st.binary(max_size=200)))
        found = world.ask(said)
    assert found.status in (200, 400, 404, 409)
    if found.status != 200:
        assert refusal(found)[1] in ("malformed", "no_such_thing", "no_population", "no_scheme", "stale")


def test_after_all_that_it_answers_still(world: World) -> None:
    scored(world.ask(world.question()[0]))
    with world.http() as http:
        assert http.get("/health/ready").status_code == 200


# --- tokens


def test_a_question_costs_a_token_that_is_its_own(paid: World) -> None:
    question, _, _ = paid.question()
    assert refusal(paid.ask(question)) == (403, "no_token")
    tokens = paid.tokens(4)
    good = tokens.pay(question)
    scored(paid.ask(good))
    assert refusal(paid.ask(good)) == (403, "replayed")
    other, _, _ = paid.question(ciphertext=question.ciphertext[:-1] + b"\x05")
    moved = msgspec.structs.replace(other, token=good.token)
    assert refusal(paid.ask(moved)) == (403, "bad_token")
    foreign = tokens.pay(question, population="books")
    assert refusal(paid.ask(foreign)) == (403, "bad_token")
    old = msgspec.structs.replace(good.token, key_id=bytes(32))
    assert refusal(paid.ask(msgspec.structs.replace(question, token=old))) == (403, "old_key")
    assert paid.outcomes()["replayed"] == 1


def test_a_token_is_spent_on_one_question_only(paid: World) -> None:
    question, _, _ = paid.question()
    again, _, _ = paid.question(ciphertext=question.ciphertext[:-1] + b"\x07")
    tokens = paid.tokens(4)
    nonce = tokens.left[-1]
    scored(paid.ask(tokens.pay(question)))
    tokens.left.append(nonce)
    assert refusal(paid.ask(tokens.pay(again))) == (403, "spent_token")


def test_of_many_at_once_with_one_token_one_is_answered(paid: World) -> None:
    question, _, _ = paid.question()
    good, said = paid.tokens(4).pay(question), list[int]()
    threads = [threading.Thread(target=lambda: said.append(paid.ask(good).status)) for _ in range(6)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(said) == [200] + [403] * 5


def test_tokens_of_rounds_buy_no_question_and_are_counted_apart(paid: World) -> None:
    question, _, _ = paid.question()
    with paid.http() as http:
        assert http.get("/v1/log").status_code == 200
    kinds = [
        decode(one.body, dict)["population"] for one in paid.store.log.entries(0, 100) if one.kind == "tokens"
    ]
    assert kinds == [f"{NAME}-refine-{hashlib.sha256(NAME.encode()).hexdigest()[:12]}"]
    made = Redemption(bytes(32), bytes(32), bytes(32))
    assert refusal(paid.ask(msgspec.structs.replace(question, token=made))) == (403, "old_key")


def test_the_book_says_what_a_token_was_spent_for(paid: World) -> None:
    book = paid.store.refinement
    one, other = (Spending(bytes(32), bytes([7]) * 32, bytes([index]) * 32) for index in range(2))
    assert book.spend([one, other]) == [None, one.bound]
    assert book.spend([one]) == [one.bound]


def test_tokens_are_spent_in_one_order_and_told_in_that_of_the_questions(paid: World) -> None:
    book, key = paid.store.refinement, bytes(31) + b"k"
    tokens = [Spending(key, bytes([index]) * 32, bytes([index]) * 32) for index in (9, 3, 7, 3)]
    seen = list[bytes]()

    def note(_on: object, _cursor: object, statement: str, values: tuple[object, ...], *_: object) -> None:
        if "INSERT INTO token_spent" in statement:
            seen.append(next(found for one in values if (found := bytes(one)) != key))  # type: ignore[call-overload]

    engine = paid.store._database._engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        assert book.spend(tokens[:1]) == [None]
        seen.clear()
        assert book.spend(tokens) == [tokens[0].bound, None, None, tokens[1].bound]
    finally:
        event.remove(engine, "before_cursor_execute", note)
    assert [one[0] for one in seen] == [3, 3, 7, 9]


def test_a_token_whose_key_was_forgotten_at_that_moment_is_spent(paid: World) -> None:
    with paid.store._database.writing() as sql:
        sql.execute(text("CREATE TRIGGER gone BEFORE INSERT ON token_spent BEGIN SELECT RAISE(IGNORE); END"))
    try:
        assert paid.store.refinement.spend([Spending(bytes(32), bytes(32), bytes(32))]) == [b""]
    finally:
        with paid.store._database.writing() as sql:
            sql.execute(text("DROP TRIGGER gone"))


# --- load, and the process that scores


@contextlib.contextmanager
def trickling(world: World, count: int) -> Iterator[list[socket.socket]]:
    """Envelopes that are not all there yet."""
    host, port = world.url.removeprefix("http://").split(":")
    head = f"POST {OBLIVIOUS_PATH} HTTP/1.1\r\nhost: x\r\ncontent-type: {REQUEST_TYPE}\r\ncontent-length: 100"
    with contextlib.ExitStack() as stack:
        slow = [
            stack.enter_context(socket.create_connection((host, int(port)), timeout=20)) for _ in range(count)
        ]
        for one in slow:
            one.sendall(head.encode() + b"\r\n\r\na")
        yield slow


def test_above_the_share_of_an_address_it_says_busy_and_goes_on(world: World) -> None:
    with trickling(world, MOST_AT_ONCE) as slow:
        end = time.monotonic() + 2.5
        while reason(world.post(b"anything")) != (503, "busy"):
            assert time.monotonic() < end
        said = [one.recv(100)[:12] for one in slow]  # a post that asked meanwhile may have had a place
        assert said.count(b"HTTP/1.1 408") >= MOST_AT_ONCE - 1
    scored(world.ask(world.question()[0]))


def test_envelopes_that_come_slowly_keep_no_others_out(world: World) -> None:
    with trickling(world, MOST_AT_ONCE - 1) as slow:
        for _ in range(3):
            scored(world.ask(world.question()[0]))
        for one in slow:
            assert one.recv(100).startswith(b"HTTP/1.1 408")


@pytest.mark.parametrize(("addresses", "said"), [(1, [503, 400]), (MOST_COMING // MOST_AT_ONCE, [503, 503])])
def test_one_address_takes_its_share_only_and_all_together_no_more_than_there_is(
    world: World, addresses: int, said: list[int]
) -> None:
    async def ask() -> list[int]:
        never = anyio.Event()

        async def slow() -> AsyncIterator[bytes]:
            yield b"a"
            await never.wait()

        def client(address: str) -> httpx.AsyncClient:
            over = httpx.ASGITransport(world.coordinator.app, client=(address, 1))
            return httpx.AsyncClient(
                transport=over, base_url="http://x", headers={"content-type": REQUEST_TYPE}
            )

        async with contextlib.AsyncExitStack() as stack:
            crowd = [
                await stack.enter_async_context(client(f"192.0.2.{1 + number}"))
                for number in range(addresses)
            ]
            other = await stack.enter_async_context(client("198.51.100.8"))
            group = await stack.enter_async_context(anyio.create_task_group())
            for one in crowd * MOST_AT_ONCE:
                group.start_soon(partial(one.post, OBLIVIOUS_PATH, content=slow()))
            await anyio.sleep(0.5)
            found = [(await who.post(OBLIVIOUS_PATH, content=b"x")).status_code for who in (crowd[0], other)]
            never.set()
        return found

    assert anyio.run(ask) == said


def test_when_the_scoring_process_dies_it_says_busy_and_starts_another(world: World) -> None:
    question, _, _ = world.question()
    first = world.refinements.scorer.pids
    for number in first:
        os.kill(number, signal.SIGKILL)
    assert refusal(world.ask(question)) == (503, "busy")
    world.look()
    scored(world.ask(question))
    assert not set(first) & set(world.refinements.scorer.pids)


# --- what is fresh


def test_what_is_fresh_is_the_same_for_all_and_changes_without_new_vectors(tmp_path: Path) -> None:
    with refining(tmp_path) as world, world.http() as http:
        path = f"/v1/refinement/{NAME}/fresh"
        before = http.get(path)
        assert http.get(path, headers={"if-none-match": before.headers["etag"]}).status_code == 304
        write_offer(tmp_path, 30, gone=(3, 4), boost={5: -1.0, 6: 2.0})
        world.look()
        after = http.get(path, headers={"if-none-match": before.headers["etag"]})
        assert after.status_code == 200
        assert "max-age" in after.headers["cache-control"]
        fresh = decode(after.content, Fresh)
        points, there = fresh.read(30)
        assert np.flatnonzero(~there).tolist() == [3, 4]
        assert points[6] == 2.0
        assert points[5] == pytest.approx(-1.0, abs=fresh.unit / 2)
        assert np.flatnonzero(points).tolist() == [5, 6]
        assert scored(world.ask(world.question()[0])).fresh == fresh
        assert len(world.offered()) == 1
        assert http.get("/v1/refinement/books/fresh").status_code == 404


def test_the_public_half_may_be_fetched_and_the_table_unless_it_is_secret(tmp_path: Path) -> None:
    for secret in (False, True):
        with refining(tmp_path / str(secret), secret=secret) as world, world.http() as http:
            [said] = world.offered()
            assert said.secret is secret
            whole = http.get(f"/v1/models/{said.model.hex()}")
            assert hashlib.sha256(whole.content).digest() == said.model
            part = http.get(f"/v1/models/{said.model.hex()}", headers={"range": "bytes=0-9"})
            assert (part.status_code, part.content) == (206, whole.content[:10])
            assert http.get(f"/v1/models/{said.table.hex()}").status_code == (404 if secret else 200)


def test_page_and_counters_tell_what_is_refined_and_nothing_of_who_asked(tmp_path: Path) -> None:
    with refining(tmp_path) as world, world.http() as http:
        scored(world.ask(world.question()[0]))
        world.refinements._count(time.time(), all_of_it=True)
        said = f"Refinement: 30 items, vectors {world.offered()[-1].model.hex()[:12]}, 1 questions today."
        assert said in http.get("/").text
        write_offer(tmp_path, 1)
        world.look()
        time.sleep(1.1)  # a page is gathered at most once a second
        assert "what was read before goes on" in http.get("/operator/now").text
        text = http.get("/metrics", headers={"authorization": f"Bearer {KEY}"}).text
        assert 'confidante_questions_total{outcome="answered"} 1.0' in text
        assert "confidante_question_seconds_count 1.0" in text
        kinds = {line.partition("{")[2].partition("=")[0] for line in text.splitlines() if "question" in line}
        assert kinds <= {"", "outcome", "direction", "le", "request"}


def test_a_process_that_refines_nothing_has_no_gateway(tmp_path: Path) -> None:
    with here(tmp_path) as plain, plain.http() as http:
        answer = http.post(OBLIVIOUS_PATH, content=b"x", headers={"content-type": REQUEST_TYPE})
        assert answer.status_code == 404


def _inside(question: object) -> bytes:
    return BinaryRequest(b"POST", b"https", b"here", REFINE_PATH.encode(), (), encode(question)).encode()
