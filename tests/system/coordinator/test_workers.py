"""Several processes answer at one port, come back when they die, and go when they are told to."""

import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from run_world import KEY, Running, defined, running


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Running]:
    (tmp_path / "operator.key").touch(0o600)
    (tmp_path / "operator.key").write_text(KEY)
    with running(defined(tmp_path), "--workers", 2) as found:
        yield found


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One of two populations that no test ends."""
    folder = tmp_path_factory.mktemp("shared")
    with running(defined(folder, "films"), defined(folder, "books")) as found:
        found.folder = folder
        yield found


def metrics(world: Running) -> str:
    with world.http() as http:
        return http.get("/metrics", headers={"authorization": f"Bearer {KEY}"}).text


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_worker_that_is_killed_comes_back_and_counters_are_of_all_of_them(world: Running) -> None:
    with world.http() as http:
        assert http.get("/health/ready").status_code == 200
        first, second = (one["pid"] for one in world.until(lambda: world.logged("worker started")[1:2]) and
                         world.logged("worker started"))  # fmt: skip
        assert http.get("/v1/log", params={"since": "x"}).status_code == 400
    os.kill(first, signal.SIGKILL)
    again = world.until(lambda: world.logged("worker started")[2:])[0]
    assert world.logged("worker died")[0]["code"] == -signal.SIGKILL
    assert again["worker"] == 1
    for _ in range(10):  # none of which is lost: the socket is the parent's
        with world.http() as http:
            assert http.get("/v1/log", params={"since": "x"}).status_code == 400
    assert 'confidante_refused_total{reason="malformed"} 11.0' in metrics(world)
    assert world.end() == 0
    assert not any(map(alive, (first, second, again["pid"])))
    assert world.rest == ""


def test_a_request_in_progress_is_answered_before_all_end(world: Running) -> None:
    host, port = world.url.removeprefix("http://").split(":")
    with world.http() as http:
        world.until(lambda: http.get("/health/ready").status_code == 200)
    body = b"x" * 100
    head = (
        f"POST /v1/check-in HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/msgpack\r\n"
        f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )
    with socket.create_connection((host, int(port))) as late:
        late.settimeout(240)
        late.sendall(head.encode() + body[:50])
        time.sleep(0.5)  # a worker has it now
        world.process.send_signal(signal.SIGTERM)
        world.until(lambda: world.logged("ending"))
        time.sleep(0.5)
        late.sendall(body[50:])
        answer = b""
        while part := late.recv(4096):
            answer += part
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert world.process.wait(240) == 0


def test_workers_go_when_their_parent_is_killed(world: Running) -> None:
    pids = [one["pid"] for one in world.until(lambda: world.logged("worker started")[1:]) and
            world.logged("worker started")]  # fmt: skip
    with world.http() as http:
        assert http.get("/health/live").status_code == 200
    world.process.kill()
    world.until(lambda: not any(map(alive, pids)))


def test_while_it_drains_it_is_not_ready_and_still_answers(tmp_path: Path) -> None:
    with running(defined(tmp_path), "--drain", 600) as world, world.http() as http:
        assert http.get("/health/ready").status_code == 200
        world.process.send_signal(signal.SIGTERM)
        world.until(lambda: http.get("/health/ready").status_code == 503)
        assert http.get("/health/live").status_code == 200
        world.process.send_signal(signal.SIGINT)  # and Ctrl-C still ends it at once
        assert world.process.wait(240) == 0


def test_several_populations_share_one_coordinator(shared: Running) -> None:
    with shared.http() as http:
        assert http.get("/health/ready").status_code == 200
    assert (shared.folder / "films.db").exists()
    assert not (shared.folder / "books.db").exists()


def test_nobody_else_may_read_what_it_makes(shared: Running) -> None:
    made = [one for one in shared.folder.iterdir() if one.suffix not in (".toml", ".csv")]
    assert {"films.db", "films-bodies", "operator.key"} <= {one.name for one in made}
    assert [one.name for one in made if one.stat().st_mode & 0o077] == []


def test_a_head_that_is_too_long_or_too_slow_ends_the_connection(shared: Running) -> None:
    host, port = shared.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as hostile:
        hostile.settimeout(240)
        try:
            hostile.sendall(b"GET /v1/log HTTP/1.1\r\nx: " + b"a" * 1_000_000)
            assert hostile.recv(100) == b""
        except ConnectionError:
            pass
    with shared.http() as http:
        assert http.get("/health/live").status_code == 200


def test_text_logs_say_the_same_in_words(tmp_path: Path) -> None:
    with running(defined(tmp_path), "--workers", 2, "--log-format", "text") as world:
        world.until(lambda: world.rest.count("worker started") == 2)
    assert world.events == []
    assert "ending workers=2" in world.rest
