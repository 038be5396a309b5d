"""The tables of cohorts arrive whole, by what the public log says of them, or the old ones stay."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cohort_world import TASK, TREE, WIRE, announce, publish, release
from device_world import START as NOW
from device_world import films, open_device, snapshot
from effort import examples
from hypothesis import given
from hypothesis import strategies as st
from publog_world import POPULATION, Door, Log, door, log
from starlette.responses import Response

from confidante.core.errors import DataError, EgressError, ForkedLogError, WireError
from confidante.core.values import Catalogue, Item
from confidante.device.device import Device
from confidante.device.federation.coordinator_client import CoordinatorClient
from confidante.device.federation.downloads import RANGE
from confidante.device.privacy.consent import PERSON
from confidante.device.recommend import cohorts
from confidante.device.storage.keys import InsecurePlaintextKey
from confidante.device.values import Purpose
from confidante.tasks.cohorts.release import CohortRelease
from confidante.tasks.cohorts.table import CohortTable
from confidante.tasks.cohorts.task import CohortTask
from confidante.tasks.cohorts.tree import CohortTree, Group, everyone_by
from confidante.tasks.popularity import PopularityTask
from confidante.tasks.registry import encode_task
from confidante.wire.catalogue import CatalogueWire

YOUNG = {"age": "18-24"}


@pytest.fixture
def place() -> Iterator[Door]:
    with door() as made:
        yield made


@pytest.fixture
def shown(tmp_path: Path, place: Door) -> Iterator[Log]:
    with log(tmp_path / "coordinator") as made:
        place.app, made.now = made.app, NOW
        made.publish(snapshot())
        yield made


def person(folder: Path, **stated: str) -> Device:
    device = open_device(folder)
    device.consents.switch(Purpose.TRAIN, True, how=PERSON)
    device.settings.attributes = stated
    return device


def top(device: Device) -> list[str]:
    return [one.item.id for one in device.recommend(10).suggestions]


def kept(device: Device) -> bytes | None:
    return device._vault.read_body(cohorts.COHORTS_BODY)


def test_the_newest_tables_are_kept_and_serve_at_once(tmp_path: Path, place: Door, shown: Log) -> None:
    with person(tmp_path / "person", **YOUNG) as device:
        device.federation.update_model(place.url, POPULATION)
        assert device.cohorts.current is None
        before = top(device)
        publish(shown, release().encode(), announce(shown))
        assert device.federation.update_model(place.url, POPULATION) is False, "no newer model"
        assert device.cohorts.current is not None
        assert device.cohorts.current.name == "age 18-24"
        first = top(device)
        assert first != before
        asked = len(place.asked)
        device.federation.update_model(place.url, POPULATION)
        assert all(target.startswith("/v1/log") for target, _ in place.asked[asked:])
        publish(shown, release(2).encode(), announce(shown, salt=1))
        device.federation.update_model(place.url, POPULATION)
        assert top(device) != first
        assert device.ledger.departures(1)[0].content == {"question": "a cohort table", "from byte": 0}
        older = hashlib.sha256(release().encode()).hexdigest()
        assert place.asked[-1][0].endswith(f"?from={older}"), "a difference to the last will do"
        device.ledger.verify()
    with open_device(tmp_path / "person") as again:
        assert again.cohorts.current is not None
        assert again.cohorts.current.name == "age 18-24"
        assert kept(again) == release(2).encode()


def test_what_is_asked_for_says_nothing_of_the_group(tmp_path: Path, place: Door, shown: Log) -> None:
    publish(shown, release().encode(), announce(shown))
    seen = []
    for number, stated in enumerate(({}, YOUNG, {"age": "25-34"}, {"age": "99", "x": "y" * 100})):
        place.asked.clear()
        with person(tmp_path / f"person-{number}", **stated) as device:
            device.record(films()[4 * number].id, "pick")
            device.federation.update_model(place.url, POPULATION)
            sent = [(one.size, one.content, one.visible) for one in device.ledger.departures()]
        seen.append((list(place.asked), sent))
    assert all(one == seen[0] for one in seen)


def test_a_device_without_a_catalogue_fetches_the_one_that_was_announced(
    tmp_path: Path, place: Door, shown: Log
) -> None:
    with log(tmp_path / "bare") as bare, Device(tmp_path / "new", InsecurePlaintextKey()) as device:
        bare.now = NOW
        place.app = bare.app
        device.consents.switch(Purpose.TRAIN, True, how=PERSON)
        device.items.add([Item(one.id, one.title, one.labels) for one in films()])
        device.settings.attributes = YOUNG
        publish(bare, release().encode(), announce(bare))
        device.federation.update_model(place.url, POPULATION)
        assert device.cohorts.current is not None
        assert device.cohorts.current.name == "age 18-24"
        labels = [one.item.labels[0] for one in device.recommend(5).suggestions]
        assert set(labels) == {"Space"}
        assert [target for target, _ in place.asked if WIRE.digest.hex() in target]


def test_whoever_takes_part_in_the_background_keeps_them_fresh(
    tmp_path: Path, place: Door, shown: Log
) -> None:
    publish(shown, release().encode(), announce(shown))
    with person(tmp_path / "person", **YOUNG) as device:
        way = CoordinatorClient(device.ledger, place.url)
        way.allow(60)
        device.federation._refresh_model(way, POPULATION)
        assert kept(device) == release().encode()
        assert device.cohorts.current is not None
        assert device.cohorts.current.name == "age 18-24"


def test_tables_go_with_their_population(tmp_path: Path, place: Door, shown: Log) -> None:
    with person(tmp_path / "person", **YOUNG) as device:
        publish(shown, release().encode(), announce(shown))
        device.federation.update_model(place.url, POPULATION)
        assert device.cohorts.current is not None
        shown.add("model", population="books", model=hashlib.sha256(snapshot()).digest())
        device.federation.update_model(place.url, "books")
        assert device.cohorts.current is None
        device.federation.update_model(place.url, POPULATION)
        assert device.cohorts.current is not None


def test_cohorts_of_a_round_of_long_ago_are_still_checked(tmp_path: Path, place: Door, shown: Log) -> None:
    digest = publish(shown, release().encode(), announce(shown))
    for salt in range(150):
        shown.announce(salt)
    with person(tmp_path / "person", **YOUNG) as device:
        device.federation.update_model(place.url, POPULATION)
        assert hashlib.sha256(kept(device) or b"").digest() == digest


OTHER = CohortTree((TREE.groups[0], Group("rich", 0, "income", ("high",)), *TREE.groups[2:]))


def wrong_tree() -> bytes:
    made = release()
    return replace(made, table=replace(made.table, tree=OTHER)).encode()


def wrong_task() -> bytes:
    made = release()
    task = encode_task(CohortTask(OTHER, len(WIRE.catalogue)), WIRE)
    return replace(made, task=task, table=replace(made.table, tree=OTHER)).encode()


def wrong_catalogue() -> bytes:
    made = release()
    return replace(made, table=replace(made.table, catalogue=bytes(32))).encode()


def other_kind() -> bytes:
    return replace(release(), task=b"not a task").encode()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (wrong_tree, "another tree"),
        (wrong_task, "another task"),
        (wrong_catalogue, "another catalogue"),
        (other_kind, "another task"),
        (lambda: b"", "malformed"),
        (lambda: b"\xc1" * 100, "malformed"),
        (lambda: release().encode()[:-1], "malformed"),
        (lambda: release().table.encode(), "malformed"),
        (snapshot, "malformed"),
    ],
)
def test_tables_that_are_not_what_was_announced_are_thrown_away(
    tmp_path: Path, place: Door, shown: Log, data: Callable[[], bytes], said: str
) -> None:
    with person(tmp_path / "person", **YOUNG) as device:
        publish(shown, release().encode(), announce(shown))
        device.federation.update_model(place.url, POPULATION)
        before, list_before, group = kept(device), top(device), device.cohorts.current
        publish(shown, data(), announce(shown, salt=1))
        for _ in range(2):
            with pytest.raises(WireError, match=said):
                device.federation.update_model(place.url, POPULATION)
        assert (kept(device), top(device), device.cohorts.current) == (before, list_before, group)
        publish(shown, release(2).encode(), announce(shown, salt=2))
        device.federation.update_model(place.url, POPULATION)
        assert kept(device) == release(2).encode()


def test_a_task_that_is_of_no_cohorts_makes_no_table(tmp_path: Path, place: Door, shown: Log) -> None:
    task = encode_task(PopularityTask(len(WIRE.catalogue)), WIRE)
    with person(tmp_path / "person") as device:
        publish(shown, replace(release(), task=task).encode(), announce(shown, task))
        with pytest.raises(WireError, match="another tree"):
            device.federation.update_model(place.url, POPULATION)
        assert device.cohorts.current is None


@pytest.mark.parametrize("how", ["no round", "another population", "no bytes"])
def test_a_log_that_names_tables_of_no_announced_round_is_refused(
    tmp_path: Path, place: Door, shown: Log, how: str
) -> None:
    with person(tmp_path / "person", **YOUNG) as device:
        publish(shown, release().encode(), announce(shown))
        device.federation.update_model(place.url, POPULATION)
        before = kept(device)
        if how == "another population":
            publish(shown, release(2).encode(), announce(shown, population="books", salt=1))
        elif how == "no bytes":
            shown.add("cohorts", cohorts=bytes.fromhex(shown.bodies.put(release(2).encode())), round=17)
        else:
            publish(shown, release(2).encode(), bytes(32))
        with pytest.raises(WireError, match=r"entry \d+ of the public log has cohorts of"):
            device.federation.update_model(place.url, POPULATION)
        assert kept(device) == before
        assert device.cohorts.current is not None


def test_a_body_that_the_log_does_not_name_sounds_an_alarm(tmp_path: Path, place: Door, shown: Log) -> None:
    digest = publish(shown, release().encode(), announce(shown))
    honest = shown.app

    async def crooked(scope: Any, receive: Any, send: Any) -> None:
        if digest.hex() in scope["path"]:
            await Response(release(2).encode())(scope, receive, send)
        else:
            await honest(scope, receive, send)

    place.app = crooked
    with person(tmp_path / "person", **YOUNG) as device:
        with pytest.raises(ForkedLogError, match="cohort table that is not the one"):
            device.federation.update_model(place.url, POPULATION)
        assert device.cohorts.current is None
        assert len(device.federation.alarms()) == 1


class Breaks:
    """Lets so many answers through, then breaks every connection."""

    def __init__(self, app: Any, answers: int) -> None:
        self.app, self.left = app, answers

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.left -= 1
        if self.left >= 0:
            await self.app(scope, receive, send)
        else:
            await Response(b"", 503)(scope, receive, send)


def test_an_update_goes_on_after_a_restart_where_it_was_cut_off(
    tmp_path: Path, place: Door, shown: Log
) -> None:
    wire, large = large_world()
    with person(tmp_path / "person", **YOUNG) as device:
        device.federation.update_model(place.url, POPULATION)
        digest = publish(shown, large.encode(), announce(shown, large.task, wire=wire))
        place.app = Breaks(shown.app, 3)
        with pytest.raises(EgressError):
            device.federation.update_model(place.url, POPULATION, patience=1.0)
        assert device.cohorts.current is None
    place.app = shown.app
    place.asked.clear()
    with open_device(tmp_path / "person") as again:
        again.federation.update_model(place.url, POPULATION)
        parts = [part for target, part in place.asked if digest.hex() in target]
        assert parts
        assert f"bytes=0-{RANGE - 1}" not in parts
        assert again.cohorts.current is not None
        assert again.cohorts.current.name == "age 18-24"


def large_world() -> tuple[CatalogueWire, CohortRelease]:
    """Tables of some parts, which do not compress."""
    count = 300_000
    wire = CatalogueWire(Catalogue(tuple(f"x{i}" for i in range(count)), ("",) * count, ((),) * count))
    tree = everyone_by({"age": ("others", "18-24")})
    priors = np.random.default_rng(4).random((2, count), dtype=np.float32)
    table = CohortTable(wire.digest, tree, (0, 1, 2), priors)
    task = encode_task(CohortTask(tree, count, np.arange(3)), wire)
    return wire, CohortRelease(task, 50.0, (9.0, 5.0, 4.0), (0.1, 0.1, 0.1), table)


DATA = release().encode()


@examples(3)
@given(st.integers(0, len(DATA) - 1), st.integers(1, 255), st.booleans())
def test_damaged_bytes_are_refused_or_still_one_release(at: int, change: int, cut: bool) -> None:
    changed = bytearray(DATA)
    changed[at] ^= change
    data = bytes(changed[:at]) if cut else bytes(changed)
    try:
        found = CohortRelease.decode(data)
    except WireError:
        return
    assert found.encode() == data
    assert data != DATA


def test_a_release_out_of_bounds_is_refused() -> None:
    made = release()
    for wrong in (
        {"gate": -1.0},
        {"gate": float("nan")},
        {"sizes": made.sizes[1:]},
        {"spreads": (-1.0, *made.spreads[1:])},
        {"sizes": (float("inf"), *made.sizes[1:])},
        {"task": bytes(1 << 22)},
    ):
        with pytest.raises(DataError, match="cohort release"):
            replace(made, **wrong)
    assert made.task == TASK
