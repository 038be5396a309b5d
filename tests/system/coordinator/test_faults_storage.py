"""The database goes away or is locked, the disk is full: devices are told to come again, nothing is lost."""

import resource
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from faults_world import DEVICES, NAME, Faults, Running, beside, wait_until
from postgres import Postgres
from round_clients import Hook, Member

from confidante.secagg.phases import Phase
from confidante.wire.rounds import Refusal, decode


def at_phase(world: Faults, phase: str, over: threading.Event) -> bool:
    """Wait until the round is at a phase; False when all ended before."""
    wait_until(
        lambda: over.is_set() or [one.phase for one in world.store.operator.rounds(NAME, 1)] == [phase]
    )
    return not over.is_set()


@pytest.mark.parametrize("world_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize("how", ["at once", "fast"])
def test_the_database_is_stopped_and_started_in_mid_round(
    world: Faults, postgres: Postgres, how: str
) -> None:
    running = world.start()

    def work(over: threading.Event) -> None:
        for phase in ("SHARE", "CONFIRM"):
            if at_phase(world, phase, over):
                postgres.kill() if how == "at once" else postgres.stop()
                postgres.start()

    with beside(work):
        seen = world.play([running.url])
    assert {one.state for one in seen} == {"published"}, seen
    [state] = world.store.rounds.newest(NAME)
    assert len(state.survivors) == DEVICES
    world.check_exact(state)


@pytest.mark.parametrize("world_url", ["postgresql"], indirect=True)
def test_connections_to_the_database_are_cut_again_and_again(world: Faults) -> None:
    running = world.start()
    cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND "
    cut += "usename = current_user"

    def work(over: threading.Event) -> None:
        with psycopg.connect(world.database, autocommit=True) as sql:
            for _ in range(8):
                if over.wait(0.4):
                    return
                sql.execute(cut)

    with beside(work):
        seen = world.play([running.url])
    assert {one.state for one in seen} == {"published"}, seen
    [state] = world.store.rounds.newest(NAME)
    world.check_exact(state)


def test_another_process_locks_the_database_for_a_while(world: Faults) -> None:
    running = world.start()

    def work(over: threading.Event) -> None:
        other = sqlite3.connect(world.database.removeprefix("sqlite:///"), isolation_level=None)
        try:
            for phase in ("SHARE", "MASK"):
                if at_phase(world, phase, over):
                    other.execute("BEGIN IMMEDIATE")
                    over.wait(1.0)
                    other.execute("ROLLBACK")
        finally:
            other.close()

    with beside(work):
        seen = world.play([running.url])
    assert {one.state for one in seen} == {"published"}, seen
    [state] = world.store.rounds.newest(NAME)
    world.check_exact(state)


@contextmanager
def no_room(running: Running) -> Iterator[None]:
    """Meanwhile the process cannot write a byte to any file: neither to bodies nor to a SQLite database."""
    before = resource.prlimit(running.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(running.pid, resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.prlimit(running.pid, resource.RLIMIT_FSIZE, before)


def trying_without_room(running: Running, answers: list[tuple[int, str]]) -> Hook:
    async def hook(member: Member, phase: Phase, moment: str, message: bytes) -> None:
        if member.number == 0 and moment == "before":
            with no_room(running):
                answer = await member.put(phase, message)
            answers.append((answer.status, decode(answer.body, Refusal).reason))

    return hook


def test_a_full_disk_refuses_messages_with_a_reason_and_the_round_goes_on(world: Faults) -> None:
    running = world.start()
    answers: list[tuple[int, str]] = []
    seen = world.play([running.url], hook=trying_without_room(running, answers))
    assert answers == [(503, "busy")] * 5
    assert {one.state for one in seen} == {"published"}, seen
    [state] = world.store.rounds.newest(NAME)
    assert len(state.survivors) == DEVICES
    world.check_exact(state)


def test_a_disk_that_is_full_now_and_then_loses_nothing_acknowledged(world: Faults) -> None:
    running = world.start()

    def work(over: threading.Event) -> None:
        while not over.wait(0.15):
            with no_room(running):
                over.wait(0.15)

    with beside(work):
        seen = world.play([running.url])
    assert {one.state for one in seen} == {"published"}, seen
    [state] = world.store.rounds.newest(NAME)
    assert len(state.survivors) == DEVICES
    world.check_exact(state)
