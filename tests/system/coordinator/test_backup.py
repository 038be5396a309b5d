"""A backup is one moment of the whole state, and comes back on either database or changes nothing."""

import hashlib
import json
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import select
from store_world import DIGEST, IDENTITIES, ROUND, claimed, opened, say_all
from stores import hear, let_wait, seat_of

from confidante.coordinator.store import Payment, Store
from confidante.coordinator.store.backup import RESTORED, back_up, inspect, restore
from confidante.coordinator.store.bodies import Bodies
from confidante.coordinator.store.database import Database
from confidante.coordinator.store.tables import metadata
from confidante.coordinator.store.values import Noted
from confidante.core.errors import DataError, StoreError

NOW = 1_000.0
LEFT_OUT = {"seated", "message", "outbox"}


@pytest.fixture
def bodies(tmp_path: Path) -> Bodies:
    return Bodies(f"file://{tmp_path}/bodies")


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a database to restore into, of both kinds in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/restored.db"
    return str(request.getfixturevalue("postgres").database())


@pytest.fixture
def filled(url: str, bodies: Bodies) -> str:
    """A round that was published with a model, one that runs, devices that wait, and counters."""
    with Store.open(url) as store:
        store.migrate()
        opened(store)
        for phase, following in zip(
            ("ADVERTISE", "SHARE", "MASK", "CONFIRM"), ("SHARE", "MASK", "CONFIRM", "REVEAL"), strict=True
        ):
            say_all(store, phase)
            claimed(store, 4.0)
            assert store.rounds.advance(ROUND.id, phase, following, 10.0, dict.fromkeys(range(4), "x"), 4.0)
        say_all(store, "REVEAL")
        claimed(store, 4.0)
        model = bodies.put(b"the model")
        noted = Noted({"round published": 3})
        entry = ("model", msgspec.msgpack.encode({"model": bytes.fromhex(model)}))
        assert store.rounds.publish(ROUND.id, bodies.put(b"the sum"), (0, 2, 3), entry, 5.0, noted=noted)
        row = replace(ROUND, id=b"s" * 32, roster=IDENTITIES[4:8])
        assert store.rounds.open(row, 20.0, Payment(2.5, 0.5), 6.0)
        hear(store, row.id, "ADVERTISE", 0, DIGEST, 5, bodies.put(b"what a device said"), 7.0)
    return url


def contents(url: str) -> dict[str, list[tuple[object, ...]]]:
    database = Database(url)
    try:
        with database.reading() as sql:
            return {
                table.name: [tuple(row) for row in sql.execute(select(table).order_by(*table.primary_key))]
                for table in metadata.sorted_tables
            }
    finally:
        database.close()


@pytest.fixture
def use() -> Iterator[Callable[[str], Database]]:
    made: list[Database] = []

    def one(url: str) -> Database:
        made.append(Database(url))
        return made[-1]

    yield one
    for database in made:
        database.close()


def test_all_comes_back_on_either_database_and_running_rounds_are_ended(
    filled: str, empty: str, bodies: Bodies, tmp_path: Path, use: Callable[[str], Database]
) -> None:
    file = tmp_path / "state.backup"
    made = back_up(use(filled), bodies, file, NOW)
    assert (made.rounds, made.running, made.payments, made.log, made.bodies) == (2, 1, 1, 1, 2)
    assert file.stat().st_mode & 0o077 == 0
    assert inspect(file) == made

    elsewhere = Bodies(f"file://{tmp_path}/elsewhere")
    assert restore(file, use(empty), elsewhere, NOW + 50) == made
    before, after = contents(filled), contents(empty)
    for name in set(before) - LEFT_OUT - {"rounds", "payment"}:
        assert after[name] == before[name], name
    assert all(after[name] == [] for name in LEFT_OUT)
    with Store.open(empty) as store:
        assert store.log.verify() == 1
        # what ran may have got to its sum after the backup: it counts as paid
        assert store.payments.spent("films") == [1.5, 2.5]
        ran, published = store.rounds.newest("films")
        assert (ran.phase, ran.outcome, ran.reason, ran.ended) == ("ABORTED", "aborted", RESTORED, NOW + 50)
        assert published.survivors == (0, 2, 3)
        assert elsewhere.get(published.result) == b"the sum"
        # and it goes on: the devices of the round that ran are free, and numbers do not clash
        for who in IDENTITIES[4:8]:
            assert seat_of(store, who) is None
            let_wait(store, "films", who, b"n" * 31 + who[:1], NOW)
        seats = tuple(b"n" * 31 + who[:1] for who in IDENTITIES[4:8])
        new = replace(ROUND, id=b"t" * 32, roster=IDENTITIES[4:8], seats=seats)
        assert store.rounds.open(new, NOW + 100, Payment(3.5, 0.5), NOW + 60, after=2)
    assert elsewhere.get(hashlib.sha256(b"the model").hexdigest()) == b"the model"
    with pytest.raises(StoreError, match="there is no body"):
        elsewhere.get(hashlib.sha256(b"what a device said").hexdigest())


def test_a_database_in_use_is_refused_and_left_as_it_is(
    filled: str, bodies: Bodies, tmp_path: Path, use: Callable[[str], Database]
) -> None:
    file = tmp_path / "state.backup"
    back_up(use(filled), bodies, file, NOW)
    before = contents(filled)
    elsewhere = Bodies(f"file://{tmp_path}/elsewhere")
    with pytest.raises(StoreError, match="name an empty one"):
        restore(file, use(filled), elsewhere, NOW)
    assert contents(filled) == before
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.fixture
def small(tmp_path: Path, bodies: Bodies, use: Callable[[str], Database]) -> Path:
    """A backup of a small state on SQLite."""
    address = f"sqlite:///{tmp_path}/small.db"
    with Store.open(address) as store:
        store.migrate()
        model = bodies.put(b"m" * 300)
        store.log.append("model", msgspec.msgpack.encode({"model": bytes.fromhex(model)}), 1.0)
    file = tmp_path / "small.backup"
    back_up(use(address), bodies, file, NOW)
    return file


def test_every_damaged_byte_is_noticed_before_anything_is_changed(
    small: Path, tmp_path: Path, use: Callable[[str], Database]
) -> None:
    target, elsewhere = tmp_path / "target.db", Bodies(f"file://{tmp_path}/elsewhere")
    whole = inspect(small)
    data, damaged = small.read_bytes(), tmp_path / "damaged"
    database = use(f"sqlite:///{target}")
    for at in range(0, len(data), 7):
        damaged.write_bytes(data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :])
        with suppress(DataError):  # bytes of a zip that mean nothing (times, systems) may be other ones
            assert inspect(damaged) == whole, at
    for cut in (0, 1, 100, len(data) // 2, len(data) - 1):
        damaged.write_bytes(data[:cut])
        with pytest.raises(DataError, match="damaged"):
            restore(damaged, database, elsewhere, NOW)
    with database.reading() as sql:
        assert sql.exec_driver_sql("SELECT count(*) FROM sqlite_master").scalar() == 0
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_backup_that_was_put_together_again_with_other_rows_is_refused(
    small: Path, tmp_path: Path, use: Callable[[str], Database]
) -> None:
    other = tmp_path / "other.backup"
    with zipfile.ZipFile(small) as old, zipfile.ZipFile(other, "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name) + (b"" if "log" not in name else b"\0"))
    with pytest.raises(DataError, match="was changed"):
        restore(other, use(f"sqlite:///{tmp_path}/t.db"), Bodies(f"file://{tmp_path}/e"), NOW)


def test_a_backup_of_other_tables_says_which_version_reads_it(
    small: Path, tmp_path: Path, use: Callable[[str], Database]
) -> None:
    other = tmp_path / "other.backup"
    with zipfile.ZipFile(small) as old, zipfile.ZipFile(other, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name == "manifest.json":
                data = json.dumps(json.loads(data) | {"revision": "9999"}).encode()
            new.writestr(name, data)
    with pytest.raises(DataError, match="version 9999"):
        restore(other, use(f"sqlite:///{tmp_path}/t.db"), Bodies(f"file://{tmp_path}/e"), NOW)


def test_a_state_that_could_not_be_restored_makes_no_backup(
    filled: str, bodies: Bodies, tmp_path: Path, use: Callable[[str], Database]
) -> None:
    bodies.delete(hashlib.sha256(b"the model").hexdigest())
    with pytest.raises(StoreError, match="there is no body"):
        back_up(use(filled), bodies, tmp_path / "state.backup", NOW)
    assert not (tmp_path / "state.backup").exists()
    assert not [one for one in tmp_path.iterdir() if "state" in one.name]


def test_where_bodies_cannot_be_put_the_database_stays_empty(
    small: Path, tmp_path: Path, use: Callable[[str], Database]
) -> None:

    target = f"sqlite:///{tmp_path}/t.db"
    folder = tmp_path / "gone"
    elsewhere = Bodies(f"file://{folder}")
    folder.rmdir()
    folder.write_text("a file where a folder was")
    with pytest.raises(StoreError, match="cannot be"):
        restore(small, use(target), elsewhere, NOW)
    assert contents(target)["log"] == []
